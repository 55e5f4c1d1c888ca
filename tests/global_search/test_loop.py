"""The loop: order of outcomes, reasons to stop, time, Ctrl-C; with a strategy of the tests."""

import math
from dataclasses import dataclass, replace

import numpy as np
import oracles
import pytest

from tammes.base import geometry
from tammes.base.budget import Budget
from tammes.base.errors import InvalidParameterError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search.executors.executor import InProcess, task_budget
from tammes.global_search.loop import run_search
from tammes.global_search.pool import Member
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.strategy import Report, Strategy
from tammes.global_search.tasks import Found, Outcome, Task

PROBLEM = Problem(7, 3)


def code(seed):
    points = geometry.as_points(oracles.random_code(7, 3, seed), normalize=True)
    return Found(points, geometry.min_angle(points), Status.CONVERGED.code)


CODES = sorted((code(seed) for seed in range(6)), key=lambda found: found.angle)


@dataclass(frozen=True, kw_only=True)
class Given(Task):
    """Returns the code that it is given."""

    found: Found
    part: float = 1.0
    status: Status = Status.CONVERGED

    @property
    def share(self):
        return self.part

    def run(self, solver, budget, progress):
        return Outcome(self.index, self.count, 1.0, (self.found,), self.status)


class InOrder(Strategy):
    """Proposes given codes, so many ahead."""

    name = "in order"
    problem = PROBLEM

    def __init__(self, codes, ahead=3, last=None, **fields):
        self.codes, self.ahead, self.last, self.fields = codes, ahead, last, fields
        self.taken, self.seen = [], []

    def propose(self, state):
        if state.pending >= self.ahead or state.planned >= len(self.codes) or state.starts_left == 0:
            return None
        return Given(index=state.planned, n=7, d=3, count=1, found=self.codes[state.planned], **self.fields)

    def update(self, state, task, outcome):
        self.taken.append(task.index)
        self.seen.append(outcome.status)
        for found in outcome.found:
            state.pool.add(Member(found.points, found.angle, found.status, "given"))

    def closing(self, state):
        return self.last

    def report(self, state, status):
        return Report(("given",), ({"phase": "given", "status": status.code},))

    def to_dict(self):
        return {}, {}

    def restore(self, values, arrays, state):
        pass


def run(strategy, limits=None, executor=None, **more):
    limits = Limits() if limits is None else limits
    return run_search(PROBLEM, strategy, None, InProcess() if executor is None else executor, limits, **more)


class Shuffled:
    """Works on its newest tasks first; outcomes are asked for in any order."""

    workers, own, redone = 3, True, 0

    def __init__(self):
        self.made = []
        self.cancelled = 0

    def submit(self, task, solver, budget, progress):
        executor = self

        class Later:
            def result(self):
                executor.made.append(task.index)
                return task.run(solver, budget, progress)

        return Later()

    def cancel(self):
        self.cancelled += 1

    def shutdown(self):
        pass


def test_outcomes_are_taken_in_in_the_order_of_the_tasks():
    strategy, executor = InOrder(CODES), Shuffled()
    result = run(strategy, executor=executor)
    assert strategy.taken == list(range(6))
    assert result.status is Status.STARTS
    assert result.code.min_angle == CODES[-1].angle
    assert executor.cancelled == 1


def test_the_best_is_kept_when_later_codes_are_worse():
    result = run(InOrder(CODES[::-1]))
    assert (result.code.points == CODES[-1].points).all()


def test_a_number_of_starts_ends_it():
    strategy = InOrder(CODES)
    assert run(strategy, Limits(starts=2)).status is Status.STARTS
    assert strategy.taken == [0, 1]


def test_a_target_ends_it_and_the_last_task_is_run():
    polished = Given(index=9, n=7, d=3, count=0, found=CODES[-1])
    strategy = InOrder(CODES[:-1], last=polished)
    result = run(strategy, Limits(target=CODES[2].angle))
    assert result.status is Status.TARGET
    assert strategy.taken == [0, 1, 2, 9]
    assert result.code.min_angle == CODES[-1].angle


def test_the_first_task_is_done_whatever_the_time():
    strategy = InOrder(CODES)
    result = run(strategy, Limits(seconds=1e-9))
    assert result.status is Status.TIME_LIMIT
    assert strategy.taken == [0]


def test_time_left_and_a_share_of_it():
    now = [0.0]
    budget = Budget(10.0, lambda: now[0])
    task = Given(index=0, n=7, d=3, count=1, found=CODES[0], part=0.25)
    assert task_budget(task, budget).left() == pytest.approx(2.5)
    now[0] = 6.0
    assert task_budget(task, budget).left() == pytest.approx(1.0)
    assert task_budget(replace(task, part=1.0), budget).left() == pytest.approx(4.0)
    assert math.isinf(task_budget(task, Budget(None)).left())


def test_a_task_whose_own_time_is_over_has_not_ended_the_search():
    strategy = InOrder(CODES[:2], status=Status.TIME_LIMIT)
    run(strategy, Limits(seconds=60.0))
    assert strategy.seen == [Status.STEP_LIMIT, Status.STEP_LIMIT]


def test_an_interrupted_task_ends_it_with_its_code():
    strategy = InOrder(CODES, status=Status.INTERRUPTED)
    result = run(strategy)
    assert result.status is Status.INTERRUPTED
    assert strategy.taken == [0]
    assert result.code.min_angle == CODES[0].angle


def test_ctrl_c_between_two_tasks_keeps_the_best():
    def interrupt(event):
        if event.step == 2:
            raise KeyboardInterrupt

    result = run(InOrder(CODES), progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.min_angle == CODES[1].angle


def test_ctrl_c_before_anything_is_found_is_passed_on():
    class Interrupted(Shuffled):
        def submit(self, *_):
            raise KeyboardInterrupt

    executor = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(InOrder(CODES), executor=executor)
    assert executor.cancelled == 1


def test_lost_workers_keep_the_best_and_say_why():
    class Lost(Shuffled):
        def submit(self, task, *more):
            if task.index == 3:
                raise WorkersLostError("all gone")
            return super().submit(task, *more)

    result = run(InOrder(CODES, ahead=1), executor=Lost())
    assert result.status is Status.WORKERS_LOST
    assert result.code.min_angle == CODES[2].angle
    assert "all gone" in result.phases[-1]["lost"]


def test_a_met_bound_ends_it():
    octahedron = np.array(oracles.orthoplex(3), dtype=float)
    found = Found(octahedron, geometry.min_angle(octahedron), Status.CONVERGED.code)
    problem = Problem(6, 3)
    strategy = InOrder([found] * 3)
    result = run_search(problem, strategy, None, InProcess(), Limits())
    assert result.status is Status.BOUND
    assert strategy.taken == [0]


def test_reports_never_fall_below_the_best():
    events = []
    run(InOrder(CODES[::-1]), progress=events.append)
    assert [event.min_angle for event in events] == [CODES[-1].angle] * 6


def test_nothing_found_is_an_error_that_names_the_limit():
    with pytest.raises(InvalidParameterError, match="`time_limit` must be long enough for one start"):
        run(InOrder([]), Limits(seconds=1.0))


def test_the_record_tells_how_it_was_run():
    result = run(InOrder(CODES), Limits(seconds=60.0, starts=4, target=3.0), state=SearchState(PROBLEM))
    settings = result.settings
    assert (settings["seed"], settings["workers"], settings["starts"], settings["resumed"]) == (0, 1, 4, False)
    assert settings["target_degrees"] == pytest.approx(math.degrees(3.0))
    assert result.phases[0]["seconds"] >= 0.0
