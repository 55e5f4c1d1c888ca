"""What every solver shares: how a run ends, how long it may take, whom it tells."""

from __future__ import annotations

import copy
import enum
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tammes.errors import InvalidParameterError

__all__ = ["Budget", "Progress", "ProgressCallback", "Status", "silent"]


class Status(enum.Enum):
    """Why a run ended; the sentence is what a user reads, with the remedy in it."""

    CLOSED_FORM = "closed-form", "The closed form is used; nothing was searched."
    BOUND = "bound-met", "A proven bound is met: no code is better."
    TARGET = "target-reached", "The target was reached."
    EXHAUSTED = (
        "exhausted",
        "Every kind of start and every symmetry that fits had its share, and the best code came again and again "
        "from several of them.",
    )
    STARTS = "starts-tried", "All starts that were asked for were tried; more may widen the angle."
    CONVERGED = "converged", "The gradient vanished to working precision."
    LEARNING_RATE_EXHAUSTED = (
        "learning-rate-exhausted",
        "The loss stagnated at the smallest learning rate.",
    )
    LOCAL_MAXIMUM = (
        "local-maximum",
        "A strict local maximum: every small displacement narrows the minimal angle, but for rotations and rattlers.",
    )
    FIRST_ORDER = (
        "first-order-maximum",
        "A local maximum to first order: the contacts balance, but leave some points free to move together.",
    )
    STALLED = (
        "stalled",
        "The polish stopped gaining before its contact equations closed: near a local maximum, "
        "not at one. Polish again from another start.",
    )
    STEP_LIMIT = "step-limit", "The step limit was reached; more steps may widen the angle."
    TIME_LIMIT = "time-limit", "The time limit was reached; more time may widen the angle."
    REPAIRED = (
        "repaired",
        "The ladder was climbed from every start that is due at this size, and the worst defects were repaired; "
        "more time may widen the angle.",
    )
    START = "start-returned", "The time limit left no time for one iteration: the start is returned as it was drawn."
    INTERRUPTED = "interrupted", "Interrupted; the best code so far was kept."
    WORKERS_LOST = "workers-lost", "The workers are lost; the best code so far was kept. The same command goes on."
    NON_FINITE = (
        "non-finite",
        "The loss became infinite or not a number; the best finite code was kept. Try float64, "
        "a smaller learning rate, or a smaller s.",
    )

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence


class Budget:
    """A wall-clock limit that starts when it is made.

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
        if seconds is not None and not (seconds > 0.0 and math.isfinite(seconds)):
            raise InvalidParameterError("time_limit", "a positive number of seconds", seconds)
        self._clock = clock
        self._stop = stop
        self._start = clock()
        self._end = math.inf if seconds is None else self._start + seconds

    def elapsed(self) -> float:
        """Seconds since the budget was made."""
        return self._clock() - self._start

    def part(self, fraction: float) -> Budget:
        """A budget of that part of what is left, from now; without a limit where this has none."""
        left = self.left()
        seconds = None if math.isinf(left) else max(fraction * left, 1e-9)
        return Budget(seconds, self._clock, self._stop)

    def until(self, reached: Callable[[], bool]) -> Budget:
        """The same limit, and a further reason to end."""
        limit = copy.copy(self)
        limit._stop = lambda: self._stop() or reached()
        return limit

    def left(self) -> float:
        """Seconds up to the limit, not below 0; infinite where there is none."""
        return max(0.0, self._end - self._clock())

    def spent(self) -> bool:
        """Whether the limit has passed, or something else says that it is over."""
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
    """The callback that tells nobody."""
