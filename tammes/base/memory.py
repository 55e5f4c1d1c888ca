"""How much memory there is, and whether a piece of work fits: asked before it begins."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tammes.base.errors import InvalidParameterError

__all__ = ["available", "require", "shown"]

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def available() -> int | None:
    """Bytes of memory that this machine, or the container around this process, has; None where nothing tells."""
    found: list[int] = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # no such call on this system
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _LIMITS:
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # "max": no limit
            found.append(int(text))
    return min((size for size in found if size > 0), default=None)


def require(name: str, value: int, needed: float, what: str) -> None:
    """Refuse work that cannot fit in memory, before it begins.

    Args:
        name: the parameter to blame.
        value: its value.
        needed: bytes at the peak, as predicted.
        what: what would take them: "a search for 10 points in R^3".

    Raises:
        InvalidParameterError: with the memory that it would need, and what there is.
    """
    there = available()
    if there is not None and needed > there:
        requirement = f"smaller: {what} would take about {shown(needed)}, and there are {shown(there)}"
        raise InvalidParameterError(name, requirement, value)


def shown(size: float) -> str:
    """Bytes for people: "512 MiB", "3.2 GiB", "7.1e+09 GiB"."""
    gib = size / 2**30
    if gib < 1.0:
        return f"{size / 2**20:.0f} MiB"
    return f"{gib:.1f} GiB" if gib < 1e5 else f"{gib:.1e} GiB"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
