"""Check of outcomes that come back from other processes: they are measured before they are believed."""

from __future__ import annotations

import math

import numpy as np

from tammes.base import geometry
from tammes.base.errors import InvalidPointsError
from tammes.base.status import Status
from tammes.global_search.tasks import RELAXED, Found, Outcome, Task

__all__ = ["fault"]

_ENDS = {RELAXED, *(status.code for status in Status)}
_ANGLE = 1e-11  # radians: what other processors round otherwise


def fault(task: Task, outcome: object) -> str | None:
    """Return what is wrong with the outcome of a task, in words; None where nothing is.

    Cost: a measurement of every code in it, O(n^2 d).

    Args:
        task: the task.
        outcome: what came back for it.
    """
    if not isinstance(outcome, Outcome):
        return f"a {type(outcome).__name__} came back, no outcome"
    if outcome.index != task.index:
        return f"the outcome of task {outcome.index} came back"
    if not _is_count(outcome.tried, task.count):
        return f"{outcome.tried!r} starts are said to have been tried, of {task.count}"
    if not _is_size(outcome.evaluations):
        return f"the work done is said to be {outcome.evaluations!r}"
    ended: object = outcome.status
    if not isinstance(ended, Status):
        return f"the task is said to have ended as {ended!r}"
    codes: object = outcome.found
    if not isinstance(codes, tuple):
        return "the codes are no tuple"
    return next((reason for found in codes if (reason := _fault_of_code(task, found)) is not None), None)


def _fault_of_code(task: Task, found: object) -> str | None:
    """Return what is wrong with one code."""
    if not isinstance(found, Found) or not isinstance(found.points, np.ndarray):
        return "a code has no points"
    if found.points.shape != (task.n, task.d) or found.points.dtype != np.float64:
        return f"a code has points {found.points.dtype} {found.points.shape}"
    try:
        angle = geometry.min_angle(geometry.as_points(found.points))
    except InvalidPointsError as error:
        return f"a code is none: {error}"
    if not _is_size(found.angle) or abs(angle - found.angle) > _ANGLE:
        return f"a code of {math.degrees(angle):.9f} degrees is said to have {found.angle!r} radians"
    if not isinstance(found.status, str) or found.status not in _ENDS:
        return f"a polish is said to have ended as {found.status!r}"
    if repr(found.group) != repr(task.group):  # it may be anything, and is to be a name or None
        return f"a code is said to come from symmetry {found.group!r}, not {task.group!r}"
    return None


def _is_count(value: object, most: int) -> bool:
    """Return True for an integer from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_size(value: object) -> bool:
    """Return True for a finite float that is not negative."""
    return isinstance(value, float) and math.isfinite(value) and value >= 0.0
