"""The ladder over lists: it widens, stays on the sphere, keeps symmetry."""

import ladders
import numpy as np
import pytest

from tammes.base.budget import Budget, silent
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.constructions.spread import equal_area, fibonacci
from tammes.global_search.strategies.symmetric_starts import symmetric_start
from tammes.groups.catalogue import parse
from tammes.solvers.ladder import many_points as large

SHORT = (2.0, 8.0, 64.0, 512.0)


def spacing(n, d):
    return 2 * np.sin(bounds.upper_bound(n, d).angle / 2)


def climb(points, *, orbits=None, budget=None, progress=silent, **more):
    ladder = large.ManyPointsLadder(chord_bound=spacing(*points.shape), **{"exponents": SHORT, "iterations": 60} | more)
    return ladders.climb(ladder, points, orbits=orbits, budget=budget, progress=progress)


def chord(made):
    return 2 * np.sin(made.angle / 2)


@pytest.mark.parametrize(
    ("n", "d", "least"),
    [
        (300, 3, 0.90),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in [(2_000, 3, 0.95), (1_000, 4, 0.90), (500, 5, 0.86), (200, 8, 0.75)]
        ),
    ],
)
def test_it_reaches_what_dense_ladders_reach(n, d, least):
    start = fibonacci(n) if d == 3 else equal_area(n, d)
    kept = start.copy()
    made = climb(start, exponents=(*SHORT, 4096.0))
    assert (start == kept).all()
    assert made.status is Status.STEP_LIMIT
    np.testing.assert_allclose(np.linalg.norm(made.points, axis=1), 1.0, rtol=0, atol=1e-14)
    assert min_angle(made.points) == pytest.approx(made.angle, rel=1e-12)
    assert chord(made) / spacing(n, d) > least


def test_points_come_back_in_their_order():
    start = fibonacci(1_000)
    made = climb(start, exponents=(1024.0,), iterations=3)
    assert np.linalg.norm(made.points - start, axis=1).max() < 0.5 * spacing(1_000, 3)


def test_any_number_of_threads_gives_the_same_bits():
    start = fibonacci(700)  # three blocks
    one, two = (climb(start, threads=count, iterations=20) for count in (1, 2))
    assert (one.points == two.points).all()
    assert one.evaluations == two.evaluations


def test_a_symmetric_start_stays_symmetric_and_is_climbed_as_a_free_one():
    group = parse("I", 3)
    start, images = symmetric_start(group, 1_932, np.random.default_rng(0))  # 32 orbits of 60, and one of 12
    made = climb(start, orbits=images)
    turned = made.points @ group.matrices[7].T
    gaps = np.linalg.norm(turned[:, None] - made.points[None], axis=2).min(axis=1)
    assert gaps.max() < 1e-12
    assert chord(made) / spacing(1_932, 3) > 0.9
    # One step of the reduced problem is one of the whole.
    reduced, whole = (climb(start, orbits=kind, exponents=(8.0,), iterations=2) for kind in (images, None))
    np.testing.assert_allclose(reduced.points, whole.points, rtol=0, atol=1e-9)


@pytest.mark.parametrize("after", [1, 3])
def test_ctrl_c_keeps_the_points(after):
    reports = []

    def interrupt(event):
        reports.append(event)
        if len(reports) == after:
            raise KeyboardInterrupt

    made = climb(fibonacci(800), progress=interrupt)
    assert made.status is Status.INTERRUPTED
    assert min_angle(made.points) == pytest.approx(made.angle, rel=1e-12)
    assert len(reports) == after


def test_a_time_limit_is_shared_out_so_that_every_rung_is_reached():
    now, seen = [0.0], []

    def tick():
        now[0] += 0.5
        return now[0]

    made = climb(fibonacci(300), budget=Budget(40.0, tick), iterations=100_000, gradient_tol=0.0,
                 progress=lambda event: seen.append(event.detail["p"]))  # fmt: skip
    assert sorted(set(seen)) == list(SHORT)
    assert made.status in (Status.TIME_LIMIT, Status.STEP_LIMIT)
    assert now[0] < 60.0
