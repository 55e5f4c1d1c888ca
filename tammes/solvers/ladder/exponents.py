"""Exponents of the soft-min ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tammes.base.budget import Budget

__all__ = ["ladder", "part_of_first", "time_weights"]

_LOW = 16.0  # exponents up to here have most of the way to go, and three times as much of a time limit


def ladder(first: float, last: float = 512.0, factor: float = 2.0) -> tuple[float, ...]:
    """Return the exponents first, factor * first, ... up to last."""
    rungs = 1 + math.floor(math.log(last / first) / math.log(factor) + 1e-9)
    return tuple(first * factor**k for k in range(rungs))


def time_weights(exponents: Sequence[float]) -> list[float]:
    """Return how a time limit is shared out among the rungs, up to a factor."""
    return [3.0 if p <= _LOW else 1.0 for p in exponents]


def part_of_first(budget: Budget | None, exponents: Sequence[float]) -> Budget | None:
    """Return the part of a time limit that is due to the first of the rungs that are left."""
    if budget is None:
        return None
    weights = time_weights(exponents)
    return budget.part(weights[0] / sum(weights))
