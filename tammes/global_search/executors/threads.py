"""Threads of this process: for compiled loops, which run without the interpreter's lock."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.global_search.executors.executor import Deferred, Pending, task_budget
from tammes.global_search.tasks import Outcome, Task
from tammes.solvers.ladder import cell_lists

__all__ = ["Threads"]


class Threads:
    """Runs concurrent tasks in threads; a task that takes all threads runs alone, in the calling thread.

    Args:
        workers: threads.
    """

    own = True
    redone = 0

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._halt = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: list[Future[Outcome]] = []

    def submit(self, task: Task, solver: Any, budget: Budget, progress: ProgressCallback) -> Pending:
        """See `TaskExecutor.submit`."""
        if not task.concurrent:
            return Deferred(lambda: task.run(solver, task_budget(task, budget), progress))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(cell_lists.at_once(self.workers))
        future = self._pool.submit(task.run, solver, task_budget(task, budget, self._halt.is_set), silent)
        self._under_way = [each for each in self._under_way if not each.done()] + [future]
        return future

    def cancel(self) -> None:
        """See `TaskExecutor.cancel`."""
        self._halt.set()
        for future in self._under_way:
            future.cancel()
        for future in self._under_way:
            if not future.cancelled():
                future.exception()  # waits
        self._under_way.clear()
        self._halt.clear()

    def shutdown(self) -> None:
        """See `TaskExecutor.shutdown`."""
        self.cancel()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
