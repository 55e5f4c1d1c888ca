"""Moves: from one good code to the start of the next descent.

Each takes unit points `(n, d)` and gives new unit points, drawn from a random generator; none of them optimises.
Lengths are in units of the minimal angle unless said otherwise.
"""

from __future__ import annotations

import numpy as np

from tammes.base import geometry
from tammes.base.geometry import Floats, Ints, normalize_rows
from tammes.global_search.holes import deepest_holes, holes
from tammes.solvers.ladder import many_points

__all__ = ["delete", "insert", "kick", "patch_kick", "reinsert", "shake", "transplant"]

_SHARP = 256.0  # exponent of the pressure of a point: high, so that the tightest pairs alone count


def insert(points: Floats, count: int, rng: np.random.Generator, choices: int = 6) -> Floats:
    """Return the points with `count` more, each into one of the `choices` deepest holes that are left."""
    for _ in range(count):
        deep, _ = holes(points, rng)
        points = np.concatenate([points, deep[rng.integers(min(choices, len(deep)))][None]])
    return points


def delete(points: Floats, which: Ints) -> Floats:
    """Return the points without the rows `which`."""
    return np.delete(points, which, axis=0)


def reinsert(points: Floats, count: int, rng: np.random.Generator, *, together: bool) -> Floats:
    """Return the points with `count` of them, near to each other or anywhere, moved into deep holes."""
    n = len(points)
    if together:
        centre = points[rng.integers(n)]
        near = np.argsort(-(points @ centre), kind="stable")[: 2 * count + 2]
        which = rng.choice(near, min(count, len(near)), replace=False)
    else:
        which = rng.choice(n, count, replace=False)
    return insert(delete(points, which), len(which), rng)


def kick(points: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Return the points, every one displaced at random by about `size` minimal angles."""
    n, d = points.shape
    angle = geometry.min_angle(points)
    return normalize_rows(points + rng.standard_normal((n, d)) * (size * angle / np.sqrt(d)))


def patch_kick(points: Floats, size: float, radius: float, rng: np.random.Generator) -> Floats:
    """Return the points with those near a random centre, within `radius`, displaced at random by about `size`."""
    n, d = points.shape
    angle = geometry.min_angle(points)
    centre = normalize_rows(rng.standard_normal((1, d)))
    inside = geometry.angle(points, centre) <= radius * angle
    moved = points + inside[:, None] * rng.standard_normal((n, d)) * (size * angle / np.sqrt(d))
    return normalize_rows(moved)


def shake(points: Floats, amplitude: float, seed: tuple[int, ...]) -> Floats:
    """Return the points, every one displaced at random by about `amplitude` along each axis."""
    return normalize_rows(points + amplitude * np.random.default_rng(seed).standard_normal(points.shape))


def transplant(points: Floats, chord_bound: float, count: int, rng: np.random.Generator) -> Floats:
    """Return the points with the most pressed ones moved into the deepest holes; for many points.

    Args:
        points: unit rows, shape `(n, d)`, relaxed. Not modified.
        chord_bound: a length that no smallest chord exceeds.
        count: points to move at most.
        rng: varies which of the most pressed go, and where.
    """
    deep, _ = deepest_holes(points, chord_bound, 2 * count)
    chosen = deep[np.sort(rng.permutation(len(deep))[:count])]
    pressure = many_points.pressed(points, _SHARP, chord_bound=chord_bound) * rng.random(len(points)) ** 0.3
    moved = np.argsort(-pressure, kind="stable")[: len(chosen)]
    result = points.copy()
    result[moved] = chosen
    return result
