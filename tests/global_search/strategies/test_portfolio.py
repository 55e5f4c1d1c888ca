"""The portfolio: the reasons to stop, the same codes for the same work, what stands in its report."""

import json
import math

import numpy as np
import pytest

from tammes import bounds
from tammes.base.budget import Budget, silent
from tammes.base.status import Status
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.executors.worker_pool import WorkerPool
from tammes.global_search.loop import run_search
from tammes.global_search.problem import Problem
from tammes.global_search.starts import KINDS
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.strategies.portfolio import COLD, Portfolio
from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish
from tammes.global_search.tasks import RELAXED, Outcome
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.polish.polish import Polish

SOLVER = LadderAndPolish(CompiledLadder(), Polish())


class Search:
    """A search by the portfolio, with its strategy and state at hand."""

    def __init__(self, n, d, seed=0, **more):
        self.problem = Problem(n, d, seed, **more)
        self.strategy = Portfolio(self.problem)
        self.state = SearchState(self.problem)

    def run(self, executor=None, progress=silent, **limits):
        executor = InProcess() if executor is None else executor
        self.result = run_search(
            self.problem, self.strategy, SOLVER, executor, Limits(**limits), progress=progress, state=self.state
        )
        return self.result.status

    @property
    def degrees(self):
        return math.degrees(self.state.best_angle)


def test_a_met_bound_stops_it():
    search = Search(12, 3)
    assert search.run(seconds=60.0) is Status.BOUND
    assert search.degrees == pytest.approx(63.43494882292201, abs=1e-11)
    assert search.state.applied < 5


def test_a_target_stops_it():
    search = Search(13, 3)
    assert search.run(seconds=60.0, target=math.radians(57.0)) is Status.TARGET
    assert search.degrees >= 57.0


def test_the_polish_of_a_reached_target_ends_with_the_time():
    """Of many points it takes minutes."""
    search = Search(60, 3)
    events = []
    assert search.run(target=math.radians(25.0), progress=events.append) is Status.TARGET
    assert search.state.best.status == Status.LOCAL_MAXIMUM.code
    relaxed = events[-2].min_angle  # before the polish
    assert search.state.best_angle > relaxed
    task = Search(60, 3).strategy
    state = SearchState(search.problem)
    state.pool.add(search.state.best)
    state.best.status = RELAXED
    outcome = task.closing(state).run(SOLVER, Budget(1e-9), silent)
    assert outcome.found[0].status == Status.TIME_LIMIT.code
    assert outcome.found[0].angle >= state.best_angle


def test_a_polished_code_needs_no_last_task():
    search = Search(12, 3)
    search.run(starts=8)
    assert search.strategy.closing(search.state) is None


@pytest.mark.slow
def test_an_exhausted_search_stops_with_everything_tried(monkeypatch):
    search = Search(7, 3)
    # As if nobody had proved that no code is better.
    search.problem.__dict__["bound"] = bounds.cap_area(7, 3)
    assert search.run(starts=20_000) is Status.EXHAUSTED
    assert search.degrees == pytest.approx(77.86954215542, abs=1e-10)  # Schuette and van der Waerden 1951
    assert search.strategy.hits.total() >= 10
    assert len(search.strategy.hits) >= 3
    assert all(tasks > 0 for tasks, _ in search.strategy.groups.values())
    assert all(search.strategy.shares[name].rounds >= 3 for name in COLD)


def test_a_number_of_starts_is_kept_to():
    search = Search(19, 3, seed=5)
    assert search.run(starts=45) is Status.STARTS
    assert search.state.tried == 45


def test_time_ends_it_and_keeps_the_best():
    search = Search(40, 4)
    assert search.run(seconds=0.2) is Status.TIME_LIMIT
    assert search.degrees > 30.0


def test_ctrl_c_keeps_the_best():
    def interrupt(event):
        if event.step == 2:
            raise KeyboardInterrupt

    search = Search(20, 3)
    assert search.run(seconds=60.0, progress=interrupt) is Status.INTERRUPTED
    assert search.degrees > 40.0


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing():
    first, second = Search(18, 4, seed=3), Search(18, 4, seed=3)
    first.run(starts=150)
    pair = WorkerPool(2)
    second.run(pair, starts=150)
    pair.shutdown()
    reports = [each.strategy.report(each.state, Status.STARTS) for each in (first, second)]
    assert reports[0] == reports[1]
    for a, b in zip(first.state.pool.members, second.state.pool.members, strict=True):
        assert np.array_equal(a.points, b.points)


def test_tasks_are_planned_ahead_and_numbered():
    search = Search(12, 3)
    for index in range(8):
        task = search.strategy.propose(search.state)
        assert task.index == index
        search.state.planned += 1
        search.state.planned_starts += task.count
    assert search.strategy.propose(search.state) is None  # before an outcome is in
    first = Outcome(0, 8, 100.0, ())
    search.state.applied += 1
    search.strategy.update(search.state, task, first)
    assert search.strategy.propose(search.state) is not None


@pytest.mark.parametrize(("n", "d", "cosine"), [(10, 4, 1 / 6), (16, 5, 1 / 5), (24, 4, 1 / 2), (27, 6, 1 / 4)])
def test_named_codes_are_found_cold(n, d, cosine):
    search = Search(n, d)
    assert search.run(seconds=60.0, target=math.acos(cosine) - 1e-12) in (Status.TARGET, Status.BOUND)
    assert math.cos(search.state.best_angle) == pytest.approx(cosine, abs=1e-13)


def test_lines_and_their_bound():
    search = Search(12, 3, antipodal=True)
    assert search.run(seconds=60.0) is Status.BOUND  # six lines: the icosahedron's axes
    points = search.state.best.points
    assert np.abs(points[:, None] + points[None]).max(axis=2).min(axis=1).max() < 1e-12


def test_a_prescribed_symmetry_is_kept():
    search = Search(16, 3, symmetry="T")
    search.run(starts=60)
    points = search.state.best.points
    for matrix in search.problem.prescribed.matrices:
        images = points @ matrix.T
        assert np.abs(images[:, None] - points[None]).max(axis=2).min(axis=1).max() < 1e-9


def test_none_tries_no_group():
    assert Portfolio(Problem(12, 3, symmetry="none")).groups_to_try() == {}
    assert len(Portfolio(Problem(12, 3)).groups_to_try()) > 5


def test_the_report_is_json_and_names_every_arm():
    search = Search(15, 3)
    search.run(starts=60)
    (phase,) = json.loads(json.dumps(search.result.phases))
    assert set(COLD) <= set(phase["arms"])
    assert phase["starts"] == 60
    assert phase["found_by"] in phase["arms"]


def test_every_cold_arm_names_a_kind_and_a_power_of_two():
    for name in COLD:
        kind, _, exponent = name.partition("/")
        assert kind in KINDS
        assert math.log2(float(exponent)).is_integer()
