"""Balanced stresses of codes whose truth follows from symmetry or by hand."""

import itertools

import numpy as np
import oracles
import pytest
from ladders import relaxed

from tammes.base import geometry
from tammes.codes import stress
from tammes.constructions.closed_forms import closed_form


def contacts_of(points):
    return np.array(oracles.contacts(points))


def octahedron_without(vertex):
    return np.delete(oracles.orthoplex(3), vertex, axis=0)


def test_forces_are_minus_the_rates_of_the_angles():
    points = oracles.random_code(7, 4)
    contacts = np.array([(0, 1), (1, 2), (0, 6), (3, 5)])
    bases = geometry.tangent_bases(points)
    velocity = np.random.default_rng(1).normal(size=(7, 3))

    def angles(time):
        moved = oracles.normalized(points + time * np.einsum("ndk,nk->nd", bases, velocity))
        return np.array([float(oracles.angle(moved[i], moved[j])) for i, j in contacts])

    rates = (angles(1e-5) - angles(-1e-5)) / 2e-5
    forces = stress.equilibrium_matrix(points, contacts)
    assert forces.shape == (7 * 3, 4)
    np.testing.assert_allclose(-(forces.T @ velocity.ravel()), rates, atol=1e-8)


@pytest.mark.parametrize(
    "points",
    [
        oracles.icosahedron(),
        oracles.simplex(2),
        oracles.simplex(5),
        oracles.orthoplex(3),
        oracles.orthoplex(5),
        oracles.cell24(),
        oracles.polygon(7),
        oracles.polygon(7, d=4),
        np.array([[0.6, 0.8], [-0.6, -0.8]]),
    ],
    ids=lambda points: f"{points.shape[0]}-{points.shape[1]}",
)
def test_symmetric_codes_bear_stress_everywhere(points):
    contacts = contacts_of(points)
    forces = stress.equilibrium_matrix(points, contacts)
    np.testing.assert_allclose(forces @ np.ones(len(contacts)), 0.0, atol=1e-14)
    assert stress.largest_support(points, contacts).all()


def test_icosahedron_without_a_vertex_bears_unequal_stress_everywhere():
    # Around the hole: 2 a cos 72 = 2 b cos 36, so a = 2.618 b on the rim; equal stresses do not balance.
    points = oracles.icosahedron()[1:]
    contacts = contacts_of(points)
    assert len(contacts) == 25
    assert np.abs(stress.equilibrium_matrix(points, contacts) @ np.ones(25)).max() > 0.1
    assert stress.largest_support(points, contacts).all()


def test_octahedron_without_a_vertex_leaves_the_opposite_one_free():
    # The point opposite the hole is alone on its side of every neighbour: nothing balances its push.
    points = octahedron_without(5)  # -e_3 is missing, +e_3 is row 2
    contacts = contacts_of(points)
    stressed = contacts[stress.largest_support(points, contacts)]
    assert len(contacts) == 8
    assert sorted(map(tuple, stressed.tolist())) == [(0, 1), (0, 4), (1, 3), (3, 4)]


@pytest.mark.parametrize("arc", [[0.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0]])
def test_a_chain_on_the_circle_bears_none(arc):
    points = np.stack([np.cos(arc), np.sin(arc)], axis=1)
    assert not stress.largest_support(points, contacts_of(points)).any()


@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_nudged_icosahedron_has_no_balanced_stress(size):
    exact = oracles.icosahedron()
    points = oracles.normalized(exact + size * np.random.default_rng(0).normal(size=(12, 3)))
    assert not stress.largest_support(points, contacts_of(points)).any()
    # Nor do the thirty near-contacts all balance with equal stresses.
    assert np.abs(stress.equilibrium_matrix(points, contacts_of(exact)) @ np.ones(30)).max() > 0.1 * size


@pytest.mark.parametrize("height", [1e-2, 1e-3, 1e-5])
def test_a_puckered_square_has_no_balanced_stress(height):
    # Both neighbours of every corner pull it to the other side of the equator.
    points = oracles.polygon(4, d=3)
    points[:, 2] = [height, -height, height, -height]
    points = oracles.normalized(points)
    assert len(contacts_of(points)) == 4
    assert not stress.largest_support(points, contacts_of(points)).any()


