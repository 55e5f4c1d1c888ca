"""Antipodal codes: those made of pairs x, -x."""

from __future__ import annotations

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.codes.spherical_code import SphericalCode

__all__ = ["ANTIPODAL_TOLERANCE", "check_antipodal", "is_antipodal"]

ANTIPODAL_TOLERANCE = 1e-12
"""Largest distance from -x to a point of an antipodal code, for each of its points x."""


def is_antipodal(code: SphericalCode) -> bool:
    """Return True if the code is made of pairs +-x: of every point x, it holds -x to `ANTIPODAL_TOLERANCE`.

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
