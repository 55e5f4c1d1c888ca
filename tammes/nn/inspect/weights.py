"""Measures of the rows of a weight (neurons, filters, class vectors) as a spherical code: angles and cosines.

The rows of a weight have any length; some may be zero, copies of others or not finite, and there may be only
one row. `measure` accepts all of these, and the result says what could not be measured.
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
"""Rows at a smaller angle (radians) count as duplicates: ten times the rounding error of a copy in float32."""

_BLOCK = 1 << 22  # cosines held at once by default: 32 MiB


@dataclass(frozen=True)
class RowMeasure:
    """Measures of the rows of one weight. Angles are in radians unless the name says degrees.

    All angles are None where there are none (fewer than two rows that are not zero, or d < 2), and
    nan where a row is not finite.
    """

    n: int
    """Number of all rows."""
    d: int
    """Entries of a row."""
    zero_rows: tuple[int, ...]
    """Indices of the rows that are zero; they take part in no angle."""
    non_finite_rows: int
    """Number of rows with an entry that is nan or infinite."""
    duplicates: int
    """Number of rows at an angle below `DUPLICATE_ANGLE` to another row."""
    min_angle: float | None
    """Smallest angle between two rows."""
    mean_nearest_angle: float | None
    """Mean over the rows of the angle to the nearest other row: minus the MMA loss."""
    closest_pair: tuple[int, int] | None
    """Indices i < j of two rows at the minimal angle."""
    bound: Bound | None
    """Upper bound on the minimal angle of so many non-zero rows in R^d."""
    antipodal: bool = False
    """True if the angles are those between the lines through the rows, at most 90 degrees."""

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
        """Reason why there is no angle; empty if there is one."""
        if self.non_finite_rows:
            return f"{self.non_finite_rows} row{' is' if self.non_finite_rows == 1 else 's are'} not finite"
        if self.d < 2:
            return "rows of fewer than two numbers make no angle but 0° and 180°"
        usable = self.n - len(self.zero_rows)
        return "" if usable > 1 else f"{usable or 'no'} row{'' if usable == 1 else 's'} other than zero: no pair"

    def to_dict(self) -> dict[str, Any]:
        """Return the measures as JSON-ready values, in radians and degrees; nan becomes None, with the reason."""
        return {
            "n": self.n,
            "d": self.d,
            "min_angle": _without_nan(self.min_angle),
            "min_angle_degrees": _without_nan(self.min_angle_degrees),
            "mean_nearest_angle": _without_nan(self.mean_nearest_angle),
            "mean_nearest_angle_degrees": _without_nan(self.mean_nearest_angle_degrees),
            "max_cosine": _without_nan(self.max_cosine),
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
    """Histogram of the cosines of all pairs of rows."""

    edges: Floats
    """Edges of the bins, `(bins + 1,)`, from -1 to 1; a bin includes its left edge, the last one both."""
    counts: NDArray[np.int64]
    """Number of pairs in each bin, `(bins,)`."""
    threshold: float
    """Cosine above which pairs are counted in `above`."""
    above: int
    """Number of pairs with a cosine above `threshold`."""

    @property
    def pairs(self) -> int:
        """Number of pairs of rows that are not zero."""
        return int(self.counts.sum())

    @property
    def share_above(self) -> float:
        """Share of the pairs above the threshold, `above / pairs`; 0 without pairs."""
        return self.above / self.pairs if self.pairs else 0.0

    @property
    def sentence(self) -> str:
        """Sentence that states how many of the pairs are above the threshold."""
        share = f"{100.0 * self.share_above:.3g} %"
        return f"{self.above:,} of {self.pairs:,} pairs above {self.threshold:g} ({share})"


def measure(
    rows: ArrayLike,
    *,
    bound: bool = True,
    antipodal: bool = False,
    progress: Callable[[int], None] | None = None,
) -> RowMeasure:
    """Measure the minimal angle, the mean nearest angle, the duplicates and the zero rows of a weight.

    Cost: O(n^2 d) time, O(n d) memory beyond one block of cosines; four times the time with `antipodal`.

    Args:
        rows: shape `(n, d)`, real numbers of any length and type; measured in float64. Not modified.
        bound: compare with the smallest of the bounds that take milliseconds.
        antipodal: measure the lines through the rows: a row and its opposite are the same line.
        progress: called repeatedly with the number of rows that are done (twice as many with `antipodal`).

    Returns:
        The measures; `RowMeasure` says when they are None or nan.

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
    upper_bound = None
    if bound and count >= 2 and d >= 2:
        upper_bound = best.lines(2 * count, d) if antipodal else best.upper_bound(count, d)
    if non_finite or count < 2 or d < 2:
        missing = math.nan if non_finite else None
        return RowMeasure(
            n=n,
            d=d,
            zero_rows=zero,
            non_finite_rows=non_finite,
            duplicates=0,
            min_angle=missing,
            mean_nearest_angle=missing,
            closest_pair=None,
            bound=upper_bound,
            antipodal=antipodal,
        )
    points = geometry.as_points(array if count == n else array[used], normalize=True)
    angles, partners = _nearest(np.concatenate([points, -points]) if antipodal else points, progress)
    angles, partners = angles[:count], partners[:count] % count
    i = int(angles.argmin())
    first, second = sorted((int(used[i]), int(used[partners[i]])))
    return RowMeasure(
        n=n,
        d=d,
        zero_rows=zero,
        non_finite_rows=0,
        duplicates=int(np.count_nonzero(angles < DUPLICATE_ANGLE)),
        min_angle=float(angles[i]),
        mean_nearest_angle=float(angles.mean()),
        closest_pair=(first, second),
        bound=upper_bound,
        antipodal=antipodal,
    )


