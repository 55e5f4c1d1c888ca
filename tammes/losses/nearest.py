"""Losses over every row and its nearest row: MMA and cosine.

`(1/m) sum_i phi(theta_i)`, theta_i the angle of row i to its nearest row, m the number of rows that have one. The
nearest rows are found from all cosines, in tiles, O(n^2 d) time; the angles and their gradient then take O(n d), in
chunks of rows. Where the nearest rows are given, only the second part is computed.
"""

from __future__ import annotations

import abc
import math
import warnings
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from tammes.base.torch_geometry import block_dtype, nearest_rows, on_gpu, pair_tangents, row_lengths, slices, unit_rows
from tammes.losses.loss import Loss
from tammes.losses.torch_operator import known_as

__all__ = ["MMA", "Cosine", "NearestLoss", "are_row_numbers"]

_LARGE = 1 << 15  # weights below float64 with at least so many numbers are not converted to float64 as a whole
_UNKNOWN = -2  # marks a nearest row that has not been searched for
_STEEP = 0.99  # where |cos| is larger, arccos loses digits and the half-angle form is used


class NearestLoss(Loss):
    """`(1/m) sum_i phi(theta_i)`, theta_i the angle of row i to its nearest row."""

    @abc.abstractmethod
    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return `phi(theta)` and `phi'(theta)`, theta in radians."""

    def nearest(self, weight: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the nearest row of every row, for use in several later calls of `value_and_grad`.

        Args:
            weight: rows of any length, `(..., n, d)`.
            mask: True for rows that take part, `(n,)` or `(..., n)`.

        Returns:
            Indices `(..., n)`; -1 for rows that take no part, and where there is no other row. With `antipodal`, of the
            nearest line.
        """
        found = self.unknown(weight)
        self.refresh_(found, weight, torch.tensor(True), mask)
        return found

    def unknown(self, weight: Tensor) -> Tensor:
        """Return indices `(..., n)` that mark the nearest rows as not yet searched for, to pass to `refresh_`."""
        return torch.full(weight.shape[:-1], _UNKNOWN, device=weight.device)

    def refresh_(self, nearest: Tensor, weight: Tensor, due: Tensor, mask: Tensor | None = None) -> None:
        """Write `nearest(weight, mask)` into `nearest` if `due` is true, or if it has never been written.

        `due` is a boolean tensor on the CPU, so that a schedule does not split a compiled graph.
        """
        _refresh(nearest, weight.detach(), self.key, due, mask)

    def nearest_of(self, rows: Tensor, mask: Tensor | None) -> Tensor:
        """Return `nearest` of rows `(B, n, d)`, outside of any autograd graph."""
        length = row_lengths(rows)
        options: dict[str, Any] = {"block_size": self.block_size, "antipodal": self.antipodal}
        kept = self.taking_part(length, mask, None)
        if kept is None:
            return nearest_rows(rows, length, **options)
        found = torch.full(rows.shape[:2], -1, device=rows.device)
        for k in range(len(rows)):
            some = (kept[k] & length[k, :, 0].isfinite()).nonzero()[:, 0]
            if len(some) > 1:
                found[k, some] = some[nearest_rows(rows[k : k + 1, some], length[k : k + 1, some], **options)[0]]
        return found

    def evaluate(
        self, rows: Tensor, length: Tensor, labels: Tensor | None, nearest: Tensor | None, factor: float
    ) -> tuple[Tensor, Tensor]:
        """Return value and gradient; see `Loss.evaluate`."""
        wide = rows.dtype != torch.float64 and rows.numel() >= _LARGE
        unit = None if wide else unit_rows(rows, length)  # (B, n, d) float64
        complete = labels is None and nearest is None  # then every row has a nearest row
        if nearest is None:
            blocks = None if unit is None else unit.to(block_dtype(rows))
            options: dict[str, Any] = {"block_size": self.block_size, "antipodal": self.antipodal, "labels": labels}
            nearest = nearest_rows(rows, length, blocks, **options)  # (B, n)
        if unit is not None and complete:
            return self._evaluate_complete(unit, length, nearest, factor)
        batch, n, d = rows.shape
        scale = length.new_full((batch, 1), factor)
        if self.reduction == "mean":
            scale /= (nearest >= 0).sum(dim=-1, keepdim=True).clamp_min_(1)
        there = nearest + torch.arange(0, batch * n, n, device=rows.device)[:, None] * (nearest >= 0)
        pairs = _Pairs(self, rows, length, there.view(-1), scale.expand(batch, n).reshape(-1, 1))
        some = (there.view(-1) >= 0).nonzero()[:, 0]
        if wide:
            some = pairs.add_resolved(some)
        else:
            pairs.grad = torch.zeros_like(pairs.flat, dtype=block_dtype(rows))
        for chunk in slices(len(some), d):
            pairs.add_exact(some[chunk])
        return (pairs.phi.view(batch, n) * scale).sum(dim=-1), pairs.grad.view_as(rows)

    def _evaluate_complete(self, unit: Tensor, length: Tensor, nearest: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Return value and gradient where every row has a nearest row, by the half-angle form in float64."""
        batch, n, d = unit.shape
        if batch > 1:
            nearest = nearest + torch.arange(0, batch * n, n, device=unit.device)[:, None]
        flat, there = unit.view(-1, d), nearest.view(-1)
        v = flat.index_select(0, there)
        sign = _signs(flat, v) if self.antipodal else None
        theta, toward, back = pair_tangents(flat, v if sign is None else v.mul_(sign), None, there, n)
        phi, slope = self.potential(theta)
        # Moving u towards its nearest row reduces the angle: d theta / d u = -toward.
        scale = factor if self.reduction == "sum" else factor / n
        slope = slope.mul_(-scale)[:, None]
        grad = toward.mul_(slope).index_add_(0, there, back.mul_(slope if sign is None else slope * sign))
        return phi.view(batch, n).sum(dim=-1).mul_(scale), grad.view_as(unit).div_(length)


def _signs(u: Tensor, v: Tensor) -> Tensor:
    """Return 1 where v is nearer to u than -v is, else -1, shape `(m, 1)`."""
    return torch.where((u * v).sum(dim=-1, keepdim=True) < 0.0, -1.0, 1.0)


def are_row_numbers(nearest: object) -> bool:
    """Return True for a tensor `(..., n)` of indices of rows, negative where there is none."""
    if not isinstance(nearest, Tensor) or nearest.dtype != torch.long or nearest.ndim < 1:
        return False
    return nearest.numel() == 0 or (int(nearest.min()) >= _UNKNOWN and int(nearest.max()) < nearest.shape[-1])


class _Pairs:
    """Sums phi, and its gradient, over rows `(B, n, d)` and the nearest rows that some of them have, in chunks."""

    def __init__(self, loss: NearestLoss, rows: Tensor, length: Tensor, there: Tensor, scale: Tensor) -> None:
        self._loss, self._n = loss, rows.shape[1]
        self.flat = rows.view(-1, rows.shape[2])
        self._length = length.view(-1, 1)
        self._there = there  # (N,), indices into all rows of the batch; -1 for none
        self._scale = scale  # (N, 1): the factor of phi for each row
        self.phi = torch.zeros_like(self._length)  # remains zero for rows without a nearest row
        self.grad = self.flat.new_zeros(0)

    def add_exact(self, here: Tensor) -> None:
        """Add the pairs of the rows `here` by the half-angle form, in float64."""
        there, length = self._there[here], self._length[here]
        length_there = self._length[there]
        u = unit_rows(self.flat[here], length)
        v = unit_rows(self.flat[there], length_there)
        if self._loss.antipodal:
            sign = _signs(u, v)
            v, length_there = v * sign, length_there * sign
        theta, toward, back = pair_tangents(u, v, here, there, self._n)
        phi, slope = self._loss.potential(theta)
        self.phi[here] = phi[:, None]
        slope = slope[:, None] * -self._scale[here]
        self.grad.index_add_(0, here, toward.mul_(slope / length).to(self.grad.dtype))
        self.grad.index_add_(0, there, back.mul_(slope / length_there).to(self.grad.dtype))

    def add_resolved(self, some: Tensor) -> Tensor:
        """Add the pairs whose angle float32 resolves by its cosine, and return the rows of the other pairs."""
        flat = self.flat.float()
        there = self._there[some]
        lengths = self._length[some], self._length[there]
        cosine = _dots(flat, some, there)[:, None] / (lengths[0] * lengths[1])
        steep = cosine.abs() > _STEEP
        sign = torch.where(cosine < 0.0, -1.0, 1.0) if self._loss.antipodal else 1.0
        cosine = (cosine * sign).masked_fill_(steep, 0.0)
        phi, slope = self._loss.potential(cosine.acos())
        self.phi[some] = phi
        # d theta / d u = -(v - c u) / sin theta at both ends, so the gradient is a sparse matrix times the rows.
        pull = (slope * self._scale[some] / (1.0 - cosine.square()).sqrt()).masked_fill_(steep, 0.0)
        own = torch.zeros_like(self._length)
        own.index_add_(0, some, pull * cosine / lengths[0].square())
        own.index_add_(0, there, pull * cosine / lengths[1].square())
        cross = pull * -sign / (lengths[0] * lengths[1])
        every = torch.arange(len(flat), device=flat.device)
        row = torch.cat([every, some, there]).argsort(stable=True)
        bags = 1 + torch.bincount(some, minlength=len(flat)) + torch.bincount(there, minlength=len(flat))
        self.grad = torch.nn.functional.embedding_bag(
            torch.cat([every, there, some])[row],
            flat,
            bags.cumsum(0) - bags,
            mode="sum",
            per_sample_weights=torch.cat([own, cross, cross])[row, 0].float(),
        )
        return some[steep[:, 0]]


def _dots(flat: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Return dot products of the rows `here` (ascending) and `there` of float32 rows `(N, d)`, `(m,)` float64."""
    if on_gpu(flat):
        parts = [(flat[here[part]] * flat[there[part]]).sum(dim=-1) for part in slices(len(here), flat.shape[1])]
        return torch.cat(parts).double() if parts else flat.new_zeros(0, dtype=torch.float64)
    # The entries of rows @ rows.T at these places, without copies of the rows.
    ends = torch.zeros(len(flat) + 1, dtype=torch.long)
    torch.cumsum(torch.bincount(here, minlength=len(flat)), 0, out=ends[1:])
    size = (len(flat), len(flat))
    places = torch.sparse_csr_tensor(ends, there, flat.new_zeros(len(here)), size, check_invariants=False)
    products: Tensor = torch.sparse.sampled_addmm(places, flat, flat.mT, beta=0.0).values()
    return products.double()


with warnings.catch_warnings():  # torch warns once that sparse CSR tensors are in beta; the warning is spent here
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor(torch.zeros(2, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0), (1, 1))


@torch.library.custom_op("tammes::refresh", mutates_args=("nearest",))
def _refresh(nearest: Tensor, weight: Tensor, key: str, due: Tensor, mask: Tensor | None) -> None:
    """Write the nearest rows of the loss that `key` names into `nearest`, if due or never written."""
    if not due.item() and nearest.numel() and nearest.flatten()[0].item() != _UNKNOWN:
        return
    loss = known_as(key)
    assert isinstance(loss, NearestLoss)
    rows = weight.reshape(math.prod(weight.shape[:-2]), *weight.shape[-2:])
    with torch.autocast(weight.device.type, enabled=False):
        nearest.copy_(loss.nearest_of(rows, mask).view(weight.shape[:-1]))


@final
@dataclass(frozen=True)
class MMA(NearestLoss):
    """MMA, maximising the minimal angles: `-(1/n) sum_i min_j theta_ij` (Eq. 6).

    For one pair the gradient has length `1/|w|` at every angle (Eq. 8).
    """

    name = "mma"

    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return `-theta` and `-1`."""
        return -theta, torch.full_like(theta, -1.0)


@final
@dataclass(frozen=True)
class Cosine(NearestLoss):
    """Mean of the largest cosine of every row: `(1/n) sum_i max_j cos theta_ij` (Eq. 5).

    For one pair the gradient has length `sin theta / |w|` (Eq. 7), which vanishes as the angle goes to zero.
    """

    name = "cosine"

    def potential(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return `cos theta` and `-sin theta`."""
        return theta.cos(), -theta.sin()
