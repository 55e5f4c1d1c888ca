"""Bordered systems against dense algebra."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from tammes.base import geometry
from tammes.solvers.polish import banded as bordered
from tammes.solvers.polish import interior_point as interior


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
    order = bordered.band_order(pairs, 30, 3) if banded else None
    solution = bordered.Factor(stiffness, coupling, 5.0, 1e-3, order).solve(force, 0.7)
    dense = np.block(
        [[stiffness.toarray() + 1e-3 * np.eye(60), coupling[:, None]], [coupling[None], np.array([[5.0]])]]
    )
    expected = np.linalg.solve(dense, np.r_[force, 0.7])
    assert np.abs(np.r_[solution[0], solution[1]] - expected).max() < 1e-9 * np.abs(expected).max()


def test_an_indefinite_system_has_no_factor():
    matrix = csr_array(np.diag([1.0, -1.0, 1.0]))
    with pytest.raises(np.linalg.LinAlgError):
        bordered.Factor(matrix, np.zeros(3), 1.0, 0.0, None)
    found = bordered.newton(matrix, np.zeros(3), 1.0, np.ones(3), 0.0, None, 0.0)
    assert found is not None
    assert found[2] > 1.0  # the shift that made it definite


def test_the_lowest_eigenvector_by_iteration_is_that_of_the_whole_matrix():
    points = rows(200, 3)
    i, j, _ = geometry.pairs_within(points, 0.3)
    pairs = np.stack([i, j], axis=1)
    rng = np.random.default_rng(3)
    rates = interior._gradients(points, pairs, geometry.tangent_bases(points))
    signs = rng.uniform(-0.3, 1.0, size=len(pairs))
    stiffness, coupling = (rates.T @ (rates * signs[:, None])).tocsr(), rng.normal(size=400) * 0.1
    order = bordered.band_order(pairs, 200, 3)
    value, vector = bordered.lowest(stiffness, coupling, 5.0, 1e-3, order)
    dense = stiffness.toarray() - np.outer(coupling, coupling) / 5.0
    values, vectors = np.linalg.eigh(dense)
    assert values[0] < 0.0
    assert abs(value - values[0]) < 1e-6 * abs(values[0])
    assert abs(abs(float(vector @ vectors[:, 0])) - 1.0) < 1e-3


def test_least_norm_against_the_pseudo_inverse():
    rng = np.random.default_rng(1)
    approach = csr_array(rng.normal(size=(12, 20)))
    excess = rng.normal(size=12)
    found = bordered.least_norm(approach, excess, None)
    extended = np.c_[approach.toarray(), np.ones(12)]
    assert np.abs(approach @ found + np.mean(excess - approach @ found) - excess).max() < 1e-7
    # As short as the shortest solution of the extended system, whose last component is T.
    assert np.linalg.norm(found) <= np.linalg.norm(np.linalg.pinv(extended) @ excess) + 1e-6
