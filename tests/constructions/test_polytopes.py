"""Polytopes by their invariants: size, cosine, the distances from every point, sums, edges."""

import math

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, exact_cosine

from tammes.base.errors import InvalidParameterError
from tammes.constructions import polytopes
from tammes.constructions.polytopes import demicube, hypercube

PHI = (1.0 + math.sqrt(5.0)) / 2.0
R5 = math.sqrt(5.0)

REGULAR = {
    "tetrahedron": (4, 3, {1: 1, -1 / 3: 3}),
    "octahedron": (6, 3, {1: 1, 0: 4, -1: 1}),
    "cube": (8, 3, {1: 1, 1 / 3: 3, -1 / 3: 3, -1: 1}),
    "icosahedron": (12, 3, {1: 1, 1 / R5: 5, -1 / R5: 5, -1: 1}),
    "dodecahedron": (20, 3, {1: 1, R5 / 3: 3, 1 / 3: 6, -1 / 3: 6, -R5 / 3: 3, -1: 1}),
    "cell_24": (24, 4, {1: 1, 0.5: 8, 0: 6, -0.5: 8, -1: 1}),
    # Coxeter, Regular Polytopes, Table V: the sections of the 600-cell
    "cell_600": (
        120,
        4,
        {1: 1, PHI / 2: 12, 0.5: 20, 1 / (2 * PHI): 12, 0: 30, -1 / (2 * PHI): 12, -0.5: 20, -PHI / 2: 12, -1: 1},
    ),
}
SMALL = {
    "schuette_7": 7,
    "square_antiprism": 8,
    "tricapped_prism": 9,
    "danzer_10": 10,
    "icosahedron_minus_1": 11,
    "snub_cube": 24,
}
CONTACTS = {
    "schuette_7": 12,
    "square_antiprism": 16,
    "tricapped_prism": 18,
    "danzer_10": 19,
    "icosahedron_minus_1": 25,
    "snub_cube": 60,
}


@pytest.mark.parametrize("name", REGULAR)
def test_regular_polytopes(name):
    n, d, distribution = REGULAR[name]
    points = getattr(polytopes, name)()
    assert_code(points, n, d, sorted(distribution)[-2])
    assert_seen_alike(points, distribution)
    assert_design(points)


@pytest.mark.parametrize("name", SMALL)
def test_optimal_codes_of_the_sphere(name):
    n = SMALL[name]
    points = getattr(polytopes, name)()
    cosine = exact_cosine(n, 3)
    assert_code(points, n, 3, cosine)
    upper = (points @ points.T)[np.triu_indices(n, 1)]
    assert (np.abs(upper - cosine) < 1e-12).sum() == CONTACTS[name]


@pytest.mark.parametrize(
    ("name", "coefficients"),
    [("schuette_7", [3, -9, -3, 1]), ("danzer_10", [7, -4, -2, 1]), ("square_antiprism", [7, 2, -1])],
)
def test_cosines_satisfy_their_equations(name, coefficients):
    points = getattr(polytopes, name)()
    gram = points @ points.T
    np.fill_diagonal(gram, -2.0)
    assert np.polyval(coefficients, gram.max()) == pytest.approx(0.0, abs=1e-14)


def test_every_vertex_of_the_snub_cube_has_the_same_cosines():
    points = polytopes.snub_cube()
    seen = np.sort(points @ points.T, axis=1)
    np.testing.assert_allclose(seen, np.broadcast_to(seen[0], seen.shape), rtol=0, atol=1e-14)
    assert_design(points)
    assert np.abs(points + points[0]).sum(axis=1).min() > 0.1  # chiral: without central symmetry


def test_the_120_cell():
    points = polytopes.cell_120()
    cosine = (1 + 3 * R5) / 8
    assert_code(points, 600, 4, cosine)
    assert_design(points)
    seen = np.sort(points @ points.T, axis=1)
    np.testing.assert_allclose(seen, np.broadcast_to(seen[0], seen.shape), rtol=0, atol=1e-13)
    assert (np.abs(seen - cosine) < 1e-12).sum() == 2 * 1200  # edges
    np.testing.assert_allclose(seen, -seen[:, ::-1], atol=1e-13)
    for k in (
        2,
        4,
        6,
        8,
        10,
    ):  # a spherical 11-design (Coxeter's group H4 has no invariants of degree 4 to 11 but |x|^2)
        mean = np.mean(seen[0] ** k)
        assert mean == pytest.approx(math.prod((2 * j - 1) / (2 * j + 2) for j in range(1, k // 2 + 1)), abs=1e-13)


@pytest.mark.parametrize("d", [2, 3, 4, 7, 10])
def test_hypercubes(d):
    points = hypercube(d)
    assert_code(points, 2**d, d, (d - 2) / d)
    assert_seen_alike(points, {(d - 2 * k) / d: math.comb(d, k) for k in range(d + 1)}, range(0, 2**d, 7))
    assert_design(points)


@pytest.mark.parametrize("d", [3, 4, 5, 6, 9])
def test_demicubes(d):
    points = demicube(d)
    assert_code(points, 2 ** (d - 1), d, (d - 4) / d)
    assert_seen_alike(points, {(d - 2 * k) / d: math.comb(d, k) for k in range(0, d + 1, 2)}, range(0, 2 ** (d - 1), 3))
    assert_design(points)
    assert (np.sign(points).prod(axis=1) == 1).all()


def test_dimensions_that_are_too_small_or_too_large_are_refused():
    with pytest.raises(InvalidParameterError, match="`d` must be an integer of at least 3"):
        demicube(2)
    for build in (hypercube, demicube):
        with pytest.raises(InvalidParameterError, match=r"`d` must be smaller: .* GiB"):
            build(40)
        with pytest.raises(InvalidParameterError, match="`d` must be smaller"):
            build(10**15)
