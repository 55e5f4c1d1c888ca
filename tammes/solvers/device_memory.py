"""What fits the memory of a device: the size of a batch, of a tile; and what is done where it did not fit after all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from tammes.base import memory
from tammes.base.errors import InvalidParameterError

__all__ = ["batch", "free", "halving", "require"]

Outcome = TypeVar("Outcome")

VECTORS = 56
"""Copies of the points that a descent holds: the pairs of L-BFGS, twice while starts leave, and what moves."""

# Differences of coordinates in one pass, about: on a CPU they fit a cache, on a GPU they hide the calls.
_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 28}
_MOST = {"cpu": 1 << 12, "cuda": 1 << 14}
_PART = 0.5  # of a GPU's free memory, for the starts; tiles have some of the rest


def free(device: torch.device) -> int | None:
    """Bytes that the device has for tensors; None on a CPU, whose memory is asked for by `tammes.memory`."""
    if device.type != "cuda":
        return None
    there, _ = torch.cuda.mem_get_info(device)
    return there + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def batch(n: int, d: int, device: torch.device) -> int:
    """Starts of n points in R^d to climb at once, at least 1."""
    count = min(_MOST[device.type], _ELEMENTS[device.type] // (n * n * d))
    there = free(device)
    if there is not None:
        count = min(count, int(_PART * there) // (8 * VECTORS * n * d))
    return max(1, count)


def require(n: int, d: int, list_capacity: int, device: torch.device) -> None:
    """Refuse one start that cannot fit, before the work begins.

    Args:
        n: points.
        d: dimension.
        list_capacity: entries of a row of the padded lists; 0 without lists.
        device: where they are to be.

    Raises:
        InvalidParameterError: with the memory that it would need, and what there is.
    """
    needed = 8.0 * n * (VECTORS * d + 4 * list_capacity)  # lists, and what they are made from
    there = free(device)
    if there is None:
        memory.require("n", n, needed, f"a start of {n} points in R^{d}")
    elif needed > there:
        shown = f"would take about {memory.shown(needed)}, and {device} has {memory.shown(there)}"
        raise InvalidParameterError("n", f"smaller: a start of {n} points in R^{d} {shown}", n)


def halving(attempt: Callable[[int], Outcome], size: int, least: int = 1, *, n: int, d: int) -> tuple[Outcome, int]:
    """What `attempt(size)` returns, with half the size wherever memory runs out; and the size that it took.

    Args:
        attempt: the work, which must leave what it is given as it was.
        size: to begin with.
        least: below it nothing is tried.
        n: points of a start, for the refusal.
        d: their dimension.

    Raises:
        InvalidParameterError: if not even the least fits.
    """
    while True:
        try:
            return attempt(size), size
        except torch.cuda.OutOfMemoryError:
            if size <= least:
                requirement = f"smaller: one start of {n} points in R^{d} does not fit in the memory of the device"
                raise InvalidParameterError("n", requirement, n) from None
        size = max(least, size // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
