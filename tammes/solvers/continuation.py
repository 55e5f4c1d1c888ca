"""Soft-min ladder: smooth stand-ins for the minimal angle, each steeper than the one before.

With D_ij the squared chord and m its minimum,

    f_p = (1/p) log sum_{i<j} (m / D_ij)^(p/2) - (1/2) log m

is a smooth bound on minus the logarithm of the smallest chord; it tends to it as p grows, and its
minimisers tend to local maxima of the minimal angle at a rate O(1/p). Every rung is minimised by
L-BFGS over a neighbour list: pairs whose weight is below 1e-16 do not count. The list carries a
skin and is made anew once a point has crossed a quarter of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from tammes import geometry
from tammes.geometry import Floats, Ints
from tammes.solvers.run import Budget, Progress, ProgressCallback, Status, silent

__all__ = ["Descended", "descend", "soft_min"]

_LOG_NEGLIGIBLE = 37.0  # -log(1e-16): a lighter pair changes no digit of the sum
_WIDEST = 3.0  # smallest chords: the reach of the neighbour list on the lowest rungs
_SKIN = 0.3  # smallest chords
_STATIONARY = 1e-11


@dataclass(frozen=True)
class Descended:
    """Points at the top of the ladder, and how the descent ended."""

    points: Floats
    status: Status
    evaluations: int


def soft_min(points: Floats, i: Ints, j: Ints, p: float) -> tuple[float, Floats]:
    """`f_p` over the listed pairs, and its gradient; scale-free, never overflows.

    Args:
        points: rows of any non-zero length, shape `(n, d)`; f_p depends on their directions alone.
        i: first index of every pair, shape `(m,)`.
        j: second index of every pair, shape `(m,)`.
        p: exponent of the rung, dimensionless.

    Returns:
        The value, and `(n, d)` its gradient with respect to `points`.
    """
    n, d = points.shape
    norm = np.sqrt(np.einsum("nd,nd->n", points, points))[:, None]
    unit = points / norm
    chord = unit[i] - unit[j]  # (m, d)
    chord_sq = np.einsum("md,md->m", chord, chord)
    smallest = float(chord_sq.min())
    if smallest == 0.0:
        return math.inf, np.zeros_like(points)
    weight = np.exp(-0.5 * p * np.log(chord_sq / smallest))
    total = float(weight.sum())
    value = math.log(total) / p - 0.5 * math.log(smallest)
    pull = (weight / (chord_sq * total))[:, None] * chord
    grad = np.empty((n, d))
    for k in range(d):
        grad[:, k] = np.bincount(j, pull[:, k], n) - np.bincount(i, pull[:, k], n)
    grad -= np.einsum("nd,nd->n", grad, unit)[:, None] * unit
    return value, grad / norm


def descend(
    points: Floats,
    *,
    first: float = 64.0,
    last: float = 16_384.0,
    iterations: int = 600,
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
) -> Descended:
    """Climb the ladder p = first, 2 first, ..., last from `points`.

    Args:
        points: unit rows, shape `(n, d)`. Not modified.
        first: exponent of the first rung; a high one stays near `points`.
        last: exponent of the last rung.
        iterations: L-BFGS iterations on each rung.
        budget: wall-clock limit; None for none.
        progress: called after every rung.

    Returns:
        Unit points. The minimal angle may be smaller than at the start: the caller compares.
    """
    rung = _Rung(points.copy(), budget)
    rungs = 1 + math.ceil(math.log2(last / first))
    status = Status.CONVERGED
    try:
        for step in range(rungs):
            rung.minimise(first * 2.0**step, iterations)
            progress(Progress("ladder", step + 1, rungs, rung.min_angle()))
            if budget is not None and budget.spent():
                status = Status.TIME_LIMIT
                break
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return Descended(rung.points, status, rung.evaluations)


class _Rung:
    """Points on the way up, and the count of evaluations."""

    def __init__(self, points: Floats, budget: Budget | None) -> None:
        self.points = points
        self.evaluations = 0
        self._budget = budget

    def min_angle(self) -> float:
        return float(geometry.nearest_neighbours(self.points)[0].min())

    def minimise(self, p: float, iterations: int) -> None:
        """L-BFGS on `f_p`, restarted whenever the neighbour list has worn out."""
        while iterations > 0:
            used, stationary = self._with_one_list(p, iterations)
            iterations -= max(1, used)
            if stationary or used < 2 or (self._budget is not None and self._budget.spent()):
                return

    def _with_one_list(self, p: float, iterations: int) -> tuple[int, bool]:
        """Iterations spent before the list wore out, and whether the gradient vanished."""
        smallest = 2.0 * math.sin(0.5 * self.min_angle())
        reach = smallest * (min(math.exp(_LOG_NEGLIGIBLE / p), _WIDEST) + _SKIN)
        i, j, _ = geometry.pairs_within(self.points, 2.0 * math.asin(min(1.0, 0.5 * reach)))
        start, used = self.points, 0

        def watch(intermediate_result: OptimizeResult) -> None:
            nonlocal used
            used += 1
            moved = np.abs(_unit(intermediate_result.x.reshape(start.shape)) - start).max()
            if moved > 0.25 * _SKIN * smallest or (self._budget is not None and self._budget.spent()):
                raise StopIteration

        def objective(flat: Floats) -> tuple[float, Floats]:
            value, grad = soft_min(flat.reshape(start.shape), i, j, p)
            return value, grad.ravel()

        result = minimize(
            objective,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=watch,
            options={"maxiter": iterations, "maxcor": 20, "ftol": 0.0, "gtol": 0.1 * _STATIONARY},
        )
        self.evaluations += int(result.nfev)
        self.points = _unit(np.asarray(result.x, dtype=np.float64).reshape(start.shape))
        return used, bool(np.abs(result.jac).max() < _STATIONARY)


def _unit(points: Floats) -> Floats:
    """Rows scaled to length 1."""
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))