def cosine_histogram(
    rows: ArrayLike,
    bins: int = 200,
    *,
    threshold: float = 0.2,
    block_size: int = _BLOCK,
    progress: Callable[[int], None] | None = None,
) -> CosineHistogram:
    """Compute the histogram of the cosines of all pairs of rows: the paper's Figure 1.

    Cost: O(n^2 d) time, 8 * `block_size` bytes.

    Args:
        rows: shape `(n, d)`, real and finite. Rows that are zero are left out. Not modified.
        bins: number of equal parts of [-1, 1].
        threshold: pairs with a (signed) cosine above it are also counted together; 0.2 in the paper.
        block_size: cosines held at once, at least 1; a block has one row of them or more.
        progress: called after every block with the number of rows that are done.

    Raises:
        InvalidParameterError: if `rows` is no two-dimensional array of real numbers, if one of them
            is not finite, if `bins` or `block_size` is no positive integer, or if `threshold` is not a number.

    References: Z. Wang, C. Xiang, W. Zou, C. Xu, MMA Regularization, NeurIPS 2020, Figure 1.

    Example:
        >>> found = cosine_histogram([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], bins=2)
        >>> found.counts.tolist(), found.above
        ([1, 2], 0)
    """
    bins = check_integer("bins", bins, 1)
    block_size = check_integer("block_size", block_size, 1)
    if math.isnan(threshold):
        raise InvalidParameterError("threshold", "a number", threshold)
    counts = np.zeros(bins, dtype=np.int64)
    above = 0
    for stop, cosines in _cosines(rows, block_size):
        counts += np.histogram(cosines, bins=bins, range=(-1.0, 1.0))[0]
        above += int(np.count_nonzero(cosines > threshold))
        if progress is not None:
            progress(stop)
    return CosineHistogram(np.linspace(-1.0, 1.0, bins + 1), counts, threshold, above)


def count_above(rows: ArrayLike, threshold: float = 0.2, *, block_size: int = _BLOCK) -> int:
    """Return the number of pairs of rows with a (signed) cosine above `threshold`.

    As `cosine_histogram`, without the bins.

    Args:
        rows: shape `(n, d)`, real and finite. Rows that are zero are left out. Not modified.
        threshold: cosine that a pair must exceed.
        block_size: cosines held at once, at least 1.

    Raises:
        InvalidParameterError: as `cosine_histogram`.
    """
    if math.isnan(threshold):
        raise InvalidParameterError("threshold", "a number", threshold)
    block_size = check_integer("block_size", block_size, 1)
    return sum(int(np.count_nonzero(cosines > threshold)) for _, cosines in _cosines(rows, block_size))


def _without_nan(value: float | None) -> float | None:
    """Return the value, or None for nan."""
    return None if value is None or math.isnan(value) else value


def _degrees(angle: float | None) -> float | None:
    """Return an angle in degrees; None stays None."""
    return None if angle is None else math.degrees(angle)


def _checked(rows: ArrayLike) -> NDArray[Any]:
    """Return the rows as an array, after checking that it is two-dimensional and real."""
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
    """Return the number of rows that are not finite, and the indices of those that are not zero."""
    finite = np.isfinite(array).all(axis=1)
    return int(np.count_nonzero(~finite)), np.flatnonzero(array.any(axis=1))  # nan is not zero


def _nearest(points: Floats, progress: Callable[[int], None] | None) -> tuple[Floats, Ints]:
    """Return `geometry.nearest_neighbours`, computed without exact copies of earlier rows.

    Among m copies the angles of m^2 pairs would be computed: hours for a layer that is constant.
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
    """Return, for every row, the index of the first row that equals it, which may be itself."""
    seen: dict[bytes, int] = {}
    positive = points + 0.0  # -0.0 and 0.0 are the same number
    keys = (hashlib.blake2b(row, digest_size=16).digest() for row in positive)
    return np.array([seen.setdefault(key, k) for k, key in enumerate(keys)], dtype=np.intp)


def _cosines(rows: ArrayLike, block_size: int) -> Iterator[tuple[int, Floats]]:
    """Iterate over the cosines of all pairs of non-zero rows in flat blocks, with the number of rows done."""
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
        stop = min(n, start + max(1, block_size // (n - start)))
        block = np.clip(points[start:stop] @ points[start:].T, -1.0, 1.0)
        yield stop, block[np.triu(np.ones(block.shape, dtype=np.bool_), 1)]
        start = stop
