"""Codes of many points in tensors, one start at a time: the ladder over neighbour lists on any device.

The way of `solve` on CUDA beyond 2,000 points. Well-spread points climb the whole ladder; the best code is then
repaired: points move from its tightest places into its deepest holes, and the upper rungs close the gaps. In more
than 8 dimensions there are no lists and no repairs: random points climb over all pairs, in tiles. No code is
polished to its last digits.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions import spread
from tammes.storage.result import Result

__all__ = ["BEYOND", "many_search"]

BEYOND = 2_000
"""Points above which starts are climbed one at a time."""

_FIRST = {2: 2.0, 3: 2.0}  # exponents that well-spread points begin with: in d = 3 the spiral is to flow;
_FIRST_ABOVE = 8.0  # above, layers hold
_LAST = 16_384.0
_REPAIR = 32.0  # distant regions stay as they are
_DENSE = (4.0, 1_024.0)  # where there are no lists
_ITERATIONS = 100
_FLAT = 0.02  # longest gradient row times the smallest chord, times n, at which a rung ends
_SHAKE = 0.05  # spacings by which all starts but the first are shaken
_REPAIRS = 6  # without a limit of time
_SPARED = 0.6  # of a limit of time, for the first ladder
_NEIGHBOURS = {2: 12, 3: 60, 4: 220, 5: 560, 6: 700, 7: 700, 8: 900}  # in the longest lists, padded, about
_SMALLEST = 1 << 12  # pairs of a tile: below, memory is short for the points themselves


def many_search(
    n: int,
    d: int,
    *,
    starts: int | None = None,
    seed: int = 0,
    budget: Budget,
    device: str = "cpu",
    fused: bool | None = None,
    progress: ProgressCallback = silent,
) -> Result:
    """Starts of many points up the ladder, the best of them repaired.

    Args:
        n: number of points.
        d: dimension.
        starts: in all; by default one, and the rest of the time for repairs, or for more starts where there
            are no repairs.
        seed: of all random numbers; start k depends on (seed, k) alone.
        budget: of time; without a limit, a few repairs follow.
        device: "cpu", "cuda" or "cuda:N".
        fused: see `solvers.fused`.
        progress: called as the search goes on.

    Returns:
        The measured best code. Ctrl-C and the limit return the best so far, with that status; where there was no
        time for one iteration, that is the start, and the status says so.

    Raises:
        InvalidParameterError: if a start does not fit in the device's memory.
        DeviceError: if the device is not there.
    """
    run = _Run(n, d, starts, seed, budget, device, fused, progress)
    status = run.go()
    code = SphericalCode(run.best)
    settings: dict[str, Any] = {
        "start": "well spread" if run.listed else "standard normal",
        "starts": run.tried,
        "seed": seed,
        "device": run.device,
    }
    phase = {
        "phase": "search",
        "status": status.code,
        "found_by": run.found_by,
        "starts": run.tried,
        "repairs": run.repairs,
        "evaluations": run.evaluations,
        "steps": run.steps,
        "chord_over_bound": 2.0 * math.sin(0.5 * code.min_angle) / run.spacing,
        "polish": f"not done above n = {BEYOND}",
        "seconds": round(budget.elapsed(), 3),
    }
    method = ("ladder", "squeeze") if run.repairs else ("ladder",)
    return Result(code, method, status, budget.elapsed(), settings, phases=(phase,))


@dataclass
class _Run:
    """One search: its best code, and what was done for it."""

    n: int
    d: int
    starts: int | None
    seed: int
    budget: Budget
    device: str
    fused: bool | None
    progress: ProgressCallback
    best: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    chord: float = 0.0
    found_by: str = ""
    tried: int = 0
    repairs: int = 0
    evaluations: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        from tammes.solvers import device_memory
        from tammes.solvers.ladder import tensor_forces as forces
        from tammes.solvers.ladder import tensor_lists as neighbourhoods
        from tammes.solvers.sgd import resolve_device

        where = resolve_device(self.device)
        self.device = str(where)
        self.spacing = 2.0 * math.sin(0.5 * bounds.upper_bound(self.n, self.d).angle)
        low, high = neighbourhoods.DIMENSIONS
        self.listed = low <= self.d <= high
        device_memory.require(self.n, self.d, _NEIGHBOURS[self.d] if self.listed else 0, where)
        self._tile = forces.tile(where, self.d)

    def go(self) -> Status:
        """All starts, then repairs."""
        try:
            status = self._all()
        except KeyboardInterrupt:  # between two descents
            if not len(self.best):
                raise
            return Status.INTERRUPTED
        return Status.START if status is Status.TIME_LIMIT and not self.steps else status

    def _all(self) -> Status:
        first, last = (_FIRST.get(self.d, _FIRST_ABOVE), _LAST) if self.listed else _DENSE
        limited = self.starts is None and math.isfinite(self.budget.left())
        spared = limited and self.listed  # for repairs
        endless = limited and not self.listed
        for k in itertools.count() if endless else range(self.starts or 1):
            start = self._start(k)
            self._offer(start, 2.0 * math.sin(0.5 * geometry.min_angle(start)), "start")
            self.tried += 1
            if self.budget.spent():
                return Status.TIME_LIMIT
            status = self._climb(start, (first, last), "ladder", self.budget.part(_SPARED) if spared else self.budget)
            if status is not Status.CONVERGED:
                return status
        if not self.listed or self.d == 2:  # the polygon is as wide as it gets
            return Status.STARTS
        while self.repairs < _REPAIRS or math.isfinite(self.budget.left()):
            status = self._repair()
            if status is not Status.CONVERGED:
                return status
            self.repairs += 1
        return Status.REPAIRED

    def _start(self, k: int) -> Floats:
        """The k-th start: unit rows `(n, d)`."""
        rng = np.random.default_rng([self.seed, k])
        if not self.listed:
            rows = rng.standard_normal((self.n, self.d))
        elif self.d == 3:
            rows = spread.fibonacci(self.n)
        else:
            rows = spread.equal_area(self.n, self.d)
        if self.listed and (self.seed or k):
            rows = rows + _SHAKE * self.spacing * rng.standard_normal(rows.shape)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def _repair(self) -> Status:
        """A few points moved into holes of the best code, and the upper ladder from there."""
        from tammes.global_search.repair import transplant

        if self.budget.spent():
            return Status.TIME_LIMIT
        rng = np.random.default_rng([self.seed, self.tried, self.repairs])
        points, _ = transplant(self.best, self.spacing, int(rng.integers(1, 2 + self.n // 1_000)), rng)
        return self._climb(points, (_REPAIR, _LAST), "squeeze", self.budget)

    def _climb(self, start: Floats, rungs: tuple[float, float], name: str, budget: Budget) -> Status:
        """Up the ladder from one start, in smaller tiles where memory runs out."""
        from tammes.solvers.device_memory import halving
        from tammes.solvers.ladder.tensor import Descended, descend, ladder
        from tammes.solvers.ladder.tensor_forces import All
        from tammes.solvers.ladder.tensor_lists import Neighbourhoods

        def tell(event: Progress) -> None:
            angle = max(event.min_angle, 2.0 * math.asin(min(1.0, 0.5 * self.chord)))
            self.progress(Progress(name, event.step, event.total, angle, event.detail))

        def attempt(pairs: int) -> Descended:
            forces = Neighbourhoods(self.spacing, fused=self.fused, pairs=pairs) if self.listed else None
            return descend(
                start,
                exponents=ladder(*rungs),
                iterations=_ITERATIONS,
                device=self.device,
                budget=budget,
                progress=tell,
                gradient_tol=_FLAT / self.n,
                forces=All(pairs, fused=self.fused) if forces is None else forces,
                shared_out=math.isfinite(budget.left()),
            )

        least = min(self._tile, _SMALLEST)
        climbed, self._tile = halving(attempt, self._tile, least, n=self.n, d=self.d)
        self.evaluations += climbed.evaluations
        self.steps += climbed.steps
        if climbed.steps:
            self._offer(climbed.points[0], float(climbed.chords[0]), name)
        over = climbed.status is Status.TIME_LIMIT and not self.budget.spent()  # only the part of the first ladder is
        return Status.CONVERGED if over else climbed.status

    def _offer(self, points: Floats, chord: float, name: str) -> None:
        if chord > self.chord or not len(self.best):
            self.best, self.chord, self.found_by = points, chord, name
