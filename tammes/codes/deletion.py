"""From a good code to one with fewer points: the best deletion, of a point or of a pair +-x."""

from __future__ import annotations

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.codes.spherical_code import SphericalCode

__all__ = ["ANTIPODAL_TOLERANCE", "best_deletion", "check_antipodal", "is_antipodal"]

ANTIPODAL_TOLERANCE = 1e-12
"""Of every point x, -x lies this close to a point of an antipodal code: length of the difference."""


def is_antipodal(code: SphericalCode) -> bool:
    """Whether the code is made of pairs +-x: of every point x, it holds -x to `ANTIPODAL_TOLERANCE`.

    Cost: O(n log n) for small d, by a k-d tree.

    Example:
        >>> is_antipodal(SphericalCode([[1, 0], [0, 1], [-1, 0], [0, -1]]))
        True
    """
    if code.n % 2:
        return False
    from scipy.spatial import KDTree

    distances, _ = KDTree(code.points).query(-code.points, distance_upper_bound=2.0 * ANTIPODAL_TOLERANCE)
    return bool(np.all(distances <= ANTIPODAL_TOLERANCE))


def check_antipodal(code: SphericalCode, antipodal: bool) -> None:
    """Refuse a code that is offered as antipodal and is not.

    Raises:
        InvalidParameterError: if `antipodal` is set and the code is not made of pairs +-x.
    """
    if antipodal and not is_antipodal(code):
        requirement = f"made of pairs +-x to {ANTIPODAL_TOLERANCE:g} for an antipodal problem"
        raise InvalidParameterError("code", requirement, code)


def best_deletion(code: SphericalCode, *, antipodal: bool = False) -> SphericalCode:
    """The code without the point whose removal raises the minimal angle most; any point where none does.

    Only the two ends of a closest pair need be tried: while both are there, the angle stays.

    Args:
        code: at least three points.
        antipodal: remove x and -x together, from an antipodal code of at least four points.

    Raises:
        InvalidParameterError: if there are too few points, or the code is not antipodal as claimed.

    Example:
        >>> best_deletion(SphericalCode([[1, 0], [0.6, 0.8], [-1, 0]])).min_angle_degrees
        180.0
    """
    check_antipodal(code, antipodal)
    least = 4 if antipodal else 3
    if code.n < least:
        raise InvalidParameterError("n", f"at least {least}, for two points to remain", code.n)
    remaining = []
    for k in code.closest_pair:
        gone = [k, int(np.argmin(code.points @ code.points[k]))] if antipodal else [k]
        remaining.append(SphericalCode(np.delete(code.points, gone, axis=0)))
    return max(remaining, key=lambda shorter: shorter.min_angle)
