"""`solve` and `search`: a problem in, a measured `Result` out."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tammes.base import geometry, memory
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.errors import ConflictingOptionsError, InvalidParameterError, NotTabulatedError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.base.validation import check_device, check_starts, check_workers
from tammes.bounds import best as bounds
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import closed_form
from tammes.global_search import methods
from tammes.global_search.executors.executor import TaskExecutor
from tammes.global_search.loop import run_search
from tammes.global_search.methods import Method
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits
from tammes.global_search.store import SearchStore, state_path
from tammes.storage import tables
from tammes.storage.archive import Archive
from tammes.storage.result import Result

if TYPE_CHECKING:
    from tammes.losses.loss import Loss

__all__ = ["check_target", "search", "solve"]

DEFAULT_LOSS = "mma"
SEARCH_SECONDS = 30.0
"""Time limit of `solve` without a loss below 3,000 points, unless a time or a number of starts is given."""

_LEAST_ROWS = 4  # copies of the points that any way of making and measuring them holds at once
_LOSS_ROWS = 20  # likewise of a loss's batch: 16 at the peak at (10^6, 3), tiles not counted


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
    """Return a spherical code of n points in R^d with a minimal angle as large as this method reaches.

    Where the optimum is known in closed form (n <= 2d, or d = 2) and nothing else is asked for, that is returned.
    Without a loss a global search follows, `search` without its archive; `global_search.methods` tells which strategy
    and local solver serve which size. With a loss, the paper's solver minimises it, and the best start by measured
    angle climbs on to a local maximum of the minimal angle itself. `init` without a loss climbs from those points.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        loss: a name in `tammes.losses.LOSSES` or a `Loss`; None for a search. A preset, `steps` or `dtype` without a
            loss means "mma".
        s: the Riesz exponent, for "riesz-fisher".
        preset: settings by name; "paper" is the only one, and the default.
        steps: iterations of the loss's solver at most; the preset's 10,000 by default.
        starts: of a loss: independent starts, run as one batch [1]; of a search: starts and moves in all, with no
            limit of time unless one is given.
        seed: start k depends on (seed, k) alone.
        time_limit: seconds for the whole; the best code so far is returned. A search has 30 by default below 3,000
            points, and none from there on.
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "float64" (the preset's) or "float32", for the loss's solver; the polish is float64.
        init: points to start from instead of random ones, shape `(n, d)`, unit rows. Not modified.
        polish: climb on from the loss's optimum to a local maximum of the minimal angle.
        analytic: False never returns the closed form.
        symmetry: of a search: "auto", "none", or the name of a group that is prescribed.
        antipodal: of a search: points come in pairs x, -x.
        workers: of a search: processes, from 3,000 points on threads; all cores by default.
        checkpoint: from 3,000 points on in 3 to 8 dimensions, on a CPU, a file for the state, written every minute;
            the same call goes on from it. It is removed at the end, unless by Ctrl-C.
        progress: called as the run goes on.

    Returns:
        The measured code with its provenance. Ctrl-C returns the best code so far, with that status.

    Raises:
        InvalidParameterError: if a parameter is out of range.
        ConflictingOptionsError: if two options exclude each other.
        InvalidPointsError: if `init` is not a set of n unit points in R^d.
        UnknownNameError: if no loss, preset or group has this name.
        DeviceError: if the device is not there.

    Example:
        >>> solve(4, 3).code.min_angle_degrees
        109.47122063449069
    """
    free = symmetry == "auto" and not antipodal
    problem = Problem(n, d, seed, symmetry, antipodal)
    n, d = problem.n, problem.d
    starts = check_starts(starts)
    workers = check_workers(workers)
    budget = Budget(time_limit)
    check_device(device)
    memory.require("n", n, _LEAST_ROWS * 8.0 * n * d, f"a result of {n} points in R^{d}")
    with_loss = not (loss is None and preset is None and steps is None and dtype is None and polish)
    if not free and (with_loss or init is not None or device.startswith("cuda")):
        own = "antipodal" if antipodal else "symmetry"
        other = "init" if init is not None else "device" if device.startswith("cuda") else "loss"
        raise ConflictingOptionsError(own, other, "a symmetry is kept by a search on a CPU alone")
    if init is not None and starts not in (None, 1):
        raise InvalidParameterError("starts", "1 where `init` gives the points", starts)
    if with_loss:
        return _minimise(
            problem,
            loss,
            s,
            preset,
            {"steps": steps, "dtype": dtype},
            init,
            device,
            Limits(time_limit, starts or 1),
            budget,
            progress,
            polish=polish,
        )
    if device.startswith("cuda"):
        from tammes.solvers.sgd import resolve_device

        resolve_device(device)
    if init is not None:
        return _climb(problem, _given(init, n, d), Limits(time_limit, 1), budget, progress)
    form = _closed_form_result(problem, budget) if analytic and free else None
    if form is not None:
        return form
    sizes = methods.SIZES
    default = None if starts is not None or n >= sizes.many_points else SEARCH_SECONDS
    seconds = default if time_limit is None else time_limit
    limits = Limits(seconds, starts)
    where = device if device.startswith("cuda") else "cpu"
    method = methods.choose(problem, limits, device=where, workers=workers)
    store = SearchStore(
        checkpoint if method.resumable and method.save_seconds >= 60.0 else None,
        seconds=method.save_seconds,
        transient=True,
    )
    return _run(problem, method, store, budget if time_limit is not None else Budget(seconds), progress)


def search(
    n: int,
    d: int,
    *,
    time_limit: float | None = None,
    starts: int | None = None,
    target: float | str | None = None,
    seed: int = 0,
    workers: int | None = None,
    symmetry: str = "auto",
    antipodal: bool = False,
    archive: Archive | None = None,
    resume: bool = True,
    executor: Executor | None = None,
    scheduler: str | None = None,
    pool: TaskExecutor | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """Search for the best code of n points in R^d: many kinds of start, moves, symmetry, exact polish.

    Stops when a proven bound is met, when the target is reached, when every kind of start and every symmetry that
    fits n had its share and the same best code came ten times from three families, or at a limit. A known best value
    stops it only as `target="best-known"`. From 3,000 points on threads of this process do the work, and the stages
    of the search say when it ends.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        time_limit: seconds; None for none.
        starts: starts and moves to try, in all; None for no limit. With it alone, the same seed gives the same code,
            bit for bit, whatever the number of workers.
        target: minimal angle in degrees at which to stop, or "best-known".
        seed: of all random numbers.
        workers: processes; all cores by default.
        symmetry: "auto" tries the point groups that fit n, "none" does not; a group's name prescribes it: every start
            and the result have that symmetry.
        antipodal: points come in pairs x, -x; the minimal angle is that between the n/2 lines.
        archive: where the best code of every size is kept, with the state of the search, so that it goes on where it
            stopped; None keeps nothing.
        resume: take up the state of an earlier search for the same problem.
        executor: what does the work instead of processes: anything with the `submit` of `concurrent.futures`. It is
            not shut down.
        scheduler: address of a Dask scheduler, whose workers do the work (docs/guide/cluster.md).
        pool: an executor of this package that is open already; it stays open.
        progress: called as the search goes on.

    Returns:
        The measured best code. Ctrl-C returns the best code so far, with that status.

    Raises:
        InvalidParameterError: if a parameter is out of range, the group does not fit n, or the target is above a
            proven bound.
        ConflictingOptionsError: if more than one of workers, executor and scheduler is given.
        NotTabulatedError: if the target is "best-known" and nothing is stored for this size.
        UnknownNameError: if there is no such symmetry.
        MissingPackageError: if a scheduler is given, and Dask is not installed.
        FileAccessError: if the archive cannot be written; the best code is then saved in a temporary folder, which
            the message names.
        WorkersLostError: if the workers of an executor or scheduler are lost before anything is found.
    """
    budget = Budget(time_limit)
    problem = Problem(n, d, seed, symmetry, antipodal)
    n, d = problem.n, problem.d
    starts = check_starts(starts)
    workers = check_workers(workers)
    aim = None if target is None else check_target(target, n, d, antipodal=antipodal)
    limits = Limits(time_limit, starts, aim)
    if n >= methods.SIZES.many_points and problem.unconstrained:
        form = _closed_form_result(problem, budget)
        if form is not None:
            if archive is not None:
                archive.offer(form)
            return form
    foreign = executor is not None or scheduler is not None or (pool is not None and not pool.own)
    if pool is not None:
        workers = pool.workers

    def opened() -> AbstractContextManager[TaskExecutor]:
        if pool is not None:
            return nullcontext(pool)
        from tammes.global_search.executors.opening import open_executor

        return open_executor(workers, executor=executor, scheduler=scheduler)

    method = methods.choose(
        problem,
        limits,
        workers=workers,
        executor=opened if foreign or pool is not None else None,
        keep_state=True,
        adjacent=lambda: _adjacent(problem, archive),
    )
    if foreign and method.strategy.name != "portfolio":
        given = "scheduler" if scheduler is not None else "executor"
        threads = f"from {methods.SIZES.many_points} points on, where threads of this process do the work"
        raise InvalidParameterError(given, f"left out {threads}", scheduler or executor or pool)
    path = None
    if archive is not None and method.resumable:
        path = state_path(archive.folder, problem, method.strategy)
    store = SearchStore(
        path,
        archive,
        resume=resume,
        seconds=method.save_seconds,
        on_improvement=method.save_improvements,
    )
    settings = {"scheduler": scheduler, "archive": None if archive is None else str(archive.folder)}
    result = _run(problem, method, store, budget, progress)
    return dataclasses.replace(result, settings=result.settings | settings)


def _run(problem: Problem, method: Method, store: SearchStore, budget: Budget, progress: ProgressCallback) -> Result:
    """Run a search by its method."""
    with method.executor() as executor:
        return run_search(
            problem,
            method.strategy,
            method.solver,
            executor,
            method.limits,
            store,
            progress,
            budget=budget,
            state=method.state(problem),
        )


def _minimise(
    problem: Problem,
    loss: str | Loss | None,
    s: float,
    preset: str | None,
    changes: dict[str, Any],
    init: ArrayLike | None,
    device: str,
    limits: Limits,
    budget: Budget,
    progress: ProgressCallback,
    *,
    polish: bool,
) -> Result:
    """Return the best start of the paper's solver, climbed on from there."""
    from tammes import losses  # torch is loaded here, and not before
    from tammes.global_search.strategies.multistart import Batches
    from tammes.solvers import sgd
    from tammes.solvers.chain import Chain, Link

    n, d, starts = problem.n, problem.d, limits.starts or 1
    if preset is not None and preset not in sgd.PRESETS:
        raise UnknownNameError("preset", preset, sgd.PRESETS)
    chosen = losses.get(DEFAULT_LOSS if loss is None else loss, s)
    given = {name: value for name, value in changes.items() if value is not None}
    descent = dataclasses.replace(sgd.PRESETS[preset or "paper"], **given)
    where = str(sgd.resolve_device(device))
    needed = _LOSS_ROWS * 8.0 * starts * n * d
    blamed = ("n", n) if starts == 1 else ("starts", starts)
    memory.require(*blamed, needed, f"a batch of {starts} starts of {n} points in R^{d}")
    points = None if init is None else _given(init, n, d)
    links = [Link("sgd", sgd.LossDescent(chosen, descent, where))]
    if polish:
        climb = methods.choose_climb(n, d)
        assert isinstance(climb, Chain)
        links += climb.links
    settings = {
        "loss": {"name": chosen.name, **dataclasses.asdict(chosen)},
        "preset": preset or "paper",
        **dataclasses.asdict(descent),
        "device": where,
    }
    return _one_batch(problem, Chain(tuple(links)), points, Batches(starts, starts), limits, budget, progress, settings)


def _climb(problem: Problem, points: Floats, limits: Limits, budget: Budget, progress: ProgressCallback) -> Result:
    """Return the local maximum uphill from the given points."""
    from tammes.global_search.strategies.multistart import Batches

    climb = methods.choose_climb(problem.n, problem.d)
    return _one_batch(problem, climb, points, Batches(), limits, budget, progress, {})


def _one_batch(
    problem: Problem,
    solver: Any,
    points: Floats | None,
    batches: Any,
    limits: Limits,
    budget: Budget,
    progress: ProgressCallback,
    settings: dict[str, Any],
) -> Result:
    """Run one batch of starts through a solver, whose phases are the record."""
    from tammes.global_search.strategies.multistart import Multistart

    if points is not None:
        settings = settings | {"init_digest": SphericalCode(points).digest}
    strategy = Multistart(problem, batches=batches, points=points, phase=None, settings=settings)
    method = Method(strategy, solver, limits, methods.here, pool_size=1)
    return _run(problem, method, SearchStore(), budget, progress)


def _closed_form_result(problem: Problem, budget: Budget) -> Result | None:
    """Return the optimal code in closed form; None where there is none."""
    form = closed_form(problem.n, problem.d)
    if form is None:
        return None
    code = SphericalCode(form.points())
    provenance = {"closed_form": form.name, "reference": form.reference}
    return Result(code, ("closed form",), Status.CLOSED_FORM, budget.elapsed(), provenance)


def _given(init: ArrayLike, n: int, d: int) -> Floats:
    """Return the given points, checked."""
    points = geometry.as_points(init)
    if points.shape != (n, d):
        raise InvalidParameterError("init", f"of shape {(n, d)}", points.shape)
    return np.array(points)


def check_target(target: float | str, n: int, d: int, *, antipodal: bool = False) -> float:
    """Return a target in radians.

    Args:
        target: degrees, or "best-known".
        n: number of points.
        d: dimension.
        antipodal: the target is an angle between lines.

    Raises:
        InvalidParameterError: if it is no angle, or above a proven bound.
        NotTabulatedError: if nothing is stored for this size.
    """
    if target == "best-known":
        if antipodal:
            raise NotTabulatedError(f"No stored value for {n // 2} lines in R^{d}: the tables are for all codes.")
        known = tables.best_known(n, d)
        return math.radians(known.angle_degrees - 0.5 * 10.0**-known.decimals)
    if isinstance(target, (bool, str)) or not 0.0 < target <= 180.0:
        raise InvalidParameterError("target", 'an angle in degrees, above 0 and at most 180, or "best-known"', target)
    bound = bounds.lines(n, d) if antipodal else tables.upper_bound(n, d)
    if target > bound.degrees + 1e-9:
        raise InvalidParameterError(
            "target", f"at most {bound.degrees:.9f} degrees: no code has more ({bound.name}, {bound.reference})", target
        )
    return math.radians(float(target)) - 1e-13


def _adjacent(problem: Problem, archive: Archive | None) -> dict[int, Floats]:
    """Return the archive's codes with one point less and more, by their number of points."""
    found: dict[int, Floats] = {}
    if archive is None or problem.antipodal:
        return found
    for size in (problem.n - 1, problem.n + 1):
        entry = archive.get(size, problem.d) if size >= 2 else None
        if entry is not None:
            found[size] = entry.code.points
    return found
