"""The rows of a weight as a spherical code: what can be measured on neurons, filters, class vectors.

A weight is no code: its rows have any length, some may be zero, copies or not finite, and there may
be one of them alone. Nothing here refuses such rows; what cannot be measured is left out, and said.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_integer
from tammes.bounds import best
from tammes.bounds.bound import Bound

__all__ = ["DUPLICATE_ANGLE", "CosineHistogram", "RowMeasure", "cosine_histogram", "count_above", "measure"]

DUPLICATE_ANGLE = 1e-6
"""Rows nearer than this (radians) point the same way: ten times what float32 rounds a copy by."""

_BLOCK = 1 << 22  # cosines held at once: 32 MiB


@dataclass(frozen=True)
class RowMeasure:
    """What `measure` finds on the rows of one weight. Angles are in radians unless the name says degrees.

    All angles are None where there are none (fewer than two rows that are not zero, or d < 2), and
    nan where a row is not finite.
    """

    n: int
    """All rows."""
    d: int
    """Numbers in a row."""
    zero_rows: tuple[int, ...]
    """Which rows are zero; they point nowhere, and take part in no angle."""
    non_finite_rows: int
    """How many rows hold nan or infinity."""
    duplicates: int
    """How many rows point the same way as another one, to `DUPLICATE_ANGLE`."""
    min_angle: float | None
    """The smallest angle between two rows."""
    mean_nearest_angle: float | None
    """The mean over rows of the angle to the nearest other row: minus the MMA loss."""
    closest_pair: tuple[int, int] | None
    """Rows i < j at the minimal angle, numbered as in the weight."""
    bound: Bound | None
    """No (n - zero rows) rows in R^d have a minimal angle above."""
    antipodal: bool = False
    """Whether the angles are those between the lines through the rows, at most 90 degrees."""

    @property
    def min_angle_degrees(self) -> float | None:
        """`min_angle` in degrees."""
        return _degrees(self.min_angle)

    @property
    def mean_nearest_angle_degrees(self) -> float | None:
        """`mean_nearest_angle` in degrees."""
        return _degrees(self.mean_nearest_angle)

    @property
    def max_cosine(self) -> float | None:
        """Largest cosine between two rows (of lines: largest absolute value): that of `min_angle`."""
        return None if self.min_angle is None else math.cos(self.min_angle)

    @property
    def reason(self) -> str:
        """Why there is no angle; empty where there is one."""
        if self.non_finite_rows:
            return f"{self.non_finite_rows} row{' is' if self.non_finite_rows == 1 else 's are'} not finite"
        if self.d < 2:
            return "rows of fewer than two numbers make no angle but 0° and 180°"
        usable = self.n - len(self.zero_rows)
        return "" if usable > 1 else f"{usable or 'no'} row{'' if usable == 1 else 's'} other than zero: no pair"

    def to_dict(self) -> dict[str, Any]:
        """The measurements as JSON-ready values, in radians and degrees; nan becomes None, with the reason."""
        numbers = {
            name: None if value is None or math.isnan(value) else value
            for name in ("min_angle", "min_angle_degrees", "mean_nearest_angle", "mean_nearest_angle_degrees")
            for value in [getattr(self, name)]
        }
        return {
            "n": self.n,
            "d": self.d,
            **numbers,
            "max_cosine": None if numbers["min_angle"] is None else self.max_cosine,
            "closest_pair": None if self.closest_pair is None else list(self.closest_pair),
            "bound_degrees": None if self.bound is None else self.bound.degrees,
            "bound_name": None if self.bound is None else self.bound.name,
            "zero_rows": list(self.zero_rows),
            "non_finite_rows": self.non_finite_rows,
            "duplicates": self.duplicates,
            "antipodal": self.antipodal,
            "no_angle_because": self.reason or None,
        }


@dataclass(frozen=True)
class CosineHistogram:
    """Cosines of all pairs of rows, counted."""

    edges: Floats
    """`(bins + 1,)` from -1 to 1; a bin holds its left edge, the last one both."""
    counts: NDArray[np.int64]
    """`(bins,)` pairs."""
    threshold: float
    """What `above` compares with."""
    above: int
    """Pairs with a cosine above `threshold`."""

    @property
    def pairs(self) -> int:
        """All pairs of rows that are not zero."""
        return int(self.counts.sum())

    @property
    def share_above(self) -> float:
        """`above / pairs`; 0 without pairs."""
        return self.above / self.pairs if self.pairs else 0.0

    @property
    def sentence(self) -> str:
        """How many of how many pairs are above the threshold."""
        share = f"{100.0 * self.share_above:.3g} %"
        return f"{self.above:,} of {self.pairs:,} pairs above {self.threshold:g} ({share})"


def measure(
    rows: ArrayLike,
    *,
    bound: bool = True,
    antipodal: bool = False,
    progress: Callable[[int], None] | None = None,
) -> RowMeasure:
    """What the rows of a weight are: their minimal angle, and all that keeps it from being one.

    Cost: O(n^2 d) time, O(n d) memory beyond one block of cosines; four times the time with `antipodal`.

    Args:
        rows: shape `(n, d)`, real numbers of any length and type; measured in float64. Not modified.
        bound: compare with the smallest of the bounds that take milliseconds.
        antipodal: angles between the lines through the rows: a row and its opposite are one.
        progress: called now and then with the number of rows that are done (twice as many with `antipodal`).

    Returns:
        The measurements; see `RowMeasure` for what is None or nan when.

    Raises:
        InvalidParameterError: if `rows` is no two-dimensional array of real numbers.

    Example:
        >>> found = measure([[2.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
        >>> found.min_angle_degrees, found.closest_pair, found.zero_rows
        (90.0, (0, 2), (1,))
    """
    array = _checked(rows)
    n, d = array.shape
    non_finite, used = _usable(array)
    zero = tuple(np.setdiff1d(np.arange(n), used, assume_unique=True).tolist())
    count = len(used)
    limit = None
    if bound and count >= 2 and d >= 2:
        limit = best.lines(2 * count, d) if antipodal else best.upper_bound(count, d)
    if non_finite or count < 2 or d < 2:
        nothing = math.nan if non_finite else None
        return RowMeasure(n, d, zero, non_finite, 0, nothing, nothing, None, limit, antipodal)
    points = geometry.as_points(array if count == n else array[used], normalize=True)
    angles, partners = _nearest(np.concatenate([points, -points]) if antipodal else points, progress)
    angles, partners = angles[:count], partners[:count] % count
    i = int(angles.argmin())
    pair = sorted((int(used[i]), int(used[partners[i]])))
    return RowMeasure(
        n,
        d,
        zero,
        0,
        int(np.count_nonzero(angles < DUPLICATE_ANGLE)),
        float(angles[i]),
        float(angles.mean()),
        (pair[0], pair[1]),
        limit,
        antipodal,
    )


def cosine_histogram(
    rows: ArrayLike,
    bins: int = 200,
    *,
    threshold: float = 0.2,
    progress: Callable[[int], None] | None = None,
) -> CosineHistogram:
    """How many pairs of rows have which cosine: the paper's Figure 1.

    Cost: O(n^2 d) time, in blocks of 32 MiB.

    Args:
        rows: shape `(n, d)`, real and finite. Rows that are zero are left out. Not modified.
        bins: equal parts of [-1, 1].
        threshold: pairs with a (signed) cosine above it are counted apart; 0.2 in the paper.
        progress: called after every block with the number of rows that are done.

    Raises:
        InvalidParameterError: if `rows` is no two-dimensional array of real numbers, if one of them
            is not finite, if `bins` is not a positive integer, or if `threshold` is not a number.

    References: Z. Wang, C. Xiang, W. Zou, C. Xu, MMA Regularization, NeurIPS 2020, Figure 1.

    Example:
        >>> found = cosine_histogram([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], bins=2)
        >>> found.counts.tolist(), found.above
        ([1, 2], 0)
    """
    bins = check_integer("bins", bins, 1)
    if math.isnan(threshold):
        raise InvalidParameterError("threshold", "a number", threshold)
    counts, above = np.zeros(bins, dtype=np.int64), 0
    for stop, cosines in _cosines(rows):
        counts += np.histogram(cosines, bins=bins, range=(-1.0, 1.0))[0]
        above += int(np.count_nonzero(cosines > threshold))
        if progress is not None:
            progress(stop)
    return CosineHistogram(np.linspace(-1.0, 1.0, bins + 1), counts, threshold, above)


def count_above(rows: ArrayLike, threshold: float = 0.2) -> int:
    """Pairs of rows with a (signed) cosine above `threshold`; as `cosine_histogram`, without the bins.

    Args:
        rows: shape `(n, d)`, real and finite. Rows that are zero are left out. Not modified.
        threshold: cosine that a pair must exceed.

    Raises:
        InvalidParameterError: as `cosine_histogram`.
    """
    if math.isnan(threshold):
        raise InvalidParameterError("threshold", "a number", threshold)
    return sum(int(np.count_nonzero(cosines > threshold)) for _, cosines in _cosines(rows))


def _degrees(angle: float | None) -> float | None:
    return None if angle is None else math.degrees(angle)


def _checked(rows: ArrayLike) -> NDArray[Any]:
    """The rows as an array, after checking that it is two-dimensional and real."""
    requirement = "a two-dimensional array of real numbers"
    try:
        array = np.asarray(rows)
    except ValueError:  # rows of different lengths
        raise InvalidParameterError("rows", requirement, "rows of different lengths") from None
    if array.dtype.kind not in "fiu":
        raise InvalidParameterError("rows", requirement, f"dtype {array.dtype}")
    if array.ndim != 2:
        raise InvalidParameterError("rows", requirement, f"shape {array.shape}")
    return array


def _usable(array: NDArray[Any]) -> tuple[int, Ints]:
    """How many rows are not finite; which rows are not zero."""
    finite = np.isfinite(array).all(axis=1)
    return int(np.count_nonzero(~finite)), np.flatnonzero(array.any(axis=1))  # nan is not zero


def _nearest(points: Floats, progress: Callable[[int], None] | None) -> tuple[Floats, Ints]:
    """`geometry.nearest_neighbours`, where exact copies are set aside first.

    Among m copies each of m^2 pairs would have its angle taken: hours for a layer that is constant.
    """
    first = _first_of_copies(points)
    originals = np.flatnonzero(first == np.arange(len(points)))
    if len(originals) == len(points):
        return geometry.nearest_neighbours(points, progress=progress)
    angles, partners = np.zeros(len(points)), first.copy()
    if len(originals) > 1:
        nearest, indices = geometry.nearest_neighbours(points[originals], progress=progress)
        angles[originals], partners[originals] = nearest, originals[indices]
    copies = np.flatnonzero(first != np.arange(len(points)))
    angles[copies], angles[first[copies]] = 0.0, 0.0
    partners[first[copies]] = copies
    return angles, partners


def _first_of_copies(points: Floats) -> Ints:
    """For every row the first row that equals it, which may be itself."""
    seen: dict[bytes, int] = {}
    positive = points + 0.0  # -0.0 and 0.0 are the same number
    keys = (hashlib.blake2b(row, digest_size=16).digest() for row in positive)
    return np.array([seen.setdefault(key, k) for k, key in enumerate(keys)], dtype=np.intp)


def _cosines(rows: ArrayLike) -> Iterator[tuple[int, Floats]]:
    """Cosines of all pairs of rows that are not zero, each pair once, a flat block at a time; rows done."""
    array = _checked(rows)
    non_finite, used = _usable(array)
    if non_finite:
        first = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InvalidParameterError("rows", "finite", f"row {first}, which is not")
    if len(used) < 2 or array.shape[1] < 2:
        return
    points = geometry.as_points(array[used], normalize=True)
    n = len(points)
    start = 0
    while start < n - 1:
        stop = min(n, start + max(1, _BLOCK // (n - start)))
        block = np.clip(points[start:stop] @ points[start:].T, -1.0, 1.0)
        yield stop, block[np.triu(np.ones(block.shape, dtype=np.bool_), 1)]
        start = stop
