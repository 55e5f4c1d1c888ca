"""Many points in many dimensions: better than random, by the seed alone, and honest about the end."""

import math

import numpy as np
import pytest

import tammes
from tammes.base import geometry, memory
from tammes.base.budget import Budget
from tammes.base.errors import InvalidParameterError
from tammes.base.status import Status
from tammes.global_search.products import needed, products_search


def random_angle(n, d, seed=0):
    points = np.random.default_rng([seed, 0]).standard_normal((n, d))
    return geometry.min_angle(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_it_widens_a_random_set_and_reports_what_the_judge_measures():
    shown = []
    result = products_search(200, 12, starts=2, progress=shown.append)
    assert result.status is Status.STARTS
    assert result.code.min_angle > 1.25 * random_angle(200, 12)
    assert math.degrees(geometry.min_angle(result.code.points)) == result.phases[0]["min_angle_degrees"]
    angles = [event.min_angle for event in shown]
    assert angles[-1] >= angles[0]
    assert result.settings["starts"] == 2


def test_the_seed_says_everything_and_more_starts_are_never_worse():
    one, again, other = (products_search(60, 10, starts=1, seed=seed).code for seed in (1, 1, 2))
    assert one.digest == again.digest != other.digest
    assert products_search(60, 10, starts=3, seed=1).code.min_angle >= one.min_angle


def test_a_simplex_is_found():
    result = products_search(11, 10, starts=1)
    assert result.code.max_cosine == pytest.approx(-0.1, abs=1e-3)


def test_a_target_ends_it():
    aim = 1.2 * random_angle(60, 10)
    result = products_search(60, 10, target=aim)
    assert result.status is Status.TARGET
    assert result.code.min_angle >= aim
    assert products_search(60, 10, target=3.0, starts=2).status is Status.STARTS


def test_time_is_kept_to_and_no_time_returns_the_start():
    now = [0.0]

    def tick():
        now[0] += 0.02
        return now[0]

    filled = products_search(40, 9, budget=Budget(60.0, tick))
    assert filled.status is Status.TIME_LIMIT
    assert filled.settings["starts"] > 1
    ticks = iter([0.0, 0.0, *[100.0] * 1000])
    start = products_search(40, 9, budget=Budget(1.0, lambda: next(ticks)))
    assert start.status is Status.START
    assert start.code.min_angle == pytest.approx(random_angle(40, 9), abs=1e-6)


def test_ctrl_c_keeps_the_best():
    def interrupt(event):
        if event.step == 2:
            raise KeyboardInterrupt

    result = products_search(50, 9, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.min_angle > random_angle(50, 9)


def test_ctrl_c_between_two_descents_keeps_the_best(monkeypatch):
    measured, measure = [], geometry.min_angle

    def interrupt(points):
        if measured:
            raise KeyboardInterrupt
        measured.append(measure(points))
        return measured[0]

    with monkeypatch.context() as patched:
        patched.setattr(geometry, "min_angle", interrupt)
        patched.setattr("tammes.global_search.products.SphericalCode", lambda points: points)
        patched.setattr("tammes.global_search.products.Result", lambda code, _, status, *__, **___: (code, status))
        points, status = products_search(50, 9, starts=3)
    assert status is Status.INTERRUPTED
    assert measure(points) == measured[0] > random_angle(50, 9)


def test_solve_comes_here_above_eight_dimensions(monkeypatch):
    monkeypatch.setattr("tammes.global_search.api.LARGE_FROM", 100)
    assert tammes.solve(100, 9, starts=1).phases[0]["phase"] == "products"
    assert needed(10_000, 128) < 2**31
    monkeypatch.setattr(memory, "available", lambda: 2**28)
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: a search for 100 points in R\^9"):
        tammes.solve(100, 9)
