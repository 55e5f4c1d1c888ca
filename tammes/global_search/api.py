"""`solve`: a problem in, a measured `Result` out. The bridge between the two wings."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tammes.base import geometry, memory
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import check_size, closed_form
from tammes.global_search.plans import LARGE_FROM, LISTED, is_large
from tammes.storage.result import Result

if TYPE_CHECKING:
    from tammes.losses.loss import Loss
    from tammes.solvers.sgd import Descent

__all__ = ["solve"]

DEFAULT_LOSS = "mma"

SEARCH_SECONDS = 30.0
"""Budget of `solve` without a loss, unless a time or a number of starts is given."""

_SHORT_SECONDS = 5.0
_SHORT_WORK = 1e5  # starts * n^1.75 * d: about a second
_CLIMB = (32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)  # exponents from a given code: high ones stay near it
_LEAST_ROWS = 4  # copies of the points that any way of making and measuring them holds at once
_LOSS_ROWS = 20  # likewise of a loss's batch: 16 at the peak at (10^6, 3), tiles not counted
_TENSORS = 200  # points up to which a single climb is not worth the loading of compiled code


def solve(
    n: int,
    d: int,
    loss: str | Loss | None = None,
    *,
    s: float = 2.0,
    preset: str | None = None,
    steps: int | None = None,
    starts: int | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    device: str = "auto",
    dtype: str | None = None,
    init: ArrayLike | None = None,
    polish: bool = True,
    analytic: bool = True,
    symmetry: str = "auto",
    antipodal: bool = False,
    workers: int | None = None,
    checkpoint: Path | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """A spherical code of n points in R^d with a minimal angle as large as this method reaches.

    Where the optimum is known in closed form (n <= 2d, or d = 2) and nothing else is asked for, that
    is returned. Without a loss, the strongest method follows: a search, `search` without its archive.
    From 3,000 points on in 3 to 8 dimensions that is `hunting.scale`: structured and symmetric starts, the
    ladder over neighbour lists, repair of defects; by default as much work as suits the size. In more
    dimensions it is `hunting.products`: random starts up the ladder of matrix products.
    With one, the paper's solver minimises it, and the best start by measured angle climbs on to a
    local maximum of the minimal angle itself. `init` without a loss climbs from those points.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        loss: a name in `tammes.losses.LOSSES` or a `Loss`; None for the strongest method. A preset,
            `steps` or `dtype` without a loss means "mma".
        s: the Riesz exponent, for "riesz-fisher".
        preset: settings by name; "paper" is the only one, and the default.
        steps: iterations of the loss's solver at most; the preset's 10,000 by default.
        starts: of a loss: independent starts, run as one batch [1]; of a search: starts and moves
            in all, with no limit of time unless one is given.
        seed: start k depends on (seed, k) alone.
        time_limit: seconds for the whole; the best code so far is returned. A search has 30 by default below
            3,000 points, and none from there on.
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "float64" (the preset's) or "float32", for the loss's solver; the polish is float64.
        init: points to start from instead of random ones, shape `(n, d)`, unit rows. Not modified.
        polish: climb on from the loss's optimum to a local maximum of the minimal angle.
        analytic: False never returns the closed form.
        symmetry: of a search: "auto", "none", or the name of a group that is prescribed.
        antipodal: of a search: points come in pairs x, -x.
        workers: of a search: processes, from 3,000 points on threads; all cores by default.
        checkpoint: from 3,000 points on in 3 to 8 dimensions, on a CPU, a file for the state, written every
            minute; the same call goes on from it. It is removed at the end, unless by Ctrl-C.
        progress: called as the run goes on.

    Returns:
        The measured code with its provenance. Ctrl-C returns the best code so far, with that status.

    Raises:
        InvalidParameterError: if a parameter is out of range.
        InvalidPointsError: if `init` is not a set of n unit points in R^d.
        UnknownNameError: if no loss or preset has this name.
        DeviceError: if the device is not there.

    Example:
        >>> solve(4, 3).code.min_angle_degrees
        109.47122063449069
    """
    n, d = check_size(n, d)
    for name, value, least in (("starts", 1 if starts is None else starts, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidParameterError(name, f"an integer of at least {least}", value)
    budget = Budget(time_limit)
    memory.require("n", n, _LEAST_ROWS * 8.0 * n * d, f"a result of {n} points in R^{d}")
    hunted = loss is None and preset is None and steps is None and dtype is None and polish
    form = closed_form(n, d)
    plain = hunted and init is None and symmetry == "auto" and not antipodal
    if form is not None and analytic and plain:
        code = SphericalCode(form.points())
        provenance = {"closed_form": form.name, "reference": form.reference}
        return Result(code, ("closed form",), Status.CLOSED_FORM, budget.elapsed(), provenance)
    free = symmetry == "auto" and not antipodal
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", device) is None:
        raise InvalidParameterError("device", "auto, cpu, cuda or cuda:N", device)
    if init is not None and starts not in (None, 1):
        raise InvalidParameterError("starts", "1 where `init` gives the points", starts)
    if hunted and init is None and is_large(n, d) and not device.startswith("cuda"):
        from tammes.global_search.scale import scale_search

        return scale_search(
            n,
            d,
            seed=seed,
            starts=starts,
            symmetry=symmetry,
            antipodal=antipodal,
            budget=budget,
            workers=workers,
            checkpoint=checkpoint,
            progress=progress,
        )
    if hunted and free and init is None and n >= LARGE_FROM and d > LISTED[1] and not device.startswith("cuda"):
        from tammes.global_search.products import products_search

        return products_search(n, d, seed=seed, starts=starts, budget=budget, progress=progress)
    if hunted and init is None:
        whole = time_limit is None and (starts is not None or (device.startswith("cuda") and is_large(n, d)))
        seconds = None if whole else time_limit or SEARCH_SECONDS
        if free and (device.startswith("cuda") or _is_short(n, d, starts, seconds)):
            from tammes.global_search.tensor import tensor_search

            budget = Budget(seconds)
            return tensor_search(n, d, starts=starts, seed=seed, budget=budget, device=device, progress=progress)
        from tammes.global_search.session import search

        return search(
            n,
            d,
            time_limit=seconds,
            starts=starts,
            seed=seed,
            workers=workers,
            symmetry=symmetry,
            antipodal=antipodal,
            progress=progress,
        )
    if not free:
        raise InvalidParameterError(
            "symmetry and antipodal", "left out where a loss, start or device is named", symmetry
        )
    if hunted and init is not None:
        return _climb_from(geometry.as_points(init), (n, d), budget, progress)
    from tammes import losses  # torch is loaded here, and not before
    from tammes.solvers import sgd

    if preset is not None and preset not in sgd.PRESETS:
        raise UnknownNameError("preset", preset, sgd.PRESETS)
    chosen = losses.get(DEFAULT_LOSS if loss is None else loss, s)
    changes: dict[str, Any] = {"steps": steps, "dtype": dtype}
    given = {name: value for name, value in changes.items() if value is not None}
    solver = dataclasses.replace(sgd.PRESETS[preset or "paper"], **given)
    where = sgd.resolve_device(device)
    many = 1 if starts is None else starts
    memory.require(
        "n" if many == 1 else "starts",
        n if many == 1 else many,
        _LOSS_ROWS * 8.0 * many * n * d,
        f"a batch of {many} starts of {n} points in R^{d}",
    )
    origin, points = _starts(n, d, many, seed, init)
    settings: dict[str, Any] = {
        "loss": {"name": chosen.name, **dataclasses.asdict(chosen)},
        "preset": preset or "paper",
        **dataclasses.asdict(solver),
        **origin,
        "seed": seed,
        "device": str(where),
    }
    descent = solver.run(chosen, points, device=where, budget=budget, progress=progress)
    return _finish(descent, settings, budget, progress, polish=polish)


def _is_short(n: int, d: int, starts: int | None, seconds: float | None) -> bool:
    """Whether a search is over before compiled code would be loaded, or the first time compiled."""
    if starts is not None and starts * n**1.75 * d < _SHORT_WORK:
        return True
    return seconds is not None and seconds < _SHORT_SECONDS


def _starts(n: int, d: int, starts: int, seed: int, init: ArrayLike | None) -> tuple[dict[str, Any], Floats]:
    """Where the run starts: the given points, or standard normal rows, shape `(B, n, d)`."""
    if init is None:
        rows = [np.random.default_rng([seed, k]).standard_normal((n, d)) for k in range(starts)]
        return {"start": "standard normal", "starts": starts}, np.stack(rows)
    points = geometry.as_points(init)
    if points.shape != (n, d):
        raise InvalidParameterError("init", f"of shape {(n, d)}", points.shape)
    return {"start": "given points", "starts": 1, "init_digest": SphericalCode(points).digest}, points[None]


def _finish(
    descent: Descent, settings: dict[str, Any], budget: Budget, progress: ProgressCallback, *, polish: bool
) -> Result:
    """The best start by measured angle, climbed on from there."""
    best = int(descent.min_angles.argmax())
    points, status = descent.points[best], descent.statuses[best]
    reached = float(descent.min_angles[best])
    phases: list[dict[str, Any]] = [
        {
            "phase": "sgd",
            "status": status.code,
            "steps": descent.steps,
            "evaluations": descent.evaluations,
            "best_start": best,
            "min_angle_degrees": math.degrees(reached),
            "seconds": round(budget.elapsed(), 3),
        }
    ]
    history = _history(descent.history, best)
    method: tuple[str, ...] = ("sgd",)
    before = None
    if polish and status not in (Status.INTERRUPTED, Status.TIME_LIMIT):
        before = reached
        points, status, climbed = _climb(points, budget, progress, history)
        phases += climbed
        method += tuple(str(phase["phase"]) for phase in climbed)
    code = SphericalCode(points)
    return Result(code, method, status, budget.elapsed(), settings, before, tuple(phases), history)


def _climb_from(points: Floats, size: tuple[int, int], budget: Budget, progress: ProgressCallback) -> Result:
    """The local maximum uphill from the given points."""
    if points.shape != size:
        raise InvalidParameterError("init", f"of shape {size}", points.shape)
    start = SphericalCode(points)
    history: dict[str, list[float | None]] = {}
    climbed, status, phases = _climb(points, budget, progress, history)
    settings = {"start": "given points", "init_digest": start.digest}
    method = tuple(str(phase["phase"]) for phase in phases)
    return Result(
        SphericalCode(climbed), method, status, budget.elapsed(), settings, start.min_angle, tuple(phases), history
    )


def _climb(
    points: Floats, budget: Budget, progress: ProgressCallback, history: dict[str, list[float | None]]
) -> tuple[Floats, Status, list[dict[str, Any]]]:
    """From given points to a local maximum of the minimal angle: soft-min ladder, then polish."""
    from tammes.solvers.polish.polish import polish

    if is_large(*points.shape):
        return _climb_large(points, budget, progress)
    started = budget.elapsed()
    if len(points) <= _TENSORS:
        from tammes.solvers.ladder import tensor as continuation

        batch = continuation.descend(points, exponents=_CLIMB, iterations=1_000, budget=budget, progress=progress)
        top, ended, evaluations = batch.points[0], batch.status, batch.evaluations
    else:
        from tammes.solvers.ladder import compiled

        ladder = compiled.descend(points, exponents=_CLIMB, iterations=1_000, budget=budget, progress=progress)
        top, ended, evaluations = ladder.points, ladder.status, ladder.evaluations
    higher = SphericalCode(top).min_angle
    kept = higher > SphericalCode(points).min_angle  # else the ladder led away from a better code
    phases = [
        {
            "phase": "ladder",
            "status": ended.code,
            "evaluations": evaluations,
            "min_angle_degrees": math.degrees(higher),
            "kept": kept,
            "seconds": round(budget.elapsed() - started, 3),
        }
    ]
    if kept:
        points = top
    if ended in (Status.INTERRUPTED, Status.TIME_LIMIT):
        return points, ended, phases
    started = budget.elapsed()
    polished = polish(points, budget=budget, progress=progress)
    phases.append(
        {
            "phase": "polish",
            "status": polished.status.code,
            "steps": polished.steps,
            "min_angle_degrees": math.degrees(polished.after),
            "seconds": round(budget.elapsed() - started, 3),
        }
    )
    history["polish_min_angle_degrees"] = [math.degrees(angle) for angle in polished.history]
    return polished.points, polished.status, phases


def _climb_large(
    points: Floats, budget: Budget, progress: ProgressCallback
) -> tuple[Floats, Status, list[dict[str, Any]]]:
    """As `_climb`, over neighbour lists; the exact polish is left out, and the record says so."""
    from tammes.global_search.scale import climb

    started = budget.elapsed()
    before = SphericalCode(points).min_angle
    ladder = climb(points, budget=budget, progress=progress)
    higher = SphericalCode(ladder.points).min_angle
    phase = {
        "phase": "ladder",
        "status": ladder.status.code,
        "evaluations": ladder.evaluations,
        "min_angle_degrees": math.degrees(higher),
        "kept": higher > before,
        "polish": f"not done from n = {LARGE_FROM} on",
        "seconds": round(budget.elapsed() - started, 3),
    }
    return (ladder.points if higher > before else points), ladder.status, [phase]


def _history(batched: dict[str, list[list[float]]], best: int) -> dict[str, list[float | None]]:
    """The course of the best start; angles in degrees; None where a loss was not finite."""
    course: dict[str, list[float | None]] = {}
    for name, windows in batched.items():
        values = [values[best] for values in windows]
        if name == "min_angle":
            name, values = "min_angle_degrees", [math.degrees(angle) for angle in values]
        course[name] = [value if math.isfinite(value) else None for value in values]
    return course
