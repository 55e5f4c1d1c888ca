"""A search in tensors: batches of random starts on any device, the most promising polished.

The way on CUDA, and on a CPU for runs so short that compiled code is not worth its loading. It has
no moves and no archive: `hunting.hunt` has. Many points go to `hunting.many`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search import many
from tammes.solvers.polish.polish import Polished, polish
from tammes.storage.result import Result

__all__ = ["tensor_search"]

_FIRST = (4.0, 1.0, 16.0, 64.0)  # exponents that batches begin with, in turn
_LAST = 1_024.0
_POLISHED = 3  # of a batch
_SMALLEST = 32  # starts of the first batches: a short run is to have tried every exponent
_COMPILE = 60.0  # seconds from which a limit of time leaves some for the compiler


def tensor_search(
    n: int,
    d: int,
    *,
    starts: int | None,
    seed: int,
    budget: Budget,
    device: str = "cpu",
    fused: bool | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """Random starts in batches, up the soft-min ladder, the best few of each batch polished.

    A batch has as many starts as fit the device's memory, and half of that where it runs out. Above
    `hunting.many.BEYOND` points there is one start at a time, and no polish.

    Args:
        n: number of points.
        d: dimension.
        starts: in all; None for as many as the budget allows, and at least one batch.
        seed: start k depends on (seed, k) alone.
        budget: of time.
        device: "cpu", "cuda" or "cuda:N".
        fused: forces as one compiled kernel or not; by default what is faster on CUDA where a minute or more is
            left, and not on a CPU.
        progress: called as the search goes on.

    Raises:
        InvalidParameterError: if not even one start fits in the device's memory.
        DeviceError: if the device is not there.
    """
    from tammes.solvers.device_memory import batch, halving
    from tammes.solvers.ladder.tensor import Descended, descend, ladder
    from tammes.solvers.ladder.tensor_forces import All
    from tammes.solvers.sgd import resolve_device

    if fused is None and budget.left() < _COMPILE:
        fused = False
    if n > many.BEYOND:
        return many.many_search(
            n, d, starts=starts, seed=seed, budget=budget, device=device, fused=fused, progress=progress
        )
    where = resolve_device(device)
    largest = batch(n, d, where)
    best: Polished | None = None
    tried, batches, status = 0, 0, Status.STARTS
    try:
        while best is None or starts is None or tried < starts:
            size = min(largest, _SMALLEST << (batches // len(_FIRST)))
            count = size if starts is None else min(size, starts - tried)
            rows = [np.random.default_rng([seed, k]).standard_normal((n, d)) for k in range(tried, tried + count)]
            points = np.stack(rows)
            points /= np.linalg.norm(points, axis=2, keepdims=True)

            def attempt(some: int, points: Floats = points, first: float = _FIRST[batches % len(_FIRST)]) -> Descended:
                return descend(
                    points[:some],
                    exponents=ladder(first, _LAST),
                    device=where,
                    budget=budget,
                    progress=progress,
                    forces=All(fused=fused),
                )

            top, fitted = halving(attempt, count, n=n, d=d)
            largest = largest if fitted == count else fitted
            tried, batches = tried + fitted, batches + 1
            for k in np.argsort(top.predicted, kind="stable")[:_POLISHED].tolist():
                if best is not None and budget.spent():
                    break
                polished = polish(top.points[k], budget=budget, progress=progress)
                if best is None or polished.after > best.after:
                    best = polished
                if polished.status is Status.INTERRUPTED:
                    status = Status.INTERRUPTED
                    break
            if Status.INTERRUPTED in (top.status, status):
                status = Status.INTERRUPTED
                break
            if budget.spent():
                status = Status.TIME_LIMIT
                break
    except KeyboardInterrupt:  # between a descent and a polish
        if best is None:
            raise
        status = Status.INTERRUPTED
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
