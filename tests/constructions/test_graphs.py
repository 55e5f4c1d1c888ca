"""Strongly regular graphs by their parameters, and their codes by their distances."""

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, assert_strongly_regular, exact_cosine

from tammes.base.errors import InvalidParameterError
from tammes.constructions import graphs
from tammes.constructions.graphs import lowest_eigenspace, quadric, quadric_graph
from tammes.constructions.root_systems import schlaefli

# Strongly regular graphs: n, k, lambda, mu, least eigenvalue and its multiplicity (Brouwer and Van Maldeghem, 2022).
GRAPHS = {
    "m22": (77, 16, 0, 4, -6, 21),
    "gewirtz": (56, 10, 0, 2, -4, 20),
    "higman_sims": (100, 22, 0, 6, -8, 22),
    "hoffman_singleton": (50, 7, 0, 1, -3, 21),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_and_their_codes(name):
    n, k, common, apart, least, d = GRAPHS[name]
    assert_strongly_regular(getattr(graphs, f"{name}_graph")(), n, k, common, apart)
    points = getattr(graphs, name)()
    cosine = -(1 + least) / (n - k - 1)
    assert cosine == pytest.approx(exact_cosine(n, d), abs=1e-15)
    assert_code(points, n, d, exact_cosine(n, d))
    assert_seen_alike(points, {1: 1, least / k: k, cosine: n - k - 1})
    assert_design(points)


@pytest.mark.slow
@pytest.mark.parametrize("q", [2, 3, 4, 5])
def test_quadrics(q):
    n, d = (q + 1) * (q**3 + 1), q * (q**2 - q + 1)
    k = q * (q**2 + 1)
    assert_strongly_regular(quadric_graph(q), n, k, q - 1, q**2 + 1)  # a generalized quadrangle of order (q, q^2)
    points = quadric(q)
    assert_code(points, n, d, 1 / q**2)
    assert_seen_alike(points, {1: 1, 1 / q**2: q**4, -1 / q: k})
    assert_design(points)
    if q < 5:
        assert exact_cosine(n, d) == pytest.approx(1 / q**2, abs=1e-15)


@pytest.mark.parametrize("q", [1, 6, 7, 0, None])
def test_other_quadrics_are_refused(q):
    with pytest.raises(InvalidParameterError, match="`q` must be 2, 3, 4 or 5"):
        quadric(q)


def test_the_quadric_of_order_2_is_the_schlaefli_code():
    np.testing.assert_allclose(
        np.sort(quadric(2) @ quadric(2).T, axis=1), np.sort(schlaefli() @ schlaefli().T, axis=1), atol=1e-12
    )


def test_lowest_eigenspace_of_a_cycle_and_of_a_complete_bipartite_graph():
    cycle = np.roll(np.eye(5, dtype=bool), 1, axis=1)
    points = lowest_eigenspace(cycle | cycle.T)  # eigenvalue 2 cos(4 pi/5), twice: the pentagram
    assert points.shape == (5, 2)
    np.testing.assert_allclose(points[0] @ points[1], np.cos(0.8 * np.pi), atol=1e-14)
    halves = np.kron(np.array([[0, 1], [1, 0]]), np.ones((3, 3))).astype(bool)
    points = lowest_eigenspace(halves)
    assert points.shape == (6, 1)
    assert points[0] @ points[5] == pytest.approx(-1.0)


def test_smiths_code():
    points = graphs.smith_40()
    assert_code(points, 40, 10, exact_cosine(40, 10))
    # Ballinger et al. 2009, section 3
    assert_seen_alike(points, {1: 1, 1 / 6: 24, 0: 4, -1 / 3: 3, -1 / 2: 8})
    assert_design(points)
