"""Starts of the staged search: points on the sphere, changed as far as they say, by the seed alone."""

import math

import numpy as np
import pytest

from tammes.base.budget import Budget, silent
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.constructions.spread import fibonacci
from tammes.global_search.strategies.staged_tasks import Changed, Climb, Given, SymmetricChange, SymmetricStart
from tammes.groups.catalogue import parse
from tammes.solvers.ladder.many_points import ManyPointsLadder

POINTS = fibonacci(500)
BOUND = 0.15


def test_without_kick_and_moves_the_points_stay():
    points, images = Changed(POINTS, (0,)).make(BOUND)
    assert points is POINTS
    assert images is None


def test_a_kick_is_counted_in_chord_bounds():
    points, _ = Changed(POINTS, (0, 1), kick=0.01).make(BOUND)
    # Two directions of the tangent plane: the mean square is twice the amplitude's.
    assert np.mean(((points - POINTS) ** 2).sum(axis=1)) == pytest.approx(2 * (0.01 * BOUND) ** 2, rel=0.2)


def test_moves_are_counted_and_the_others_stay():
    points, _ = Changed(POINTS, (0, 7), moves=3).make(BOUND)
    moved = np.flatnonzero((points != POINTS).any(axis=1))
    assert 1 <= len(moved) <= 3
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-14)


def test_a_changed_symmetric_code_has_the_images_of_its_origin():
    origin = SymmetricStart(parse("C3", 3), 300, (4,))
    points, images = origin.make(BOUND)
    moved, followed = SymmetricChange(origin, points, (5,)).make(BOUND)
    assert (followed.representative == images.representative).all()
    free = 300 - len(images.representative)
    assert (moved != points).any()
    np.testing.assert_allclose(
        moved[free:], np.einsum("kab,kb->ka", images.transforms, moved[images.representative]), atol=1e-14
    )


def task(**changes):
    fields = {"stage": "spread", "start": Given(POINTS), "exponents": (64.0,), "chord_bound": BOUND}
    return Climb(index=3, n=500, d=3, count=1, **(fields | changes))


def test_a_climb_widens_the_code_and_reports_under_its_stage():
    events = []
    outcome = task(rung=2, rungs=5).run(ManyPointsLadder(iterations=20), Budget(None), events.append)
    (found,) = outcome.found
    assert found.angle == pytest.approx(min_angle(found.points), abs=1e-14)
    assert found.angle > min_angle(POINTS)
    assert {event.phase for event in events} == {"spread"}
    assert events[-1].step / events[-1].total == pytest.approx(3 / 5)


def test_without_time_the_start_is_what_there_is():
    outcome = task(with_start=True).run(ManyPointsLadder(), Budget(1e-9), silent)
    (found,) = outcome.found
    assert (outcome.status, found.status) == (Status.TIME_LIMIT, Status.START.code)
    assert outcome.evaluations == 0
    assert found.angle == min_angle(POINTS)


def test_without_time_for_a_step_the_next_rung_has_the_same_points():
    outcome = task().run(ManyPointsLadder(), Budget(1e-9), silent)
    (found,) = outcome.found
    assert np.array_equal(found.points, POINTS)
    assert found.angle == min_angle(POINTS)


def test_a_climb_of_no_rungs_offers_its_start():
    (found,) = task(exponents=(), with_start=True).run(ManyPointsLadder(), Budget(None), silent).found
    assert found.points is POINTS
    assert not math.isnan(found.angle)
