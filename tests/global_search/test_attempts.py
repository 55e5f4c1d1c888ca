"""What a ladder climbs from: points on the sphere, moved as far as they say, by the seed alone."""

import numpy as np
import pytest

from tammes.constructions.spread import fibonacci
from tammes.global_search.attempts import Attempt, Symmetric, admitted, shaken

POINTS = fibonacci(500)
SPACING = 0.15


def test_a_kick_moves_every_point_about_that_far():
    moved = shaken(POINTS, 1e-3, (1, 2))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-14)
    # Two directions of the tangent plane: the mean square is twice the amplitude's.
    assert np.mean(((moved - POINTS) ** 2).sum(axis=1)) == pytest.approx(2e-6, rel=0.2)
    assert (moved == shaken(POINTS, 1e-3, (1, 2))).all()
    assert (moved != shaken(POINTS, 1e-3, (1, 3))).any()


def test_without_kick_and_moves_the_points_stay():
    assert Attempt(POINTS, (32.0,), (0,)).start(SPACING) is POINTS


def test_a_pool_holds_the_best_so_many_of_a_group_and_none_twice():
    def code(score, group):
        return Symmetric(score, POINTS, group, 0)

    pool = []
    for score, group in [(0.5, "C3"), (0.6, "C3"), (0.7, "C3"), (0.55, "D2"), (0.6 + 1e-9, "C5"), (0.4, "C5")]:
        pool = admitted(pool, code(score, group), 3, 2)
        assert [member.score for member in pool] == sorted((member.score for member in pool), reverse=True)
    assert [(member.score, member.group) for member in pool] == [(0.7, "C3"), (0.6, "C3"), (0.55, "D2")]


@pytest.mark.slow
def test_moves_are_counted_and_the_others_stay():
    start = Attempt(POINTS, (32.0,), (0, 7), moves=3).start(SPACING)
    moved = np.flatnonzero((start != POINTS).any(axis=1))
    assert 1 <= len(moved) <= 3
    np.testing.assert_allclose(np.linalg.norm(start, axis=1), 1.0, atol=1e-14)
