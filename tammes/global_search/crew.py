"""Who does the rounds: this process, worker processes with a single thread each, or anybody's executor.

A round is lost with its worker, and done again; what comes back is measured before it is believed. No more
is asked of an executor than `submit`, so that whatever schedules work on a cluster can serve.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from typing import Any, Protocol

import tammes
from tammes.base.errors import TammesError, WorkersLostError
from tammes.global_search.acceptance import fault
from tammes.global_search.rounds import Outcome, Round, run_round
from tammes.global_search.threads import one_thread

__all__ = ["Crew", "Pending", "cores"]

_TRIES = 4
"""How often a round is done before it is given up: more than one bad worker would be needed."""
_GRACE = 60.0  # seconds after its deadline that an outcome may take to come back from somebody else

_stop: Any = None  # of this worker process: a byte of shared memory. A lock, as in an Event, might die with its holder


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pending(Protocol):
    """An outcome to come."""

    def result(self) -> Outcome:
        """The outcome, waited for."""


class _Deferred:
    """A round that this process does when its outcome is asked for."""

    def __init__(self, task: Round) -> None:
        self._task = task

    def result(self) -> Outcome:
        with one_thread():
            return run_round(self._task)


class _Sent:
    """A round that somebody else does; again, where its outcome is lost or false."""

    def __init__(self, crew: Crew, task: Round) -> None:
        self._crew, self._task = crew, task
        self._future = crew._send(task)

    def result(self) -> Outcome:
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                self._crew.redone += 1
                self._future = self._crew._send(self._task)
            try:
                outcome = self._await()
            except TammesError:
                raise  # the round itself says no, and would again
            except Exception as error:  # whatever anybody's executor raises: the worker is lost
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                false = fault(self._task, outcome)
                if false is None:
                    return outcome
                reason = false
        raise WorkersLostError(f"round {self._task.index} was lost {_TRIES} times ({reason})")

    def _await(self) -> Outcome:
        """The outcome; not for ever, whatever becomes of those who were to bring it."""
        while not self._future.done():
            # Processes of our own are waited for: they say so when they die, and a polish may take its time.
            if not self._crew.own and time.time() > self._task.deadline + _GRACE:
                raise WorkersLostError(f"round {self._task.index} has not come back long after its time")
            if not self._crew.reachable():
                raise WorkersLostError("those who schedule their work went away")
            wait([self._future], timeout=1.0)
        return self._future.result()


class Crew:
    """Does rounds; one after another here, in worker processes, or through an executor.

    One thread a worker, whatever their number: BLAS gives other last digits with other thread
    counts, and the same search must give the same codes.

    A context manager: the worker processes go home at its end; an executor that was given stays.

    Args:
        workers: processes; with 1 the rounds are done in this process, when they are asked for. Of an
            executor: how many it has, for the record.
        executor: who does the rounds instead: anything with the `submit` of `concurrent.futures`.
        reachable: whether they can still be asked, where an executor's own futures would never say so.

    Attributes:
        own: whether the workers are processes of this machine, or this process, and nobody else's.
        redone: rounds that had to be done again, because a worker or its outcome was lost.
    """

    def __init__(
        self, workers: int, executor: Executor | None = None, reachable: Callable[[], bool] = lambda: True
    ) -> None:
        self.workers = workers
        self.reachable = reachable
        self.redone = 0
        self._under_way: list[Future[Outcome]] = []
        self.own = executor is None
        self._pool: Executor | None = executor
        self._halt: Any = None
        if executor is None and workers > 1:
            self._halt = RawValue("b", 0)
            self._pool = self._processes()

    def _processes(self) -> ProcessPoolExecutor:
        """Worker processes, which begin with their first round."""
        context = multiprocessing.get_context("spawn")  # compiled code and threads do not survive a fork
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin, initargs=(self._halt,))

    def submit(self, task: Round) -> Pending:
        """The round's outcome, once its `result` is asked for; others begin at once."""
        return _Deferred(task) if self._pool is None else _Sent(self, task)

    def _send(self, task: Round) -> Future[Outcome]:
        """Hand a round out; to new processes where the old ones are gone."""
        assert self._pool is not None
        if self.own:
            with _main_left_out():
                try:
                    sent = self._pool.submit(_work, task)
                except BrokenExecutor:
                    self._pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = self._processes()
                    sent = self._pool.submit(_work, task)
        else:
            try:
                sent = self._pool.submit(_work_elsewhere, task, tammes.__version__)
            except Exception as error:
                raise WorkersLostError(f"the executor takes no more work ({type(error).__name__}: {error})") from error
        self._under_way = [each for each in self._under_way if not each.done()] + [sent]
        return sent

    def recall(self) -> None:
        """End the rounds under way at their next stop and forget the others; the workers stay for the next search.

        Somebody else's workers end the rounds that they have begun in their own time; nobody waits for those.
        """
        if self._halt is not None:
            self._halt.value = 1
        for future in self._under_way:
            future.cancel()
        if self._halt is not None:
            wait(self._under_way)
            self._halt.value = 0
        self._under_way.clear()

    def dismiss(self) -> None:
        """Recall, and send the workers home."""
        self.recall()
        if self.own and self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()


@contextmanager
def _main_left_out() -> Iterator[None]:
    """Worker processes that begin now do not run the caller's script again.

    Rounds need nothing of it, and a script without `if __name__ == "__main__"` would start a search in
    every worker.
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it keeps the best code, then dismisses


def _work(task: Round) -> Outcome:
    """A round in a worker process."""
    with one_thread():
        return run_round(task, lambda: bool(_stop.value))


def _work_elsewhere(task: Round, version: str) -> Outcome:
    """A round in somebody's worker, which may be of another day."""
    if tammes.__version__ != version:
        raise WorkersLostError(f"a worker has tammes {tammes.__version__}, the search {version}: install the same")
    with one_thread():
        return run_round(task)
