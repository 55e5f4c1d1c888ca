"""State of a search: what the loop counts, and the best codes so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tammes.global_search.pool import Member, Pool
from tammes.global_search.problem import Problem

__all__ = ["Limits", "SearchState"]


@dataclass(frozen=True)
class Limits:
    """When to stop, besides a met bound and a strategy at its end; None for no limit."""

    seconds: float | None = None
    starts: int | None = None
    """Starts and moves in all."""
    target: float | None = None
    """Minimal angle, radians."""

    @property
    def unlimited(self) -> bool:
        """True if there is neither a number of starts, nor a time limit, nor a target."""
        return self.seconds is None and self.starts is None and self.target is None


@dataclass
class SearchState:
    """State that the loop keeps and strategies read.

    Args:
        problem: what is searched for.
        pool: the best distinct codes.
        limits: of this run; not saved.
    """

    problem: Problem
    pool: Pool = field(default_factory=Pool)
    limits: Limits = Limits()
    planned: int = 0
    """Tasks proposed."""
    applied: int = 0
    """Tasks whose outcomes were taken in."""
    tried: int = 0
    """Starts and moves in these."""
    planned_starts: int = 0
    """Starts and moves of all tasks proposed."""
    evaluations: float = 0.0
    """Work done, in evaluations of the objective."""
    lost: str = ""
    """Why the workers were lost, if they were."""

    @property
    def best(self) -> Member | None:
        """The code with the largest measured minimal angle."""
        return self.pool.best

    @property
    def best_angle(self) -> float:
        """Its minimal angle, radians; 0 where there is none."""
        return 0.0 if self.best is None else self.best.angle

    @property
    def target(self) -> float:
        """Minimal angle at which to end, radians; infinite for none."""
        return math.inf if self.limits.target is None else self.limits.target

    @property
    def target_degrees(self) -> float:
        """The same in degrees."""
        return math.degrees(self.target)

    @property
    def starts_left(self) -> int | None:
        """Starts and moves that may still be proposed; None for no limit."""
        return None if self.limits.starts is None else max(0, self.limits.starts - self.planned_starts)

    @property
    def pending(self) -> int:
        """Tasks proposed whose outcomes are not taken in yet."""
        return self.planned - self.applied
