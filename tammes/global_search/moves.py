"""Moves: from one good code to the start of the next descent.

Each takes unit points `(n, d)` and a random generator, and gives new unit points; none of them
optimises. Lengths are in units of the minimal angle.
"""

from __future__ import annotations

import numpy as np

from tammes.base import geometry
from tammes.base.geometry import Floats, Ints

__all__ = ["delete", "holes", "insert", "kick", "patch_kick", "reinsert"]

_HULL = {3: 20_000, 4: 1_500, 5: 250}  # points up to which the hull of a dimension is cheap
_SAMPLES = 4_000


def holes(points: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Directions far from all points, the deepest first, and the cosine to their nearest point.

    In low dimension these are the circumcentres of the facets of the convex hull: all local maxima
    of the distance are among them. Beyond, the best of random directions.

    Args:
        points: unit rows, shape `(n, d)`.
        rng: for the samples, where the hull is too dear.

    Returns:
        `(h, d)` unit rows and `(h,)` cosines, in increasing order.
    """
    n, d = points.shape
    if d < n <= _HULL.get(d, 0):
        from scipy.spatial import ConvexHull, QhullError

        try:
            facets = ConvexHull(points).equations
        except QhullError:  # in one hyperplane
            pass
        else:
            order = np.argsort(-facets[:, -1], kind="stable")
            facets = facets[order]
            fresh = np.r_[True, np.abs(np.diff(facets, axis=0)).max(axis=1) > 1e-9]  # a facet in pieces counts once
            return facets[fresh, :-1], -facets[fresh, -1]
    directions = rng.standard_normal((_SAMPLES, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    nearest = np.concatenate([(block @ points.T).max(axis=1) for block in np.array_split(directions, 1 + n // 500)])
    order = np.argsort(nearest, kind="stable")[:200]
    return directions[order], nearest[order]


def insert(points: Floats, count: int, rng: np.random.Generator, choices: int = 6) -> Floats:
    """Add `count` points, each into one of the `choices` deepest holes that are left."""
    for _ in range(count):
        deep, _ = holes(points, rng)
        points = np.concatenate([points, deep[rng.integers(min(choices, len(deep)))][None]])
    return points


def delete(points: Floats, which: Ints) -> Floats:
    """Without the points `which`."""
    return np.delete(points, which, axis=0)


def reinsert(points: Floats, count: int, rng: np.random.Generator, *, together: bool) -> Floats:
    """Take `count` points away, near to each other or anywhere, and put them into deep holes."""
    n = len(points)
    if together:
        centre = points[rng.integers(n)]
        near = np.argsort(-(points @ centre), kind="stable")[: 2 * count + 2]
        which = rng.choice(near, min(count, len(near)), replace=False)
    else:
        which = rng.choice(n, count, replace=False)
    return insert(delete(points, which), len(which), rng)


def kick(points: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Every point displaced at random by about `size` minimal angles."""
    n, d = points.shape
    angle = geometry.min_angle(points)
    return _unit(points + rng.standard_normal((n, d)) * (size * angle / np.sqrt(d)))


def patch_kick(points: Floats, size: float, radius: float, rng: np.random.Generator) -> Floats:
    """Displace at random, by about `size`, the points within `radius` of a random centre; in minimal angles."""
    n, d = points.shape
    angle = geometry.min_angle(points)
    centre = _unit(rng.standard_normal((1, d)))
    inside = geometry.angle(points, centre) <= radius * angle
    moved = points + inside[:, None] * rng.standard_normal((n, d)) * (size * angle / np.sqrt(d))
    return _unit(moved)


def _unit(points: Floats) -> Floats:
    """Rows scaled to length 1."""
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))
