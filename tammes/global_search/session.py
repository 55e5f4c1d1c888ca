"""A search as the user meets it: checked settings in, a measured `Result` out, the archive kept."""

from __future__ import annotations

import contextlib
import math
import time
from concurrent.futures import Executor
from typing import Any

from tammes.base import memory
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.errors import FileAccessError, InvalidParameterError, NotTabulatedError
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.codes.deletion import is_antipodal
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import closed_form
from tammes.global_search import saved
from tammes.global_search.cluster import hired
from tammes.global_search.crew import Crew, cores
from tammes.global_search.hunt import Hunt, Limits
from tammes.global_search.plans import LARGE_FROM, is_large
from tammes.global_search.pool import Member
from tammes.global_search.problem import Problem
from tammes.global_search.products import products_search
from tammes.global_search.scale import scale_search
from tammes.storage import tables
from tammes.storage import writer as records
from tammes.storage.archive import Archive
from tammes.storage.result import Result

__all__ = ["check_target", "needed", "search"]

_SAVE_SECONDS = 5.0


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
    crew: Crew | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """Hunt for the best code of n points in R^d: many kinds of start, moves, symmetry, exact polish.

    Stops when a proven bound is met, when the target is reached, when every kind of start and every
    symmetry that fits n had its share and the same best code came ten times from three families, or
    at a limit. A known best value stops it only as `target="best-known"`. From 3,000 points on
    the search is that of `solve` for many points, threads of this process do the work, and the defaults of
    `hunting.scale` say when it ends.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        time_limit: seconds; None for none.
        starts: starts and moves to try, in all; None for no limit. With it alone, the same seed
            gives the same code, bit for bit, whatever the number of workers.
        target: minimal angle in degrees at which to stop, or "best-known".
        seed: of all random numbers.
        workers: processes; all cores by default.
        executor: who does the work instead: anything with the `submit` of `concurrent.futures`. It stays.
        scheduler: address of a Dask scheduler, whose workers do the work (docs/guide/cluster.md).
        symmetry: "auto" tries the point groups that fit n, "none" does not; a group's name prescribes
            it: every start and the result have that symmetry.
        antipodal: points come in pairs x, -x; the minimal angle is that between the n/2 lines.
        archive: where the best code of every size is kept, with the state of the search, so that it
            goes on where it stopped; None keeps nothing.
        resume: take up the state of an earlier search for the same problem.
        crew: workers that are there already; they stay.
        progress: called as the search goes on.

    Returns:
        The measured best code. Ctrl-C returns the best code so far, with that status.

    Raises:
        InvalidParameterError: if a parameter is out of range, the group does not fit n, or the target
            is above a proven bound.
        NotTabulatedError: if the target is "best-known" and nothing is stored for this size.
        UnknownNameError: if there is no such symmetry.
        MissingPackageError: if a scheduler is given, and Dask is not installed.
        FileAccessError: if the archive cannot be written; the best code is then saved in a temporary folder,
            which the message names.
        WorkersLostError: if the workers of an executor or scheduler are lost before anything is found.
    """
    began, budget = time.monotonic(), Budget(time_limit)
    problem = Problem.checked(n, d, seed, symmetry, antipodal)
    for name, value in (("starts", starts), ("workers", workers)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidParameterError(name, "an integer of at least 1", value)
    aim = None if target is None else check_target(target, n, d, antipodal=antipodal)
    if is_large(n, d) or (n >= LARGE_FROM and problem.prescribed is None):
        if executor is not None or scheduler is not None or (crew is not None and not crew.own):
            name, given = ("scheduler", scheduler) if executor is None else ("executor", executor)
            if crew is not None:
                name, given = "executor or scheduler", "a crew of somebody else's workers"
            raise InvalidParameterError(name, f"left out from {LARGE_FROM} points on, where threads work", given)
        threads = workers if crew is None else crew.workers
        limits = Limits(time_limit, starts, aim)
        return _large(problem, limits, threads, archive, resume=resume, progress=progress)
    if crew is not None:
        many = crew.workers if crew.own else 1
    else:
        many = 1 if executor is not None or scheduler is not None else workers or cores()
    memory.require("n", n, many * needed(n, d), f"a search for {n} points in R^{d} with {many} workers")
    limits = Limits(time_limit, starts, aim)
    hunt = Hunt(problem, _neighbours(problem, archive))
    keeper = _Keeper(archive, problem)
    resumed = keeper.load(hunt, resume=resume)
    with contextlib.ExitStack() as stack:
        wanted = hired(workers, executor=executor, scheduler=scheduler)
        hands = stack.enter_context(wanted) if crew is None else crew
        redone = hands.redone
        try:
            status = hunt.run(limits, crew=hands, progress=progress, save=keeper.keep)
        except FileAccessError as error:
            if archive is None or hunt.pool.best is None:
                raise
            code = SphericalCode(hunt.pool.best.points)
            found = Result(code, ("search", "polish"), Status.INTERRUPTED, time.monotonic() - began, {"seed": seed})
            raise records.rescued(found, archive.path_of(n, d, antipodal), error) from None
        if status is Status.TARGET:
            status = hunt.finish(hands, budget)
    best = hunt.pool.best
    if best is None:
        if status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        raise InvalidParameterError("time_limit", "long enough for one start", time_limit)
    settings: dict[str, Any] = {
        "seed": seed,
        "symmetry": symmetry,
        "antipodal": antipodal,
        "time_limit": time_limit,
        "starts": starts,
        "target_degrees": None if aim is None else math.degrees(aim),
        "workers": hands.workers,
        "scheduler": scheduler,
        "redone": hands.redone - redone,
        "resumed": resumed,
        "archive": None if archive is None else str(archive.folder),
    }
    seconds = time.monotonic() - began
    phase = {
        "phase": "search",
        "status": status.code,
        "code": best.status,
        "seconds": round(seconds, 3),
        **hunt.report(),
    }
    result = Result(
        SphericalCode(best.points),
        ("search", "polish"),
        status,
        seconds,
        settings,
        phases=(phase,),
        antipodal=antipodal,
    )
    keeper.offer(result)
    return result


def _large(
    problem: Problem,
    limits: Limits,
    workers: int | None,
    archive: Archive | None,
    *,
    resume: bool,
    progress: ProgressCallback,
) -> Result:
    """A search for many points: that of `solve`, its checkpoint, where it has one, and its code in the archive."""
    path = None
    if archive is not None and is_large(problem.n, problem.d):
        place = saved.path_of(archive.folder, problem)
        path = place.with_name(f"{place.stem}_large{'' if limits.starts is None else f'_starts{limits.starts}'}.npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.unlink(missing_ok=True)
    settings: dict[str, Any] = {
        "seed": problem.seed,
        "starts": limits.starts,
        "target": math.inf if limits.target is None else limits.target,
        "budget": Budget(limits.seconds),
        "progress": progress,
    }
    if is_large(problem.n, problem.d):
        own: dict[str, Any] = {
            "symmetry": problem.symmetry,
            "antipodal": problem.antipodal,
            "workers": workers,
            "checkpoint": path,
            "going_on": True,
        }
        result = scale_search(problem.n, problem.d, **settings, **own)
    elif (form := closed_form(problem.n, problem.d)) is not None:
        provenance = {"closed_form": form.name, "reference": form.reference}
        code = SphericalCode(form.points())
        result = Result(code, ("closed form",), Status.CLOSED_FORM, settings["budget"].elapsed(), provenance)
    else:
        result = products_search(problem.n, problem.d, **settings)
    if archive is not None:
        try:
            if problem.antipodal and is_antipodal(result.code):
                archive.offer(result, antipodal=True)
            archive.offer(result)
        except FileAccessError as error:  # hours may be in it
            raise records.rescued(result, archive.path_of(problem.n, problem.d, problem.antipodal), error) from None
    return result


def needed(n: int, d: int) -> float:
    """Bytes at the peak of one worker of a search, as predicted; 0.30 GiB were measured at (4, 2000)."""
    return 2.2e8 + 24.0 * n * n + 500.0 * n * d


def check_target(target: float | str, n: int, d: int, *, antipodal: bool = False) -> float:
    """A target in radians.

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
    if not isinstance(target, (int, float)) or not 0.0 < target <= 180.0:
        raise InvalidParameterError("target", 'an angle in degrees, above 0 and at most 180, or "best-known"', target)
    bound = bounds.lines(n, d) if antipodal else tables.upper_bound(n, d)
    if target > bound.degrees + 1e-9:
        raise InvalidParameterError(
            "target", f"at most {bound.degrees:.9f} degrees: no code has more ({bound.name}, {bound.reference})", target
        )
    return math.radians(float(target)) - 1e-13


def _neighbours(problem: Problem, archive: Archive | None) -> dict[int, Any]:
    """Codes with one point (or pair) more and less, from the archive."""
    found: dict[int, Any] = {}
    if archive is None or problem.antipodal:
        return found
    for size in (problem.n - 1, problem.n + 1):
        entry = archive.get(size, problem.d) if size >= 2 else None
        if entry is not None:
            found[size] = entry.code.points
    return found


class _Keeper:
    """Keeps what a search finds; of no effect without an archive."""

    def __init__(self, archive: Archive | None, problem: Problem) -> None:
        self._archive = archive
        self._problem = problem
        self._kept = 0.0  # angle of the last code offered
        self._saved = time.monotonic()

    def load(self, hunt: Hunt, *, resume: bool) -> bool:
        """Take up an earlier search and the archive's code; True if there was a search."""
        if self._archive is None:
            return False
        resumed = resume and saved.restore(saved.path_of(self._archive.folder, self._problem), hunt)
        entry = self._archive.get(self._problem.n, self._problem.d, self._problem.antipodal)
        plain = self._problem.symmetry in ("auto", "none")  # a prescribed symmetry is not that of any stored code
        if resume and plain and entry is not None:
            group = hunt.problem.prescribed
            name = None if group is None else group.name
            hunt.pool.add(Member(entry.code.points, entry.code.min_angle, "archived", "archive", name))
        return resumed

    def keep(self, hunt: Hunt) -> None:
        """After a round: offer an improvement at once, and write the state every few seconds."""
        best = hunt.pool.best
        if self._archive is None or best is None:
            return
        improved = best.angle > self._kept
        if improved:
            self._kept = best.angle
            if best.arm != "archive":
                record = {
                    "method": ["search", "polish"],
                    "settings": {"seed": self._problem.seed},
                    "found_by": best.arm,
                }
                self._offer(SphericalCode(best.points), record)
        if improved or time.monotonic() - self._saved > _SAVE_SECONDS or hunt.ending:
            saved.save(saved.path_of(self._archive.folder, self._problem), hunt)
            self._saved = time.monotonic()

    def offer(self, result: Result) -> None:
        """The final result; the archive keeps it only where it has nothing as good."""
        self._offer(result)

    def _offer(self, code: Result | SphericalCode, record: dict[str, Any] | None = None) -> None:
        if self._archive is None:
            return
        bare = code.code if isinstance(code, Result) else code
        if self._problem.antipodal and is_antipodal(bare):
            self._archive.offer(code, record, antipodal=True)
        self._archive.offer(code, record)
