"""Rankin's bound, attained by the simplex and the orthoplex."""

from __future__ import annotations

import math

from tammes.bounds.bound import Bound, check_size

__all__ = ["rankin"]


def rankin(n: int, d: int) -> Bound | None:
    """Return Rankin's bound: `cos phi >= -1/(n-1)` for n <= d + 1, `cos phi >= 0` for d + 1 < n <= 2d.

    It is attained by the regular simplex and by points of the orthoplex.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound; None for n > 2d, where the theorem gives none.

    Raises:
        InvalidParameterError: if n or d is not an integer from 2 to 10^15.

    References: R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955.
    """
    n, d = check_size(n, d)
    if n > 2 * d:
        return None
    reference = "R. A. Rankin 1955"
    if n <= d + 1:
        formula = "cos phi >= -1 / (n - 1)"
        return Bound("rankin", math.acos(-1.0 / (n - 1)), reference, formula, "by the regular simplex")
    return Bound("rankin", 0.5 * math.pi, reference, "cos phi >= 0", "by points of the orthoplex")
