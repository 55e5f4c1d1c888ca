"""Worker processes with a single thread each, or the executor of somebody else.

A task is lost with its worker, and run again; what comes back is measured before it is believed. Of a foreign executor
no more is asked than `submit`, so that whatever schedules work on a cluster can serve.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from typing import Any

import tammes
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.errors import TammesError, WorkersLostError
from tammes.global_search.executors.executor import Pending
from tammes.global_search.executors.outcome_check import fault
from tammes.global_search.executors.single_thread import one_thread
from tammes.global_search.tasks import Outcome, Task

__all__ = ["WorkerPool"]

_TRIES = 4  # runs of a task before it is given up: more than one bad worker would be needed

# Of this worker process: a byte of shared memory. The lock of an Event might die with its holder.
_stop: Any = None


class WorkerPool:
    """Runs tasks in worker processes, or through an executor.

    Every worker has one thread, whatever their number: BLAS gives other last digits with other numbers of threads,
    and the same search must give the same codes.

    Args:
        workers: processes; of an executor: how many it has, for the record.
        executor: anything with the `submit` of `concurrent.futures`, instead of processes; it is not shut down.
        reachable: whether an executor can still be asked, where its own futures would never say so.
        grace: seconds after its time limit that an outcome may take to come back from a foreign executor.
    """

    def __init__(
        self,
        workers: int,
        executor: Executor | None = None,
        *,
        reachable: Callable[[], bool] = lambda: True,
        grace: float = 60.0,
    ) -> None:
        self.workers = workers
        self.own = executor is None
        self.redone = 0
        self.grace = grace
        self.reachable = reachable
        self._pool: Executor | None = executor
        self._halt: Any = RawValue("b", 0) if executor is None else None
        self._under_way: list[Future[Outcome]] = []

    def _processes(self) -> ProcessPoolExecutor:
        """Make worker processes, which begin with their first task."""
        context = multiprocessing.get_context("spawn")  # compiled code and threads do not survive a fork
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin, initargs=(self._halt,))

    def submit(self, task: Task, solver: Any, budget: Budget, progress: ProgressCallback = silent) -> Pending:
        """See `TaskExecutor.submit`."""
        return _Sent(self, task, solver, budget)

    def send(self, task: Task, solver: Any, seconds: float) -> Future[Outcome]:
        """Hand a task out, to new processes where the old ones are gone.

        Args:
            task: what to do.
            solver: the local solver of the search.
            seconds: time that the task may take; infinite for no limit.

        Raises:
            WorkersLostError: if a foreign executor takes no more work.
        """
        if self.own:
            # The clock of this machine is the same in all its processes, so waiting in a queue counts.
            deadline = time.monotonic() + seconds
            with _main_left_out():
                try:
                    if self._pool is None:
                        self._pool = self._processes()
                    sent = self._pool.submit(_work, task, solver, deadline)
                except BrokenExecutor:
                    assert self._pool is not None
                    self._pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = self._processes()
                    sent = self._pool.submit(_work, task, solver, deadline)
        else:
            assert self._pool is not None
            try:
                sent = self._pool.submit(_work_elsewhere, task, solver, seconds, tammes.__version__)
            except Exception as error:
                raise WorkersLostError(f"the executor takes no more work ({type(error).__name__}: {error})") from error
        self._under_way = [each for each in self._under_way if not each.done()] + [sent]
        return sent

    def cancel(self) -> None:
        """See `TaskExecutor.cancel`. Foreign workers end the tasks that they have begun in their own time."""
        if self._halt is not None:
            self._halt.value = 1
        for future in self._under_way:
            future.cancel()
        if self._halt is not None:
            wait(self._under_way)
            self._halt.value = 0
        self._under_way.clear()

    def shutdown(self) -> None:
        """See `TaskExecutor.shutdown`. A foreign executor stays."""
        self.cancel()
        if self.own and self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class _Sent:
    """The outcome of a task that another process runs; run again where it is lost or false."""

    def __init__(self, pool: WorkerPool, task: Task, solver: Any, budget: Budget) -> None:
        self._pool, self._task, self._solver, self._budget = pool, task, solver, budget
        self._future = self._send()

    def _send(self) -> Future[Outcome]:
        left = self._budget.left()
        return self._pool.send(self._task, self._solver, left if math.isinf(left) else left * self._task.share)

    def result(self) -> Outcome:
        """Wait for the outcome and check it.

        Raises:
            WorkersLostError: if the task was lost four times, or the workers cannot be reached.
        """
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                self._pool.redone += 1
                self._future = self._send()
            try:
                outcome = self._wait()
            except TammesError:
                raise  # the task itself refuses, and would again
            except Exception as error:  # whatever a foreign executor raises: the worker is lost
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                false = fault(self._task, outcome)
                if false is None:
                    return outcome
                reason = false
        raise WorkersLostError(f"task {self._task.index} was lost {_TRIES} times ({reason})")

    def _wait(self) -> Outcome:
        """Return the outcome; of a foreign executor, wait no longer than the time limit and a grace."""
        while not self._future.done():
            # Own processes are waited for: they report when they die, and a polish may take its time.
            if not self._pool.own and self._budget.overdue() > self._pool.grace:
                raise WorkersLostError(f"task {self._task.index} has not come back long after its time")
            if not self._pool.reachable():
                raise WorkersLostError("the scheduler of the workers is gone")
            wait([self._future], timeout=1.0)
        return self._future.result()


@contextmanager
def _main_left_out() -> Iterator[None]:
    """Keep worker processes that begin now from running the caller's script again.

    Tasks need nothing of it, and a script without `if __name__ == "__main__"` would start a search in every worker.
    """
    main = sys.modules["__main__"]
    names: tuple[str, ...] = ("__file__", "__spec__")
    kept = {name: vars(main).pop(name) for name in names if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(kept)


def _begin(halt: Any) -> None:
    """Set a worker process up."""
    global _stop  # noqa: PLW0603 - a worker process has one
    _stop = halt
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C: it keeps the best code, then shuts down


def _work(task: Task, solver: Any, deadline: float) -> Outcome:
    """Run a task in a worker process of this machine."""
    left = deadline - time.monotonic()
    budget = Budget(None if math.isinf(left) else max(left, 1e-9), stop=lambda: bool(_stop.value))
    with one_thread():
        return task.run(solver, budget, silent)


def _work_elsewhere(task: Task, solver: Any, seconds: float, version: str) -> Outcome:
    """Run a task in the worker of a foreign executor, which may have another version of this package."""
    if tammes.__version__ != version:
        raise WorkersLostError(f"a worker has tammes {tammes.__version__}, the search {version}: install the same")
    with one_thread():
        return task.run(solver, Budget(None if math.isinf(seconds) else max(seconds, 1e-9)), silent)
