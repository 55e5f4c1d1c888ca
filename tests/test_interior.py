"""The interior point method: its system against dense algebra, its path against known optima."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from tammes import geometry
from tammes.solvers import interior
from tammes.solvers.interior import Program, band_order, least_norm


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


@pytest.mark.parametrize("banded", [True, False])
def test_the_bordered_system_is_solved(banded):
    rng = np.random.default_rng(0)
    points = rows(30, 3)
    i, j, _ = geometry.pairs_within(points, 0.9)
    pairs = np.stack([i, j], axis=1)
    rates = interior._gradients(points, pairs, geometry.tangent_bases(points))
    stiffness = (rates.T @ rates).tocsr()
    coupling, force = rng.normal(size=60) * 0.01, rng.normal(size=60)
    order = band_order(pairs, 30, 3) if banded else None
    solution = interior._solve(stiffness, coupling, 5.0, force, 0.7, 1e-3, order)
    assert solution is not None
    dense = np.block(
        [[stiffness.toarray() + 1e-3 * np.eye(60), coupling[:, None]], [coupling[None], np.array([[5.0]])]]
    )
    expected = np.linalg.solve(dense, np.r_[force, 0.7])
    assert np.abs(np.r_[solution[0], solution[1]] - expected).max() < 1e-9 * np.abs(expected).max()


def test_an_indefinite_system_has_no_factor():
    matrix = csr_array(np.diag([1.0, -1.0, 1.0]))
    assert interior._solve(matrix, np.zeros(3), 1.0, np.ones(3), 0.0, 0.0, None) is None
    found = interior._newton(matrix, np.zeros(3), 1.0, np.ones(3), 0.0, None, 0.0)
    assert found is not None
    assert found[2] > 1.0  # the shift that made it definite


def test_least_norm_against_the_pseudo_inverse():
    rng = np.random.default_rng(1)
    approach = csr_array(rng.normal(size=(12, 20)))
    excess = rng.normal(size=12)
    found = least_norm(approach, excess, None)
    extended = np.c_[approach.toarray(), np.ones(12)]
    assert np.abs(approach @ found + np.mean(excess - approach @ found) - excess).max() < 1e-7
    # As short as the shortest solution of the extended system, whose last component is T.
    assert np.linalg.norm(found) <= np.linalg.norm(np.linalg.pinv(extended) @ excess) + 1e-6


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
