"""A Dask cluster as a crew: so a search runs wherever dask-jobqueue and its kin can start workers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tammes.base.errors import InvalidParameterError, MissingPackageError, WorkersLostError
from tammes.global_search.crew import Crew, cores

__all__ = ["hired"]

_SECONDS = 10.0
"""How long a scheduler may take to answer."""


@contextmanager
def hired(
    workers: int | None = None, *, executor: Executor | None = None, scheduler: str | None = None
) -> Iterator[Crew]:
    """The crew that was asked for, for a while.

    Args:
        workers: processes of this machine; all cores by default.
        executor: anybody's executor; it is not shut down.
        scheduler: address of a Dask scheduler, `tcp://host:8786`.

    Raises:
        InvalidParameterError: if more than one of them is given, or the address is none.
        MissingPackageError: if a scheduler is given, and Dask is not installed.
        WorkersLostError: if the scheduler does not answer within ten seconds.
    """
    given = [name for name, value in (("executor", executor), ("scheduler", scheduler)) if value is not None]
    if len(given) > 1 or (given and workers is not None):
        others = [*given, "workers"] if workers is not None else given
        raise InvalidParameterError(given[0], "given without others to do the work", " and ".join(others))
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidParameterError("executor", "an executor, with the `submit` of concurrent.futures", executor)
    if scheduler is not None:
        with _dask(scheduler) as crew:
            yield crew
        return
    count = workers or cores() if executor is None else int(getattr(executor, "_max_workers", 0) or 0)
    with Crew(count, executor) as crew:
        yield crew


@contextmanager
def _dask(address: str) -> Iterator[Crew]:
    """The workers of a Dask cluster, those that come later too."""
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise MissingPackageError("--scheduler", "distributed", "distributed") from None
    try:
        _await_answer(distributed, address)
        client = distributed.Client(address, timeout=_SECONDS, set_as_default=False, name="tammes")
    except (OSError, TimeoutError) as error:  # Dask's own are kinds of these
        raise WorkersLostError(
            f"no Dask scheduler answers at {address} within {_SECONDS:.0f} s ({_first_line(error)})"
        ) from None
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(
            "scheduler", "the address of a Dask scheduler, such as tcp://host:8786", address, _first_line(error)
        ) from None
    try:
        threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        # Not pure: two rounds that look alike are still two.
        executor = client.get_executor(pure=False)
        with Crew(threads, executor, lambda: client.status not in {"closing", "closed"}) as crew:
            yield crew
    finally:
        client.close(timeout=_SECONDS)


def _await_answer(distributed: Any, address: str) -> None:
    """Shake hands with the scheduler; Dask's own client waits without end for one that listens and says nothing.

    Raises:
        OSError, TimeoutError: if nobody answers.
    """
    # As the site's configuration has it: a scheduler on tls:// talks to nobody without a certificate.
    secured = distributed.Security().get_connection_args("client")

    async def greet() -> None:
        comm = await asyncio.wait_for(distributed.comm.connect(address, timeout=_SECONDS, **secured), _SECONDS)
        await comm.close()

    with ThreadPoolExecutor(1) as aside:  # a notebook's thread has a loop of its own, already running
        aside.submit(lambda: asyncio.run(greet())).result()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
