"""Opens the executor that is asked for: processes of this machine, a foreign executor, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError
from tammes.base.processors import cores
from tammes.global_search.executors.executor import InProcess, TaskExecutor
from tammes.global_search.executors.worker_pool import WorkerPool

__all__ = ["open_executor"]


@contextmanager
def open_executor(
    workers: int | None = None, *, executor: Executor | None = None, scheduler: str | None = None
) -> Iterator[TaskExecutor]:
    """Open an executor, and shut it down at the end.

    Args:
        workers: processes of this machine; all cores by default. One does the work in this process.
        executor: anything with the `submit` of `concurrent.futures`; it is not shut down.
        scheduler: address of a Dask scheduler, `tcp://host:8786`.

    Raises:
        ConflictingOptionsError: if more than one of them is given.
        InvalidParameterError: if the executor is none, or the address is none.
        MissingPackageError: if a scheduler is given, and Dask is not installed.
        WorkersLostError: if the scheduler does not answer within ten seconds.
    """
    values = {"executor": executor, "scheduler": scheduler, "workers": workers}
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise ConflictingOptionsError(given[0], given[1], "one of them does the work")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidParameterError("executor", "an executor, with the `submit` of concurrent.futures", executor)
    if scheduler is not None:
        from tammes.global_search.executors.dask_cluster import open_cluster

        with open_cluster(scheduler) as cluster:
            yield cluster
        return
    opened: TaskExecutor
    if executor is not None:
        opened = WorkerPool(int(getattr(executor, "_max_workers", 0) or 0), executor)
    else:
        count = workers or cores()
        opened = InProcess() if count == 1 else WorkerPool(count)
    try:
        yield opened
    finally:
        opened.shutdown()
