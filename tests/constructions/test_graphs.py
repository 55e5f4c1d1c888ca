"""Codes of graphs by the parameters of the graphs, codes of the Leech lattice by their distances."""

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, exact_cosine

from tammes.base.errors import InvalidParameterError
from tammes.constructions import graphs
from tammes.constructions.graphs import lowest_eigenspace, quadric, quadric_graph
from tammes.constructions.polytopes import vertex_figure
from tammes.constructions.roots import schlaefli

# Strongly regular graphs: n, k, lambda, mu, least eigenvalue and its multiplicity (Brouwer and Van Maldeghem, 2022).
GRAPHS = {
    "m22": (77, 16, 0, 4, -6, 21),
    "gewirtz": (56, 10, 0, 2, -4, 20),
    "higman_sims": (100, 22, 0, 6, -8, 22),
    "hoffman_singleton": (50, 7, 0, 1, -3, 21),
}
# Cohn and Kumar 2007, Table 1, multiplicities: Delsarte, Goethals and Seidel 1977; of the 40: Ballinger et al. 2009.
CODES = {
    "leech_4600": (4600, 23, {1: 1, 1 / 3: 891, 0: 2816, -1 / 3: 891, -1: 1}),
    "leech_891": (891, 22, {1: 1, 1 / 4: 336, -1 / 8: 512, -1 / 2: 42}),
    "leech_552": (552, 23, {1: 1, 1 / 5: 275, -1 / 5: 275, -1: 1}),
    "mclaughlin": (275, 22, {1: 1, 1 / 6: 162, -1 / 4: 112}),
    "leech_162": (162, 21, {1: 1, 1 / 7: 105, -2 / 7: 56}),
    "smith_40": (40, 10, {1: 1, 1 / 6: 24, 0: 4, -1 / 3: 3, -1 / 2: 8}),
}


def assert_strongly_regular(graph, n, k, common, apart):
    adjacency = graph.astype(int)
    assert adjacency.shape == (n, n)
    assert (adjacency == adjacency.T).all()
    eye = np.eye(n, dtype=int)
    assert (adjacency @ adjacency == k * eye + common * adjacency + apart * (1 - eye - adjacency)).all()


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


def test_the_quadric_of_order_2_is_schlaeflis():
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


@pytest.mark.parametrize("name", CODES)
def test_codes_of_the_leech_lattice_and_smiths(name):
    n, d, distribution = CODES[name]
    points = getattr(graphs, name)()
    assert_code(points, n, d, exact_cosine(n, d))
    assert_seen_alike(points, distribution, range(0, n, max(1, n // 300)))
    assert_design(points)


def test_inside_the_mclaughlin_graph():
    points = graphs.mclaughlin()
    graph = np.abs(points @ points.T + 0.25) < 1e-9
    assert_strongly_regular(graph, 275, 112, 30, 56)
    points = graphs.leech_162()
    assert_strongly_regular(np.abs(points @ points.T + 2 / 7) < 1e-9, 162, 56, 10, 24)


def test_the_112_lie_in_the_mclaughlin_graph():
    part = vertex_figure(graphs.mclaughlin(), -0.25, 17)
    n, d, q = 112, 21, 3
    assert_code(part, n, d, 1 / q**2)
    assert_seen_alike(part, {1: 1, 1 / 9: 81, -1 / 3: 30})
