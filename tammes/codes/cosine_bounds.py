"""Rigorous bounds from float64: the largest cosine of a set of rows plus a bound on the rounding of its measurement.

`geometry` measures angles as precisely as float64 can; the bounds here are certainly not too small, for rows of any
dtype as they are stored, normalised exactly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tammes.base import geometry

__all__ = ["angle_at_least", "cosine_at_most"]

_UNIT = 2.0**-53  # unit roundoff of float64
_BLOCK = 1 << 22  # cosines at once: 32 MiB


def cosine_at_most(rows: ArrayLike) -> float:
    """Return a number that no cosine of two of the rows exceeds.

    What float64 finds, plus a bound on its rounding. With u = 2^-53 and x, y rows of d entries, each scaled
    so that its largest entry is 1 (which costs every entry one rounding):

    * The sum of d squares is right to a factor 1 +- (d + 1) u in whatever order it is added, the root to
      1 +- (d/2 + 2) u, so that every entry of the normalised row has at most the relative error
      e = (d/2 + 4) u.
    * With entries that are off by e, sum_k x_k y_k changes by at most 2 e sum_k |x_k y_k| <= 2 e, by Cauchy.
    * Rounding the products and their sum, in whatever order, adds at most d u sum_k |x_k y_k| <= d u.

    Together (2 d + 8) u; what is of second order, and underflow, is far below the 8 u more that are added.

    Args:
        rows: non-zero rows, shape `(n, d)`, n >= 2, d from 2 to 10^6. Not modified. O(n^2 d) time, blocked.

    Returns:
        The bound, dimensionless, at most 1.

    Raises:
        InvalidPointsError: if the shape is wrong, or a row is zero or not finite.

    References: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1.

    Example:
        >>> 0.0 <= cosine_at_most([[1.0, 0.0], [0.0, 3.0]]) < 1e-14
        True
    """
    unit = geometry.as_points(rows, normalize=True)
    n, d = unit.shape
    step = max(1, _BLOCK // n)
    largest = -1.0
    for start in range(0, n, step):
        stop = min(n, start + step)
        cosines = unit[start:stop] @ unit[start:].T  # (stop - start, n - start)
        height = stop - start
        cosines[:, :height][np.tri(height, dtype=bool)] = -1.0
        largest = max(largest, float(cosines.max()))
    return min(1.0, math.nextafter(largest + (2 * d + 16) * _UNIT, math.inf))


def angle_at_least(cosine: float) -> float:
    """Return an angle in degrees that is at most the arccosine, whatever the rounding of the two steps to it."""
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine)))) * (1.0 - 8.0 * _UNIT)
