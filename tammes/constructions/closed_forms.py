"""Optimal codes in closed form: simplex, orthoplex, regular polygon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, normalize_rows
from tammes.base.validation import check_size

__all__ = ["ClosedForm", "closed_form", "orthoplex", "regular_polygon", "simplex"]


@dataclass(frozen=True)
class ClosedForm:
    """A size (n, d) whose optimal code has a closed form, and this code."""

    n: int
    d: int
    name: str
    exact_max_cosine: str
    """The cosine of the optimal angle, as a formula in numbers."""
    angle: float
    """The optimal angle, radians."""
    reference: str
    """Source of the proof of optimality."""

    def points(self) -> Floats:
        """Return the points, float64, shape `(n, d)`."""
        if self.name == "simplex":
            return simplex(self.n, self.d)
        if self.name == "regular polygon":
            return regular_polygon(self.n)
        return orthoplex(self.d)[: self.n]


def closed_form(n: int, d: int) -> ClosedForm | None:
    """Return the proved optimum for n points in R^d where it has a closed form, else None.

    For n <= d + 1 it is the simplex, with cosine -1/(n-1); for d = 2 the regular polygon; for d + 2 <= n <= 2d any n
    points of the orthoplex, at a right angle.

    Example:
        >>> closed_form(7, 4).name, closed_form(9, 4)
        ('part of the orthoplex', None)
    """
    n, d = check_size(n, d)
    rankin = "R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955"
    if n <= d + 1:
        cosine = f"-1/{n - 1}" if n > 2 else "-1"
        return ClosedForm(n, d, "simplex", cosine, math.acos(-1.0 / (n - 1)), rankin)
    if d == 2:
        angle = 2.0 * math.pi / n
        return ClosedForm(n, d, "regular polygon", f"cos(2 pi/{n})", angle, "elementary: the angles sum to 2 pi")
    if n <= 2 * d:
        name = "orthoplex" if n == 2 * d else "part of the orthoplex"
        return ClosedForm(n, d, name, "0", 0.5 * math.pi, rankin)
    return None


def simplex(n: int, d: int) -> Floats:
    """Return n points of R^d with all angles equal to arccos(-1/(n-1)), n <= d + 1.

    The optimal Gram matrix, with ones on the diagonal and -1/(n-1) elsewhere, is factored by its eigendecomposition: it
    has the eigenvalue n/(n-1), n - 1 times, and 0 (Wang et al. 2020, Eq. 4). The eigenvectors are those of the Helmert
    matrix, in closed form.

    Returns:
        Float64, shape `(n, d)`; the last d - n + 1 coordinates are zero.

    Raises:
        InvalidParameterError: if n > d + 1.
    """
    n, d = check_size(n, d)
    if n > d + 1:
        raise InvalidParameterError("n", f"at most d + 1 = {d + 1} for a simplex", n)
    points = np.zeros((n, d))
    for k in range(1, n):  # eigenvector k: k ones, then -k; orthogonal to all others
        vector = np.zeros(n)
        vector[:k] = 1.0
        vector[k] = -k
        points[:, k - 1] = vector * math.sqrt(n / ((n - 1) * k * (k + 1)))
    return normalize_rows(points)


def orthoplex(d: int) -> Floats:
    """Return the 2d points +-e_k, shape `(2d, d)`; all angles are 90 or 180 degrees."""
    _, d = check_size(2, d)
    return np.concatenate([np.eye(d), -np.eye(d)])


def regular_polygon(n: int) -> Floats:
    """Return n points at equal angles 2 pi / n on the circle, shape `(n, 2)`."""
    n, _ = check_size(n, 2)
    turn = 2.0 * np.pi * np.arange(n) / n
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)