def test_no_contacts_no_stress():
    assert stress.largest_support(oracles.random_code(4, 3), np.zeros((0, 2), dtype=np.intp)).shape == (0,)


@pytest.mark.parametrize("points", [oracles.icosahedron()[1:], octahedron_without(5)], ids=["11", "5"])
def test_support_follows_a_permutation(points):
    order = np.random.default_rng(0).permutation(len(points))
    place = np.argsort(order)
    contacts = contacts_of(points)
    moved = stress.largest_support(points[order], place[contacts])
    np.testing.assert_array_equal(moved, stress.largest_support(points, contacts))


def code_30():
    from tammes.solvers.ladder.exponents import ladder
    from tammes.solvers.polish.polish import polish

    start = np.random.default_rng(0).normal(size=(30, 3))
    return polish(relaxed(start, ladder(4.0, 1024.0), chord_bound=0.7).points)


def test_balance_mends_a_guess_and_refuses_what_cannot_balance():
    found = code_30()
    rough = found.stress * (1.0 + 1e-4 * np.random.default_rng(1).normal(size=len(found.stress)))
    mended = stress.balance(found.points, found.contacts, rough)
    forces = stress.equilibrium_matrix(found.points, found.contacts)
    assert np.abs(forces @ mended).max() < 1e-13
    assert mended.sum() == pytest.approx(1.0)
    assert (mended >= 0.0).all()
    one_less = found.contacts[
        1:
    ]  # the stress of this code is unique up to scale or nearly so: a tenth of it will not do
    assert stress.balance(found.points, one_less[:6], np.ones(6) / 6) is None


def test_curvature_against_differences():
    found = code_30()
    bases = geometry.tangent_bases(found.points)
    local = np.random.default_rng(4).normal(size=60)
    i, j = found.contacts.T

    def total(size):
        moved = found.points + size * np.einsum("ndk,nk->nd", bases, local.reshape(30, 2))
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return float((found.stress * (moved[i] * moved[j]).sum(axis=1)).sum())

    step = 1e-4
    second = (total(step) - 2.0 * total(0.0) + total(-step)) / step**2
    matrix = stress.curvature(found.points, found.contacts, found.stress)
    assert local @ (matrix @ local) == pytest.approx(second, rel=1e-5)


def test_rigidity_of_rigid_floppy_and_saddle_codes():
    found = code_30()
    held = stress.rigidity(found.points, found.contacts, found.stress)
    assert (held.degrees_of_freedom, held.softest, held.strict) == (0, None, True)

    square = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])  # in R^3: buckles to the tetrahedron
    contacts = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    saddle = stress.rigidity(square, contacts, np.full(4, 0.25))
    assert saddle.lowest_curvature < -0.1
    moved = square + 0.01 * saddle.softest
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    assert geometry.nearest_neighbours(moved)[0].min() > np.pi / 2 - 1e-9  # no contact closes; others open next
    triangle = np.array([[1.0, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])
    lifted = stress.rigidity(triangle, np.array([[0, 1], [0, 2], [1, 2]]), np.full(3, 1 / 3))
    assert lifted.strict  # out of its plane the triangle only closes, to second order


def test_more_dimensions_than_points_cost_no_more_than_the_points_span():
    """A simplex of 40 points in R^20000, whose every contact bears stress; the tangent bases would take 119 GiB."""
    points = np.zeros((40, 20_000))
    points[:, :39] = closed_form(40, 39).points()
    contacts = np.array(list(itertools.combinations(range(40), 2)))
    assert stress.largest_support(points, contacts).all()


def test_blocks_of_contacts_change_nothing(monkeypatch):
    points = closed_form(30, 29).points()
    contacts = np.array(list(itertools.combinations(range(30), 2)))
    whole = stress.equilibrium_matrix(points, contacts).toarray()
    monkeypatch.setattr(stress, "_BLOCK", 1)
    np.testing.assert_allclose(stress.equilibrium_matrix(points, contacts).toarray(), whole, atol=1e-15)
