"""The interface of local solvers: starts in, points and a status out, within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from tammes.base.budget import Budget, ProgressCallback, silent
from tammes.base.geometry import Floats
from tammes.base.status import Status

__all__ = ["Descent", "LocalSolver"]


@dataclass(frozen=True)
class Descent:
    """Points at the end of a local solver's run, one set a start."""

    points: Floats
    """Unit rows, float64, shape `(B, n, d)`."""
    status: Status
    """Why the run ended; of a batch, why its best start ended."""
    evaluations: int = 0
    """Evaluations of the objective and its gradient, over all starts."""
    steps: int = 0
    """Iterations, over all starts."""
    angles: Floats | None = None
    """Minimal angles of the points as the solver has them, radians, `(B,)`; None where it does not know them."""
    predicted: Floats | None = None
    """Largest cosines that a polish of the points should reach, `(B,)`; None where the solver predicts nothing."""
    phases: tuple[dict[str, Any], ...] = ()
    """Records of the parts of a composed solver, for the result."""
    first_angle: float | None = None
    """Measured minimal angle after the first of several parts, radians; None where there was one part."""
    history: dict[str, list[float | None]] = field(default_factory=dict)
    """Course of the run, for plots."""


class LocalSolver(Protocol):
    """A method that goes from points to a local optimum.

    An implementation is a frozen dataclass of its settings, so that it can be changed with `dataclasses.replace`
    and sent to another process.
    """

    def run(
        self,
        starts: Floats,
        *,
        orbits: Any = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Descend from every start.

        Args:
            starts: rows of any non-zero length, shape `(B, n, d)`. Not modified.
            orbits: symmetry that the points keep, where the solver supports one; None for none.
            bar: a minimal angle that is reached already, radians. A solver may give up a start that will not
                exceed it.
            budget: limit of time; None for none.
            progress: called during the run.

        Returns:
            The points of every start. Ctrl-C returns the points so far, with the status `INTERRUPTED`.
        """
