"""The vertex figure of a spherical code, and unit vectors from vectors of one length."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats

__all__ = ["unit_rows", "vertex_figure"]


def unit_rows(vectors: ArrayLike) -> Floats:
    """Return rows of one length, such as vectors of integers, divided by that length.

    All rows are divided by the same number, so that equal entries stay equal to the last digit.

    Args:
        vectors: shape `(n, d)`, rows of equal length up to rounding.

    Returns:
        `(n, d)`: unit rows.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    return np.asarray(rows / math.sqrt(float(rows[0] @ rows[0])))


def vertex_figure(points: Floats, cosine: float, apex: int = 0) -> Floats:
    """Return the vertex figure of a point: the points at one cosine to it, projected along it and normalised.

    A point y with y.x = c goes to (y - c x) / sqrt(1 - c^2), in coordinates of the hyperplane orthogonal to x: those
    of the Householder reflection that takes x to an axis, without that axis. Two points at cosine t go to two points
    at cosine (t - c^2) / (1 - c^2).

    Args:
        points: unit rows, shape `(n, d)`. Not modified.
        cosine: c; points within 1e-9 of it are taken.
        apex: index of the fixed point x.

    Returns:
        `(m, d - 1)`: unit rows, in the order of `points`.

    Raises:
        InvalidParameterError: if no point is at that cosine, or it is not strictly between -1 and 1.

    References: H. Cohn and A. Kumar, Universally optimal distribution of points on spheres, 2007, section 4.

    Example:
        >>> octahedron = np.concatenate([np.eye(3), -np.eye(3)])
        >>> vertex_figure(octahedron, 0.0).shape
        (4, 2)
    """
    if not -1.0 < cosine < 1.0:
        raise InvalidParameterError("cosine", "strictly between -1 and 1", cosine)
    x = points[apex]
    near = points[np.abs(points @ x - cosine) < 1e-9]
    if not len(near):
        raise InvalidParameterError("cosine", "that of some point to the fixed one", cosine)
    mirror = x.copy()
    mirror[0] += math.copysign(1.0, x[0])
    image = near - np.outer(near @ mirror, mirror) * (2.0 / float(mirror @ mirror))
    return np.asarray(image[:, 1:] / math.sqrt(1.0 - cosine * cosine))
