"""Holes of a code: directions far from all of its points, where a point may be put."""

from __future__ import annotations

import numpy as np

from tammes.base.geometry import Floats, normalize_rows

__all__ = ["deepest_holes", "holes"]

_HULL = {3: 20_000, 4: 1_500, 5: 250}  # points up to which the hull of a dimension is cheap
_SAMPLES = 4_000
_STARTS = 6  # points from which one hole is looked for
_STEPS = 60  # of the way to its middle
_APART = 0.7  # of the chord bound, between different holes
_BLOCK = 50_000  # points whose neighbours are held at once


def holes(points: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return directions far from all points, the deepest first, and the cosine to their nearest point.

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
    directions = normalize_rows(rng.standard_normal((_SAMPLES, d)))
    nearest = np.concatenate([(block @ points.T).max(axis=1) for block in np.array_split(directions, 1 + n // 500)])
    order = np.argsort(nearest, kind="stable")[:200]
    return directions[order], nearest[order]


def deepest_holes(points: Floats, chord_bound: float, count: int) -> tuple[Floats, Floats]:
    """Return places far from every point, the deepest first, among many points.

    They are searched for beside the points whose neighbours lie most to one side: each candidate walks away from its
    nearest points, and of those that meet, one is kept. Cost: O(n log n), by a k-d tree.

    Args:
        points: unit rows, shape `(n, d)`. Not modified.
        chord_bound: a length that no smallest chord exceeds; the smallest chord is near it.
        count: holes at most.

    Returns:
        `(k, d)` unit rows, and `(k,)` chords to the nearest point.
    """
    from scipy.spatial import cKDTree

    n, d = points.shape
    tree = cKDTree(points)
    near = min(n, 2 * d + 3)
    lopsided = np.empty(n)
    away = np.empty((n, d))
    for start in range(0, n, _BLOCK):  # the neighbours of all would take more memory than the rest of the work
        rows = slice(start, start + _BLOCK)
        distance, index = (np.asarray(found) for found in tree.query(points[rows], k=near))
        v = points[rows, None] - points[index[:, 1:]]
        pull = (v / distance[:, 1:, None] ** 3).sum(axis=1)
        pull -= np.einsum("nd,nd->n", pull, points[rows])[:, None] * points[rows]
        length = np.linalg.norm(pull, axis=1)
        lopsided[rows] = length
        away[rows] = pull / np.maximum(length, 1e-300)[:, None]
    first = np.argsort(-lopsided, kind="stable")[: max(64, _STARTS * count)]
    places = normalize_rows(points[first] + 0.8 * chord_bound * away[first])
    for step in range(_STEPS):
        distance, index = (np.asarray(found) for found in tree.query(places, k=2 * d))
        distance = np.maximum(distance, 1e-300)
        weight = (distance[:, :1] / distance) ** (8 + step)
        push = np.einsum("pk,pkd->pd", weight / distance, places[:, None] - points[index])
        push -= np.einsum("pd,pd->p", push, places)[:, None] * places
        push /= np.maximum(np.linalg.norm(push, axis=1, keepdims=True), 1.0)
        places = normalize_rows(places + 0.1 * chord_bound / (1.0 + 0.2 * step) * push)
    depth = np.asarray(tree.query(places, k=1)[0])
    kept: list[int] = []
    for k in np.argsort(-depth, kind="stable").tolist():
        if all(np.linalg.norm(places[k] - places[other]) > _APART * chord_bound for other in kept):
            kept.append(k)
        if len(kept) == count:
            break
    return places[kept], depth[kept]
