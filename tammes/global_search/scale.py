"""The search from some thousand points on: a few starts up the whole ladder, the best of them repaired.

`hunting.generations` says what is tried. By default there is one generation; a time limit that leaves more
is filled with further ones.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from tammes.base import memory
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search.copies import groups_for
from tammes.global_search.crew import cores
from tammes.global_search.generations import Search
from tammes.global_search.plans import LISTED, neighbours
from tammes.global_search.problem import Problem
from tammes.global_search.stored_runs import Checkpoint
from tammes.solvers.ladder import many_points as large
from tammes.solvers.ladder import quasi_newton
from tammes.solvers.ladder.many_points import Descended
from tammes.storage.result import Result

__all__ = ["climb", "needed", "scale_search"]


def needed(n: int, d: int) -> float:
    """Bytes at the peak of a search for n points in R^d, as predicted; measured ones are in benchmarks/scale.md."""
    vectors = 2 * quasi_newton.MEMORY + 16  # of L-BFGS, and copies of the points
    return 4.0e8 + n * (8.0 * d * vectors + 4.5 * neighbours(d) + 9.0 * (d + 2) * 8.0)


def climb(points: Floats, *, budget: Budget | None = None, progress: ProgressCallback = silent) -> Descended:
    """Up the ladder's upper half from given points of which there are many; their structure is kept.

    Args:
        points: unit rows, shape `(n, d)`, 3 <= d <= 8. Not modified.
        budget: wall-clock limit; None for none.
        progress: called as the climb goes on.

    Returns:
        The points at the top; its end is called the step limit, since the last digits are not sought.
    """
    n, d = points.shape
    memory.require("n", n, needed(n, d), f"a climb with {n} points in R^{d}")
    spacing = 2.0 * math.sin(0.5 * bounds.upper_bound(n, d).angle)
    upper = tuple(2.0**k for k in range(5, 18))
    made = large.descend(
        points, chord_bound=spacing, exponents=upper, threads=cores(), budget=budget, progress=progress
    )
    return dataclasses.replace(made, status=Status.STEP_LIMIT) if made.status is Status.CONVERGED else made


def scale_search(
    n: int,
    d: int,
    *,
    seed: int = 0,
    starts: int | None = None,
    target: float = math.inf,
    symmetry: str = "auto",
    antipodal: bool = False,
    budget: Budget | None = None,
    workers: int | None = None,
    checkpoint: Path | None = None,
    going_on: bool = False,
    progress: ProgressCallback = silent,
) -> Result:
    """A code of many points: one generation of starts, ladders and repairs, or as many as the time allows.

    The same seed and number of starts give the same points, bit for bit, with any number of workers, and
    whether or not the run was interrupted by a kill in between.

    Args:
        n: number of points, at least 2.
        d: dimension, 3 to 8.
        seed: of all random numbers.
        starts: spread and symmetric starts of the one generation; by default as many as suit the size.
        target: minimal angle in radians at which to end; without another limit, the search goes on until it is met.
        symmetry: "auto" tries groups that fit n, "none" does not; a group's name prescribes it.
        antipodal: points come in pairs x, -x.
        budget: of time; without a limit, one generation.
        workers: threads; all cores by default.
        checkpoint: file of the state, written every minute, taken up where it exists, removed at the end.
        going_on: write the state where the time limit or the target ends the run, for the next one to go on from.
        progress: called as the run goes on.

    Returns:
        The measured best code. Ctrl-C and the limit return the best so far, with that status.

    Raises:
        InvalidParameterError: if the search does not fit in memory, or the symmetry does not fit n.
        UnknownNameError: if there is no such symmetry.
        FileFormatError: if the checkpoint is of another version or problem.
    """
    problem = Problem.checked(n, d, seed, symmetry, antipodal)
    memory.require("n", n, needed(n, d), f"a search for {n} points in R^{d}")
    if not LISTED[0] <= d <= LISTED[1]:
        raise InvalidParameterError("d", f"from {LISTED[0]} to {LISTED[1]}", d)
    budget = Budget(None) if budget is None else budget
    keeper = Checkpoint(checkpoint, {**dataclasses.asdict(problem), "starts": starts})
    groups = groups_for(problem)
    run = Search(problem, groups, starts, budget, workers or cores(), keeper, progress, target)
    status = run.go()
    if going_on and status in (Status.TIME_LIMIT, Status.TARGET):
        keeper.save(*run.state())
    elif status is not Status.INTERRUPTED:
        keeper.remove()
    code = SphericalCode(run.best)
    settings: dict[str, Any] = {
        "seed": seed,
        "starts": starts,
        "symmetry": symmetry,
        "antipodal": antipodal,
        "target_degrees": None if math.isinf(target) else math.degrees(target),
        "workers": run.workers,
        "resumed": run.resumed,
        "checkpoint": None if checkpoint is None else str(checkpoint),
    }
    phase = {
        "phase": "scale",
        "status": status.code,
        "found_by": run.found_by,
        "generations": run.generation + 1,
        "evaluations": run.evaluations,
        "chord_over_bound": 2.0 * math.sin(0.5 * code.min_angle) / run.spacing,
        "stages": run.report,
        "seconds": round(budget.elapsed(), 3),
    }
    method = ("ladder",) if run.kept else ("ladder", "squeeze")
    return Result(code, method, status, budget.elapsed(), settings, phases=(phase,), antipodal=antipodal)
