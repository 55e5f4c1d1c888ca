"""One thread for a piece of work: BLAS, OpenMP, the compiled loops, HiGHS and torch alike.

Workers share the cores by having one thread each. Other numbers of threads would also give other last digits,
and the same search must give the same codes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]

_lock = threading.Lock()
_inside = 0
_blas: Any = None  # how to go back, once the last of several threads of Python has left


@contextmanager
def one_thread() -> Iterator[None]:
    """Give every library that is loaded one thread, and its own number afterwards.

    OpenMP, torch and the compiled loops keep a number for each thread of Python. BLAS has one for the process: of
    several threads of Python that are inside at once, the last one restores it. HiGHS is not asked: its simplex
    takes one thread unless told otherwise.
    """
    from tammes.solvers.ladder.cell_lists import threads

    torch = sys.modules.get("torch")
    count = 0 if torch is None else torch.get_num_threads()
    _enter_blas()
    try:
        with threadpool_limits(1, user_api="openmp"), threads(1):
            if torch is not None:
                torch.set_num_threads(1)
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(count)
        _leave_blas()


def _enter_blas() -> None:
    global _inside, _blas  # noqa: PLW0603 - the limit is the process's
    with _lock:
        if _inside == 0:
            _blas = threadpool_limits(1, user_api="blas")
        _inside += 1


def _leave_blas() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            _blas.restore_original_limits()
