"""The losses of the paper, one formula each, with exact gradients.

Wang, Xiang, Zou, Xu, "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing
the Minimal Angles", NeurIPS 2020. Symbols of the paper and names of the code:

=============  =============================================================================
w_i            row `i` of `weight`, shape `(..., n, d)`; any non-zero length
theta_ij       angle between rows i and j, in radians
=============  =============================================================================

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
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tammes.errors import InvalidParameterError, UnknownNameError

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

_DEFAULT_BLOCK = 1 << 24  # cosines held at once: 64 MiB in float32
_TINY = 1e-300
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
            weight: rows of any non-zero length, shape `(..., n, d)`, n >= 2. Not modified.
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
        ctx.save_for_backward(grad)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = ctx.saved_tensors
        return upstream[..., None, None] * grad, None, None


def _check_weight(weight: Tensor) -> None:
    """Refuse what has no angles: fewer than two rows, one dimension, integers."""
    if not weight.is_floating_point():
        raise InvalidParameterError("weight", "a floating-point tensor", str(weight.dtype))
    if weight.ndim < 2 or weight.shape[-2] < 2 or weight.shape[-1] < 2:
        requirement = "of shape (..., n, d) with n >= 2 and d >= 2"
        raise InvalidParameterError("weight", requirement, tuple(weight.shape))


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
        unit, norm = _unit_rows(weight)  # (B, n, d), (B, n, 1), float64
        batch, n, d = unit.shape
        nearest = _nearest_rows(unit.to(_block_dtype(weight)), block_size)  # (B, n)
        if batch > 1:
            nearest += torch.arange(0, batch * n, n, device=nearest.device)[:, None]
        flat, there = unit.view(-1, d), nearest.view(-1)
        theta, toward, back = _pair_tangents(flat, flat.index_select(0, there), None, there, n)
        phi, slope = self.potential(theta)
        # Moving u towards its neighbour shrinks the angle: d theta / d u = -toward.
        slope = (slope / -n)[:, None]
        grad = toward.mul_(slope).index_add_(0, there, back.mul_(slope))
        value = phi.view(batch, n).mean(dim=-1)
        return _as_given(value, grad.view_as(unit).div_(norm), weight)


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
        unit, norm = _unit_rows(weight)  # (B, n, d), (B, n, 1), float64
        batch, n, d = unit.shape
        blocks = unit.to(_block_dtype(weight))
        total = unit.new_zeros(batch)
        force = torch.empty_like(unit)  # d total / d unit, up to a radial part
        phi_one = self.potential(unit.new_ones(()))[0]  # what a masked entry adds to the sum
        near_pairs: list[Tensor] = []
        for start, stop, gram in _gram_blocks(blocks, block_size):
            chord_sq = gram.mul_(-2.0).add_(2.0)  # (B, stop - start, n)
            chord_sq.diagonal(start, -2, -1).fill_(1.0)
            masked: float | Tensor = float(stop - start)
            close = None
            if unit.is_cuda or bool(chord_sq.amin() < _NEAR_CHORD_SQ[blocks.dtype]):
                close = chord_sq < _NEAR_CHORD_SQ[blocks.dtype]
                near_pairs.append(close.nonzero() + close.new_tensor([0, start, 0], dtype=torch.long))
                masked = masked + close.sum(dim=(-2, -1))
                chord_sq.masked_fill_(close, 1.0)
            phi, slope = self.potential(chord_sq)
            total += phi.sum(dim=(-2, -1)).double() - masked * phi_one
            if close is not None:
                slope.masked_fill_(close, 0.0)
            # Each pair counts twice, and d chord_sq / d u_i = -2 u_j on the sphere.
            force[:, start:stop] = torch.bmm(slope, blocks).mul_(-4.0)
        force -= (force * unit).sum(dim=-1, keepdim=True) * unit
        if near_pairs:
            pairs = torch.cat(near_pairs)  # (pairs, 3): start, row, other row
            here, there = (pairs[:, 0] * n + pairs[:, k] for k in (1, 2))
            flat = unit.view(-1, d)
            theta, toward, _ = _pair_tangents(flat[here], flat[there], here, there, n)
            chord = (2.0 * torch.sin(0.5 * theta)).clamp_min_(MIN_CHORD)
            phi, slope = self.potential(chord.square())
            total.index_add_(0, pairs[:, 0], phi)
            # d chord_sq / d theta = 2 sin theta = 2 chord cos(theta / 2).
            slope = slope * (-4.0 * chord * torch.cos(0.5 * theta))
            force.view(-1, d).index_add_(0, here, toward.mul_(slope[:, None]))
        scale = 1.0 / (n * (n - 1))
        return _as_given(total * scale, force.mul_(scale).div_(norm), weight)


@final
@dataclass(frozen=True)
class RieszFisher(EnergyLoss):
    """Riesz-Fisher energy `1/(n(n-1)) sum_{i != j} |x_i - x_j|^-s` (Eq. 9), any s > 0.

    For one pair the gradient is `s cos(theta/2) / ((2 sin(theta/2))^(s+1) |w|)` long (Eq. 10).

    Args:
        s: the Riesz exponent, dimensionless, s > 0; the paper uses 2.
    """

    s: float = 2.0
    name = "riesz-fisher"

    def __post_init__(self) -> None:
        if not (isinstance(self.s, (int, float)) and 0.0 < self.s < float("inf")):
            raise InvalidParameterError("s", "a positive finite number", self.s)

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


# --- what both sums share ---------------------------------------------------------------------


def _block_dtype(weight: Tensor) -> torch.dtype:
    """Half precisions are computed in float32."""
    return torch.float64 if weight.dtype == torch.float64 else torch.float32


def _unit_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 unit rows `(B, n, d)` and their lengths `(B, n, 1)`: O(n d), so digits are cheap."""
    rows = weight.detach().reshape(-1, *weight.shape[-2:]).double()
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / norm, norm


