"""The exact polish: local maxima to the last digits, and never a smaller angle."""

import math

import numpy as np
import pytest

from tammes import geometry
from tammes.constructions import orthoplex, simplex
from tammes.solvers.continuation import descend
from tammes.solvers.polish import polish
from tammes.solvers.run import Budget, Status
from tammes.spherical_code import SphericalCode


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


# Proved optima (sloane_tables/best_known_d3.csv has the references), from a random start.
@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [
        (3, 2, -1 / 2),
        (4, 3, -1 / 3),
        (6, 3, 0.0),
        (12, 3, 1 / math.sqrt(5)),
        (8, 3, (2 * math.sqrt(2) - 1) / 7),
        (10, 4, 1 / 6),
        (16, 5, 1 / 5),
    ],
)
def test_reaches_the_optimum_to_the_last_digits(n, d, cosine):
    best = max(
        (polish(descend(rows(n, d, seed), first=4.0).points) for seed in range(6)), key=lambda found: found.after
    )
    assert best.after == pytest.approx(math.acos(cosine), abs=4e-15)
    assert best.status is Status.LOCAL_MAXIMUM


@pytest.mark.parametrize(("n", "d"), [(7, 3), (13, 3), (20, 4), (30, 3), (11, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_a_local_maximum_is_certified_by_its_stress(n, d, seed):
    found = polish(descend(rows(n, d, seed)).points)
    code = SphericalCode(found.points)
    assert found.status is Status.LOCAL_MAXIMUM
    contacts = code.contacts(1e-11)
    held = np.setdiff1d(np.arange(n), code.rattlers(1e-11))
    assert len(contacts) >= len(held) * (d - 1) - d * (d - 1) // 2 + 1 or len(held) < n
    assert len(held) > d  # a balanced stress holds at least a simplex
    # No random small displacement widens the angle.
    rng = np.random.default_rng(0)
    for step in (1e-4, 1e-6, 1e-8):
        for _ in range(20):
            moved = geometry.as_points(found.points + step * rng.normal(size=(n, d)), normalize=True)
            assert geometry.nearest_neighbours(moved)[0].min() <= found.after + 1e-15


@pytest.mark.parametrize("points", [simplex(5, 4), orthoplex(3), orthoplex(5)[:7], simplex(2, 3)], ids=len)
def test_an_optimum_is_left_where_it_is(points):
    found = polish(points)
    assert found.status is Status.LOCAL_MAXIMUM
    assert found.after >= found.before
    assert found.after == pytest.approx(found.before, abs=1e-15)


def test_the_angle_never_falls_and_is_the_judges():
    start = rows(40, 4)
    found = polish(start, max_programs=5)
    assert found.before == SphericalCode(start).min_angle
    assert found.after == SphericalCode(found.points).min_angle
    assert list(found.history) == sorted(found.history)
    assert found.history[0] >= found.before
    assert found.status is Status.STEP_LIMIT
    assert found.programs == 5


def test_a_nudged_icosahedron_comes_back():
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    ico = np.array([np.roll(corner, k) for corner in corners for k in range(3)])
    nudged = geometry.as_points(ico + 1e-3 * np.random.default_rng(3).normal(size=ico.shape), normalize=True)
    found = polish(nudged)
    assert math.degrees(found.after) == pytest.approx(63.43494882292201, abs=1e-12)
    assert len(SphericalCode(found.points).contacts(1e-13)) == 30


def test_duplicates_are_driven_apart_or_reported():
    start = rows(6, 3)
    start[4] = start[2]
    found = polish(start)
    assert found.after >= 0.0
    assert np.isfinite(found.points).all()


def test_input_is_left_alone_and_runs_repeat():
    start = rows(20, 3)
    kept = start.copy()
    first, second = polish(start), polish(start)
    assert (start == kept).all()
    assert (first.points == second.points).all()


def test_time_limit_and_interruption_keep_the_best():
    start = rows(40, 4)
    clock = iter([0.0, *[100.0] * 1000])
    late = polish(start, budget=Budget(1.0, clock=lambda: next(clock)))
    assert late.status is Status.TIME_LIMIT
    assert late.programs == 1

    def interrupt(event):
        if event.step == 3:
            raise KeyboardInterrupt

    stopped = polish(start, progress=interrupt)
    assert stopped.status is Status.INTERRUPTED
    assert stopped.programs == 3
    assert SphericalCode(stopped.points).min_angle == stopped.after > stopped.before
