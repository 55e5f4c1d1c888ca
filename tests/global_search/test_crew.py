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

from tammes.base.errors import InvalidParameterError, UnknownNameError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search import crew as crews
from tammes.global_search import session
from tammes.global_search.crew import Crew, cores
from tammes.global_search.hunt import Hunt, Limits
from tammes.global_search.problem import Problem
from tammes.global_search.rounds import Outcome, Round
from tammes.global_search.session import search

TASKS = [Round(k, 20, 4, 3, arm, 3, 1.2) for k, arm in enumerate(["random/4", "hinge/32", "symmetric"])]
TASKS[2] = Round(2, 20, 4, 3, "symmetric", 3, 1.2, group="antipodal")


@pytest.fixture(scope="module")
def pair():
    with Crew(2) as crew:
        yield crew


def test_processes_and_this_process_agree_bit_for_bit(pair):
    with Crew(1) as alone:
        here = [alone.submit(task).result() for task in TASKS]
    there = [future.result() for future in [pair.submit(task) for task in TASKS]]
    for a, b in zip(here, there, strict=True):
        assert (a.tried, a.cost) == (b.tried, b.cost)
        assert [x.angle for x in a.found] == [x.angle for x in b.found]
        assert all(np.array_equal(x.points, y.points) for x, y in zip(a.found, b.found, strict=True))


def test_recall_ends_long_rounds_and_keeps_the_workers(pair):
    long = [pair.submit(Round(k, 130, 3, 0, "random/4", 100_000, 0.33)) for k in range(4)]
    began = time.monotonic()
    pair.recall()
    assert time.monotonic() - began < 60.0  # minutes, if they were waited for
    assert all(sent._future.cancelled() or sent._future.done() for sent in long)
    assert pair.submit(TASKS[0]).result().tried == 3


def test_there_is_a_core():
    assert cores() >= 1


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


def hunted(crew, starts=24):
    hunt = Hunt(Problem(14, 3, seed=2))
    with crew:
        status = hunt.run(Limits(starts=starts), crew=crew)
    return status, hunt


def same(a, b):
    assert (a.tried, a.applied, a.work) == (b.tried, b.applied, b.work)
    assert a.report() == b.report()
    assert all(np.array_equal(x.points, y.points) for x, y in zip(a.pool.members, b.pool.members, strict=True))


@pytest.fixture(scope="module")
def honest():
    return hunted(Crew(1))


def pass_on(_, outcome):
    return outcome


def lose(k, outcome):
    if k % 3 == 0:
        raise ConnectionError("the node is gone")
    return outcome


def swap(kept):
    """Every third result is that of an earlier round: late, or twice."""

    def spoil(k, outcome):
        kept.append(outcome)
        return kept[0] if k % 3 == 2 else outcome

    return spoil


def lie(k, outcome):
    if k % 4 == 1:
        return replace(outcome, found=tuple(replace(found, angle=math.pi) for found in outcome.found), cost=-1.0)
    return "garbage" if k % 4 == 3 else outcome


@pytest.mark.parametrize("spoil", [pass_on, lose, swap([]), lie])
def test_a_lost_late_or_false_result_costs_its_own_round_only(spoil, honest):
    executor = Unreliable(spoil)
    crew = Crew(0, executor)
    status, hunt = hunted(crew)
    assert status is honest[0] is Status.STARTS
    same(hunt, honest[1])
    assert executor.jobs >= hunt.applied + crew.redone
    assert (crew.redone > 0) == (spoil is not pass_on)


def test_threads_of_somebody_else_serve_and_stay(honest):
    with ThreadPoolExecutor(2) as pool:
        _, hunt = hunted(Crew(2, pool))
        same(hunt, honest[1])
        assert pool.submit(int, 3).result() == 3


@pytest.mark.slow
def test_a_round_that_is_always_lost_ends_the_search_and_keeps_the_best():
    def fail(k, outcome):
        if k > 1:
            raise MemoryError
        return outcome

    status, hunt = hunted(Crew(0, Unreliable(fail)))
    assert status is Status.WORKERS_LOST
    assert hunt.pool.best is not None
    assert "was lost 4 times (MemoryError)" in hunt.report()["lost"]

    def never(_, __):
        raise MemoryError

    with pytest.raises(WorkersLostError, match=r"The workers are lost: round 0 was lost 4 times \(MemoryError\)"):
        hunted(Crew(0, Unreliable(never)))


def test_nobody_waits_for_ever(monkeypatch):
    class Silent(Executor):
        def submit(self, *_):
            return Future()

    monkeypatch.setattr(crews, "_GRACE", 0.1)
    with Crew(0, Silent()) as crew, pytest.raises(WorkersLostError, match="has not come back long after its time"):
        crew.submit(Round(0, 12, 3, 0, "random/4", 1, 1.0, deadline=time.time())).result()


def test_processes_of_our_own_are_waited_for(pair, monkeypatch):
    monkeypatch.setattr(crews, "_GRACE", -1e9)
    outcome = pair.submit(replace(TASKS[0], deadline=time.time())).result()
    assert outcome.tried >= 1
    assert pair.redone == 0


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


def test_many_points_take_the_crews_threads_and_nobody_elses(monkeypatch):
    taken = []

    def threads(*_, workers, **__):
        taken.append(workers)
        raise StopIteration

    monkeypatch.setattr(session, "scale_search", threads)
    with Crew(2) as crew, pytest.raises(StopIteration):
        search(3_000, 3, crew=crew)
    assert taken == [2]
    executor = Unreliable(pass_on)
    with Crew(0, executor) as crew, pytest.raises(InvalidParameterError, match="`executor or scheduler`"):
        search(3_000, 3, crew=crew)
    assert executor.jobs == 0


def test_every_search_counts_its_own_redone_rounds():
    with Crew(0, Unreliable(lose)) as crew:
        results = [search(14, 3, starts=12, crew=crew) for _ in range(2)]
    counts = [result.settings["redone"] for result in results]
    assert sum(counts) == crew.redone
    assert min(counts) > 0


def test_an_executor_that_takes_no_more_work_is_an_error():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with Crew(1, pool) as crew, pytest.raises(WorkersLostError, match="takes no more work"):
        crew.submit(TASKS[0])


def test_an_error_of_the_round_itself_is_not_tried_again():
    executor = Unreliable(lambda _, outcome: outcome)
    with Crew(0, executor) as crew, pytest.raises(UnknownNameError):
        crew.submit(replace(TASKS[2], group="no-such-group")).result()
    assert executor.jobs == 1


def test_a_worker_of_another_version_is_refused(monkeypatch):
    with pytest.raises(WorkersLostError, match=r"a worker has tammes .*, the search 0\.0\.0: install the same"):
        crews._work_elsewhere(TASKS[0], "0.0.0")
    assert isinstance(crews._work_elsewhere(TASKS[0], crews.tammes.__version__), Outcome)


@pytest.mark.slow
def test_a_killed_process_loses_nothing_but_its_round(honest):
    crew = Crew(2)
    killed = []

    def kill(progress):
        if progress.step == 1 and not killed:
            killed.append(next(iter(crew._pool._processes)))
            os.kill(killed[0], signal.SIGKILL)

    hunt = Hunt(Problem(14, 3, seed=2))
    with crew:
        assert hunt.run(Limits(starts=24), crew=crew, progress=kill) is Status.STARTS
    assert killed
    assert crew.redone > 0
    same(hunt, honest[1])