def _as_given(value: Tensor, grad: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient in the shape and dtype of `weight`."""
    shape, dtype = weight.shape, weight.dtype
    return value.view(shape[:-2]).to(dtype), grad.view(shape).to(dtype)


def _gram_blocks(unit: Tensor, block_size: int | None) -> Iterator[tuple[int, int, Tensor]]:
    """Rows `start:stop` of the Gram matrices of `unit` `(B, n, d)`, at most `block_size` cosines."""
    batch, n, _ = unit.shape
    size = _DEFAULT_BLOCK if block_size is None else block_size
    step = max(1, size // (batch * n))
    for start in range(0, n, step):
        stop = min(n, start + step)
        yield start, stop, torch.bmm(unit[:, start:stop], unit.mT)


def _nearest_rows(unit: Tensor, block_size: int | None) -> Tensor:
    """Index of the nearest other row of every row, shape `(B, n)`."""
    nearest = []
    for start, _, gram in _gram_blocks(unit, block_size):
        gram.diagonal(start, -2, -1).fill_(-2.0)
        if gram.is_cpu:  # NumPy's argmax is vectorised: ten times as fast as torch's here
            nearest.append(torch.from_numpy(gram.numpy().argmax(axis=-1)))
        else:
            nearest.append(gram.argmax(dim=-1))
    return nearest[0] if len(nearest) == 1 else torch.cat(nearest, dim=-1)


def _pair_tangents(u: Tensor, v: Tensor, here: Tensor | None, there: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Angle of each pair of unit rows, and the unit tangents at both ends towards the other.

    With h = theta/2, tan h = |v - u| / |v + u|, the tangent at u is half of
    (v - u) cot h + (v + u) tan h, and the one at v half of (v + u) tan h - (v - u) cot h: exact
    for near-copies and near-antipodes alike, since nothing cancels.

    Args:
        u: unit rows, float64, shape `(m, d)`.
        v: unit rows, float64, shape `(m, d)`.
        here: flat index of each u, `(m,)`; None where u is every row in order.
        there: flat index of each v, `(m,)`. The indices only break ties of coinciding rows.
        n: rows in one start; rows are numbered modulo n.

    Returns:
        `(m,)` radians, `(m, d)` unit tangent at u, `(m, d)` unit tangent at v. The tangents are
        zero at exact antipodes, where the angle is greatest.
    """
    chord, sums = v - u, v + u
    length = torch.linalg.vector_norm(chord, dim=-1, keepdim=True)  # (m, 1) = 2 sin h
    co_length = torch.linalg.vector_norm(sums, dim=-1, keepdim=True).clamp_min_(_TINY)  # 2 cos h
    theta = torch.atan2(length, co_length).mul_(2.0).squeeze(-1)
    twice_tan = torch.div(length, co_length).mul_(2.0).clamp_min_(_TINY)
    along = chord.div_(twice_tan)
    inward = sums.mul_(0.25 * twice_tan)
    toward, back = inward + along, inward.sub_(along)
    if u.is_cuda or length.amin().item() == 0.0:  # on CUDA the test would cost more than the work
        table = _tie_break_table(n, u.shape[-1]).to(u.device)
        at_u = torch.arange(len(u), device=u.device) if here is None else here
        apart = table[there % n] - table[at_u % n]  # antisymmetric: opposite at the two ends
        apart = apart - (apart * u).sum(dim=-1, keepdim=True) * u
        apart = apart / torch.linalg.vector_norm(apart, dim=-1, keepdim=True).clamp_min(_TINY)
        copies = length == 0.0
        toward, back = torch.where(copies, apart, toward), torch.where(copies, -apart, back)
    return theta, toward, back


@functools.lru_cache(maxsize=8)
def _tie_break_table(n: int, d: int) -> Tensor:
    """A fixed normal displacement for every row, `(n, d)` float64; no random state is touched."""
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


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
    if name not in LOSSES:
        raise UnknownNameError("loss", name, LOSSES)
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
