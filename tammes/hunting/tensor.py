"""A search in tensors: batches of random starts on any device, the most promising polished.

The way on CUDA, and on a CPU for runs so short that compiled code is not worth its loading. It has
no moves and no archive: `hunting.hunt` has.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tammes.result import Result
from tammes.solvers.polish import Polished, polish
from tammes.solvers.run import Budget, ProgressCallback, Status, silent
from tammes.spherical_code import SphericalCode

__all__ = ["tensor_search"]

_FIRST = (4.0, 1.0, 16.0, 64.0)  # exponents that batches begin with, in turn
_LAST = 1_024.0
_POLISHED = 3  # of a batch
_SMALLEST = 32  # starts of the first batches: a short run is to have tried every exponent
_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 26}  # coordinates differences at once, about


def tensor_search(
    n: int,
    d: int,
    *,
    starts: int | None,
    seed: int,
    budget: Budget,
    device: str = "cpu",
    progress: ProgressCallback = silent,
) -> Result:
    """Random starts in batches, up the soft-min ladder, the best few of each batch polished.

    Args:
        n: number of points.
        d: dimension.
        starts: in all; None for as many as the budget allows, and at least one batch.
        seed: start k depends on (seed, k) alone.
        budget: of time.
        device: "cpu", "cuda" or "cuda:N".
        progress: called as the search goes on.
    """
    from tammes.solvers.continuation import descend, ladder
    from tammes.solvers.sgd import resolve_device

    where = resolve_device(device)
    largest = max(1, min(4_096, _ELEMENTS[where.type] // (n * n * d)))
    best: Polished | None = None
    tried, batches, status = 0, 0, Status.STARTS
    while best is None or starts is None or tried < starts:
        size = min(largest, _SMALLEST << (batches // len(_FIRST)))
        count = size if starts is None else min(size, starts - tried)
        rows = [np.random.default_rng([seed, k]).standard_normal((n, d)) for k in range(tried, tried + count)]
        points = np.stack(rows)
        points /= np.linalg.norm(points, axis=2, keepdims=True)
        first = _FIRST[batches % len(_FIRST)]
        top = descend(points, exponents=ladder(first, _LAST), device=str(where), budget=budget, progress=progress)
        tried, batches = tried + count, batches + 1
        for k in np.argsort(top.predicted, kind="stable")[:_POLISHED].tolist():
            if best is not None and budget.spent():
                break
            polished = polish(top.points[k], budget=budget, progress=progress)
            if best is None or polished.after > best.after:
                best = polished
            if polished.status is Status.INTERRUPTED:
                break
        assert best is not None
        if Status.INTERRUPTED in (top.status, best.status):
            status = Status.INTERRUPTED
            break
        if budget.spent():
            status = Status.TIME_LIMIT
            break
    assert best is not None
    settings: dict[str, Any] = {"start": "standard normal", "starts": tried, "seed": seed, "device": str(where)}
    phase = {
        "phase": "search",
        "status": status.code,
        "code": best.status.code,
        "starts": tried,
        "min_angle_degrees": math.degrees(best.after),
        "seconds": round(budget.elapsed(), 3),
    }
    code = SphericalCode(best.points)
    return Result(code, ("search", "polish"), status, budget.elapsed(), settings, phases=(phase,))
