"""Losses over all pairs: Riesz-Fisher, logarithmic and orthogonal.

`(1/m) sum_{i != j} phi(|x_i - x_j|^2)`, x the unit rows, m the number of ordered pairs that count. Cost: O(n^2 d)
time, in tiles on and above the diagonal, each of which is used for its rows and for its columns. Pairs so close that
`2 - 2 cos` loses digits are computed one by one from coordinate differences.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from tammes.base.torch_geometry import block_dtype, gram_tiles, pair_tangents, slices, unit_rows
from tammes.base.validation import check_number
from tammes.losses.loss import Loss

__all__ = ["EnergyLoss", "Logarithmic", "Orthogonal", "RieszFisher"]

MIN_CHORD = 1e-8
"""Smaller chords are replaced by this one, so that energy and force of coinciding rows are finite."""

_LONGEST = {torch.float16: 6e4, torch.bfloat16: 1e18, torch.float32: 1e18}
"""Largest entry of a gradient of coinciding rows, so that its square does not overflow."""

_NEAR_CHORD_SQ = {torch.float32: 1e-2, torch.float64: 1e-4}
"""Squared chords below which 2 - 2 cos loses digits, by dtype.

A float32 tile with a smaller one is computed again in float64; in float64, smaller ones are computed from coordinate
differences.
"""

_LARGE = 1 << 17  # weights below float64 with more numbers than this have forces in their own precision


class EnergyLoss(Loss):
    """A loss `(1/m) sum_{i != j} phi(|x_i - x_j|^2)`, x the unit rows, m the number of pairs: n(n-1) without labels."""

    @abc.abstractmethod
    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """Return `phi` and its derivative with respect to the squared chord. May overwrite its input."""

    def evaluate(
        self,
        rows: Tensor,
        length: Tensor,
        labels: Tensor | None,
        nearest: Tensor | None,  # noqa: ARG002
        factor: float,
    ) -> tuple[Tensor, Tensor]:
        """Return value and gradient; see `Loss.evaluate`."""
        batch, n, _ = rows.shape
        sums = _Sums(self, rows, length, labels)
        for some, here, there, gram in gram_tiles(sums.blocks, self.block_size):
            if self.antipodal:
                sums.add(some, here, there, -gram, -1.0)
            sums.add(some, here, there, gram, 1.0)
        scale = sums.total.new_full((batch,), factor / (1 + self.antipodal))
        if self.reduction == "mean":
            scale /= n * (n - 1) if labels is None else sums.pairs.clamp_min_(1)
        force, unit = sums.force, sums.blocks.to(sums.force.dtype)
        force -= (force * unit).sum(dim=-1, keepdim=True) * unit
        grad = force.mul_((scale[:, None, None] / length).to(force.dtype))
        if sums.close and rows.dtype != torch.float64:
            # Coinciding rows: shorten the gradient so that its square does not overflow; its direction stays.
            longest = grad.abs().amax(dim=(-2, -1), keepdim=True)
            grad *= (_LONGEST[rows.dtype] / longest).clamp_max_(1.0)
        return sums.total * scale, grad


class _Sums:
    """Sums the energy `(B,)`, the forces `(B, n, d)` and the number of ordered pairs tile by tile."""

    def __init__(self, loss: EnergyLoss, rows: Tensor, length: Tensor, labels: Tensor | None) -> None:
        self._loss = loss
        self._rows = rows
        self._length = length
        self._labels = labels
        self.blocks = unit_rows(rows, length, block_dtype(rows))  # (B, n, d)
        wide = rows.dtype != torch.float64 and rows.numel() > _LARGE
        self.force = torch.zeros_like(self.blocks if wide else self.blocks.double())  # d total / d unit row
        self.total = length.new_zeros(len(rows))
        self.pairs = length.new_zeros(len(rows))
        self.close = False
        # Masked entries have squared chord 1; what they add to the sum is subtracted again.
        self._phi_one = float(loss.potential(length.new_ones(()))[0])

    def add(self, some: slice, here: slice, there: slice, gram: Tensor, sign: float) -> None:
        """Add a tile of cosines `(b, rows, columns)` of rows and `sign` times columns. The tile is overwritten."""
        diagonal = here == there
        times = 1.0 if diagonal else 2.0  # a tile above the diagonal also counts for its mirror image
        absent = None  # True for pairs that do not count, or are added one by one
        masked: float | Tensor = float(here.stop - here.start) if diagonal else 0.0
        if self._labels is not None:
            absent = self._labels[some, here, None] == self._labels[some, None, there]
            masked = absent.sum(dim=(-2, -1))  # includes the diagonal: a row has its own label
            if sign > 0.0:
                self.pairs[some] += times * (gram[0].numel() - masked)
        ends = self.blocks[some, here], self.blocks[some, there]
        chord_sq = _chords(gram, absent, diagonal=diagonal)
        nearest = chord_sq.amin().item() if chord_sq.numel() else 1.0
        if nearest < _NEAR_CHORD_SQ[torch.float32] and gram.dtype == torch.float32:
            ends = self._double(some, here), self._double(some, there)
            gram = torch.bmm(ends[0], ends[1].mT).mul_(sign)
            chord_sq = _chords(gram, absent, diagonal=diagonal)
            nearest = chord_sq.amin().item()
        if nearest < _NEAR_CHORD_SQ[torch.float64]:
            close = chord_sq < _NEAR_CHORD_SQ[torch.float64]
            self._add_close(some, here, there, close, sign, times)
            chord_sq.masked_fill_(close, 1.0)
            masked = masked + close.sum(dim=(-2, -1))
            absent = close if absent is None else absent.logical_or_(close)
        phi, slope = self._loss.potential(chord_sq)
        self.total[some] += times * (phi.sum(dim=(-2, -1)).double() - masked * self._phi_one)
        if diagonal:
            slope.diagonal(0, -2, -1).zero_()
        if absent is not None:
            slope.masked_fill_(absent, 0.0)
        # Each pair counts twice, and d chord_sq / d u_i = -2 u_j on the sphere.
        slope.mul_(-4.0 * sign)
        self.force[some, here] += torch.bmm(slope, ends[1])
        if not diagonal:
            self.force[some, there] += torch.bmm(slope.mT, ends[0])

    def _double(self, some: slice, part: slice) -> Tensor:
        """Return a part of the unit rows in float64."""
        return unit_rows(self._rows[some, part], self._length[some, part])

    def _add_close(self, some: slice, here: slice, there: slice, close: Tensor, sign: float, times: float) -> None:
        """Add the pairs that are marked in a tile, from their coordinate differences."""
        _, n, d = self._rows.shape
        found = close.nonzero()  # (pairs, 3): start, row, other row
        self.close |= len(found) > 0
        for chunk in slices(len(found), d):
            start, i, j = found[chunk].unbind(dim=-1)
            start, i, j = start + some.start, i + here.start, j + there.start
            u = unit_rows(self._rows[start, i], self._length[start, i])
            v = unit_rows(self._rows[start, j], self._length[start, j]) * sign
            theta, toward, back = pair_tangents(u, v, i, j, n)
            chord = (2.0 * torch.sin(0.5 * theta)).clamp_min_(MIN_CHORD)
            phi, slope = self._loss.potential(chord.square())
            self.total.index_add_(0, start, times * phi)
            # d chord_sq / d theta = 2 sin theta = 2 chord cos(theta / 2).
            slope = (slope * (-4.0 * chord * torch.cos(0.5 * theta)))[:, None]
            flat = self.force.view(-1, d)
            flat.index_add_(0, start * n + i, toward.mul_(slope).to(flat.dtype))
            if times > 1.0:
                flat.index_add_(0, start * n + j, back.mul_(slope * sign).to(flat.dtype))


def _chords(gram: Tensor, absent: Tensor | None, *, diagonal: bool) -> Tensor:
    """Return the squared chords of a tile, in place; 1 where a pair does not count."""
    chord_sq = gram.mul_(-2.0).add_(2.0)
    if diagonal:
        chord_sq.diagonal(0, -2, -1).fill_(1.0)
    return chord_sq if absent is None else chord_sq.masked_fill_(absent, 1.0)


@final
@dataclass(frozen=True)
class RieszFisher(EnergyLoss):
    """Riesz-Fisher energy `1/(n(n-1)) sum_{i != j} |x_i - x_j|^-s` (Eq. 9), s > 0; MHE with s > 0.

    For one pair the gradient has length `s cos(theta/2) / ((2 sin(theta/2))^(s+1) |w|)` (Eq. 10).

    Args:
        s: the Riesz exponent, dimensionless, s > 0; the paper uses 2. Use float64 for s above 8, since the
            energies of close pairs exceed the range of float32.
    """

    s: float = 2.0
    name = "riesz-fisher"

    def __post_init__(self) -> None:
        object.__setattr__(self, "s", check_number("s", self.s, "a positive finite number", above=0.0))
        super().__post_init__()

    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """Return `q^(-s/2)` and `-(s/2) q^(-s/2-1)` of the squared chord q."""
        phi = chord_sq.pow(-0.5 * self.s)
        return phi, torch.div(phi, chord_sq, out=chord_sq).mul_(-0.5 * self.s)


@final
@dataclass(frozen=True)
class Logarithmic(EnergyLoss):
    """Logarithmic energy `-1/(n(n-1)) sum_{i != j} log |x_i - x_j|` (Eq. 11); MHE with s = 0.

    For one pair the gradient has length `cot(theta/2) / (2 |w|)` (Eq. 12).
    """

    name = "logarithmic"

    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """Return `-log(q) / 2` and `-1/(2q)` of the squared chord q."""
        phi = chord_sq.log().mul_(-0.5)
        return phi, chord_sq.reciprocal_().mul_(-0.5)


@final
@dataclass(frozen=True)
class Orthogonal(EnergyLoss):
    """Mean squared cosine of the unit rows: `1/(n(n-1)) sum_{i != j} cos^2 theta_ij` (after Eq. 14).

    With the reduction "sum" it is the squared Frobenius norm `||X X^T - I||^2`. It is smallest at right angles, for
    lines too. For one pair the gradient has length `|sin 2 theta| / |w|`, which vanishes as the angle goes to zero.
    """

    name = "orthogonal"

    def potential(self, chord_sq: Tensor) -> tuple[Tensor, Tensor]:
        """Return `(1 - q/2)^2`, which is cos^2 theta, and `q/2 - 1` of the squared chord q."""
        slope = chord_sq.mul_(0.5).sub_(1.0)
        return slope.square(), slope
