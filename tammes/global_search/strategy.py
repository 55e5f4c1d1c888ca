"""The interface of strategies: what a search tries next."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.global_search.problem import Problem
from tammes.global_search.state import SearchState
from tammes.global_search.tasks import Outcome, Task

__all__ = ["Report", "Strategy"]


@dataclass(frozen=True)
class Report:
    """A strategy's part of the result's record, JSON-ready."""

    method: tuple[str, ...]
    """Names of the methods used, in the order of the phases."""
    phases: tuple[dict[str, Any], ...]
    settings: dict[str, Any] = field(default_factory=dict)
    before_polish: float | None = None
    """Measured minimal angle before the last climb, radians, where there was one."""
    history: dict[str, list[float | None]] = field(default_factory=dict)


class Strategy(abc.ABC):
    """What to try next. Deterministic, serialisable, and without a clock.

    What is proposed depends on the problem and on the outcomes taken in so far alone, so that the same seed and the
    same number of starts give the same codes with any number of workers.
    """

    name: ClassVar[str]
    """Of the strategy in saved states."""
    problem: Problem
    stops_at_bound: bool = True
    """False where the end of the local solver is what is asked for."""

    @property
    def identity(self) -> dict[str, Any]:
        """Settings in which a saved state must agree, JSON-ready."""
        return {}

    @abc.abstractmethod
    def propose(self, state: SearchState) -> Task | None:
        """Return the next task; None if there is none before further outcomes are taken in, or at all.

        The task has the index `state.planned`.
        """

    @abc.abstractmethod
    def update(self, state: SearchState, task: Task, outcome: Outcome) -> None:
        """Take an outcome in, in the order of the tasks: its codes into `state.pool`, what else it tells into self.

        An outcome that was cut short by the end of the search has the status `TIME_LIMIT` or `INTERRUPTED`: the
        work counts as not done.
        """

    def finished(self, state: SearchState) -> Status | None:
        """Return why the search should end by the strategy's own reasons; None if it should go on."""
        return None

    def closing(self, state: SearchState) -> Task | None:
        """Return a last task after the target was reached; None for none."""
        return None

    @abc.abstractmethod
    def report(self, state: SearchState, status: Status) -> Report:
        """Return the record of what was done."""

    @abc.abstractmethod
    def to_dict(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Return JSON-ready values and arrays from which `restore` goes on."""

    @abc.abstractmethod
    def restore(self, values: dict[str, Any], arrays: dict[str, Floats], state: SearchState) -> None:
        """Take up what `to_dict` returned.

        Raises:
            ValueError, KeyError, TypeError: if the values are not of this strategy and problem.
        """
