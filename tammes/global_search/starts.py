"""Kinds of start for a local solver, drawn from n, d and a random generator alone; none is a named code.

Every kind returns unit rows, shape `(n, d)`.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import minimize

from tammes.base.geometry import Floats, normalize_rows

__all__ = ["KINDS", "hinge", "lattice", "random", "spiral"]

_HINGE_SIZE = 400  # points up to which the dense hinge is cheap
_GOLDEN_TURN = math.pi * (3.0 - math.sqrt(5.0))


def random(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Return independent points, uniform on the sphere."""
    return normalize_rows(rng.standard_normal((n, d)))


def spiral(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Return layers of equal content along one axis; in d = 3 a golden spiral, in higher d spirals of random layers.

    Each coordinate in turn is a quantile of its distribution on the sphere that is left, shifted
    and turned at random, with a little noise.
    """
    left, points = np.ones(n), np.zeros((n, d))
    steps = (np.arange(n) + rng.uniform(0.3, 0.7)) / n
    for k in range(d - 2):
        level = steps if k == 0 else np.mod(np.arange(n) * _irrational(k) + rng.uniform(), 1.0)
        height = _heights(level, d - k)
        points[:, k] = left * height
        left *= np.sqrt(1.0 - height**2)
    turn = np.arange(n) * _GOLDEN_TURN * (1.0 if d == 3 else _irrational(d)) + rng.uniform(0.0, 2.0 * math.pi)
    points[:, d - 2], points[:, d - 1] = left * np.cos(turn), left * np.sin(turn)
    return normalize_rows(points + rng.standard_normal((n, d)) * (0.1 * n ** (-1.0 / (d - 1)) * rng.uniform()))


def lattice(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Return the n points of a shifted root lattice D_d that are nearest to a sphere, as directions from its centre."""
    reach = {2: 40, 3: 8, 4: 4, 5: 3, 6: 2}.get(d, 1)
    if d > 9:
        return random(n, d, rng)
    grid = np.array(list(itertools.product(range(-reach, reach + 1), repeat=d)), dtype=np.float64)
    grid = grid[grid.sum(axis=1) % 2 == 0] - rng.uniform(-0.5, 0.5, d)
    radius = np.linalg.norm(grid, axis=1)
    grid, radius = grid[radius > 0.5], radius[radius > 0.5]
    if len(grid) < n:
        return random(n, d, rng)
    inside = np.sort(radius)[min(len(radius) - 1, 2 * n)]
    target = rng.uniform(0.5, 1.0) * inside
    chosen = np.argsort(np.abs(radius - target), kind="stable")[:n]
    return normalize_rows(grid[chosen] + 1e-3 * rng.standard_normal((n, d)))


def hinge(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Return random points pushed apart by `sum max(0, r^2 - D)^2`: only what is nearer than r repels."""
    points = random(n, d, rng)
    if n > _HINGE_SIZE:
        return points
    # r: the chord at which caps of half that angle would fill about 70 to 95 % of the best packing
    reach_sq = (rng.uniform(0.9, 1.05) * 2.0 * (2.0 / n) ** (1.0 / (d - 1))) ** 2 if d > 2 else (6.0 / n) ** 2
    i, j = np.triu_indices(n, 1)

    def energy(flat: Floats) -> tuple[float, Floats]:
        rows = flat.reshape(n, d)
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        unit = rows / norm
        chord_sq = np.maximum(0.0, 2.0 - 2.0 * (unit @ unit.T)[i, j])
        overlap = np.maximum(0.0, reach_sq - chord_sq)
        weight = np.zeros((n, n))
        weight[i, j] = weight[j, i] = -4.0 * overlap
        gradient = weight.sum(axis=1)[:, None] * unit - weight @ unit
        gradient -= np.einsum("nd,nd->n", gradient, unit)[:, None] * unit
        return float((overlap**2).sum()), (gradient / norm).ravel()

    found = minimize(energy, points.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 40})
    return normalize_rows(found.x.reshape(n, d))


KINDS = {"random": random, "spiral": spiral, "lattice": lattice, "hinge": hinge}
"""The cold kinds of start by name."""


def _heights(level: Floats, d: int) -> Floats:
    """Return quantiles of one coordinate on the unit sphere in R^d, in [-1, 1]."""
    if d == 3:
        return 1.0 - 2.0 * level
    from scipy.special import betaincinv

    return np.asarray(2.0 * betaincinv(0.5 * (d - 1), 0.5 * (d - 1), level) - 1.0)


def _irrational(k: int) -> float:
    """Return the fractional part of a square root that is no rational multiple of the others."""
    return math.sqrt((2, 3, 5, 7, 11, 13, 17, 19, 23, 29)[k % 10]) % 1.0
