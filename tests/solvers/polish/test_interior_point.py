"""The interior point method: its gradients against differences, its path against known optima."""

import math

import numpy as np
import pytest

from tammes.base import geometry
from tammes.solvers.polish import interior_point as interior
from tammes.solvers.polish.interior_point import Program


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


def test_gradients_against_differences():
    points = rows(8, 4)
    pairs = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)])
    bases = geometry.tangent_bases(points)
    rates = interior._gradients(points, pairs, bases)
    local = np.random.default_rng(2).normal(size=24)
    step = 1e-6
    moves = np.einsum("ndk,nk->nd", bases, local.reshape(8, 3))
    values = []
    for sign in (1, -1):
        moved = geometry.as_points(points + sign * step * moves, normalize=True)
        values.append(0.5 * ((moved[pairs[:, 0]] - moved[pairs[:, 1]]) ** 2).sum(axis=1))
    assert np.allclose((values[0] - values[1]) / (2 * step), rates @ local, atol=1e-8)


def test_the_path_ends_at_an_optimum_with_its_multipliers():
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    ico = np.array([np.roll(corner, k) for corner in corners for k in range(3)])
    start = geometry.as_points(ico + 0.02 * np.random.default_rng(3).normal(size=ico.shape), normalize=True)
    program = Program(start, None)
    for _ in range(100):
        if program.step():
            break
    assert geometry.nearest_neighbours(program.points)[0].min() == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-11)
    # Thirty contacts by symmetry alike: the path leads to the centre of their stresses, not to a corner.
    bearing = program.multipliers[program.multipliers > 1e-6]
    assert len(bearing) == 30
    assert np.allclose(bearing, 1 / 30, atol=1e-3)
