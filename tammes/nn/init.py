"""Initial weights whose rows are as far apart as possible."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.validation import check_integer, check_number, check_seed
from tammes.global_search.methods import SIZES
from tammes.nn.codebook import DTYPES, codebook

__all__ = ["tammes_"]


def tammes_(tensor: Tensor, gain: float = 1.0, seed: int = 0, *, steps: int = 10) -> Tensor:
    """Fill a weight in place with rows of one length whose minimal angle is as large as a code or the solver gives.

    Row k is `tensor[k]`, flattened: the weights of output k of a Linear or Conv layer (of a transposed
    convolution, axis 0 are the inputs). With d entries a row, n rows are the simplex for n <= d + 1, points of
    the orthoplex for n <= 2d, else as `tammes.codebook`, turned by a random rotation. For n <= d the rows are
    not orthogonal, as in `torch.nn.init.orthogonal_`: their cosines are -1/(n - 1), and they sum to zero.

    The time is that of one QR decomposition for n <= 2d: hundredths of a second for (64, 576), a quarter for
    (1024, 1024), 14 s for (4096, 4096). Beyond, a solver runs for `steps`, O(n^2 d) each: about a second at
    (64, 27) and at (1000, 128), a minute or two at (4096, 1024); for more, see `tammes.codebook`. Keep the result
    rather than make it again.

    Args:
        tensor: float16, bfloat16, float32 or float64, two dimensions or more. Filled without gradients.
        gain: length of every row, positive. 1 keeps the variance of independent inputs, sqrt(2) keeps it
            through a ReLU: the lengths that He initialisation has on average.
        seed: seed of the rotation and the solver; torch's random state is neither read nor changed.
        steps: iterations of the solver on each of its nine rungs, for n > 2d. 0 for no solver: quick, but not every
            size has a known code, and for n below some 20 d the angle is smaller.

    Returns:
        The tensor. One row is a random direction; rows of one entry are +gain and -gain in turn, which are
        copies of each other from the third on.

    Raises:
        InvalidParameterError: if the tensor has another dtype or fewer dimensions, is empty or on the meta device;
            if the gain is no positive number that its dtype can hold; if `steps` is 0 and no code of this size is
            known.

    Example:
        >>> weight = tammes_(torch.empty(4, 3))
        >>> round((weight @ weight.T)[0, 1].item(), 6)  # the tetrahedron
        -0.333333
    """
    _check(tensor)
    span = torch.finfo(tensor.dtype)
    requirement = f"a positive number that {tensor.dtype} can hold"
    gain = check_number("gain", gain, requirement, least=span.tiny, most=span.max)
    n, d = tensor.shape[0], math.prod(tensor.shape[1:])
    rows = gain * _unit_rows(n, d, check_seed(seed), check_integer("steps", steps, 0))  # (n, d)
    with torch.no_grad():
        return tensor.copy_(torch.from_numpy(rows).view(tensor.shape))


def _check(tensor: object) -> None:
    """Refuse a tensor that cannot be filled with rows of numbers."""
    requirement = "a tensor of float16, bfloat16, float32 or float64"
    if not isinstance(tensor, Tensor):
        raise InvalidParameterError("tensor", requirement, type(tensor).__name__)
    if tensor.dtype not in DTYPES:
        raise InvalidParameterError("tensor", requirement, tensor.dtype)
    if isinstance(tensor, torch.nn.UninitializedParameter):
        raise InvalidParameterError("tensor", "of known shape", "an uninitialised parameter", "Run the model once.")
    if tensor.is_nested or tensor.layout != torch.strided:
        raise InvalidParameterError("tensor", "dense", "another layout")
    if tensor.ndim < 2:
        raise InvalidParameterError(
            "tensor", "of two dimensions or more: rows, and what they hold", tuple(tensor.shape)
        )
    if tensor.numel() == 0:
        raise InvalidParameterError("tensor", "of at least one row and one entry a row", tuple(tensor.shape))
    if tensor.is_meta:
        raise InvalidParameterError("tensor", "on a device that holds numbers", "meta", "Call `to_empty` first.")
    if any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)):
        raise InvalidParameterError("tensor", "of entries that lie apart", "an expanded view", "Use `tensor.clone()`.")


def _unit_rows(n: int, d: int, seed: int, steps: int) -> Floats:
    """Return unit rows in float64, shape `(n, d)`, for every n and d from 1."""
    if d == 1:
        return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)[:, None]
    if n == 1:
        row = np.random.default_rng([seed, d]).standard_normal((1, d))
        return np.asarray(row / np.linalg.norm(row))
    starts = 8 if n * (d - 1) <= SIZES.polished_coordinates else 1
    made = codebook(n, d, dtype=torch.float64, seed=seed, starts=starts, steps=steps)
    return np.asarray(made.directions.numpy())
