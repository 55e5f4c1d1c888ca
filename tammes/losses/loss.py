"""The base class of the losses: options, choice of rows, shapes, dtypes, and the call that autograd sees.

A subclass only implements `evaluate`, on rows `(B, n, d)` that all take part, and returns value and gradient
together, so that no n x n autograd graph is built.
"""

from __future__ import annotations

import abc
import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tammes.base.errors import InvalidParameterError
from tammes.base.torch_geometry import row_lengths
from tammes.base.validation import check_flag, check_name, check_number, check_optional_integer
from tammes.losses.torch_operator import apply_loss, register_class

__all__ = ["REDUCTIONS", "Loss"]

REDUCTIONS = ("mean", "sum")

_subset_seeds = itertools.count(1 << 40)
"""Seeds of random subsets for calls without a seed: a new one for each call."""


@dataclass(frozen=True, kw_only=True)
class Loss(abc.ABC):
    """A function of the directions of n rows, and its gradient.

    Args:
        antipodal: rows stand for the lines through them: row j counts as the nearer of x_j and -x_j (MMA,
            cosine), or as both, averaged (energies). MHE calls this "half-space".
        reduction: "mean" over rows or pairs, as in the paper; or their "sum", so that the gradient of a row does not
            decrease as 1/n.
        sample: share of the rows, in (0, 1], drawn at random at every call; the paper's mini-batch MHE takes 0.3.
            The choice depends on the seed alone; torch's random state is neither used nor changed.
        dead: rows of at most this share of the length of the longest row take no part, in [0, 1). Zero rows never
            do, since they have no direction. The gradient of a row is inversely proportional to its length.
        block_size: number of cosines computed at once; by default 2**19 on a CPU and 2**26 on a GPU.
    """

    antipodal: bool = False
    reduction: str = "mean"
    sample: float | None = None
    dead: float = 0.0
    block_size: int | None = None

    def __post_init__(self) -> None:
        check_flag("antipodal", self.antipodal)
        check_name("reduction", self.reduction, REDUCTIONS)
        # Stored as plain numbers: those of NumPy have another repr, and `key` must be readable.
        if self.sample is not None:
            sample = check_number("sample", self.sample, "a share of the rows in (0, 1], or None", above=0.0, most=1.0)
            object.__setattr__(self, "sample", sample)
        dead = check_number("dead", self.dead, "a share of the longest row in [0, 1)", least=0.0, below=1.0)
        object.__setattr__(self, "dead", dead)
        object.__setattr__(self, "block_size", check_optional_integer("block_size", self.block_size, 1))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register_class(cls)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name of the loss in the registry and on the command line."""

    @property
    def key(self) -> str:
        """The loss as a string, from which `torch_operator.known_as` builds it again."""
        options = ", ".join([f"{name}={option!r}" for name, option in self.__dict__.items()])
        return f"{type(self).__name__}({options})"

    @abc.abstractmethod
    def evaluate(
        self, rows: Tensor, length: Tensor, labels: Tensor | None, nearest: Tensor | None, factor: float
    ) -> tuple[Tensor, Tensor]:
        """Return value and gradient for rows that all take part and are finite.

        Args:
            rows: `(B, n, d)`, n >= 2.
            length: their lengths, `(B, n, 1)`.
            labels: `(B, n)`, or None.
            nearest: indices of nearest rows `(B, n)`, or None; ignored by losses over all pairs.
            factor: multiplies both results.

        Returns:
            `(B,)` the value and `(B, n, d)` its gradient.
        """

    def value_and_grad(
        self,
        weight: Tensor,
        *,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        nearest: Tensor | None = None,
        seed: int | None = None,
        factor: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss and its gradient, without an autograd graph.

        Args:
            weight: rows of any length, shape `(..., n, d)`, d >= 2. Not modified. Zero rows take no part. If a row
                that takes part is not finite, value and gradient are NaN.
            labels: pairs of rows with equal labels do not count; integers, `(n,)` or `(..., n)`.
            mask: True for rows that take part; booleans, `(n,)` or `(..., n)`.
            nearest: indices `(..., n)` from an earlier `NearestLoss.nearest`, used instead of a new search; negative
                for rows without a nearest row.
            seed: seed of the random subset; if None, every call draws a new one.
            factor: multiplies loss and gradient.

        Returns:
            `(...)` the loss and `(..., n, d)` its gradient with respect to `weight`, both in the dtype of
            `weight`; half precision is computed in float32. Both are zero where fewer than two rows take part.
        """
        shape = weight.shape
        rows = weight.detach().reshape(math.prod(shape[:-2]), *shape[-2:])
        if torch.is_autocast_enabled(weight.device.type):
            with torch.autocast(weight.device.type, enabled=False):
                value, grad = self._evaluate_participating(rows, labels, mask, nearest, seed, factor)
        else:
            value, grad = self._evaluate_participating(rows, labels, mask, nearest, seed, factor)
        return value.to(weight.dtype).view(shape[:-2]), grad.to(weight.dtype).view(shape)

    def _evaluate_participating(
        self,
        rows: Tensor,
        labels: Tensor | None,
        mask: Tensor | None,
        nearest: Tensor | None,
        seed: int | None,
        factor: float,
    ) -> tuple[Tensor, Tensor]:
        """Return value `(B,)` and gradient `(B, n, d)` of rows `(B, n, d)`, of which some may take no part."""
        batch, n, _ = rows.shape
        length = row_lengths(rows)
        if labels is not None:
            labels = labels.to(rows.device).expand(batch, n) if labels.ndim < 2 else labels.reshape(batch, n)
        if nearest is not None:
            nearest = nearest.reshape(batch, n)
        kept = self.taking_part(length, mask, seed)
        if kept is None:
            return self.evaluate(rows, length, labels, nearest, factor)
        value = length.new_zeros(batch)
        grad = torch.zeros_like(rows)
        for k in range(batch):
            some = kept[k].nonzero()[:, 0]
            if len(some) < 2:
                continue
            if not bool(length[k, some].isfinite().all()):
                value[k], grad[k] = torch.nan, torch.nan
                continue
            partial_value, partial_grad = self.evaluate(
                rows[k : k + 1, some],
                length[k : k + 1, some],
                None if labels is None else labels[k : k + 1, some],
                None if nearest is None else _renumbered(nearest[k], some)[None],
                factor,
            )
            value[k] = partial_value[0]
            grad[k, some] = partial_grad[0].to(grad.dtype)
        return value, grad

    def taking_part(self, length: Tensor, mask: Tensor | None, seed: int | None) -> Tensor | None:
        """Return which rows take part, `(B, n)` booleans; None if all do and are finite."""
        batch, n, _ = length.shape
        if n > 1 and batch and mask is None and self.sample is None:
            least, most = (bound.item() for bound in length.aminmax())
            if least > self.dead * most and most < math.inf:
                return None
        finite = length.isfinite()
        reach = length.where(finite, 0.0).amax(dim=1, keepdim=True) if n else length
        kept = ((length > self.dead * reach) | ~finite)[..., 0]  # rows that are not finite make the result NaN
        if mask is not None:
            kept = kept & (mask if mask.ndim < 2 else mask.reshape(batch, n)).to(kept.device)
        if self.sample is not None:
            generator = torch.Generator().manual_seed(next(_subset_seeds) if seed is None else seed)
            drawn = torch.rand(batch, n, generator=generator).to(kept.device).masked_fill_(~kept, torch.inf)
            order = drawn.argsort(dim=-1)
            count = (kept.sum(dim=-1, keepdim=True) * self.sample).round().long().clamp_min_(2)
            chosen = torch.zeros_like(kept).scatter_(-1, order, torch.arange(n, device=kept.device) < count)
            kept = kept & chosen
        return kept

    def __call__(
        self,
        weight: Tensor,
        *,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        nearest: Tensor | None = None,
        seed: int | Tensor | None = None,
        active: Tensor | None = None,
        factor: float = 1.0,
    ) -> Tensor:
        """Return the loss of the rows of `weight` `(..., n, d)`, shape `(...)`, differentiable once.

        Arguments as for `value_and_grad`. `seed` may be a tensor on the CPU. If `active`, a boolean tensor on the
        CPU, is false, the loss is zero and not computed; as a tensor it does not split a compiled graph.

        Raises:
            InvalidParameterError: if `weight` is not a dense floating-point tensor of rows with d >= 2, or the shape or
                dtype of another argument does not match it.
        """
        _check(weight, labels, mask, nearest)
        if isinstance(seed, int):
            seed = torch.tensor(seed)
        if not torch.compiler.is_compiling() and _tangent(weight) is not None:
            requirement = "differentiated backwards: its forward derivative is not known"
            raise InvalidParameterError("weight", requirement, "a tensor with a tangent", "Use `torch.autograd.grad`.")
        value: Tensor = apply_loss(weight, self.key, labels, mask, nearest, seed, active, factor)[0]
        return value


