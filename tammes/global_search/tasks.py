"""Tasks of a search and their outcomes: plain data, which can cross to another process."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tammes.base.budget import Budget, ProgressCallback
from tammes.base.geometry import Floats
from tammes.base.status import Status

__all__ = ["ARCHIVED", "RELAXED", "Found", "Outcome", "Task"]

ARCHIVED = "archived"
"""Status of a code that comes from the archive."""
RELAXED = "relaxed"
"""Status of a code that a ladder has left and no polish has touched."""


@dataclass(frozen=True)
class Found:
    """A code that a task has found."""

    points: Floats
    """Unit rows, float64, shape `(n, d)`."""
    angle: float
    """Measured minimal angle, radians."""
    status: str
    """Code of the status with which its last solver ended."""
    group: str | None = None
    """Name of the symmetry group of the start that it comes from."""


@dataclass(frozen=True)
class Outcome:
    """What a task has brought."""

    index: int
    """Of the task."""
    tried: int
    """Starts and moves that were tried."""
    evaluations: float
    """Work done, in evaluations of the objective; the polish counts in the same unit."""
    found: tuple[Found, ...]
    status: Status = Status.CONVERGED
    """`TIME_LIMIT` or `INTERRUPTED` where the task was cut short."""
    phases: tuple[dict[str, Any], ...] = ()
    """Records for the result."""
    first_angle: float | None = None
    """As in `Descent`."""
    history: dict[str, list[float | None]] = field(default_factory=dict)
    """Course of the run, for plots."""


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """A piece of work. Its outcome depends on its fields and the solver alone, and on the budget where that ends it."""

    index: int
    """Place in the order of the search."""
    n: int
    d: int
    count: int
    """Starts and moves, of those that the user may limit."""
    group: str | None = None
    """Name of the symmetry group of the starts."""

    concurrent: ClassVar[bool] = True
    """True if tasks of this kind may run at the same time as others; if not, a task has all threads."""

    @property
    def phase(self) -> str | None:
        """Name of the kind of work in the progress report after the task; None for no report."""
        return "search"

    @property
    def share(self) -> float:
        """Part of the time left that the task may take."""
        return 1.0

    @abc.abstractmethod
    def run(self, solver: Any, budget: Budget, progress: ProgressCallback) -> Outcome:
        """Do the work.

        Args:
            solver: the local solver of the search.
            budget: limit of time; ends the task early, with what it has.
            progress: called during the work, where it is done in the searching process.
        """
