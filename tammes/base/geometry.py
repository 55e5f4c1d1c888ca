"""Angles between unit points, measured in NumPy float64: every reported angle comes from here.

No function needs more than a block of the n x n matrix of cosines at once. Cosines only choose candidates, whose
angles are computed by the half-angle form: near 0 and pi an arccosine loses its digits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tammes.base.errors import InvalidPointsError

__all__ = [
    "UNIT_TOLERANCE",
    "angle",
    "angle_histogram",
    "as_points",
    "min_angle",
    "nearest_neighbours",
    "normalize_rows",
    "pair_tangents",
    "pairs_within",
    "tangent_bases",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

UNIT_TOLERANCE = 1e-9
"""How far off the unit sphere a row may be: ten times what nine printed decimals lose."""

_BLOCK = 1 << 22  # cosines held at once: 32 MiB
_PAIRS = 1 << 18  # candidate pairs whose angles are taken at once in d <= 8; fewer above, for the same memory
_STEEP = 0.95  # cosines beyond are no measure of their angles to the last digits
_TIES = 32  # nearest points of one point, more than which are not measured one by one
_TREE_MIN_POINTS = 2000  # below, one blocked product is faster than building a k-d tree
_TREE_MAX_DIMENSION = 8  # above, a k-d tree visits nearly every leaf


def as_points(points: ArrayLike, *, normalize: bool = False) -> Floats:
    """Return a float64 copy of `points` after checking that they are unit rows.

    Args:
        points: shape `(n, d)` with n >= 2 and d >= 2, real numbers.
        normalize: scale every row to length 1 instead of refusing rows off the sphere.

    Returns:
        A new C-contiguous array of shape `(n, d)`. Rows within `UNIT_TOLERANCE` of the sphere are
        kept as they are, bit for bit.

    Raises:
        InvalidPointsError: if the shape is wrong, or a row is not finite, is zero, or is off the
            unit sphere by more than `UNIT_TOLERANCE`. The first bad row is named.
    """
    try:
        array = np.asarray(points)
    except ValueError:  # rows of different lengths
        raise InvalidPointsError("points", "of shape (n, d)", "rows of different lengths") from None
    if array.dtype.kind not in "fiu":
        raise InvalidPointsError("points", "an array of real numbers", f"dtype {array.dtype}")
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 2:
        requirement = "of shape (n, d) with n >= 2 and d >= 2"
        raise InvalidPointsError("points", requirement, f"shape {array.shape}")
    rows = np.array(array, dtype=np.float64, order="C", copy=True)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise InvalidPointsError("points", "finite", f"row {bad}: {_show(rows[bad])}")
    largest = np.abs(rows).max(axis=1)
    if not largest.all():
        bad = int(np.argmin(largest))
        raise InvalidPointsError("points", "non-zero rows", f"row {bad}: {_show(rows[bad])}")
    if normalize:
        return normalize_rows(rows / largest[:, None])  # so that squares neither overflow nor underflow
    with np.errstate(over="ignore"):
        excess = np.abs(np.linalg.norm(rows, axis=1) - 1.0)
    if not (excess <= UNIT_TOLERANCE).all():
        bad = int(np.argmax(excess > UNIT_TOLERANCE))
        raise InvalidPointsError(
            "points",
            f"on the unit sphere to {UNIT_TOLERANCE:g}",
            f"row {bad}, which is off by {excess[bad]:.3g}",
            "Normalise the rows first, or ask for it: `normalize=True`, on the command line --normalize.",
        )
    return rows


def _show(row: Floats) -> str:
    """Return a row as text, shortened to fit a message of one line."""
    head = ", ".join(f"{value:g}" for value in row[:4])
    return f"[{head}{', ...' if len(row) > 4 else ''}]"


def normalize_rows(vectors: Floats) -> Floats:
    """Return the rows divided by their lengths, in a new array.

    Nothing is checked: a zero row gives NaN. Points of a user go through `as_points`, which names the bad row.

    Args:
        vectors: non-zero rows, shape `(..., d)`. Not modified.

    Returns:
        `(..., d)`: unit rows.

    Example:
        >>> normalize_rows(np.array([[3.0, 4.0]])).tolist()
        [[0.6, 0.8]]
    """
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def angle(x: ArrayLike, y: ArrayLike) -> Floats:
    """Return the angle between rows: `2 atan2(| |y|x - |x|y |, | |y|x + |x|y |)`.

    Both differences are formed from x - y and x + y, and |x| - |y| from (x - y).(x + y), so that
    nothing cancels: the result is good to about 1e-15 relative from 1e-150 rad up to pi, also
    for rows a little off the unit sphere.

    Args:
        x: shape `(..., d)`, non-zero rows.
        y: shape `(..., d)`, broadcast against x.

    Returns:
        `(...)`: radians in [0, pi].

    References: W. Kahan, "How Futile are Mindless Assessments of Roundoff in Floating-Point
        Computation?", 2006, section 12.

    Example:
        >>> float(angle([1.0, 0.0], [1.0, 1e-8]))
        1e-08
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    chord, total = x - y, x + y
    norm_y = np.linalg.norm(y, axis=-1, keepdims=True)
    norm_sum = np.linalg.norm(x, axis=-1, keepdims=True) + norm_y
    excess = np.sum(chord * total, axis=-1, keepdims=True) / norm_sum  # |x| - |y|
    opposite = np.linalg.norm(norm_y * chord - excess * y, axis=-1)
    adjacent = np.linalg.norm(norm_y * total + excess * y, axis=-1)
    return np.asarray(2.0 * np.arctan2(opposite, adjacent))


