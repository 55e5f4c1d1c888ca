"""The interface of executors, and the executor that works in this process."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any, Protocol

from tammes.base.budget import Budget, ProgressCallback
from tammes.global_search.executors.single_thread import one_thread
from tammes.global_search.tasks import Outcome, Task

__all__ = ["InProcess", "Pending", "TaskExecutor", "task_budget"]


class Pending(Protocol):
    """An outcome to come."""

    def result(self) -> Outcome:
        """Wait for the outcome and return it."""


class TaskExecutor(Protocol):
    """Whatever runs the tasks of a search."""

    workers: int
    """Tasks that run at the same time."""
    own: bool
    """True if it works on this machine, in processes and threads of this package."""
    redone: int
    """Tasks that were run again, since their worker or their outcome was lost."""

    def submit(self, task: Task, solver: Any, budget: Budget, progress: ProgressCallback) -> Pending:
        """Hand a task over.

        Args:
            task: what to do.
            solver: the local solver of the search.
            budget: of the whole search; the task has its share of what is left.
            progress: called during the work where it is done in this process.
        """

    def cancel(self) -> None:
        """End the tasks under way at their next stop and forget the others; the executor stays usable."""

    def shutdown(self) -> None:
        """Cancel, and release the workers."""


def task_budget(task: Task, budget: Budget, stop: Callable[[], bool] = lambda: False) -> Budget:
    """Return the budget of a task that begins now: its share of what is left of the search's."""
    left = budget.left()
    part = budget if math.isinf(left) or task.share >= 1.0 else budget.part(task.share)
    return part.until(stop)


class InProcess:
    """Runs every task in this process, when its outcome is asked for.

    Args:
        single_thread: give every library one thread, as in worker processes, so that the bits are the same.
    """

    workers = 1
    own = True
    redone = 0

    def __init__(self, *, single_thread: bool = True) -> None:
        self._single_thread = single_thread

    def submit(self, task: Task, solver: Any, budget: Budget, progress: ProgressCallback) -> Pending:
        """See `TaskExecutor.submit`."""

        def work() -> Outcome:
            with one_thread() if self._single_thread else contextlib.nullcontext():
                return task.run(solver, task_budget(task, budget), progress)

        return Deferred(work)

    def cancel(self) -> None:
        """Nothing is ever under way."""

    def shutdown(self) -> None:
        """Nothing is ever under way."""


class Deferred:
    """An outcome that is worked out when it is asked for."""

    def __init__(self, work: Callable[[], Outcome]) -> None:
        self._work = work

    def result(self) -> Outcome:
        """Do the work."""
        return self._work()
