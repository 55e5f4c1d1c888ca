"""Delsarte's linear program in float64: the polynomial of the smallest bound on n for one cosine, not proved here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tammes.bounds.gegenbauer import derivative, values

__all__ = ["Program", "Solution"]

Floats = NDArray[np.float64]

_MAX_ROUNDS = 40  # of new constraints; ten are usual
_PATIENCE = 6  # rounds without progress before giving up
_SAMPLES = 16  # of f for each zero of P_K: dense enough to bracket every maximum
_RESCALE = 1e-3  # factor by which the violation falls before it becomes the new unit
_REACHES = (1e4, 1e2, 1.0)  # largest change of a weight in a round, in units times f(1); tried in this order


@dataclass(frozen=True)
class Solution:
    """The best polynomial found for one cosine t."""

    weights: Floats
    """f_0 = 1, f_1 ... f_K, shape `(K + 1,)`; none is negative."""
    slope: float
    """d log N / dt."""
    violation: float
    """The largest value of f on [-1, t], computed in float64; 0 if none is positive."""

    @property
    def least(self) -> float:
        """f(1), a lower bound on N(t), since f satisfies only some of the constraints."""
        return float(self.weights.sum())

    @property
    def points(self) -> float:
        """`(f(1) - v) / (1 - v)` with v the violation, an upper bound on N(t) if v is right; infinite for v >= 1."""
        v = self.violation
        return (self.least - v) / (1.0 - v) if v < 1.0 else math.inf


class Program:
    """Delsarte's program for one dimension and degree K: `N(t) = min f(1)`, f_0 = 1, f_k >= 0, f <= 0 on [-1, t].

    The constraint f <= 0 is imposed at the points of a grid, then also where f has a positive maximum and half-way
    from there to the adjacent grid points; each round divides the violation by about 16. From round to round the
    program is solved for the correction to the last polynomial, in units of its violation, so that the tolerances of
    HiGHS and the digits of float64 are relative to the remaining error. Corrections are limited in size; where f is
    far from unique, at sharp codes above all, HiGHS may need a smaller limit.

    Args:
        d: dimension of the space, at least 2.
        degree: K, at least 1.
    """

    def __init__(self, d: int, degree: int) -> None:
        self.d = d
        self.degree = degree

    def solve(self, t: float, accuracy: float = 0.0) -> Solution | None:
        """Return the polynomial of the smallest f(1); None if there is none, or HiGHS finds none.

        Args:
            t: end of the interval, -1 < t < 1.
            accuracy: a violation that is small enough; by default the smallest that float64 allows.
        """
        best = None
        for reach in _REACHES:
            for solution in self._rounds(t, reach):
                if best is None or solution.points < best.points:
                    best = solution
                # float64 resolves no less than 1e-15 f(1).
                if solution.violation <= max(accuracy, 1e-15 * best.points, 1e-13):
                    return best
            if best is None or best.violation <= max(1e-11, 1e-14 * best.points):
                return best
        return best

    def _rounds(self, t: float, reach: float) -> Iterator[Solution]:
        """Yield better and better polynomials, as long as there is progress."""
        theta = math.acos(t)
        length = math.pi - theta
        angles = theta + length * np.linspace(0.0, 1.0, _SAMPLES * self.degree + 1)
        table = values(_cosines(angles, t), self.degree, self.d)  # (K + 1, 16 K + 1)
        # Columns are scaled to similar size: in high dimensions they differ by many orders of magnitude.
        scale = 1.0 / np.sqrt(np.mean(table[1:] ** 2, axis=1))
        # Denser towards both ends, as the zeros of f are.
        grid = 0.5 * (1.0 - np.cos(np.linspace(0.0, math.pi, 3 * self.degree + 1)))
        cuts = theta + length * grid
        base = np.eye(1, self.degree + 1)[0]  # f = 1 at first
        unit = 1.0
        least = math.inf
        stalled = 0
        for _ in range(_MAX_ROUNDS):
            x = _cosines(cuts, t)
            found = self._relaxed(x, scale, base, unit, reach)
            if found is None:
                return
            weights, multiplier = found
            peaks = self._peaks(weights, angles, weights @ table)
            heights = weights @ values(np.cos(peaks), self.degree, self.d)
            violation = float(heights.max(initial=0.0))
            slope = multiplier * float(self._derivatives(weights, x[:1])[0][0])
            yield Solution(weights, slope / float(weights.sum()), violation)
            stalled = stalled + 1 if violation > 0.7 * least else 0
            if violation == 0.0 or stalled == _PATIENCE:
                return
            cuts = _with_cuts(cuts, peaks[heights > 0.0])
            least = min(least, violation)
            if violation < _RESCALE * unit:
                base = weights
                unit = violation

    def _relaxed(
        self, x: Floats, scale: Floats, base: Floats, unit: float, reach: float
    ) -> tuple[Floats, float] | None:
        """Return the weights of the best polynomial with f <= 0 at the points x only, and the multiplier of x[0]."""
        from scipy.optimize import linprog

        table = values(x, self.degree, self.d)  # (K + 1, len(x))
        rows = table[1:].T * scale
        size = 1.0 / np.abs(rows).max(axis=1)
        room = -(base @ table) / unit * size  # what the correction may add to f at the points
        least = -base[1:] / (unit * scale)  # of each correction, so that the weight stays nonnegative
        reach *= float(base.sum())
        for box in (reach, 1e2 * reach, 1e4 * reach) if unit < 1.0 else (math.inf,):  # no limit in the first round
            solved = linprog(
                scale,
                A_ub=rows * size[:, None],
                b_ub=np.minimum(room, 1e2 * box),
                bounds=[(bound, box) for bound in np.maximum(least, -box).tolist()],
                method="highs-ds",
                options={"primal_feasibility_tolerance": 1e-7, "dual_feasibility_tolerance": 1e-7},
            )
            if solved.status == 0 and solved.x is not None:
                change = np.asarray(solved.x)
                break
        else:
            return None
        weights = base.copy()
        weights[1:] = np.maximum(base[1:] + unit * scale * change, 0.0)
        marginals = np.asarray(solved.ineqlin.marginals)
        return weights, -float(marginals[0] * size[0])

    def _peaks(self, weights: Floats, fine: Floats, sampled: Floats) -> Floats:
        """Return the angles of the inner local maxima of f: bracketed by samples, then by Newton's method."""
        rising = sampled[1:-1] >= sampled[:-2]
        at = np.flatnonzero(rising & (sampled[1:-1] > sampled[2:])) + 1
        angles, low, high = fine[at], fine[at - 1], fine[at + 1]
        for _ in range(4):
            x, sine = np.cos(angles), np.sin(angles)
            first, second = self._derivatives(weights, x)
            bend = second * sine**2 - first * x
            step = np.divide(first * sine, bend, out=np.zeros_like(bend), where=bend < 0.0)
            angles = np.clip(angles + step, low, high)
        return np.asarray(angles)

    def _derivatives(self, weights: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return f' and f'' with respect to x."""
        once = derivative(weights, self.d)
        twice = derivative(once, self.d + 2)
        first = once @ values(x, self.degree - 1, self.d + 2)
        second = twice @ values(x, self.degree - 2, self.d + 4) if len(twice) else np.zeros_like(x)
        return np.asarray(first), np.asarray(second)


def _cosines(angles: Floats, t: float) -> Floats:
    """Return the cosines of angles that run from arccos t to pi, with exact ends."""
    x = np.cos(angles)
    x[0], x[-1] = t, -1.0
    return x


def _with_cuts(cuts: Floats, peaks: Floats) -> Floats:
    """Return the grid, ascending, with the peaks and the midpoints from each peak to the adjacent grid points."""
    after = np.clip(np.searchsorted(cuts, peaks), 1, len(cuts) - 1)
    left, right = 0.5 * (cuts[after - 1] + peaks), 0.5 * (peaks + cuts[after])
    return np.asarray(np.unique(np.concatenate([cuts, left, peaks, right])))
