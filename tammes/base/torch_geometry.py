"""Pairs of rows in torch: which row is nearest, the angle of a pair, the tangents along it.

What the losses share. Work of O(n^2) runs in the dtype of the weight, or float32 for half
precisions, tile by tile above the diagonal; work of O(n d) runs in float64, where digits are cheap.
The measured angles of results come from `tammes.geometry`, in NumPy; the tests compare the two.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "block_dtype",
    "few_threads",
    "gram_tiles",
    "nearest_rows",
    "normalize_rows",
    "on_gpu",
    "pair_tangents",
    "row_lengths",
    "slices",
    "unit_rows",
]

_TILE = 1 << 19  # cosines held at once on a CPU: 2 MiB in float32, which stay in its cache
_TILE_ON_GPU = 1 << 26
_CHUNK = 1 << 18  # numbers of a chunk of rows: likewise
_TINY = 1e-300
_SMALL = 1 << 21  # cosines up to which handing work to threads costs more than they save
_TREE_POINTS_A_DIMENSION = 500  # rows from which a k-d tree beats tiles of cosines, by the dimension, in at most
_TREE_DIMENSION = 8  # so many dimensions: measured in benchmarks/mma_step.md
_EXCLUDED = -3.0  # the cosine of a pair that does not count: below every other


def on_gpu(tensor: Tensor) -> bool:
    """Return True if waiting for a number from this tensor's device costs more than the work it would save."""
    return tensor.is_cuda


@contextmanager
def few_threads(weight: Tensor) -> Iterator[None]:
    """Use one thread for many steps on a small weight `(B, n, d)`.

    Threads that wait for each other at every small operation gain nothing, and where other work takes
    their core they slow it down twentyfold.
    """
    before = torch.get_num_threads()
    if weight.numel() // weight.shape[-1] * weight.shape[-2] <= _SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def block_dtype(weight: Tensor) -> torch.dtype:
    """Return the dtype in which cosines are computed: float32 for half precisions."""
    return torch.float64 if weight.dtype == torch.float64 else torch.float32


def row_lengths(rows: Tensor) -> Tensor:
    """Return the lengths of the rows of `(B, n, d)`, float64, shape `(B, n, 1)`; O(n d)."""
    if rows.dtype == torch.float32 and rows.numel() > _CHUNK and not on_gpu(rows):
        # Five times as fast, where no square leaves the range.
        short = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        if bool(((short > 1e-15) & (short < 1e15)).all()):
            return short.double()  # type: ignore[no-any-return]
    return torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=torch.float64)  # type: ignore[no-any-return]


def normalize_rows(rows: Tensor) -> Tensor:
    """Return the rows of `(..., d)` divided by their lengths, in their dtype; a zero row gives NaN."""
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)  # type: ignore[no-any-return]


