"""Exponents of the soft-min ladder."""

from __future__ import annotations

import math

__all__ = ["ladder"]


def ladder(first: float, last: float = 512.0, factor: float = 2.0) -> tuple[float, ...]:
    """Return the exponents first, factor * first, ... up to last."""
    rungs = 1 + math.floor(math.log(last / first) / math.log(factor) + 1e-9)
    return tuple(first * factor**k for k in range(rungs))
