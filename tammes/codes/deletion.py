"""The best code with one point less, or one pair +-x less, than a given code."""

from __future__ import annotations

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.codes.antipodal import check_antipodal
from tammes.codes.spherical_code import SphericalCode

__all__ = ["best_deletion"]


def best_deletion(code: SphericalCode, *, antipodal: bool = False) -> SphericalCode:
    """Return the code without the point whose removal raises the minimal angle most; any point where none does.

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
