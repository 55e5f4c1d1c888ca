"""Neighbour lists in tensors, and the forces over them: many points on any device, never all pairs at once.

The lists are padded to one length, `(n, k)`, so that one gather reads all neighbours. They reach a skin too far,
and are made anew once a point has moved by half of it. Where they end, `cutoffs` says for the compiled realisation too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError
from tammes.base.torch_geometry import on_gpu
from tammes.solvers.ladder.cutoffs import SKIN, truncation
from tammes.solvers.ladder.fused import Fused
from tammes.solvers.ladder.tensor_forces import Fade, Forces, join, row_sums, scalars, square_chords, tile

__all__ = ["DIMENSIONS", "Neighbourhoods", "neighbours_within"]

DIMENSIONS = (2, 8)
"""Above, nearly all points are neighbours of all, and lists save nothing."""

_MEETINGS = 1 << 21  # cosines held at once while lists are made on a CPU


class Neighbourhoods:
    """The forces of one start over neighbour lists: O(n k d) an evaluation, O(n k) memory.

    New lists cost O(n) times the points of a zone as wide as their reach.

    Args:
        chord_bound: upper bound on the smallest chord.
        fused: see `fused.Fused`.
        pairs: held at once; by default as suits the device.
    """

    def __init__(self, chord_bound: float, *, fused: bool | None = None, pairs: int | None = None) -> None:
        self.made = 0
        """How often lists were made."""
        self._chord_bound = chord_bound
        self._fused = fused
        self._pairs = pairs
        self._p = math.nan
        self._anchor = torch.empty(0)  # the points when the lists were made, (n, d)
        self._index = torch.empty(0)  # (n, k)

    def __call__(self, x: Tensor, p: float) -> Forces:
        """See `tensor_forces.Evaluate`; one start alone, `(1, n, d)`."""
        if len(x) != 1:
            raise InvalidParameterError("points", "of one start where lists of neighbours are used", tuple(x.shape))
        points = x[0]
        n, d = points.shape
        begin, end = truncation(p, d)
        begin, end = begin * self._chord_bound, end * self._chord_bound
        if self._pairs is None:
            self._pairs = tile(x.device, d)
        if p != self._p or self._too_old(points):
            reach = end + SKIN * self._chord_bound
            self._index = neighbours_within(points, reach)
            self._anchor, self._p, self.made = points.clone(), p, self.made + 1
        eager = self._fused is False or (self._fused is None and not on_gpu(x))
        given = (0.5 * p, begin**2, end**2) if eager else scalars(x, 0.5 * p, begin**2, end**2)
        function = _listed if begin < end else _listed_in_full
        form = _FADING if begin < end else _FULL
        near, weights, pulls = (torch.empty_like(x[..., 0]) for _ in range(3))  # (1, n)
        grad = torch.empty_like(x)
        axes, numbers = points.T.contiguous(), torch.arange(n, device=x.device)
        height = max(1, self._pairs // max(1, self._index.shape[1]))
        for top in range(0, n, height):
            some = slice(top, top + height)
            arguments = (axes, self._index[some], numbers[some], *given)
            sums = function(*arguments) if eager else form(self._fused, d, *arguments)
            near[:, some], weights[:, some], pulls[:, some], grad[:, some] = sums
        return join(x, near, weights, pulls, grad, p)

    def _too_old(self, points: Tensor) -> bool:
        """Whether two points may have come within reach that were not so when the lists were made."""
        if points.shape != self._anchor.shape:
            return True
        farthest = (points - self._anchor).square().sum(dim=-1).amax().item()
        return farthest > (0.5 * SKIN * self._chord_bound) ** 2


def neighbours_within(points: Tensor, reach: float, meetings: int | None = None) -> Tensor:
    """For every point, all others within a chord.

    Points are sorted along the first axis; a block of rows meets only the zone around it, so that no n x n
    array is made. Cost: O(n) times the points of a zone as wide as twice the reach.

    Args:
        points: unit rows, float64, shape `(n, d)`.
        reach: the longest chord that counts.
        meetings: cosines held at once; by default as suits the device.

    Returns:
        `(n, k)` indices, k that of the longest list; shorter ones end with the point's own index.
    """
    n, d = points.shape
    if meetings is None:
        meetings = tile(points.device, d) if points.is_cuda else _MEETINGS
    order = points[:, 0].argsort(stable=True)
    sorted_ = points[order]
    along = sorted_[:, 0].contiguous()
    low = torch.searchsorted(along, along - reach)  # (n,) the zone of every row
    high = torch.searchsorted(along, along + reach, right=True)
    own = torch.arange(n, device=points.device)
    wide = int((own - low).max() + (high - own).max())  # a block of h rows meets h + wide at most
    height = max(1, int(math.sqrt(0.25 * wide**2 + meetings) - 0.5 * wide))
    tops = torch.arange(0, n, height, device=points.device)
    zones = zip(tops.tolist(), low[tops].tolist(), high[(tops + height - 1).clamp_max(n - 1)].tolist(), strict=True)
    ours, theirs = [], []
    for top, first, last in zones:
        near = sorted_[top : top + height] @ sorted_[first:last].T >= 1.0 - 0.5 * reach**2  # (h, zone)
        near.diagonal(top - first).fill_(False)
        row, column = near.nonzero(as_tuple=True)
        ours.append(row + top)
        theirs.append(column + first)
    row, column = torch.cat(ours), torch.cat(theirs)
    counts = torch.bincount(row, minlength=n)
    place = torch.arange(len(row), device=points.device) - (counts.cumsum(0) - counts)[row]
    index = order[:, None].repeat(1, max(1, int(counts.max())))
    index[row, place] = order[column]
    lists = torch.empty_like(index)
    lists[order] = index
    return lists


def _listed(
    axes: Tensor, index: Tensor, numbers: Tensor, exponent: float | Tensor, begin: float | Tensor, end: float | Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`row_sums` of the rows with these numbers `(h,)` and lists `(h, k)`, of points `(d, n)`; far pairs fade."""
    return _sums(axes, index, numbers, exponent, Fade(begin, end))


def _listed_in_full(
    axes: Tensor, index: Tensor, numbers: Tensor, exponent: float | Tensor, _begin: object, _end: object
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `_listed`, all pairs with their whole weight."""
    return _sums(axes, index, numbers, exponent, None)


def _sums(
    axes: Tensor, index: Tensor, numbers: Tensor, exponent: float | Tensor, fade: Fade | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    here = [along[numbers][None, :, None] for along in axes.unbind()]  # d of (1, h, 1)
    there = [along[index][None] for along in axes.unbind()]  # d of (1, h, k)
    chords, square = square_chords(here, there)
    itself = (index == numbers[:, None])[None]  # the end of a shorter list
    return row_sums(chords, torch.where(itself, torch.inf, square), exponent, fade)


_FADING, _FULL = Fused(_listed), Fused(_listed_in_full)