def pair_tangents(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the unit tangents of the great circle through each pair of unit rows: at x towards y, at y towards x.

    Moving x by u and y by v changes their angle by `-(toward_y . u + toward_x . v)` to first order.

    Args:
        x: unit rows, shape `(m, d)`.
        y: unit rows, shape `(m, d)`.

    Returns:
        Two arrays `(m, d)`; rows are zero where the great circle is not unique (theta = 0 or pi).
    """
    chord, total = y - x, y + x
    sine = np.linalg.norm(chord, axis=-1, keepdims=True)
    cosine = np.linalg.norm(total, axis=-1, keepdims=True)
    unique = (sine > 0.0) & (cosine > 0.0)
    ratio = np.divide(sine, cosine, out=np.ones_like(sine), where=unique)  # tan(theta / 2)
    inward = np.where(unique, 0.5 * ratio * total, 0.0)
    along = np.where(unique, 0.5 / ratio * chord, 0.0)
    return inward + along, inward - along


def tangent_bases(points: Floats) -> Floats:
    """Return orthonormal bases of the tangent spaces, shape `(n, d, d - 1)`: columns orthogonal to each row.

    The Householder reflection that takes a row to a coordinate axis, without that axis.
    """
    d = points.shape[1]
    mirror = points.copy()
    mirror[:, 0] += np.where(points[:, 0] < 0.0, -1.0, 1.0)
    mirror = normalize_rows(mirror)
    bases = -2.0 * mirror[:, :, None] * mirror[:, None, 1:]
    bases[:, np.arange(1, d), np.arange(d - 1)] += 1.0
    return bases


def nearest_neighbours(points: Floats, *, progress: Callable[[int], None] | None = None) -> tuple[Floats, Ints]:
    """Return the angle of every point to its nearest other point, and that point's index.

    Cost: O(n^2 d) time in blocks of 32 MiB; O(n log n) by a k-d tree for n >= 2000 in d <= 8.

    Args:
        points: rows on the unit sphere to `UNIT_TOLERANCE`, shape `(n, d)`. Not modified.
        progress: called after every block with the number of points that are done; never by the tree.

    Returns:
        `(n,)` radians and `(n,)` indices.
    """
    if _use_tree(points):
        return _nearest_by_tree(points)
    n = len(points)
    angles, indices = np.full(n, np.inf), np.zeros(n, dtype=np.intp)
    step = _pairs_at_once(points)
    for start, stop, cosines in _gram_blocks(points):
        nearest = cosines.argmax(axis=1)
        largest = cosines[np.arange(len(cosines)), nearest]
        near = cosines >= (largest - _cosine_slack(points))[:, None]
        # Where the sine is not small, ties differ by rounding alone: of very many, one is as good as all.
        crowded = np.flatnonzero((np.abs(largest) < _STEEP) & (np.count_nonzero(near, axis=1) > _TIES))
        near[crowded] = False
        near[crowded, nearest[crowded]] = True
        _thin_clusters(points, start, near)
        rows, columns = np.nonzero(near)
        for chunk in range(0, len(rows), step):
            i, j = rows[chunk : chunk + step] + start, columns[chunk : chunk + step]
            theta = angle(points[i], points[j])
            # Rows come in order: the smallest angle of each run, then its first place.
            first = np.flatnonzero(np.r_[True, i[1:] != i[:-1]])
            smallest = np.minimum.reduceat(theta, first)
            hit = np.flatnonzero(theta == np.repeat(smallest, np.diff(np.r_[first, len(i)])))
            hit = hit[np.unique(i[hit], return_index=True)[1]]
            better = smallest < angles[i[hit]]
            angles[i[hit][better]], indices[i[hit][better]] = smallest[better], j[hit][better]
        if progress is not None:
            progress(stop)
    return angles, indices


def min_angle(points: Floats) -> float:
    """Return the smallest angle between two of the unit rows `points`, radians."""
    return float(nearest_neighbours(points)[0].min())


def pairs_within(points: Floats, bound: float) -> tuple[Ints, Ints, Floats]:
    """Return all pairs i < j at an angle of at most `bound`, ordered by (i, j), with their angles.

    Memory is O(pairs found) beyond one block.

    Args:
        points: rows on the unit sphere to `UNIT_TOLERANCE`, shape `(n, d)`. Not modified.
        bound: radians; angles are compared with it as `angle` gives them.

    Returns:
        `(m,)` i, `(m,)` j, `(m,)` radians.
    """
    found = _pairs_by_tree(points, bound) if _use_tree(points) else _pairs_by_blocks(points, bound)
    kept: list[tuple[Ints, Ints, Floats]] = []
    step = _pairs_at_once(points)
    for i, j in found:
        for chunk in range(0, len(i), step):
            ii, jj = i[chunk : chunk + step], j[chunk : chunk + step]
            theta = angle(points[ii], points[jj])
            within = theta <= bound
            kept.append((ii[within], jj[within], theta[within]))
    if not kept:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    i = np.concatenate([part[0] for part in kept])
    j = np.concatenate([part[1] for part in kept])
    theta = np.concatenate([part[2] for part in kept])
    order = np.lexsort((j, i))
    return i[order], j[order], theta[order]


def angle_histogram(points: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return how many pairs fall between consecutive `edges` (radians, increasing), in blocks.

    Args:
        points: unit rows, shape `(n, d)`.
        edges: shape `(bins + 1,)`; angles outside are not counted.

    Returns:
        `(bins,)` counts of unordered pairs.
    """
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for start, _, cosines in _gram_blocks(points):
        upper = np.triu_indices(cosines.shape[0], start + 1, cosines.shape[1])
        angles = np.arccos(np.clip(cosines[upper], -1.0, 1.0))
        steep = np.flatnonzero(np.abs(cosines[upper]) > 0.999999)  # where arccos has lost its digits
        angles[steep] = angle(points[start + upper[0][steep]], points[upper[1][steep]])
        counts += np.histogram(angles, bins=edges)[0]
    return counts


def _use_tree(points: Floats) -> bool:
    """Return True if a k-d tree beats one blocked product."""
    return len(points) >= _TREE_MIN_POINTS and points.shape[1] <= _TREE_MAX_DIMENSION


def _pairs_at_once(points: Floats) -> int:
    """Return how many pairs of rows are gathered at once: 16 MiB of coordinates in every dimension."""
    return max(1, 8 * _PAIRS // max(8, int(points.shape[1])))


def _thin_clusters(points: Floats, start: int, near: NDArray[np.bool_]) -> None:
    """Reduce the candidates `near` of rows that have very many, in place: these are near-copies of each other.

    Their cosines differ by less than rounding. Distances from differences to one of them do not: what is left
    to round is the diameter of the cluster, squared. Else m near-copies would cost m^2 angles.
    """
    left = np.flatnonzero(np.count_nonzero(near, axis=1) > _TIES)
    while len(left):
        cluster = left[near[left, start + left[0]] | (left == left[0])]
        left = np.setdiff1d(left, cluster, assume_unique=True)
        members = np.union1d(np.flatnonzero(near[cluster].any(axis=0)), start + cluster)
        offsets = normalize_rows(points[members])
        offsets -= offsets[np.searchsorted(members, start + cluster[0])]
        squares = np.einsum("ij,ij->i", offsets, offsets)
        here = np.searchsorted(members, start + cluster)
        chords = squares[here, None] + squares - 2.0 * offsets[here] @ offsets.T  # squared
        chords[~near[cluster[:, None], members]] = np.inf
        rounding = 2.0 * _cosine_slack(points) * squares.max()
        reach = np.sqrt(np.maximum(chords.min(axis=1), 0.0) + rounding) + 1e-14  # unit rows are rounded, too
        near[cluster[:, None], members] &= chords <= (reach**2 + rounding)[:, None]


def _cosine_slack(points: Floats) -> float:
    """Return a bound on the rounding error of a computed cosine."""
    return 4.0 * float(points.shape[1] + 4) * sys.float_info.epsilon


def _gram_blocks(points: Floats) -> Iterator[tuple[int, int, Floats]]:
    """Yield start, stop and the cosines of rows start:stop with all rows, -2 on the diagonal."""
    unit = normalize_rows(points)
    n = len(unit)
    step = max(1, _BLOCK // n)
    for start in range(0, n, step):
        stop = min(n, start + step)
        cosines = unit[start:stop] @ unit.T
        cosines[np.arange(stop - start), np.arange(start, stop)] = -2.0
        yield start, stop, cosines


def _pairs_by_blocks(points: Floats, bound: float) -> Iterator[tuple[Ints, Ints]]:
    """Yield candidates i < j whose cosine is at least cos(bound), minus rounding."""
    floor = math.cos(min(bound, math.pi)) - _cosine_slack(points)
    for start, _, cosines in _gram_blocks(points):
        rows, columns = np.nonzero(cosines >= floor)
        rows += start
        upper = columns > rows
        yield rows[upper], columns[upper]


def _pairs_by_tree(points: Floats, bound: float) -> Iterator[tuple[Ints, Ints]]:
    """Yield candidates i < j whose chord is at most that of `bound`, plus rounding."""
    from scipy.spatial import cKDTree

    radius = 2.0 * math.sin(0.5 * min(bound, math.pi)) * (1.0 + 1e-12) + 1e-15
    pairs = cKDTree(normalize_rows(points)).query_pairs(radius, output_type="ndarray")
    yield pairs[:, 0].astype(np.intp), pairs[:, 1].astype(np.intp)


def _nearest_by_tree(points: Floats) -> tuple[Floats, Ints]:
    """Return the nearest of eight tree neighbours; chords only rank them, so near-ties cost no digits."""
    from scipy.spatial import cKDTree

    unit = normalize_rows(points)
    n, candidates = len(points), 9
    angles, indices = np.empty(n), np.empty(n, dtype=np.intp)
    tree = cKDTree(unit)
    step = _PAIRS // candidates
    for start in range(0, n, step):
        here = np.arange(start, min(n, start + step))
        near = np.asarray(tree.query(unit[here], k=candidates)[1])
        theta = angle(points[here][:, None, :], points[near])
        theta[np.equal(near, here[:, None])] = np.inf
        best = theta.argmin(axis=1)
        angles[here] = theta[np.arange(len(here)), best]
        indices[here] = near[np.arange(len(here)), best]
    return angles, indices
