"""Who does the rounds: this process, or one worker process a core, each with a single thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from threadpoolctl import threadpool_limits

from tammes.hunting.rounds import Outcome, Round, run_round

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

__all__ = ["Crew", "Pending", "cores"]

_stop: Event | None = None  # of this worker process


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
        with threadpool_limits(1):
            return run_round(self._task)


class Crew:
    """Does rounds; one after another here, or in worker processes.

    One thread a worker, whatever their number: BLAS gives other last digits with other thread
    counts, and the same search must give the same codes.

    A context manager: the workers go home at its end.

    Args:
        workers: processes; with 1 the rounds are done in this process, when they are asked for.
    """

    def __init__(self, workers: int) -> None:
        self._pool: Executor | None = None
        self._halt: Any = None
        self._under_way: list[Future[Outcome]] = []
        self.workers = workers
        if workers > 1:
            context = multiprocessing.get_context("spawn")  # compiled code and threads do not survive a fork
            self._halt = context.Event()
            self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(self._halt,))

    def submit(self, task: Round) -> Pending:
        """The round's outcome, once its `result` is asked for; processes begin at once."""
        if self._pool is not None:
            with _main_left_out():
                sent = self._pool.submit(_work, task)
            self._under_way = [each for each in self._under_way if not each.done()] + [sent]
            return sent
        return _Deferred(task)

    def recall(self) -> None:
        """End the rounds under way at their next stop and forget the others; the workers stay for the next search."""
        if self._pool is not None:
            self._halt.set()
            for future in self._under_way:
                future.cancel()
            wait(self._under_way)
            self._under_way.clear()
            self._halt.clear()

    def dismiss(self) -> None:
        """Recall, and send the workers home."""
        if self._pool is not None:
            self.recall()
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


def _begin(halt: Event) -> None:
    """Set a worker process up."""
    global _stop  # noqa: PLW0603 - a worker process has one
    _stop = halt
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it keeps the best code, then dismisses
    threadpool_limits(1)


def _work(task: Round) -> Outcome:
    """A round in a worker process."""
    assert _stop is not None
    return run_round(task, _stop.is_set)