def unit_rows(rows: Tensor, length: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the rows of `(..., d)` divided by their given lengths `(..., 1)`, in `dtype`."""
    if dtype == torch.float64 and rows.dtype != dtype:
        rows = rows.double()
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)  # to all digits, for near-copies
    return rows.to(dtype) / length.to(dtype)


def slices(count: int, width: int) -> Iterator[slice]:
    """Return the numbers below `count` in chunks that hold about as many numbers as the cache, `width` each."""
    step = max(1, _CHUNK // max(1, width))
    return (slice(start, min(count, start + step)) for start in range(0, count, step))


def gram_tiles(unit: Tensor, block_size: int | None) -> Iterator[tuple[slice, slice, slice, Tensor]]:
    """Yield the Gram matrices of `unit` `(B, n, d)` in tiles of at most `block_size` cosines.

    Yields starts, rows, columns and their cosines `(starts, rows, columns)`. Columns never lie before
    rows: tiles are either on the diagonal, and square, or above it, and stand for their mirror image too.
    """
    batch, n, _ = unit.shape
    size = (_TILE_ON_GPU if on_gpu(unit) else _TILE) if block_size is None else block_size
    edge = max(1, math.isqrt(size))
    if n <= edge:
        many = max(1, size // max(1, n * n))
        for start in range(0, batch, many):
            some = unit[start : start + many]
            yield slice(start, start + len(some)), slice(0, n), slice(0, n), torch.bmm(some, some.mT)
        return
    spans = [slice(start, min(n, start + edge)) for start in range(0, n, edge)]
    for k in range(batch):
        for i, rows in enumerate(spans):
            for columns in spans[i:]:
                gram = torch.mm(unit[k, rows], unit[k, columns].mT)
                yield slice(k, k + 1), rows, columns, gram[None]


def nearest_rows(
    rows: Tensor,
    length: Tensor,
    unit: Tensor | None = None,
    *,
    block_size: int | None = None,
    antipodal: bool = False,
    labels: Tensor | None = None,
) -> Tensor:
    """Return the index of the nearest other row of every row, shape `(B, n)`; -1 where there is none.

    Cost: O(n^2 d) time in tiles; O(n log n) by a k-d tree for many rows in at most 8 dimensions on a CPU.

    Args:
        rows: finite rows of any non-zero length, `(B, n, d)`.
        length: their lengths, `(B, n, 1)`.
        unit: the unit rows in the dtype in which cosines are taken, where the caller has them.
        block_size: cosines held at once; 2**19 on a CPU by default.
        antipodal: the nearest of the lines through the rows.
        labels: rows of one label are no neighbours, `(B, n)`.
    """
    batch, n, d = rows.shape
    if d <= _TREE_DIMENSION and n >= _TREE_POINTS_A_DIMENSION * d and labels is None and not on_gpu(rows):
        return torch.stack([_nearest_by_tree(unit, antipodal=antipodal) for unit in unit_rows(rows, length)])
    if unit is None:
        unit = unit_rows(rows, length, block_dtype(rows))
    best, nearest = unit.new_empty(0), torch.empty(0)
    for some, here, there, gram in gram_tiles(unit, block_size):
        if antipodal:
            gram.abs_()
        if here == there:
            gram.diagonal(0, -2, -1).fill_(_EXCLUDED)
        if labels is not None:
            gram.masked_fill_(labels[some, here, None] == labels[some, None, there], _EXCLUDED)
        largest, index = _row_maxima(gram)
        if gram.shape == (batch, n, n):  # one tile holds everything
            best, nearest = largest, index
            break
        if not len(best):
            best = unit.new_full((batch, n), _EXCLUDED)
            nearest = torch.zeros((batch, n), dtype=torch.long, device=rows.device)
        _take_better(largest, index + there.start, best[some, here], nearest[some, here])
        if here != there:
            largest, index = _row_maxima(gram.mT.contiguous())
            _take_better(largest, index + here.start, best[some, there], nearest[some, there])
    if labels is not None or n < 2:
        nearest.masked_fill_(best == _EXCLUDED, -1)
    slack = 4.0 * (d + 4) * torch.finfo(unit.dtype).eps  # rounding of a cosine
    if best.amax().item() > 1.0 - 4.0 * slack:
        doubtful = best > 1.0 - 4.0 * slack
        for k in doubtful.any(dim=-1).nonzero()[:, 0].tolist():
            crowd = doubtful[k].nonzero()[:, 0]  # near neighbours are both of them doubtful
            among = unit_rows(rows[k, crowd], length[k, crowd])
            group = None if labels is None else labels[k, crowd]
            nearest[k, crowd] = crowd[_nearest_by_chord(among, antipodal=antipodal, labels=group)]
    return nearest


def _nearest_by_tree(unit: Tensor, *, antipodal: bool) -> Tensor:
    """Return the nearest row of float64 unit rows `(n, d)` on the CPU, `(n,)`; chords tell near-copies apart."""
    from scipy.spatial import cKDTree

    ends = (torch.cat([unit, -unit]) if antipodal else unit).numpy()
    own = np.arange(len(unit))
    # Cutting boxes in the middle rather than at medians makes the tree in half the time, and even sets stay shallow.
    tree = cKDTree(ends, compact_nodes=False, balanced_tree=False)
    found = np.asarray(tree.query(ends[own], k=3 if antipodal else 2, workers=torch.get_num_threads())[1]) % len(unit)
    other = (found != own[:, None]).argmax(axis=1)  # copies may come before the row itself
    return torch.from_numpy(found[own, other])


def _row_maxima(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest cosine of each row of a tile `(b, rows, columns)`, and its column."""
    # NumPy's argmax is vectorised: three times as fast as torch's on a CPU.
    index = gram.argmax(dim=-1) if on_gpu(gram) else torch.from_numpy(gram.numpy().argmax(axis=-1))
    return gram.gather(-1, index[..., None])[..., 0], index


def _take_better(largest: Tensor, index: Tensor, best: Tensor, nearest: Tensor) -> None:
    """Write cosines and their columns into `best` and `nearest`, where they are larger."""
    better = largest > best
    best.copy_(torch.where(better, largest, best))
    nearest.copy_(torch.where(better, index, nearest))


def _nearest_by_chord(unit: Tensor, *, antipodal: bool, labels: Tensor | None) -> Tensor:
    """Return the nearest row where float32 cosines near 1 cannot tell: `(m, d)` float64 unit rows to `(m,)`.

    Float64 cosines leave few candidates, and coordinate differences, which nothing rounds away, decide.
    """
    count, d = unit.shape
    slack = 4.0 * (d + 4) * torch.finfo(unit.dtype).eps
    found = torch.zeros(count, dtype=torch.long, device=unit.device)
    for chunk in slices(count, count):
        gram = unit[chunk] @ unit.mT
        if antipodal:
            gram.abs_()
        gram.diagonal(chunk.start).fill_(_EXCLUDED)
        if labels is not None:
            gram.masked_fill_(labels[chunk, None] == labels[None], _EXCLUDED)
        here, there = (gram >= gram.amax(dim=-1, keepdim=True) - slack).nonzero(as_tuple=True)
        chord = torch.empty(len(here), dtype=unit.dtype, device=unit.device)
        for part in slices(len(here), d):
            u, v = unit[chunk][here[part]], unit[there[part]]
            chord[part] = torch.linalg.vector_norm(u - v, dim=-1)
            if antipodal:
                chord[part] = torch.minimum(chord[part], torch.linalg.vector_norm(u + v, dim=-1))
        gram.fill_(torch.inf)[here, there] = chord
        found[chunk] = gram.argmin(dim=-1)
    return found


def pair_tangents(u: Tensor, v: Tensor, here: Tensor | None, there: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the angle of each pair of unit rows, and the unit tangents at both ends towards the other.

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
    if on_gpu(u) or length.amin().item() == 0.0:  # on CUDA the test would cost more than the work
        at_u = torch.arange(len(u), device=u.device) if here is None else here
        wave = _frequencies(u.shape[-1]).to(u.device)  # (d,)
        # A fixed pseudo-random displacement for every row; their difference is opposite at the two ends.
        apart = torch.sin((there % n + 1)[:, None] * wave) - torch.sin((at_u % n + 1)[:, None] * wave)
        apart = apart - (apart * u).sum(dim=-1, keepdim=True) * u
        apart = apart / torch.linalg.vector_norm(apart, dim=-1, keepdim=True).clamp_min(_TINY)
        copies = length == 0.0
        toward, back = torch.where(copies, apart, toward), torch.where(copies, -apart, back)
    return theta, toward, back


@functools.lru_cache(maxsize=8)
def _frequencies(d: int) -> Tensor:
    """Return fixed pseudo-random numbers, `(d,)` float64; no random state is touched."""
    return 1e3 * torch.rand(d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
