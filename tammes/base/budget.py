"""Time limits of a run, and the progress that it reports."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tammes.base.validation import check_duration

__all__ = ["Budget", "Progress", "ProgressCallback", "silent"]


class Budget:
    """A limit of elapsed time that starts when it is made; the clock is monotonic.

    Args:
        seconds: None for no limit; otherwise positive.
        clock: monotonic seconds; tests pass their own.
        stop: a second reason to end; asked whenever the clock is.
    """

    def __init__(
        self,
        seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        if seconds is not None:
            seconds = check_duration("time_limit", seconds)
        self._clock = clock
        self._stop = stop
        self._start = clock()
        self._end = math.inf if seconds is None else self._start + seconds

    def elapsed(self) -> float:
        """Return the seconds since the budget was made."""
        return self._clock() - self._start

    def part(self, fraction: float) -> Budget:
        """Return a budget of that fraction of the time left, from now on; without a limit where this has none."""
        left = self.left()
        seconds = None if math.isinf(left) else max(fraction * left, 1e-9)
        return Budget(seconds, self._clock, self._stop)

    def until(self, reached: Callable[[], bool]) -> Budget:
        """Return a budget with the same limit and a further reason to end."""
        limit = copy.copy(self)
        limit._stop = lambda: self._stop() or reached()
        return limit

    def left(self) -> float:
        """Return the seconds up to the limit, not below 0; infinite where there is none."""
        return max(0.0, self._end - self._clock())

    def overdue(self) -> float:
        """Seconds since the limit; 0 before it, and where there is none."""
        return max(0.0, self._clock() - self._end)

    def spent(self) -> bool:
        """Return True if the limit has passed, or there is another reason to end."""
        return self._clock() >= self._end or self._stop()


@dataclass(frozen=True)
class Progress:
    """One report of a running solver."""

    phase: str
    step: int
    total: int
    min_angle: float
    """Best measured angle so far, radians."""
    detail: dict[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Ignore a report: the callback of a run without progress."""
