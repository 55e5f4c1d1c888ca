"""The losses of the paper, one formula each, with exact gradients.

Wang, Xiang, Zou, Xu, "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing
the Minimal Angles", NeurIPS 2020. The paper's w_i is row i of `weight`, shape `(..., n, d)`, of any
non-zero length; theta_ij is the angle between rows i and j in radians.

A loss is a *potential* of one pair, summed either over every row and its nearest row (MMA,
cosine) or over all pairs (Riesz-Fisher, logarithmic). The potentials are the formulas; the two
sums below are shared. Both return the value together with its gradient, so no n x n autograd
graph is ever built; memory beyond the weight is O(block), not O(n^2).

Where two rows nearly coincide or nearly oppose each other the angle comes from the half-angle form
in float64, so no gradient is lost to a clamp. Rows that coincide exactly are pushed apart along
fixed pseudo-random tangents, opposite at the two ends.

This module belongs to the search wing: what a solver reports is measured by `tammes.geometry`.
"""

from __future__ import annotations

import abc
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from tammes.errors import InvalidParameterError, UnknownNameError
from tammes.pairs import as_given, block_dtype, gram_blocks, nearest_rows, on_gpu, pair_tangents, unit_rows

__all__ = [
    "LOSSES",
    "MMA",
    "Cosine",
    "CosineLoss",
    "Logarithmic",
    "LogarithmicLoss",
    "Loss",
    "MMALoss",
    "RieszFisher",
    "RieszFisherLoss",
    "cosine",
    "get",
    "logarithmic",
    "mma",
    "riesz_fisher",
]

MIN_CHORD = 1e-8
"""Energies grow no further below this chord, so that duplicates have a finite force."""

_LONGEST = {torch.float16: 6e4, torch.bfloat16: 1e18, torch.float32: 1e18}
# Squared chords under these come from coordinate differences: 2 - 2 cos has lost their digits.
_NEAR_CHORD_SQ = {torch.float32: 1e-2, torch.float64: 1e-4}


@dataclass(frozen=True)
class Loss(abc.ABC):
    """A function of the directions of n rows, with its gradient."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name in the registry and on the command line."""

    @abc.abstractmethod
    def value_and_grad(self, weight: Tensor, block_size: int | None = None) -> tuple[Tensor, Tensor]:
        """The loss and its gradient, without an autograd graph.

        Args:
            weight: rows of any non-zero length, shape `(..., n, d)`, n >= 2. Not modified. A zero row
                has no direction: the result is NaN.
            block_size: cosines held at once; 2**24 by default.

        Returns:
            `(...)` the loss and `(..., n, d)` its gradient with respect to `weight`, both in the
            dtype of `weight` (half precisions are computed in float32).
        """

    def __call__(self, weight: Tensor, block_size: int | None = None) -> Tensor:
        """The loss of the rows of `weight` `(..., n, d)`, shape `(...)`, differentiable once."""
        _check_weight(weight)
        value: Tensor = _WithGradient.apply(weight, self, block_size)  # type: ignore[no-untyped-call]
        return value


class _WithGradient(torch.autograd.Function):
    """Hands the analytic gradient of a loss to autograd."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, loss: Loss, block_size: int | None) -> Tensor:
        value, grad = loss.value_and_grad(weight, block_size)
        ctx.save_for_backward(weight, grad)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        weight, grad = ctx.saved_tensors
        product = upstream[..., None, None] * grad
        if torch.is_grad_enabled():  # create_graph=True: a second derivative must not read as zero
            product = _Once.apply(product, weight)  # type: ignore[no-untyped-call]
        return product, None, None


class _Once(torch.autograd.Function):
    """A gradient that cannot be differentiated again, and says so."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, _weight: Tensor) -> Tensor:  # noqa: ARG004
        return grad.clone()

    @staticmethod
    def backward(ctx: Any, _upstream: Tensor) -> tuple[None, None]:  # noqa: ARG004
        raise RuntimeError("The losses of tammes are differentiable once; their gradient has no gradient.")


