"""Tasks of the staged search: a ladder, or one rung of it, from given, changed or symmetric points."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.global_search.moves import shake, transplant
from tammes.global_search.strategies.symmetric_starts import changed, symmetric_start
from tammes.global_search.tasks import RELAXED, Found, Outcome, Task
from tammes.groups.finite_groups import Group
from tammes.solvers.ladder.many_points import Images
from tammes.solvers.local_solver import Descent

__all__ = ["Changed", "Climb", "ConcurrentClimb", "Given", "Start", "SymmetricChange", "SymmetricStart"]


class Start(abc.ABC):
    """Where a climb begins."""

    @abc.abstractmethod
    def make(self, chord_bound: float) -> tuple[Floats, Images | None]:
        """Return unit rows `(n, d)`, and which of them follow others by symmetry; None where all are free."""


@dataclass(frozen=True)
class Given(Start):
    """Points as they are."""

    points: Floats
    images: Images | None = None

    def make(self, chord_bound: float) -> tuple[Floats, Images | None]:
        """See `Start.make`."""
        return self.points, self.images


@dataclass(frozen=True)
class Changed(Start):
    """Points with a change: some moved into holes, or all of them shaken."""

    points: Floats
    seed: tuple[int, ...]
    kick: float = 0.0
    """Amplitude of the shake, in units of the chord bound."""
    moves: int = 0
    """Points that go from the tightest places into the deepest holes."""

    def make(self, chord_bound: float) -> tuple[Floats, Images | None]:
        """See `Start.make`."""
        points = self.points
        if self.moves:
            points = transplant(points, chord_bound, self.moves, np.random.default_rng(self.seed))
        return shake(points, self.kick * chord_bound, self.seed) if self.kick else points, None


@dataclass(frozen=True)
class SymmetricStart(Start):
    """Random points of one part of the sphere, and their images under a group."""

    group: Group
    n: int
    seed: tuple[int, ...]

    def make(self, chord_bound: float) -> tuple[Floats, Images | None]:
        """See `Start.make`."""
        return symmetric_start(self.group, self.n, np.random.default_rng(self.seed))


@dataclass(frozen=True)
class SymmetricChange(Start):
    """A symmetric code with a region changed and its symmetry kept."""

    origin: SymmetricStart
    """The start that the code comes from: it tells which points follow which."""
    points: Floats
    seed: tuple[int, ...]

    def make(self, chord_bound: float) -> tuple[Floats, Images | None]:
        """See `Start.make`."""
        _, images = self.origin.make(chord_bound)
        assert images is not None
        rng = np.random.default_rng(self.seed)
        return changed(self.origin.group, self.points, images, chord_bound, rng), images


@dataclass(frozen=True, kw_only=True)
class Climb(Task):
    """One rung of a ladder, with all threads."""

    concurrent = False

    stage: str
    start: Start
    exponents: tuple[float, ...]
    chord_bound: float
    part: float = 1.0
    """Of the time left, what the task may take."""
    rung: int = 0
    rungs: int = 1
    """Of the whole ladder, for progress reports."""
    with_start: bool = False
    """True if the start itself is a candidate for the best code."""

    @property
    def phase(self) -> str:
        """See `Task.phase`."""
        return self.stage

    @property
    def share(self) -> float:
        """See `Task.share`."""
        return self.part

    def run(self, solver: Any, budget: Budget, progress: ProgressCallback) -> Outcome:
        """Climb; see `Task.run`."""
        points, images = self.start.make(self.chord_bound)
        found = []
        if self.with_start:
            found.append(Found(points, geometry.min_angle(points), Status.START.code, self.group))

        if not self.exponents:
            return Outcome(self.index, self.count, 0.0, tuple(found))

        def relabelled(event: Progress) -> None:
            step, total = self.rung * event.total + event.step, self.rungs * event.total
            progress(replace(event, phase=self.stage, step=step, total=total))

        settled = replace(solver, exponents=self.exponents, **self._settings())
        descent: Descent = settled.run(points[None], orbits=images, budget=budget, progress=relabelled)
        if descent.evaluations or not found:  # without time for a step, the next rung goes on from the same points
            angle = geometry.min_angle(descent.points[0]) if descent.angles is None else float(descent.angles[0])
            found.append(Found(descent.points[0], angle, RELAXED, self.group))
        return Outcome(self.index, self.count, float(descent.evaluations), tuple(found), descent.status)

    def _settings(self) -> dict[str, Any]:
        """Return changes to the settings of the solver."""
        return {}


@dataclass(frozen=True, kw_only=True)
class ConcurrentClimb(Climb):
    """A whole ladder on one thread, at the same time as others."""

    concurrent = True

    def _settings(self) -> dict[str, Any]:
        """See `Climb`."""
        return {"threads": 1}