def _tangent(weight: Tensor) -> Tensor | None:
    """Return the tangent of forward-mode differentiation, or None."""
    return forward_ad.unpack_dual(weight).tangent  # type: ignore[no-any-return, no-untyped-call]


def _renumbered(nearest: Tensor, some: Tensor) -> Tensor:
    """Return nearest rows `(n,)` as indices into the rows `some`, `(m,)`; -1 where the nearest is not among them."""
    position = torch.full((len(nearest) + 1,), -1, device=nearest.device)  # the last one stands for -1
    position[some] = torch.arange(len(some), device=nearest.device)
    return position[nearest[some]]


def _check(weight: Tensor, labels: Tensor | None, mask: Tensor | None, nearest: Tensor | None) -> None:
    """Raise an error for a weight without angles, and for arguments that do not match its rows."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise InvalidParameterError("weight", "a floating-point tensor", getattr(weight, "dtype", type(weight)))
    if weight.dtype.itemsize < 2:
        remedy = "Use `weight.float()`, times its scales if it has some."
        raise InvalidParameterError("weight", "of 16 bits a number or more", weight.dtype, remedy)
    kind = "a nested tensor" if weight.is_nested else weight.layout
    if kind is not torch.strided:
        raise InvalidParameterError("weight", "a dense tensor", kind, "Use `weight.to_dense()`.")
    if weight.is_meta:
        raise InvalidParameterError("weight", "a tensor with values", "one on the meta device", "Materialise it first.")
    if weight.ndim < 2 or weight.shape[-1] < 2:
        raise InvalidParameterError("weight", "of shape (..., n, d) with d >= 2", tuple(weight.shape))
    n = weight.shape[-2]
    for name, given, kind in (("labels", labels, "whole numbers"), ("mask", mask, "booleans")):
        if given is None:
            continue
        if not isinstance(given, Tensor) or given.is_floating_point() or given.is_complex():
            raise InvalidParameterError(name, f"a tensor of {kind}", getattr(given, "dtype", type(given)))
        if (name == "mask") != (given.dtype == torch.bool):
            raise InvalidParameterError(name, f"a tensor of {kind}", given.dtype)
        if tuple(given.shape) not in ((n,), tuple(weight.shape[:-1])):
            raise InvalidParameterError(name, f"of shape ({n},), one entry a row", tuple(given.shape))
    if nearest is not None and not isinstance(nearest, Tensor):
        raise InvalidParameterError("nearest", "a tensor of row numbers", type(nearest))
    if nearest is not None and (nearest.dtype != torch.long or nearest.shape != weight.shape[:-1]):
        requirement = f"row numbers of shape {tuple(weight.shape[:-1])}"
        raise InvalidParameterError("nearest", requirement, f"{nearest.dtype} {tuple(nearest.shape)}")
