"""Local solvers one after the other: each goes on from the best points of the one before."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.solvers.local_solver import Descent, LocalSolver

__all__ = ["Chain", "Link"]

_CUT_SHORT = (Status.INTERRUPTED, Status.TIME_LIMIT)


@dataclass(frozen=True)
class Link:
    """One solver of a chain."""

    name: str
    """Of its phase in the record."""
    solver: LocalSolver
    best: int = 1
    """Number of starts that it takes over from the link before: those of the smallest predicted cosine, or of the
    largest measured angle where nothing is predicted."""
    must_improve: bool = False
    """Keep the points of the link before where this one does not widen their minimal angle."""


@dataclass(frozen=True)
class Chain:
    """A local solver made of several; the measured minimal angle decides what each link hands on."""

    links: tuple[Link, ...]
    notes: dict[str, Any] = field(default_factory=dict)
    """Further entries of the last phase."""

    def beginning_with(self, **settings: Any) -> Chain:
        """Return the chain with other settings of its first solver."""
        first: Any = self.links[0].solver
        return Chain((replace(self.links[0], solver=replace(first, **settings)), *self.links[1:]), self.notes)

    def run(
        self,
        starts: Floats,
        *,
        orbits: Any = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Run the links in order; see `LocalSolver.run`. A link that is cut short is the last.

        Returns:
            The points of the last link, with the status of its best start, the phases of all links, and the history
            of all.
        """
        clock = Budget(None) if budget is None else budget
        points = np.asarray(starts, dtype=np.float64)
        phases: list[dict[str, Any]] = []
        history: dict[str, list[float | None]] = {}
        evaluations = steps = 0
        descent: Descent | None = None
        angles = np.zeros(len(points))
        first_angle = 0.0
        for number, link in enumerate(self.links):
            if descent is not None:
                chosen = _best(descent, angles, link.best)
                points, angles = descent.points[chosen], angles[chosen]
            began = clock.elapsed()
            # A first link with several starts is a batch; later ones take the starts one at a time.
            batches = [points] if number == 0 else [start[None] for start in points]
            made: list[Descent] = []
            for k, batch in enumerate(batches):
                if k and clock.spent():
                    break
                made.append(link.solver.run(batch, orbits=orbits, bar=bar, budget=budget, progress=progress))
                if made[-1].status is Status.INTERRUPTED:
                    break
            before = angles
            after = np.concatenate([_angles(each) for each in made])
            descent = _joined(made, after)
            if link.must_improve and number:
                kept = after > before[: len(after)]
                rows = np.where(kept[:, None, None], descent.points, points[: len(after)])
                descent = Descent(rows, descent.status, descent.evaluations, descent.steps)
                angles = np.where(kept, after, before[: len(after)])
            else:
                angles = after
            if number == 0:
                first_angle = float(after.max())
            evaluations += descent.evaluations
            steps += descent.steps
            phase: dict[str, Any] = {
                "phase": link.name,
                "status": descent.status.code,
                "steps": descent.steps,
                "evaluations": descent.evaluations,
                "min_angle_degrees": math.degrees(float(after.max())),
                "seconds": round(clock.elapsed() - began, 3),
            }
            if link.must_improve and number:
                phase["kept"] = bool(kept.any())
            if number == 0 and len(starts) > 1:
                phase["best_start"] = int(angles.argmax())
            phases.append(phase)
            history |= descent.history
            if descent.status in _CUT_SHORT:
                break
        assert descent is not None
        phases[-1] |= self.notes
        return Descent(
            descent.points,
            descent.status,
            evaluations,
            steps,
            angles,
            None,
            tuple(phases),
            first_angle if len(phases) > 1 else None,
            history,
        )


def _angles(descent: Descent) -> Floats:
    """Measured minimal angles of all starts, `(B,)`."""
    return np.array([geometry.min_angle(rows) for rows in descent.points])


def _best(descent: Descent, angles: Floats, count: int) -> Floats:
    """Indices of the starts to go on from, the best first."""
    order = np.argsort(-angles if descent.predicted is None else descent.predicted, kind="stable")
    return np.asarray(order[:count])


def _joined(made: list[Descent], angles: Floats) -> Descent:
    """Several runs as one; the status is that of the best start, or that of the run that was interrupted."""
    sizes = np.cumsum([len(each.points) for each in made])
    best = made[int(np.searchsorted(sizes, int(angles.argmax()), side="right"))]
    status = made[-1].status if made[-1].status is Status.INTERRUPTED else best.status
    predicted = [each.predicted for each in made]
    return Descent(
        np.concatenate([each.points for each in made]),
        status,
        sum(each.evaluations for each in made),
        sum(each.steps for each in made),
        angles,
        None if any(each is None for each in predicted) else np.concatenate([p for p in predicted if p is not None]),
        history=best.history,
    )
