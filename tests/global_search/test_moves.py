"""Moves: holes where geometry says they are, as many points as before, the same for the same generator."""

import itertools
import math

import numpy as np
import oracles
import pytest

from tammes.base import geometry
from tammes.constructions.spread import fibonacci
from tammes.global_search import moves
from tammes.global_search.holes import holes


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_holes_of_the_octahedron_are_over_its_faces():
    found, cosines = holes(oracles.orthoplex(3), rng())
    assert len(found) == 8
    assert cosines == pytest.approx([1 / math.sqrt(3)] * 8, abs=1e-12)
    expected = {tuple(signs) for signs in itertools.product((-1, 1), repeat=3)}
    assert {tuple(np.sign(np.round(hole, 6)).astype(int)) for hole in found} == expected


@pytest.mark.parametrize("missing", [0, 5, 11])
def test_the_deepest_hole_of_a_code_with_a_gap_is_the_gap(missing):
    corners = np.asarray(oracles.icosahedron(), dtype=float)
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    found, cosines = holes(np.delete(corners, missing, axis=0), rng())
    assert found[0] == pytest.approx(corners[missing], abs=1e-9)
    assert cosines[0] == pytest.approx(1 / math.sqrt(5), abs=1e-9)
    assert moves.insert(np.delete(corners, missing, axis=0), 1, rng(), choices=1)[-1] == pytest.approx(corners[missing])


def test_holes_by_samples_in_high_dimension_are_far_from_all_points():
    points = oracles.orthoplex(8)
    found, cosines = holes(np.asarray(points, dtype=float), rng())
    assert np.allclose((found @ np.asarray(points).T).max(axis=1), cosines)
    assert cosines[0] < 0.6  # the deepest are at 1 / sqrt 8 = 0.354, random directions mostly near 0.65


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("n", "d"), [(30, 3), (20, 4), (25, 7)])
def test_every_move_keeps_the_number_of_points_on_the_sphere(n, d, together):
    points = np.asarray(oracles.random_code(n, d))
    for moved in (
        moves.reinsert(points, 3, rng(), together=together),
        moves.kick(points, 0.1, rng()),
        moves.patch_kick(points, 0.4, 2.0, rng()),
    ):
        assert moved.shape == (n, d)
        assert np.abs(np.linalg.norm(moved, axis=1) - 1.0).max() < 1e-12
        assert not np.array_equal(moved, points)


def test_a_patch_moves_what_is_near_and_leaves_the_rest():
    points = geometry.as_points(rng(1).normal(size=(200, 3)), normalize=True)
    points = points[np.argsort(points[:, 2])]
    angle = float(geometry.nearest_neighbours(points)[0].min())
    moved = moves.patch_kick(points, 0.5, 0.5 / angle, rng(3))
    shifted = np.abs(moved - points).max(axis=1) > 1e-12
    assert 0 < shifted.sum() < 60  # a cap of half a radian holds about 12 of 200
    centre = points[shifted].mean(axis=0)
    assert geometry.angle(points[shifted], centre / np.linalg.norm(centre)).max() < 1.0


def test_moves_repeat_with_their_generator():
    points = np.asarray(oracles.random_code(20, 3))
    assert np.array_equal(
        moves.reinsert(points, 2, rng(7), together=False), moves.reinsert(points, 2, rng(7), together=False)
    )


def test_a_shake_moves_every_point_about_that_far():
    points = fibonacci(500)
    moved = moves.shake(points, 1e-3, (1, 2))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-14)
    # Two directions of the tangent plane: the mean square is twice the amplitude's.
    assert np.mean(((moved - points) ** 2).sum(axis=1)) == pytest.approx(2e-6, rel=0.2)
    assert (moved == moves.shake(points, 1e-3, (1, 2))).all()
    assert (moved != moves.shake(points, 1e-3, (1, 3))).any()
