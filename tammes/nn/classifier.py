"""A last layer that need not be learned: one fixed direction a class, all of them far apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from tammes.base.budget import ProgressCallback, silent
from tammes.base.errors import DeviceError, InvalidParameterError, InvalidPointsError
from tammes.base.validation import check_choice, check_integer, check_number, check_seed
from tammes.codes import cosine_bounds
from tammes.nn.codebook import DTYPES, codebook

__all__ = ["FixedTammesClassifier"]

_UNBUILT = "not built: on the meta device"


@final
class FixedTammesClassifier(torch.nn.Module):
    """Logits `scale * x @ weight.T`, the rows of the weight fixed and as far apart as possible.

    A fixed classifier saves the gradient and the optimiser's state of what is often the largest matrix of a
    network, keeps the classes apart from the first step on, and lets classes be reserved that have no
    examples yet. It makes sense where classes have no likeness that the last layer should learn, or where it
    must not drift: many classes, incremental learning, embeddings compared by cosines. It is no promise of
    higher accuracy: on balanced classes a learned layer tends to the simplex by itself where
    classes <= features + 1, and related classes lose what nearness would tell. Beyond features + 1 classes no
    simplex exists, and the directions are those of `tammes.codebook`.

    Logits of unit rows are small: with `normalize` they lie in [-scale, scale], and cross entropy over C
    classes cannot come near zero unless scale is several times log C (16 to 64 are usual).

    Building runs a solver for classes > 2 * features (see `tammes.codebook`; a minute for 10,000 classes in
    128 features). To load a checkpoint without it, build on the meta device:

        with torch.device("meta"):
            head = FixedTammesClassifier(128, 10_000)
        head.load_state_dict(state, assign=True)

    Args:
        features: entries of an input, at least 1; 1 only for two classes.
        classes: at least 2.
        frozen: the weight is a buffer; False makes it a parameter that starts there.
        normalize: scale inputs to length 1 first: cosine logits.
        scale: factor of the logits, positive.
        bias: add a learned bias, zero at the start.
        dtype: of the weight; torch's default if None.
        device: of the weight; torch's default if None.
        seed: of the directions. Torch's random state is neither read nor changed.
        progress: called as a solver goes on.

    Raises:
        InvalidParameterError: if a parameter is out of range.
        DeviceError: if the device is not there.

    References: E. Hoffer, I. Hubara, D. Soudry, Fix your classifier, ICLR 2018; P. Mettes, E. van der Pol,
        C. Snoek, Hyperspherical prototype networks, NeurIPS 2019; F. Pernici, M. Bruni, C. Baecchi,
        A. Del Bimbo, Regular polytope networks, IEEE TNNLS 2021.

    Example:
        >>> head = FixedTammesClassifier(features=3, classes=4)
        >>> head
        FixedTammesClassifier(features=3, classes=4, min_angle=109.4712 degrees, source='closed form: simplex')
        >>> head(torch.zeros(5, 3)).shape, list(head.parameters())
        (torch.Size([5, 4]), [])
    """

    weight: Tensor
    bias: torch.nn.Parameter | None

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        frozen: bool = True,
        normalize: bool = False,
        scale: float = 1.0,
        bias: bool = False,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        seed: int = 0,
        progress: ProgressCallback = silent,
    ) -> None:
        super().__init__()
        self.features = check_integer("features", features, 1)
        self.classes = check_integer("classes", classes, 2)
        if features == 1 and classes > 2:
            raise InvalidParameterError("features", "at least 2 for more than two classes", features)
        self.scale = check_number("scale", scale, "a positive number", above=0.0)
        self.normalize = normalize
        self.frozen = frozen
        self.seed = check_seed(seed)
        self.source = _UNBUILT
        self._measured: tuple[tuple[object, ...], float] | None = None
        kind = torch.get_default_dtype() if dtype is None else dtype
        check_choice("dtype", kind, DTYPES)
        where = _device(device)
        weight = torch.empty(self.classes, self.features, dtype=kind, device=where)
        if frozen:
            self.register_buffer("weight", weight)
        else:
            self.weight = torch.nn.Parameter(weight)
        offsets = torch.zeros(self.classes, dtype=kind, device=where)
        self.register_parameter("bias", torch.nn.Parameter(offsets) if bias else None)
        if not weight.is_meta:
            self.reset_parameters(progress)

    @torch.no_grad()
    def reset_parameters(self, progress: ProgressCallback = silent) -> None:
        """Put the weight and the bias back to where they start; after `to_empty`, make them."""
        if self.weight.is_meta:
            raise InvalidParameterError("weight", "on a device that holds numbers", "meta", "Call `to_empty` first.")
        if self.features == 1:
            self.weight.copy_(torch.tensor([[1.0], [-1.0]], device=self.weight.device))
            self.source = "closed form: simplex"
        else:
            made = codebook(self.classes, self.features, dtype=self.weight.dtype, seed=self.seed, progress=progress)
            self.weight.copy_(made.directions)
            self.source = made.source
            self._measured = (self._key(), made.max_cosine)
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of inputs `(..., features)`: shape `(..., classes)`."""
        if x.ndim < 1 or x.shape[-1] != self.features:
            raise InvalidParameterError("x", f"of shape (..., {self.features})", tuple(x.shape))
        if self.weight.device.type == "meta" != x.device.type:  # torch would return whatever lies in memory
            raise InvalidParameterError("weight", "on a device that holds numbers", "meta", "Load a state dict first.")
        if self.normalize:
            x = _unit(x)
        logits = torch.nn.functional.linear(x, self.weight) * self.scale
        return logits if self.bias is None else logits + self.bias

    @property
    def prototypes(self) -> Tensor:
        """The directions of the classes: the rows of the weight, of length 1, detached, `(classes, features)`."""
        weight = self.weight.detach()
        return weight if self.frozen else torch.nn.functional.normalize(weight, dim=1)

    @property
    def max_cosine(self) -> float:
        """No two rows of the weight as it is now have a larger cosine; measured anew after every change.

        Raises:
            InvalidParameterError: if the module is on the meta device.
            InvalidPointsError: if a row is zero or not finite.
        """
        if self.weight.is_meta:
            raise InvalidParameterError("weight", "on a device that holds numbers", "meta", "Load a state dict first.")
        key = self._key()
        if self._measured is None or self._measured[0] != key:
            rows = self.weight.detach().double().cpu().numpy()
            if self.features == 1:  # on a line: copies or opposites
                rows = np.pad(rows, ((0, 0), (0, 1)))
            self._measured = (key, cosine_bounds.cosine_at_most(rows))
        return self._measured[1]

    @property
    def min_angle_degrees(self) -> float:
        """No two rows of the weight as it is now have a smaller angle, degrees."""
        return cosine_bounds.angle_at_least(self.max_cosine)

    def extra_repr(self) -> str:
        """Shown by `print(module)`."""
        parts = [f"features={self.features}", f"classes={self.classes}"]
        parts += [] if self.frozen else ["frozen=False"]
        parts += ["normalize=True"] if self.normalize else []
        parts += [] if self.scale == 1.0 else [f"scale={self.scale:g}"]
        parts += [] if self.bias is None else ["bias=True"]
        if not self.weight.is_meta:
            try:
                parts += [f"min_angle={self.min_angle_degrees:.4f} degrees"]
            except InvalidPointsError:  # whatever was loaded, a model can be printed
                parts += ["min_angle=none"]
        return ", ".join([*parts, f"source={self.source!r}"])

    def _key(self) -> tuple[object, ...]:
        """Changes whenever the weight does."""
        weight = self.weight
        version = object() if weight.is_inference() else weight._version
        return (weight.data_ptr(), version, weight.dtype, weight.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedTammesClassifier:
        """As every module; the new weight may lie where an old one lay, so that its key says nothing."""
        self._measured = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """As every module; weights that are not those already here are of unknown origin."""
        self._measured = None
        given = state_dict.get(f"{prefix}weight")
        if isinstance(given, Tensor) and given.shape == self.weight.shape:
            here = not self.weight.is_meta and torch.equal(given.detach().to(self.weight), self.weight)
            self.source = self.source if here else "loaded from a state dict"
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _unit(x: Tensor) -> Tensor:
    """Inputs scaled to length 1, in float32 or better; zero stays zero, with a finite gradient.

    `torch.nn.functional.normalize` returns nan for zero in float16, and zero where the length is out of range.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    most = wide.detach().abs().amax(dim=-1, keepdim=True)
    wide = wide / most.masked_fill(most == 0.0, 1.0)
    length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    unit: Tensor = wide / length.masked_fill(most == 0.0, 1.0)
    return unit.to(x.dtype)


def _device(device: str | torch.device | None) -> torch.device:
    """The device, checked by putting nothing there."""
    try:
        where = torch.device(torch.get_default_device() if device is None else device)
    except (RuntimeError, TypeError):
        raise InvalidParameterError("device", "a device that torch knows", device) from None
    try:
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch raises depends on its build
        raise DeviceError(f"`device` is {str(where)!r}, which torch cannot use: {error}") from None
    return where
