"""Codes of the Leech and Barnes-Wall lattices by their distances, and the graphs among them."""

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, assert_strongly_regular, exact_cosine

from tammes.constructions import lattices
from tammes.constructions.vertex_figure import vertex_figure

LEECH = {1: 1, 1 / 2: 4600, 1 / 4: 47104, 0: 93150, -1 / 4: 47104, -1 / 2: 4600, -1: 1}
# Cohn and Kumar 2007, Table 1; multiplicities: Delsarte, Goethals and Seidel 1977.
CODES = {
    "leech_4600": (4600, 23, {1: 1, 1 / 3: 891, 0: 2816, -1 / 3: 891, -1: 1}),
    "leech_891": (891, 22, {1: 1, 1 / 4: 336, -1 / 8: 512, -1 / 2: 42}),
    "leech_552": (552, 23, {1: 1, 1 / 5: 275, -1 / 5: 275, -1: 1}),
    "mclaughlin": (275, 22, {1: 1, 1 / 6: 162, -1 / 4: 112}),
    "leech_162": (162, 21, {1: 1, 1 / 7: 105, -2 / 7: 56}),
}


def test_barnes_wall():
    points = lattices.barnes_wall()
    assert_code(points, 4320, 16, exact_cosine(4320, 16))
    # Conway and Sloane, chapter 4: 4320 = 1 + 280 + 1024 + 1710 + 1024 + 280 + 1
    wanted = {1: 1, 1 / 2: 280, 1 / 4: 1024, 0: 1710, -1 / 4: 1024, -1 / 2: 280, -1: 1}
    assert_seen_alike(points, wanted, range(0, 4320, 11))
    assert_design(points)


def test_leech_from_each_kind_of_vector():
    points = lattices.leech()
    assert points.shape == (196560, 24)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=1e-15)
    assert_seen_alike(points, LEECH, [0, 1103, 1104, 60000, 98255, 98256, 150000, 196559])
    assert_design(points)


@pytest.mark.slow
def test_leech_from_every_hundred_and_first_vector():  # from all vectors it takes eight minutes
    vectors = lattices.leech_integers().astype(np.float32)  # integers: every product is exact
    levels = np.array([-32, -16, -8, 0, 8, 16, 32])
    counts = np.array([1, 4600, 47104, 93150, 47104, 4600, 1])
    for start in range(0, len(vectors), 101 * 512):
        products = (vectors[start : start + 101 * 512 : 101] @ vectors.T).astype(np.int8)
        for level, count in zip(levels, counts, strict=True):
            assert ((products == level).sum(axis=1) == count).all()


def test_leech_is_a_lattice_shell():
    vectors = lattices.leech_integers().astype(int)
    assert {int(norm) for norm in (vectors**2).sum(axis=1)} == {32}
    known = {row.tobytes() for row in lattices.leech_integers()}
    assert len(known) == 196560
    generator = np.random.default_rng(2)
    for row in vectors[generator.integers(0, len(vectors), 40)]:
        near = vectors[vectors @ row == 16]
        assert all((row - other).astype(np.int8).tobytes() in known for other in near[:40])  # closed under differences


@pytest.mark.parametrize("name", CODES)
def test_codes_of_the_leech_lattice(name):
    n, d, distribution = CODES[name]
    points = getattr(lattices, name)()
    assert_code(points, n, d, exact_cosine(n, d))
    assert_seen_alike(points, distribution, range(0, n, max(1, n // 300)))
    assert_design(points)


def test_the_mclaughlin_graph_and_its_vertex_figure_are_strongly_regular():
    points = lattices.mclaughlin()
    graph = np.abs(points @ points.T + 0.25) < 1e-9
    assert_strongly_regular(graph, 275, 112, 30, 56)
    points = lattices.leech_162()
    assert_strongly_regular(np.abs(points @ points.T + 2 / 7) < 1e-9, 162, 56, 10, 24)


def test_the_quadric_of_order_3_is_a_vertex_figure_of_the_mclaughlin_code():
    part = vertex_figure(lattices.mclaughlin(), -0.25, 17)
    n, d, q = 112, 21, 3
    assert_code(part, n, d, 1 / q**2)
    assert_seen_alike(part, {1: 1, 1 / 9: 81, -1 / 3: 30})
