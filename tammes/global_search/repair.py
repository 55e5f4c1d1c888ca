"""Repair of the worst defects: take points out where it is too tight, put them where it is empty.

A relaxed code of many points is as good as its tightest region. A point taken from there and put into the
deepest hole elsewhere makes room; the ladder from a middling exponent then closes the gap and leaves
distant regions as they are.
"""

from __future__ import annotations

import numpy as np

from tammes.base.geometry import Floats, Ints
from tammes.solvers.ladder import many_points as large

__all__ = ["deepest_holes", "transplant"]

_STARTS = 6  # points from which one hole is looked for
_STEPS = 60  # of the way to its middle
_APART = 0.7  # spacings between different holes
_SHARP = 256.0  # exponent by which pressure is told: high, so that the tightest pairs alone count


def deepest_holes(points: Floats, spacing: float, count: int) -> tuple[Floats, Floats]:
    """Places far from every point, the deepest first.

    Searched for beside the points whose neighbours lie most to one side: each candidate walks away from
    its nearest points, and of those that meet, one is kept. Cost: O(n) but for a k-d tree.

    Args:
        points: unit rows, shape `(n, d)`. Not modified.
        spacing: the smallest chord, about.
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
    for start in range(0, n, 50_000):  # in blocks: the neighbours of all would take more than the rest of the work
        rows = slice(start, start + 50_000)
        distance, index = (np.asarray(found) for found in tree.query(points[rows], k=near))
        v = points[rows, None] - points[index[:, 1:]]
        pull = (v / distance[:, 1:, None] ** 3).sum(axis=1)
        pull -= np.einsum("nd,nd->n", pull, points[rows])[:, None] * points[rows]
        length = np.linalg.norm(pull, axis=1)
        lopsided[rows] = length
        away[rows] = pull / np.maximum(length, 1e-300)[:, None]
    first = np.argsort(-lopsided, kind="stable")[: max(64, _STARTS * count)]
    places = points[first] + 0.8 * spacing * away[first]
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    for step in range(_STEPS):
        distance, index = (np.asarray(found) for found in tree.query(places, k=2 * d))
        distance = np.maximum(distance, 1e-300)
        weight = (distance[:, :1] / distance) ** (8 + step)
        push = np.einsum("pk,pkd->pd", weight / distance, places[:, None] - points[index])
        push -= np.einsum("pd,pd->p", push, places)[:, None] * places
        push /= np.maximum(np.linalg.norm(push, axis=1, keepdims=True), 1.0)
        places = places + 0.1 * spacing / (1.0 + 0.2 * step) * push
        places /= np.linalg.norm(places, axis=1, keepdims=True)
    depth = np.asarray(tree.query(places, k=1)[0])
    kept: list[int] = []
    for k in np.argsort(-depth, kind="stable").tolist():
        if all(np.linalg.norm(places[k] - places[other]) > _APART * spacing for other in kept):
            kept.append(k)
        if len(kept) == count:
            break
    return places[kept], depth[kept]


def transplant(points: Floats, spacing: float, count: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """The points with the most pressed ones moved into the deepest holes; not relaxed.

    Args:
        points: unit rows, shape `(n, d)`, relaxed. Not modified.
        spacing: a length that no smallest chord exceeds.
        count: points to move at most.
        rng: varies which of the most pressed go, and where.

    Returns:
        The new points, and the rows that moved.
    """
    holes, _ = deepest_holes(points, spacing, 2 * count)
    chosen = holes[np.sort(rng.permutation(len(holes))[:count])]
    pressure = large.pressed(points, _SHARP, chord_bound=spacing) * rng.random(len(points)) ** 0.3
    moved = np.argsort(-pressure, kind="stable")[: len(chosen)]
    result = points.copy()
    result[moved] = chosen
    return result, moved
