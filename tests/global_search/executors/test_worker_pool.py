"""Workers: what they do does not depend on who does it."""

import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import tammes
from tammes.base.budget import Budget, silent
from tammes.base.errors import InvalidParameterError, UnknownNameError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search.api import search
from tammes.global_search.executors import worker_pool
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.executors.worker_pool import WorkerPool
from tammes.global_search.loop import run_search
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.strategies.portfolio import Portfolio
from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish, PortfolioTask
from tammes.global_search.tasks import Outcome
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.polish.polish import Polish

SOLVER = LadderAndPolish(CompiledLadder(), Polish())
FREE = Budget(None)


def task(index=0, arm="random/4", **more):
    fields = {"n": 20, "d": 4, "count": 3, "seed": 3, "chord_bound": 1.2}
    return PortfolioTask(index=index, arm=arm, **(fields | more))


TASKS = [task(0), task(1, "hinge/32"), task(2, "symmetric", group="antipodal")]


@pytest.fixture(scope="module")
def pair():
    pool = WorkerPool(2)
    yield pool
    pool.shutdown()


def test_processes_and_this_process_agree_bit_for_bit(pair):
    here = [InProcess().submit(each, SOLVER, FREE, silent).result() for each in TASKS]
    there = [sent.result() for sent in [pair.submit(each, SOLVER, FREE) for each in TASKS]]
    for a, b in zip(here, there, strict=True):
        assert (a.tried, a.evaluations) == (b.tried, b.evaluations)
        assert [x.angle for x in a.found] == [x.angle for x in b.found]
        assert all(np.array_equal(x.points, y.points) for x, y in zip(a.found, b.found, strict=True))


def test_cancel_ends_long_tasks_and_keeps_the_workers(pair):
    long = [pair.submit(task(k, n=130, d=3, count=100_000, chord_bound=0.33), SOLVER, FREE) for k in range(4)]
    began = time.monotonic()
    pair.cancel()
    assert time.monotonic() - began < 60.0  # minutes, if they were waited for
    assert all(sent._future.cancelled() or sent._future.done() for sent in long)
    assert pair.submit(TASKS[0], SOLVER, FREE).result().tried == 3


def test_a_time_limit_ends_a_task_in_a_worker(pair):
    outcome = pair.submit(task(n=130, d=3, count=100_000, chord_bound=0.33), SOLVER, Budget(0.5)).result()
    assert 1 <= outcome.tried < 100_000


