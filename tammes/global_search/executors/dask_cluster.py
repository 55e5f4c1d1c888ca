"""Executor on a Dask cluster: a search runs wherever dask-jobqueue and its kin can start workers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tammes.base.errors import InvalidParameterError, MissingPackageError, WorkersLostError
from tammes.global_search.executors.worker_pool import WorkerPool

__all__ = ["open_cluster"]


@contextmanager
def open_cluster(address: str, seconds: float = 10.0) -> Iterator[WorkerPool]:
    """Open the workers of a Dask cluster, those that come later too.

    Args:
        address: of the scheduler, `tcp://host:8786`.
        seconds: how long the scheduler may take to answer.

    Raises:
        InvalidParameterError: if the address is none.
        MissingPackageError: if Dask is not installed.
        WorkersLostError: if the scheduler does not answer within ten seconds.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise MissingPackageError("--scheduler", "distributed", "distributed") from None
    try:
        _await_answer(distributed, address, seconds)
        client = distributed.Client(address, timeout=seconds, set_as_default=False, name="tammes")
    except (OSError, TimeoutError) as error:  # Dask's own are kinds of these
        raise WorkersLostError(
            f"no Dask scheduler answers at {address} within {seconds:.0f} s ({_first_line(error)})"
        ) from None
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(
            "scheduler", "the address of a Dask scheduler, such as tcp://host:8786", address, _first_line(error)
        ) from None
    try:
        threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        # Not pure: two rounds that look alike are still two.
        executor = client.get_executor(pure=False)
        pool = WorkerPool(threads, executor, reachable=lambda: client.status not in {"closing", "closed"})
        try:
            yield pool
        finally:
            pool.shutdown()
    finally:
        client.close(timeout=seconds)


def _await_answer(distributed: Any, address: str, seconds: float) -> None:
    """Connect to the scheduler once: Dask's own client waits without end for one that listens and does not answer.

    Raises:
        OSError, TimeoutError: if nobody answers.
    """
    # As the site's configuration has it: a scheduler on tls:// talks to nobody without a certificate.
    secured = distributed.Security().get_connection_args("client")

    async def greet() -> None:
        comm = await asyncio.wait_for(distributed.comm.connect(address, timeout=seconds, **secured), seconds)
        await comm.close()

    with ThreadPoolExecutor(1) as aside:  # a notebook's thread has a loop of its own, already running
        aside.submit(lambda: asyncio.run(greet())).result()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
