"""Classification layer with fixed weights: one direction a class, all of them far apart."""

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
    """Linear classifier `scale * x @ weight.T`, the rows of its weight fixed and as far apart as possible.

    A fixed classifier saves the gradient and the optimiser's state of what is often the largest matrix of a
    network, keeps the classes apart from the first step on, and can reserve classes that have no examples yet.
    It makes sense where similarities between classes need not be learned by the last layer, or where it must not
    drift: many classes, incremental learning, embeddings compared by cosines. Accuracy need not be higher: on
    balanced classes a learned layer tends to the simplex by itself where classes <= features + 1, and a fixed one
    cannot place related classes near each other. Beyond features + 1 classes no simplex exists, and the directions
    are those of `tammes.codebook`.

    Logits of unit rows are small: with `normalize` they lie in [-scale, scale], and cross entropy over C
    classes cannot come near zero unless scale is several times log C (16 to 64 are usual).

    Building runs a solver for classes > 2 * features (see `tammes.codebook`; a minute for 10,000 classes in
    128 features). To load a checkpoint without it, build on the meta device:

        with torch.device("meta"):
            head = FixedTammesClassifier(128, 10_000)
        head.load_state_dict(state, assign=True)

    Args:
        features: entries of an input, at least 1; 1 only for two classes.
        classes: number of classes, at least 2.
        frozen: the weight is a buffer; if False, a parameter that starts at these directions.
        normalize: scale inputs to length 1 first: cosine logits.
        scale: factor of the logits, positive.
        bias: add a learned bias, zero at the start.
        dtype: dtype of the weight; torch's default if None.
        device: device of the weight; torch's default if None.
        seed: seed of the directions. Torch's random state is neither read nor changed.
        progress: called with the progress of a solver.

    Raises:
        InvalidParameterError: if a parameter is out of range.
        DeviceError: if the device is not available.

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
        """Set the weight and the bias to their initial values, also after `to_empty`.

        Args:
            progress: called with the progress of a solver.

        Raises:
            InvalidParameterError: if the module is on the meta device.
        """
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
        """Return the logits of inputs `(..., features)`, shape `(..., classes)`.

        Raises:
            InvalidParameterError: if the inputs have another width, or only the weight is on the meta device.
        """
        if x.ndim < 1 or x.shape[-1] != self.features:
            raise InvalidParameterError("x", f"of shape (..., {self.features})", tuple(x.shape))
        if self.weight.device.type == "meta" != x.device.type:  # torch would return uninitialised memory
            raise InvalidParameterError("weight", "on a device that holds numbers", "meta", "Load a state dict first.")
        if self.normalize:
            x = _unit(x)
        logits = torch.nn.functional.linear(x, self.weight) * self.scale
        return logits if self.bias is None else logits + self.bias

    @property
    def prototypes(self) -> Tensor:
        """Directions of the classes: the rows of the weight scaled to length 1, detached, `(classes, features)`."""
        weight = self.weight.detach()
        return weight if self.frozen else torch.nn.functional.normalize(weight, dim=1)  # zero stays zero

    @property
    def max_cosine(self) -> float:
        """Upper bound on the cosines between rows of the current weight; measured anew after every change.

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
        """Lower bound on the angles between rows of the current weight, in degrees."""
        return cosine_bounds.angle_at_least(self.max_cosine)

    def extra_repr(self) -> str:
        """Return the settings, the minimal angle and the source, for `print(module)`."""
        parts = [f"features={self.features}", f"classes={self.classes}"]
        if not self.frozen:
            parts.append("frozen=False")
        if self.normalize:
            parts.append("normalize=True")
        if self.scale != 1.0:
            parts.append(f"scale={self.scale:g}")
        if self.bias is not None:
            parts.append("bias=True")
        if not self.weight.is_meta:
            try:
                parts.append(f"min_angle={self.min_angle_degrees:.4f} degrees")
            except InvalidPointsError:  # a model with any weights can be printed
                parts.append("min_angle=none")
        return ", ".join([*parts, f"source={self.source!r}"])

    def _key(self) -> tuple[object, ...]:
        """Return a key that changes whenever the weight does."""
        weight = self.weight
        version = object() if weight.is_inference() else weight._version
        return (weight.data_ptr(), version, weight.dtype, weight.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FixedTammesClassifier:
        """Forget the measured cosine: the new weight may have the address, and so the key, of an old one."""
        self._measured = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Load the weights; the source of weights other than the present ones is not known."""
        self._measured = None
        given = state_dict.get(f"{prefix}weight")
        if isinstance(given, Tensor) and given.shape == self.weight.shape:
            unchanged = not self.weight.is_meta and torch.equal(given.detach().to(self.weight), self.weight)
            if not unchanged:
                self.source = "loaded from a state dict"
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _unit(x: Tensor) -> Tensor:
    """Return inputs scaled to length 1, computed in float32 or better; zero stays zero, with a finite gradient.

    `torch.nn.functional.normalize` returns nan for zero in float16, and zero where the length is out of range.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    most = wide.detach().abs().amax(dim=-1, keepdim=True)
    wide = wide / most.masked_fill(most == 0.0, 1.0)
    length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    unit: Tensor = wide / length.masked_fill(most == 0.0, 1.0)
    return unit.to(x.dtype)


def _device(device: str | torch.device | None) -> torch.device:
    """Return the device, after checking that torch can use it."""
    try:
        where = torch.device(torch.get_default_device() if device is None else device)
    except (RuntimeError, TypeError):
        raise InvalidParameterError("device", "a device that torch knows", device) from None
    try:
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch raises depends on its build
        raise DeviceError(f"`device` is {str(where)!r}, which torch cannot use: {error}") from None
    return where
