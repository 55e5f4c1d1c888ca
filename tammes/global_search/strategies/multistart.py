"""Multistart: independent starts in batches, each batch through one local solver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, ProgressCallback
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.global_search.pool import Member
from tammes.global_search.problem import Problem
from tammes.global_search.state import SearchState
from tammes.global_search.strategy import Report, Strategy
from tammes.global_search.tasks import Found, Outcome, Task
from tammes.solvers.chain import Chain
from tammes.solvers.local_solver import LocalSolver

__all__ = ["Batches", "Multistart", "StartBatch"]


@dataclass(frozen=True)
class Batches:
    """Sizes of the batches, and where their ladders begin."""

    smallest: int = 1
    """Starts of the first batches; doubled whenever every exponent had its turn."""
    largest: int = 1
    exponents: tuple[tuple[float, ...], ...] = ()
    """Ladders that batches climb in turn, for a chain that begins with a ladder; the solver's own if empty."""

    def size(self, number: int) -> int:
        """Return the number of starts of a batch."""
        return min(self.largest, self.smallest << min(40, number // max(1, len(self.exponents))))


@dataclass(frozen=True, kw_only=True)
class StartBatch(Task):
    """Some starts through the local solver."""

    first: int
    """Number of the first start: start k depends on the seed and k alone."""
    seed: int
    points: Floats | None = None
    """Given points, shape `(n, d)`, instead of random ones."""
    exponents: tuple[float, ...] = ()
    bar: float = 0.0
    """Best minimal angle so far, radians."""
    name: str | None = "search"

    @property
    def phase(self) -> str | None:
        """See `Task.phase`."""
        return self.name

    def starts(self) -> Floats:
        """Return the starts: standard normal rows, or the given points, shape `(count, n, d)`."""
        if self.points is not None:
            return self.points[None]
        generators = [np.random.default_rng([self.seed, self.first + k]) for k in range(self.count)]
        return np.stack([rng.standard_normal((self.n, self.d)) for rng in generators])

    def run(self, solver: LocalSolver, budget: Budget, progress: ProgressCallback) -> Outcome:
        """Run the solver on all starts; see `Task.run`."""
        if self.exponents:
            assert isinstance(solver, Chain)
            solver = solver.beginning_with(exponents=self.exponents)
        descent = solver.run(self.starts(), bar=self.bar, budget=budget, progress=progress)
        measured = [geometry.min_angle(rows) for rows in descent.points]
        best = int(np.argmax(measured))
        return Outcome(
            self.index,
            self.count,
            float(descent.evaluations),
            (Found(descent.points[best], measured[best], descent.status.code),),
            descent.status,
            descent.phases,
            descent.first_angle,
            descent.history,
        )


class Multistart(Strategy):
    """Batches of random starts, or the given points; the best code by measured angle is kept.

    Args:
        problem: what is searched for.
        batches: their sizes.
        points: given points, shape `(n, d)`, instead of random starts.
        bar: minimal angle that is reached already elsewhere, radians.
        phase: name of the phase in the record; None where the record is that of the solver's own phases.
        settings: for the record.
        notes: further entries of the phase.
    """

    name = "multistart"

    def __init__(
        self,
        problem: Problem,
        *,
        batches: Batches = Batches(),
        points: Floats | None = None,
        bar: float = 0.0,
        phase: str | None = "search",
        settings: dict[str, Any] | None = None,
        notes: dict[str, Any] | None = None,
    ) -> None:
        self.problem = problem
        self.batches = batches
        self.points = points
        self.bar = bar
        self.phase = phase
        self.stops_at_bound = phase is not None
        self.settings = {} if settings is None else settings
        self.notes = {} if notes is None else notes
        self.number = 0
        """Batches proposed."""
        self.last: Outcome | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """See `Strategy.identity`."""
        return {"phase": self.phase}

    def propose(self, state: SearchState) -> Task | None:
        """See `Strategy.propose`. Batches follow one another, so that each knows the best code before it."""
        if state.pending or state.starts_left == 0:
            return None
        count = self.batches.size(self.number)
        if state.starts_left is not None:
            count = min(count, state.starts_left)
        ladders = self.batches.exponents
        task = StartBatch(
            index=state.planned,
            n=self.problem.n,
            d=self.problem.d,
            count=count,
            first=state.planned_starts,
            seed=self.problem.seed,
            points=self.points,
            exponents=ladders[self.number % len(ladders)] if ladders else (),
            bar=max(self.bar, state.best_angle),
            name=self.phase,
        )
        self.number += 1
        return task

    def update(self, state: SearchState, task: Task, outcome: Outcome) -> None:
        """See `Strategy.update`."""
        self.last = outcome
        for found in outcome.found:
            state.pool.add(Member(found.points, found.angle, found.status, task.phase or "start"))

    def finished(self, state: SearchState) -> Status | None:
        """Return the status of the only batch, where the record is that of the solver's phases."""
        return self.last.status if self.phase is None and self.last is not None else None

    def report(self, state: SearchState, status: Status) -> Report:
        """See `Strategy.report`."""
        best = state.best
        settings: dict[str, Any] = {"start": "given points" if self.points is not None else "standard normal"}
        settings |= {"starts": state.tried, "seed": self.problem.seed, **self.settings}
        if self.phase is None and self.last is not None:
            phases = self.last.phases
            names = tuple(str(phase["phase"]) for phase in phases)
            return Report(names, phases, settings, self._before_polish(self.last), self.last.history)
        phase = {
            "phase": self.phase,
            "status": status.code,
            "code": None if best is None else best.status,
            "starts": state.tried,
            "evaluations": round(state.evaluations),
            "min_angle_degrees": math.degrees(state.best_angle),
            **self.notes,
        }
        method = ("search", "polish") if self.phase == "search" else ("ladder",)
        return Report(method, (phase,), settings)

    def _before_polish(self, outcome: Outcome) -> float | None:
        """Return the angle from which the climb began, radians; None where there was none.

        The climb from given points begins with them; that from a loss's optimum with it.
        """
        if self.points is not None and outcome.phases[0]["phase"] != "sgd":
            return geometry.min_angle(self.points)
        return outcome.first_angle

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """See `Strategy.to_dict`."""
        return {"number": self.number}, {}

    def restore(self, values: dict[str, Any], arrays: dict[str, Floats], state: SearchState) -> None:
        """See `Strategy.restore`."""
        self.number = int(values["number"])
