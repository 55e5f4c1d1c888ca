"""Multistart: better than random, by the seed alone, and honest about the end; in products, batches and by a loss."""

import math

import numpy as np
import pytest

from tammes.base import geometry
from tammes.base.budget import Budget, silent
from tammes.base.status import Status
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.loop import run_search
from tammes.global_search.methods import _batches, _products
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits
from tammes.global_search.strategies.multistart import Batches, StartBatch
from tammes.solvers.local_solver import Descent

ICOSAHEDRON = math.acos(1 / math.sqrt(5))


def random_angle(n, d, seed=0):
    points = np.random.default_rng([seed, 0]).standard_normal((n, d))
    return geometry.min_angle(points / np.linalg.norm(points, axis=1, keepdims=True))


def searched(make, n, d, *, seed=0, progress=silent, budget=None, **limits):
    problem = Problem(n, d, seed)
    method = make(problem, Limits(**limits))
    return run_search(
        problem,
        method.strategy,
        method.solver,
        InProcess(),
        method.limits,
        progress=progress,
        budget=budget,
        state=method.state(problem),
    )


def products(n, d, **more):
    return searched(_products, n, d, **more)


def batches(n, d, **more):
    return searched(lambda problem, limits: _batches(problem, limits, "cpu", False), n, d, **more)


# --- products -------------------------------------------------------------------------------------


def test_it_widens_a_random_set_and_reports_what_is_measured():
    shown = []
    result = products(200, 12, starts=2, progress=shown.append)
    assert result.status is Status.STARTS
    assert result.code.min_angle > 1.25 * random_angle(200, 12)
    assert math.degrees(geometry.min_angle(result.code.points)) == result.phases[0]["min_angle_degrees"]
    assert (np.diff([event.min_angle for event in shown]) >= 0.0).all()
    assert result.settings["starts"] == 2


def test_the_seed_says_everything_and_more_starts_are_never_worse():
    one, again, other = (products(60, 10, starts=1, seed=seed).code for seed in (1, 1, 2))
    assert one.digest == again.digest != other.digest
    assert products(60, 10, starts=3, seed=1).code.min_angle >= one.min_angle


def test_without_a_limit_there_is_one_start():
    assert products(60, 10).settings["starts"] == 1


def test_a_simplex_is_found():
    assert products(11, 10, starts=1).code.max_cosine == pytest.approx(-0.1, abs=1e-3)


def test_a_target_ends_it():
    aim = 1.2 * random_angle(60, 10)
    result = products(60, 10, target=aim)
    assert result.status is Status.TARGET
    assert result.code.min_angle >= aim
    assert products(60, 10, target=3.0, starts=2).status is Status.STARTS


def test_a_time_limit_is_filled_with_starts_and_no_time_returns_the_start():
    now = [0.0]

    def tick():
        now[0] += 0.02
        return now[0]

    filled = products(40, 9, budget=Budget(60.0, tick), seconds=60.0)
    assert filled.status is Status.TIME_LIMIT
    assert filled.settings["starts"] > 1
    start = products(40, 9, seconds=1e-9)
    assert start.status is Status.START
    assert start.code.min_angle == pytest.approx(random_angle(40, 9), abs=1e-6)


def test_ctrl_c_in_a_ladder_keeps_its_best():
    def interrupt(event):
        if event.step == 2:
            raise KeyboardInterrupt

    result = products(50, 9, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.min_angle > random_angle(50, 9)


# --- batches in tensors -----------------------------------------------------------------------------


def test_batches_find_the_icosahedron_and_stop_at_its_bound():
    result = batches(12, 3, starts=8)
    assert result.code.min_angle == pytest.approx(ICOSAHEDRON, abs=1e-13)
    assert result.status is Status.BOUND
    assert result.settings["starts"] == 8
    assert result.phases[0]["code"] == "local-maximum"


def test_batches_give_the_same_code_for_the_same_seed():
    assert batches(9, 3, starts=3, seed=4).code.digest == batches(9, 3, starts=3, seed=4).code.digest


def test_a_spent_budget_ends_batches_with_a_code():
    result = batches(20, 3, seconds=1e-9)
    assert result.status in (Status.TIME_LIMIT, Status.START)
    assert result.code.min_angle > 0.0


def test_ctrl_c_in_a_batch_keeps_a_code():
    def interrupt(_):
        raise KeyboardInterrupt

    assert batches(20, 3, starts=4, progress=interrupt).status is Status.INTERRUPTED


def test_batches_double_when_every_exponent_had_its_turn():
    sizes = Batches(32, 100, exponents=((4.0,), (1.0,)))
    assert [sizes.size(number) for number in range(6)] == [32, 32, 64, 64, 100, 100]


# --- tasks --------------------------------------------------------------------------------------------


class Nothing:
    """Returns the starts."""

    def run(self, starts, **_):
        return Descent(starts / np.linalg.norm(starts, axis=2, keepdims=True), Status.CONVERGED)


def task(**more):
    return StartBatch(**({"index": 0, "n": 9, "d": 3, "count": 4, "first": 2, "seed": 7} | more))


def test_a_start_depends_on_the_seed_and_its_number_alone():
    whole = task(count=6, first=0).starts()
    assert (task().starts() == whole[2:]).all()
    assert whole.shape == (6, 9, 3)


def test_the_best_of_a_batch_by_measured_angle_is_found():
    (found,) = task().run(Nothing(), Budget(None), silent).found
    angles = [geometry.min_angle(geometry.as_points(rows, normalize=True)) for rows in task().starts()]
    assert found.angle == pytest.approx(max(angles), abs=1e-14)
