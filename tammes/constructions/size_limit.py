"""The limit on the memory of a construction."""

from __future__ import annotations

import math

from tammes.base.errors import InvalidParameterError

__all__ = ["LARGEST", "check_room"]

LARGEST = 1 << 30
"""Bytes of the largest array of points that is built: 1 GiB."""


def check_room(n: int, d: int, name: str = "d") -> None:
    """Raise an error for a code whose points would take more than `LARGEST` bytes, before any work is done.

    Args:
        n: number of points.
        d: dimension of the space.
        name: the parameter that the message names.

    Raises:
        InvalidParameterError: if they would; the message says how much memory they would take.
    """
    if 8 * n * d > LARGEST:
        need = 8 * n * d / 2**30
        size = f"{need:.1f} GiB" if need < 1e4 else f"10^{math.log10(need):.0f} GiB"
        value = d if name == "d" else n
        requirement = f"smaller: {n} points in R^{d} would take {size}, at most {LARGEST >> 30} GiB are built"
        raise InvalidParameterError(name, requirement, value)
