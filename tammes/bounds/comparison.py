"""All bounds for one size, and the largest number of points that each allows for one angle."""

from __future__ import annotations

import math
from collections.abc import Callable

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_number
from tammes.bounds.bound import LARGEST, Bound, check_size
from tammes.bounds.cap_area_bound import cap_area
from tammes.bounds.delsarte_bound import MAX_DEGREE, default_degree, delsarte_lp, delsarte_points
from tammes.bounds.levenshtein_bound import levenshtein
from tammes.bounds.rankin_bound import rankin
from tammes.bounds.simplex_bound import boroczky

__all__ = ["ANGLE_SLACK", "all_bounds", "most_points"]

ANGLE_SLACK = 1e-12
"""Radians by which an angle may exceed a bound that it attains: the rounding of angles with 12 decimals."""

_CLOSED: dict[str, Callable[[int, int], Bound | None]] = {
    "rankin": rankin,
    "boroczky": boroczky,
    "levenshtein": levenshtein,
    "cap_area": cap_area,
}


def all_bounds(n: int, d: int, lp: bool = True, degree: int | None = None) -> dict[str, Bound]:
    """Compute every bound that applies to n points in R^d.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.
        lp: also solve Delsarte's linear program, which takes 0.05 s to about 10 s.
        degree: degree of the polynomials of the linear program, 1 to 200; chosen for the size by default.

    Returns:
        The bounds by key, those of `rankin`, `boroczky` (in d = 2 and 3 the polygon and Fejes Toth's bound),
        `levenshtein`, `cap_area`, `delsarte_lp` that apply, in this order.

    Raises:
        InvalidParameterError: if n, d or the degree is not an integer in its range.

    Example:
        >>> list(all_bounds(24, 4, lp=False))
        ['boroczky', 'levenshtein', 'cap_area']
    """
    n, d = check_size(n, d)
    found = {key: bound(n, d) for key, bound in _CLOSED.items()}
    if lp:
        found["delsarte_lp"] = delsarte_lp(n, d, degree)
    return {key: bound for key, bound in found.items() if bound is not None}


def most_points(angle: float, d: int, lp: bool = False, degree: int | None = None) -> dict[str, int]:
    """Compute the largest number of points in R^d that each bound allows at a minimal angle.

    For a closed bound, the largest n whose bound is not below the angle; for Delsarte's, `floor(N(t))` of
    one linear program at `t = cos(angle)`. The angle may exceed a bound by `ANGLE_SLACK`, so that
    a rounded angle that attains a bound is counted.

    Args:
        angle: minimal angle in radians, 0 < angle <= pi.
        d: dimension of the space, 2 to 10^15.
        lp: also solve Delsarte's linear program.
        degree: degree of its polynomials, 1 to 200; chosen from the other bounds' answer by default.

    Returns:
        Numbers of points by the keys of `all_bounds`. The smallest is an upper bound on n.

    Raises:
        InvalidParameterError: if the angle is not in its range, or so small that every bound allows more
            than 10^15 points; if d or the degree is not an integer in its range.

    References: for 60 degrees, A. M. Odlyzko and N. J. A. Sloane, New bounds on the number of unit spheres
        that can touch a unit sphere in n dimensions, 1979.

    Example:
        >>> import math
        >>> most_points(math.pi / 3, 8)["levenshtein"]
        240
    """
    d = check_size(2, d)[1]
    requirement = "a number above 0, at most pi (radians)"
    angle = check_number("angle", angle, requirement, above=0.0, most=math.pi + ANGLE_SLACK)
    found: dict[str, int] = {}
    for key, bound in _CLOSED.items():
        # For more than 2d points, Rankin's theorem says only that the angle is below 90 degrees.
        most = None if key == "rankin" and angle < 0.5 * math.pi else _largest(bound, angle - ANGLE_SLACK, d, key)
        if most is not None:
            found[key] = most
    if not found:
        raise InvalidParameterError("angle", "so wide that at most 10^15 points could fit", angle)
    if lp:
        if degree is None:
            degree = default_degree(min(found.values()), d)
        else:
            degree = check_integer("degree", degree, 1, MAX_DEGREE)
        cosine = math.nextafter(math.cos(angle - ANGLE_SLACK), 1.0)  # rounded up: no code is excluded
        points = None if degree is None else delsarte_points(cosine, d, degree)
        if points is not None:
            found["delsarte_lp"] = math.floor(points)
    return found


def _largest(bound: Callable[[int, int], Bound | None], angle: float, d: int, key: str) -> int | None:
    """Return the largest n whose bound is not below the angle; None where the bound gives none."""
    end = min(2 * d, LARGEST) if key == "rankin" else LARGEST

    def excluded(n: int) -> bool | None:
        value = bound(n, d)
        # A bound of None for few points means "not excluded", for many points "not known".
        return (None if n > 2 * d else False) if value is None else value.angle < angle

    low, high = 2, 4
    while True:
        high = min(high, end)
        beyond = excluded(high)
        if beyond is None or (not beyond and high == end):
            return end if key == "rankin" and not beyond else None
        if beyond:
            break
        low, high = high, 4 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if excluded(middle) else (middle, high)
    return low if bound(low, d) is not None else None