def _check_weight(weight: Tensor) -> None:
    """Refuse what has no angles: fewer than two rows, one dimension, integers, no tensor."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise InvalidParameterError("weight", "a floating-point tensor", getattr(weight, "dtype", type(weight)))
    if weight.ndim < 2 or weight.shape[-2] < 2 or weight.shape[-1] < 2:
        requirement = "of shape (..., n, d) with n >= 2 and d >= 2"
        raise InvalidParameterError("weight", requirement, tuple(weight.shape))


def _check_exponent(s: object) -> None:
    """Refuse a Riesz exponent that is no positive number."""
    if isinstance(s, bool) or not isinstance(s, numbers.Real) or not 0.0 < float(s) < float("inf"):
        raise InvalidParameterError("s", "a positive finite number", s)


# --- the sum over nearest rows ----------------------------------------------------------------


class NearestLoss(Loss):
    """`(1/n) sum_i phi(theta_i)`, theta_i the angle of row i to its nearest row.

    Cost: one blocked Gram product, O(n^2 d) time, and O(n d) for the angles and their gradient.
    """

    @abc.abstractmethod
    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """`phi(theta)` and `phi'(theta)`, theta in radians."""

    def value_and_grad(self, weight: Tensor, block_size: int | None = None) -> tuple[Tensor, Tensor]:
        """See `Loss.value_and_grad`."""
        unit, norm = unit_rows(weight)  # (B, n, d), (B, n, 1), float64
        batch, n, d = unit.shape
        nearest = nearest_rows(unit, block_dtype(weight), block_size)  # (B, n)
        if batch > 1:
            nearest += torch.arange(0, batch * n, n, device=nearest.device)[:, None]
        flat, there = unit.view(-1, d), nearest.view(-1)
        theta, toward, back = pair_tangents(flat, flat.index_select(0, there), None, there, n)
        phi, slope = self.potential(theta)
        # Moving u towards its neighbour shrinks the angle: d theta / d u = -toward.
        slope = (slope / -n)[:, None]
        grad = toward.mul_(slope).index_add_(0, there, back.mul_(slope))
        value = phi.view(batch, n).mean(dim=-1)
        return as_given(value, grad.view_as(unit).div_(norm), weight)


@final
@dataclass(frozen=True)
class MMA(NearestLoss):
    """Maximise the Minimal Angles: `-(1/n) sum_i min_j theta_ij` (Eq. 6).

    For one pair the gradient has length `1/|w|` at every angle (Eq. 8).
    """

    name = "mma"

    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """`-theta` and `-1`."""
        return -theta, torch.full_like(theta, -1.0)


@final
@dataclass(frozen=True)
class Cosine(NearestLoss):
    """The largest cosine of every row: `(1/n) sum_i max_j cos theta_ij` (Eq. 5).

    For one pair the gradient has length `sin theta / |w|` (Eq. 7): it vanishes for near-copies.
    """

    name = "cosine"

    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """`cos theta` and `-sin theta`."""
        return theta.cos(), -theta.sin()


# --- the sum over all pairs -------------------------------------------------------------------


class EnergyLoss(Loss):
    """`1/(n(n-1)) sum_{i != j} phi(|x_i - x_j|^2)`, x the unit rows.

    Cost: O(n^2 d) time in blocks of rows. Pairs so close that `2 - 2 cos` has lost its digits are
    taken one by one from coordinate differences.
    """

    @abc.abstractmethod
    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """`phi` and its derivative with respect to the squared chord. May overwrite its input."""

    def value_and_grad(self, weight: Tensor, block_size: int | None = None) -> tuple[Tensor, Tensor]:
        """See `Loss.value_and_grad`."""
        unit, norm = unit_rows(weight)  # (B, n, d), (B, n, 1), float64
        batch, n, d = unit.shape
        blocks = unit.to(block_dtype(weight))
        total = unit.new_zeros(batch)
        force = torch.empty_like(unit)  # d total / d unit, up to a radial part
        phi_one = self.potential(unit.new_ones(()))[0]  # what a masked entry adds to the sum
        near_pairs: list[Tensor] = []
        for start, stop, gram in gram_blocks(blocks, block_size):
            chord_sq = gram.mul_(-2.0).add_(2.0)  # (B, stop - start, n)
            chord_sq.diagonal(start, -2, -1).fill_(1.0)
            masked: float | Tensor = float(stop - start)
            close = None
            if on_gpu(unit) or bool(chord_sq.amin() < _NEAR_CHORD_SQ[blocks.dtype]):
                close = chord_sq < _NEAR_CHORD_SQ[blocks.dtype]
                near_pairs.append(close.nonzero() + close.new_tensor([0, start, 0], dtype=torch.long))
                masked = masked + close.sum(dim=(-2, -1))
                chord_sq.masked_fill_(close, 1.0)
            phi, slope = self.potential(chord_sq)
            total += phi.sum(dim=(-2, -1)).double() - masked * phi_one
            slope.diagonal(start, -2, -1).zero_()
            if close is not None:
                slope.masked_fill_(close, 0.0)
            # Each pair counts twice, and d chord_sq / d u_i = -2 u_j on the sphere.
            force[:, start:stop] = torch.bmm(slope, blocks).mul_(-4.0)
        force -= (force * unit).sum(dim=-1, keepdim=True) * unit
        if near_pairs:
            pairs = torch.cat(near_pairs)  # (pairs, 3): start, row, other row
            here, there = (pairs[:, 0] * n + pairs[:, k] for k in (1, 2))
            flat = unit.view(-1, d)
            theta, toward, _ = pair_tangents(flat[here], flat[there], here, there, n)
            chord = (2.0 * torch.sin(0.5 * theta)).clamp_min_(MIN_CHORD)
            phi, slope = self.potential(chord.square())
            total.index_add_(0, pairs[:, 0], phi)
            # d chord_sq / d theta = 2 sin theta = 2 chord cos(theta / 2).
            slope = slope * (-4.0 * chord * torch.cos(0.5 * theta))
            force.view(-1, d).index_add_(0, here, toward.mul_(slope[:, None]))
        scale = 1.0 / (n * (n - 1))
        grad = force.mul_(scale).div_(norm)
        if near_pairs and weight.dtype != torch.float64:
            # Coinciding rows: keep the direction, and a length whose square the dtype can hold.
            longest = grad.abs().amax(dim=(-2, -1), keepdim=True)
            grad *= (_LONGEST[weight.dtype] / longest).clamp_max_(1.0)
        return as_given(total * scale, grad, weight)


@final
@dataclass(frozen=True)
class RieszFisher(EnergyLoss):
    """Riesz-Fisher energy `1/(n(n-1)) sum_{i != j} |x_i - x_j|^-s` (Eq. 9), any s > 0.

    For one pair the gradient is `s cos(theta/2) / ((2 sin(theta/2))^(s+1) |w|)` long (Eq. 10).

    Args:
        s: the Riesz exponent, dimensionless, s > 0; the paper uses 2. Use float64 for s above 8: the
            energies of close pairs soon leave the range of float32.
    """

    s: float = 2.0
    name = "riesz-fisher"

    def __post_init__(self) -> None:
        _check_exponent(self.s)

    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """`q^(-s/2)` and `-(s/2) q^(-s/2-1)` of the squared chord q."""
        phi = chord_sq.pow(-0.5 * self.s)
        return phi, torch.div(phi, chord_sq, out=chord_sq).mul_(-0.5 * self.s)


@final
@dataclass(frozen=True)
class Logarithmic(EnergyLoss):
    """Logarithmic energy `-1/(n(n-1)) sum_{i != j} log |x_i - x_j|` (Eq. 11).

    For one pair the gradient is `cot(theta/2) / (2 |w|)` long (Eq. 12).
    """

    name = "logarithmic"

    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """`-log(q) / 2` and `-1/(2q)` of the squared chord q."""
        phi = chord_sq.log().mul_(-0.5)
        return phi, chord_sq.reciprocal_().mul_(-0.5)


# --- the registry and its two faces -----------------------------------------------------------

LOSSES: dict[str, Callable[[float], Loss]] = {
    "mma": lambda _s: MMA(),
    "cosine": lambda _s: Cosine(),
    "riesz-fisher": RieszFisher,
    "logarithmic": lambda _s: Logarithmic(),
}
"""Every loss by its name; each entry makes the loss from the Riesz exponent s."""


def get(name: str | Loss, s: float = 2.0) -> Loss:
    """The loss of that name; a `Loss` is returned as it is.

    Args:
        name: a key of `LOSSES`.
        s: the Riesz exponent, used by Riesz-Fisher alone.

    Raises:
        UnknownNameError: if no loss has this name.
        InvalidParameterError: if s is not positive.

    Example:
        >>> get("riesz-fisher", s=1).name
        'riesz-fisher'
    """
    if isinstance(name, Loss):
        return name
    if not isinstance(name, str) or name not in LOSSES:
        raise UnknownNameError("loss", str(name), LOSSES)
    return LOSSES[name](s)


def mma(weight: Tensor, *, block_size: int | None = None) -> Tensor:
    """`-(1/n) sum_i min_j theta_ij` in radians (Eq. 6): shape `(..., n, d)` to `(...)`.

    Example:
        >>> round(mma(torch.eye(3)).item(), 6)  # three right angles: -pi/2
        -1.570796
    """
    return MMA()(weight, block_size)


def cosine(weight: Tensor, *, block_size: int | None = None) -> Tensor:
    """`(1/n) sum_i max_j cos theta_ij` (Eq. 5): shape `(..., n, d)` to `(...)`."""
    return Cosine()(weight, block_size)


def riesz_fisher(weight: Tensor, s: float = 2.0, *, block_size: int | None = None) -> Tensor:
    """`1/(n(n-1)) sum |x_i - x_j|^-s` (Eq. 9), any s > 0: shape `(..., n, d)` to `(...)`."""
    return RieszFisher(s)(weight, block_size)


def logarithmic(weight: Tensor, *, block_size: int | None = None) -> Tensor:
    """`-1/(n(n-1)) sum log |x_i - x_j|` (Eq. 11): shape `(..., n, d)` to `(...)`."""
    return Logarithmic()(weight, block_size)


class _LossModule(torch.nn.Module):
    """A loss as a module: `forward` takes rows `(..., n, d)` and returns shape `(...)`."""

    def __init__(self, loss: Loss, block_size: int | None) -> None:
        super().__init__()
        self.loss = loss
        self.block_size = block_size

    def forward(self, weight: Tensor) -> Tensor:
        """The loss of the rows of `weight`."""
        return self.loss(weight, self.block_size)

    def extra_repr(self) -> str:
        """Shown by `print(module)`."""
        return repr(self.loss)


@final
class MMALoss(_LossModule):
    """Module form of `mma`."""

    def __init__(self, *, block_size: int | None = None) -> None:
        super().__init__(MMA(), block_size)


@final
class CosineLoss(_LossModule):
    """Module form of `cosine`."""

    def __init__(self, *, block_size: int | None = None) -> None:
        super().__init__(Cosine(), block_size)


@final
class RieszFisherLoss(_LossModule):
    """Module form of `riesz_fisher`."""

    def __init__(self, s: float = 2.0, *, block_size: int | None = None) -> None:
        super().__init__(RieszFisher(s), block_size)


@final
class LogarithmicLoss(_LossModule):
    """Module form of `logarithmic`."""

    def __init__(self, *, block_size: int | None = None) -> None:
        super().__init__(Logarithmic(), block_size)
