"""The memory that can be had, and the check that a piece of work fits in it, made before the work begins."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tammes.base.container_limits import MOUNT, PROC, memory_left
from tammes.base.errors import InvalidParameterError

__all__ = ["available", "require", "shown"]


def available(proc: Path = PROC, mount: Path = MOUNT) -> int | None:
    """Return the bytes of memory that this process can still have; None where the system does not tell.

    The smaller of what the machine can give without swapping and what is left under the limits of the container or
    batch job around this process. Where the first is not told, it is the memory of the machine.

    Args:
        proc: the directory of the process information.
        mount: the directory of the control groups.
    """
    found = [_available_on_machine(proc), memory_left(proc, mount)]
    return min((size for size in found if size is not None), default=None)


def require(name: str, value: int, needed: float, what: str) -> None:
    """Refuse work that cannot fit in memory, before it begins.

    Args:
        name: the parameter that the message names.
        value: its value.
        needed: bytes at the peak, as predicted.
        what: what would take them: "a search for 10 points in R^3".

    Raises:
        InvalidParameterError: with the memory that it would need, and the memory that is free.
    """
    free = available()
    if free is not None and needed > free:
        requirement = f"smaller: {what} would take about {shown(needed)}, and {shown(free)} are free"
        raise InvalidParameterError(name, requirement, value)


def shown(size: float) -> str:
    """Return a number of bytes for people: "512 MiB", "3.2 GiB", "7.1e+09 GiB"."""
    gib = size / 2**30
    if gib < 1.0:
        return f"{size / 2**20:.0f} MiB"
    return f"{gib:.1f} GiB" if gib < 1e5 else f"{gib:.1e} GiB"


def _available_on_machine(proc: Path) -> int | None:
    """Return `MemAvailable` of Linux; elsewhere all memory of the machine, or None."""
    with contextlib.suppress(OSError):
        for line in (proc / "meminfo").read_text().splitlines():
            name, _, text = line.partition(":")
            number = text.split()
            if name == "MemAvailable" and number and number[0].isdecimal():
                return int(number[0]) * 1024  # in kB, which are KiB there
    with contextlib.suppress(AttributeError, ValueError, OSError):  # no such call on this system
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return size if size > 0 else None
    return None