@pytest.mark.slow
def test_a_script_without_a_guard_may_search(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("import tammes\nprint(tammes.search(12, 3, workers=2, time_limit=30.0).status.code, __file__)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["bound-met", str(script)]


class Unreliable(Executor):
    """Does the work at once, but what it brings back goes through `spoil`, with the number of the job."""

    def __init__(self, spoil):
        self.spoil, self.jobs = spoil, 0

    def submit(self, work, *arguments):
        future = Future()
        self.jobs += 1
        try:
            future.set_result(self.spoil(self.jobs - 1, work(*arguments)))
        except Exception as error:
            future.set_exception(error)
        return future


def searched(executor, starts=24, progress=silent):
    problem = Problem(14, 3, seed=2)
    strategy, state = Portfolio(problem), SearchState(problem)
    try:
        result = run_search(problem, strategy, SOLVER, executor, Limits(starts=starts), None, progress, state=state)
    finally:
        executor.shutdown()
    return result, state


def same(a, b):
    assert (a.tried, a.applied, a.evaluations) == (b.tried, b.applied, b.evaluations)
    assert all(np.array_equal(x.points, y.points) for x, y in zip(a.pool.members, b.pool.members, strict=True))


@pytest.fixture(scope="module")
def honest():
    return searched(InProcess())


def pass_on(_, outcome):
    return outcome


def lose(k, outcome):
    if k % 3 == 0:
        raise ConnectionError("the node is gone")
    return outcome


def swap(kept):
    """Every third result is that of an earlier task: late, or twice."""

    def spoil(k, outcome):
        kept.append(outcome)
        return kept[0] if k % 3 == 2 else outcome

    return spoil


def lie(k, outcome):
    if k % 4 == 1:
        found = tuple(replace(found, angle=math.pi) for found in outcome.found)
        return replace(outcome, found=found, evaluations=-1.0)
    return "garbage" if k % 4 == 3 else outcome


@pytest.mark.parametrize("spoil", [pass_on, lose, swap([]), lie])
def test_a_lost_late_or_false_result_costs_its_own_task_only(spoil, honest):
    executor = Unreliable(spoil)
    pool = WorkerPool(0, executor)
    result, state = searched(pool)
    assert result.status is honest[0].status is Status.STARTS
    same(state, honest[1])
    assert executor.jobs >= state.applied + pool.redone
    assert (pool.redone > 0) == (spoil is not pass_on)


def test_threads_of_somebody_else_serve_and_stay(honest):
    with ThreadPoolExecutor(2) as threads:
        _, state = searched(WorkerPool(2, threads))
        same(state, honest[1])
        assert threads.submit(int, 3).result() == 3


def test_a_task_that_is_always_lost_ends_the_search_and_keeps_the_best():
    def fail(k, outcome):
        if k > 1:
            raise MemoryError
        return outcome

    result, _ = searched(WorkerPool(0, Unreliable(fail)))
    assert result.status is Status.WORKERS_LOST
    assert result.code.n == 14
    assert "was lost 4 times (MemoryError)" in result.phases[0]["lost"]

    def never(_, __):
        raise MemoryError

    with pytest.raises(WorkersLostError, match=r"The workers are lost: task 0 was lost 4 times \(MemoryError\)"):
        searched(WorkerPool(0, Unreliable(never)))


class Silent(Executor):
    """Takes work and never brings anything back."""

    def submit(self, *_):
        return Future()


def test_nobody_waits_for_ever():
    pool = WorkerPool(0, Silent(), grace=0.1)
    with pytest.raises(WorkersLostError, match="has not come back long after its time"):
        pool.submit(task(), SOLVER, Budget(1e-9)).result()


def test_processes_of_our_own_are_waited_for():
    pool = WorkerPool(2, grace=-1e9)
    assert pool.submit(TASKS[0], SOLVER, Budget(1e-9)).result().tried >= 1
    assert pool.redone == 0
    pool.shutdown()


def test_a_code_that_reached_the_target_is_kept_though_nobody_polishes_it():
    class Unpolished(Executor):
        def __init__(self, error):
            self.error = error

        def submit(self, work, task, *more):
            future = Future()
            if task.kind == "polish":
                future.result = self.interrupt if self.error is KeyboardInterrupt else future.result
                future.set_exception(self.error())
            else:
                future.set_result(work(task, *more))
            return future

        def interrupt(self):
            raise self.error

    for error, status in ((MemoryError, Status.WORKERS_LOST), (KeyboardInterrupt, Status.INTERRUPTED)):
        result = search(30, 3, target=37.0, executor=Unpolished(error))
        assert result.status is status
        assert result.code.min_angle_degrees >= 37.0
        assert result.phases[0]["code"] == "relaxed"


def test_many_points_are_not_given_to_somebody_elses_workers():
    executor = Unreliable(pass_on)
    with pytest.raises(InvalidParameterError, match="`executor` must be left out from 3000 points on"):
        search(3_000, 3, pool=WorkerPool(0, executor))
    with pytest.raises(InvalidParameterError, match="`executor` must be left out from 3000 points on"):
        search(3_000, 3, executor=executor)
    assert executor.jobs == 0


def test_every_search_counts_its_own_redone_tasks():
    pool = WorkerPool(0, Unreliable(lose))
    results = [search(14, 3, starts=12, pool=pool) for _ in range(2)]
    counts = [result.settings["redone"] for result in results]
    assert sum(counts) == pool.redone
    assert min(counts) > 0


def test_an_executor_that_takes_no_more_work_is_an_error():
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    with pytest.raises(WorkersLostError, match="takes no more work"):
        WorkerPool(1, threads).submit(TASKS[0], SOLVER, FREE)


def test_an_error_of_the_task_itself_is_not_tried_again():
    executor = Unreliable(pass_on)
    with pytest.raises(UnknownNameError):
        WorkerPool(0, executor).submit(replace(TASKS[2], group="no-such-group"), SOLVER, FREE).result()
    assert executor.jobs == 1


def test_a_worker_of_another_version_is_refused():
    with pytest.raises(WorkersLostError, match=r"a worker has tammes .*, the search 0\.0\.0: install the same"):
        worker_pool._work_elsewhere(TASKS[0], SOLVER, math.inf, "0.0.0")
    assert isinstance(worker_pool._work_elsewhere(TASKS[0], SOLVER, math.inf, tammes.__version__), Outcome)


@pytest.mark.slow
def test_a_killed_process_loses_nothing_but_its_task(honest):
    pool = WorkerPool(2)
    killed = []

    def kill(progress):
        if progress.step == 1 and not killed:
            killed.append(next(iter(pool._pool._processes)))
            os.kill(killed[0], signal.SIGKILL)

    result, state = searched(pool, progress=kill)
    assert result.status is Status.STARTS
    assert killed
    assert pool.redone > 0
    same(state, honest[1])
