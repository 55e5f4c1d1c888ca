"""Codes of many points in many dimensions: random starts up the ladder of matrix products, the best one kept.

The way of `solve` from some thousand points on in more than 8 dimensions, where neighbour lists save nothing. No
code is polished to its last digits: contacts are far too many there. `tammes.codebook` compares with the parts of
named families too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tammes.base import geometry, memory
from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import check_size
from tammes.storage.result import Result

__all__ = ["needed", "products_search"]

_COPIES = 32.0  # of the points in float64: L-BFGS's memory, and what is at hand


def needed(n: int, d: int) -> float:
    """Bytes at the peak, as predicted."""
    return 4.0e8 + _COPIES * 8.0 * n * d


def products_search(
    n: int,
    d: int,
    *,
    starts: int | None = None,
    target: float = math.inf,
    seed: int = 0,
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """Random starts, a ladder of about a minute each or as long as one takes with ten iterations a rung.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        starts: in all; by default one, or as many as a time limit holds.
        target: minimal angle in radians at which to end; without another limit, the search goes on until it is met.
        seed: start k depends on (seed, k) alone.
        budget: of time; None for none.
        progress: called after every rung.

    Returns:
        The measured best code. Ctrl-C and the limit return the best so far, with that status; where there was no time
        for one iteration, that is the start, and the status says so.

    Raises:
        InvalidParameterError: if it does not fit in memory.
    """
    from tammes.solvers.ladder import products as prototypes

    n, d = check_size(n, d)
    memory.require("n", n, needed(n, d), f"a search for {n} points in R^{d}")
    budget = Budget(None) if budget is None else budget
    due = 1 if starts is None and math.isinf(budget.left()) and math.isinf(target) else starts
    iterations = prototypes.affordable(n, d)
    best: Floats | None = None
    angle, tried, evaluations, status = 0.0, 0, 0, Status.STARTS
    try:
        while best is None or ((due is None or tried < due) and status is Status.STARTS):
            points = np.random.default_rng([seed, tried]).standard_normal((n, d))
            descended = prototypes.descend(
                points,
                iterations=iterations,
                rival=math.inf if best is None else math.cos(angle),
                budget=budget,
                progress=partial(_pass_on, progress, angle),
            )
            tried, evaluations = tried + 1, evaluations + descended.evaluations
            reached = geometry.min_angle(descended.points)
            if best is None or reached > angle:
                best, angle = descended.points, reached
            if angle >= target:
                status = Status.TARGET
            elif descended.status in (Status.INTERRUPTED, Status.TIME_LIMIT):
                status = descended.status
            elif budget.spent():
                status = Status.TIME_LIMIT
    except KeyboardInterrupt:  # between two descents
        if best is None:
            raise
        status = Status.INTERRUPTED
    if status is Status.TIME_LIMIT and evaluations <= 1:
        status = Status.START
    phase = {
        "phase": "products",
        "status": status.code,
        "starts": tried,
        "evaluations": evaluations,
        "min_angle_degrees": math.degrees(angle),
        "polish": "not done in that many dimensions",
        "seconds": round(budget.elapsed(), 3),
    }
    settings: dict[str, Any] = {"start": "standard normal", "starts": tried, "seed": seed, "iterations": iterations}
    return Result(SphericalCode(best), ("ladder",), status, budget.elapsed(), settings, phases=(phase,))


def _pass_on(progress: ProgressCallback, angle: float, event: Progress) -> None:
    """The event, with the best angle there is if its own is smaller."""
    progress(replace(event, min_angle=max(event.min_angle, angle)))
