"""The most points whose angles are all at least a given one: sizes searched one after the other.

Each size is searched with the angle as its target: first the largest that bounds allow, since the most remarkable codes
are there, then the largest with a known value, then the size that follows from the angle of the last one, as angles
scale with n^(-1/(d-1)). The time that is left goes to the smallest size that was not reached. A met bound ends it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from tammes.base.errors import InvalidParameterError, WorkersLostError
from tammes.base.status import Status
from tammes.base.validation import check_number, check_size
from tammes.constructions.closed_forms import closed_form
from tammes.global_search.api import search, solve
from tammes.global_search.executors.opening import open_executor
from tammes.storage import tables
from tammes.storage.result import Result

__all__ = ["Packing", "Probe", "largest_size", "pack"]

_SLACK = 1e-10  # degrees: an angle that was printed with its last digits rounded up is still reached
_SHARE = 0.3  # of the time that is left, a probe
_LEAST_SECONDS = 1.0
_MOST = 10**6  # points that are searched


@dataclass(frozen=True)
class Probe:
    """One size that was tried."""

    n: int
    degrees: float
    """Measured minimal angle of the best code found."""
    reached: bool


@dataclass(frozen=True)
class Packing:
    """The most points found at an angle."""

    result: Result
    """The code with the most points that keeps the angle."""
    degrees: float
    """The angle asked for."""
    limit: int
    """No more points than this can keep it."""
    limit_name: str
    """The bound that says so."""
    probes: tuple[Probe, ...]
    """Sizes tried, in order."""
    status: Status
    """How the last probe ended; that of the result where there was none."""
    lost: str = ""
    """Why the workers were lost, if they were."""

    @property
    def n(self) -> int:
        """Points that keep the angle."""
        return self.result.code.n

    @property
    def optimal(self) -> bool:
        """True if no more points can keep the angle."""
        return self.n == self.limit

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "n": self.n,
            "d": self.result.code.d,
            "angle_degrees": self.degrees,
            "most_possible": self.limit,
            "bound": self.limit_name,
            "optimal": self.optimal,
            "probes": [{"n": probe.n, "degrees": probe.degrees, "reached": probe.reached} for probe in self.probes],
            "result": self.result.to_dict(),
        }


def largest_size(degrees: float, d: int) -> tuple[int, str]:
    """Return the most points that the bounds allow at an angle, and the name of the bound that forbids one more.

    Raises:
        InvalidParameterError: unless the angle lies in (0, 180] and allows at most a million points.
    """
    _, d = check_size(2, d)
    degrees = check_number("angle", degrees, "degrees above 0 and at most 180", above=0.0, most=180.0)

    def allowed(n: int) -> bool:
        return tables.upper_bound(n, d).degrees >= degrees - _SLACK

    low, high = 2, 4
    while allowed(high):
        low, high = high, 2 * high
        if low > _MOST:
            raise InvalidParameterError("angle", f"so wide that at most {_MOST} points can keep it in d = {d}", degrees)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return low, tables.upper_bound(high, d).name


def pack(
    d: int,
    degrees: float,
    *,
    time_limit: float = 60.0,
    workers: int | None = None,
    executor: Executor | None = None,
    scheduler: str | None = None,
    show: Callable[[Probe, int], None] = lambda *_: None,
    **settings: Any,
) -> Packing:
    """Search for the most points whose angles are all at least `degrees`.

    Args:
        d: dimension.
        degrees: the angle to keep.
        time_limit: seconds, of the whole.
        workers: processes; all cores by default.
        executor: what does the work instead, as in `search`.
        scheduler: address of a Dask scheduler, likewise.
        show: called with every probe and the most points that bounds allow.
        settings: of every `search`: seed, symmetry, archive, resume.

    Returns:
        The best code found, and what is possible. Ctrl-C returns what was found so far, and so do lost workers,
        with that status.

    Raises:
        InvalidParameterError: as `largest_size`.
        WorkersLostError: if the workers are lost before anything is found.
    """
    limit, name = largest_size(degrees, d)
    began = time.monotonic()
    probes: list[Probe] = []
    lost = ""
    low = _closed(degrees, d, limit)
    best = solve(low, d)
    status = best.status
    high = limit + 1  # the first size that was not reached, or is not possible
    n = limit
    with open_executor(workers, executor=executor, scheduler=scheduler) as pool:
        while low < limit:
            left = time_limit - (time.monotonic() - began)
            if left <= 0.0:
                break
            last = high == low + 1  # of the sizes not reached, the smallest: it gets what is left
            n = high if last else n
            seconds = left if last else max(_LEAST_SECONDS, _SHARE * left)
            try:
                result = search(n, d, target=degrees - _SLACK, time_limit=seconds, pool=pool, **settings)
            except KeyboardInterrupt:  # before anything of this size was found
                if not probes:
                    raise
                status = Status.INTERRUPTED
                break
            except WorkersLostError as error:
                if not probes:
                    raise
                status, lost = Status.WORKERS_LOST, str(error)
                break
            status = result.status
            if status is Status.WORKERS_LOST:
                lost = str(result.phases[-1].get("lost", status.sentence))
            angle = result.code.min_angle_degrees
            probes.append(Probe(n, angle, angle >= degrees - _SLACK))
            show(probes[-1], limit)
            if probes[-1].reached:
                low, best = n, result
                high = max(high, n + 1)
            else:
                high = n
            if status in (Status.INTERRUPTED, Status.WORKERS_LOST) or (last and not probes[-1].reached):
                break
            guess = _largest_known(degrees, d) if len(probes) == 1 else int(n * (angle / degrees) ** (d - 1))
            n = min(max(guess, low + 1), max(high - 1, low + 1))
    return Packing(best, degrees, limit, name, tuple(probes), status, lost)


def _largest_known(degrees: float, d: int) -> int:
    """Return the largest size with a stored value that keeps the angle; 0 if there is none."""
    stored = (n for n, _ in tables.sizes(d) if tables.best_known(n, d).angle_degrees >= degrees - 1e-6)
    return max(stored, default=0)


def _closed(degrees: float, d: int, limit: int) -> int:
    """Return the most points of a closed form that keep the angle: simplex, orthoplex, polygon."""
    most = 2
    for n in range(2, min(limit, 2 * d if d > 2 else limit) + 1):
        form = closed_form(n, d)
        if form is not None and math.degrees(form.angle) >= degrees - _SLACK:
            most = n
    return most
