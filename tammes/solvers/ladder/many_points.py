"""The soft-min ladder for many points: neighbour lists, a smooth end of the forces, whole symmetric orbits.

`tensor_forces` says what f_p is, `compiled_lists` how its far pairs fade. The ladder begins at
p = 2: so low an exponent, cut off smoothly, moves points over many spacings and grows crystals; the high
ones then pull the smallest chords apart. The cost of an evaluation is O(n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats, normalize_rows
from tammes.base.status import Status
from tammes.bounds.best import upper_bound
from tammes.solvers.ladder import cell_lists as cells
from tammes.solvers.ladder import compiled_lbfgs as lbfgs
from tammes.solvers.ladder import compiled_lists
from tammes.solvers.ladder.cutoffs import skin, truncation
from tammes.solvers.ladder.exponents import part_of_first
from tammes.solvers.local_solver import Descent

__all__ = ["EXPONENTS", "MEMORY", "Images", "ManyPointsLadder", "forces", "pressed"]

EXPONENTS = tuple(2.0**k for k in range(1, 15))
"""The whole ladder, 2 to 16,384."""

MEMORY = 8
"""Pairs of L-BFGS."""

_LONGEST = 0.15  # chord bounds that a point may go in one step
_SEGMENT = 50  # iterations after which the points are sorted anew, and the memory of L-BFGS is emptied
_CALL = 1_000_000  # points times iterations in one call of compiled code: a fraction of a second


@dataclass(frozen=True)
class Images:
    """Images of m free points: point m + k is `transforms[k] @ points[representative[k]]`."""

    representative: NDArray[np.int32]
    """Shape `(n - m,)`."""
    transforms: Floats
    """Orthogonal, shape `(n - m, d, d)`."""
    projectors: Floats | None = None
    """Projections onto the subspaces in which the last k of the free points stay, `(k, d, d)`; None for none."""

    def restored(self, points: Floats) -> Floats:
        """Return the points with the symmetry restored to rounding.

        A point on an axis of symmetry feels no force off it, but where the axis is a ridge, rounding grows.

        Args:
            points: unit rows, shape `(n, d)`. Not modified.
        """
        free = np.array(points[: len(points) - len(self.representative)])
        if self.projectors is None or not len(self.projectors):
            return points
        special = np.einsum("kab,kb->ka", self.projectors, free[len(free) - len(self.projectors) :])
        free[len(free) - len(special) :] = normalize_rows(special)
        return np.concatenate([free, np.einsum("kab,kb->ka", self.transforms, free[self.representative])])

    def sizes(self, free: int) -> Floats:
        """Return how many points each free one stands for, itself included, shape `(free,)`."""
        return np.asarray(1.0 + np.bincount(self.representative, minlength=free), dtype=np.float64)


@dataclass(frozen=True)
class ManyPointsLadder:
    """The soft-min ladder as a local solver for many points: compiled, over neighbour lists, O(n) an evaluation.

    Args:
        exponents: p of the rungs, powers of two of at least 2.
        iterations: L-BFGS iterations on each rung.
        gradient_tol: longest gradient row times the smallest chord, times n, at which a rung ends.
        chord_bound: a length that no smallest chord exceeds; None for that of the smallest closed bound.
        threads: of the compiled loops; their number changes no bit of the result.
    """

    exponents: tuple[float, ...] = EXPONENTS
    iterations: int = 100
    gradient_tol: float = 0.02
    chord_bound: float | None = None
    threads: int = 1

    def run(
        self,
        starts: Floats,
        *,
        orbits: Images | None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Climb the ladder from one start of 3 to 8 dimensions; see `LocalSolver.run`.

        Args:
            starts: unit rows, shape `(1, n, d)`, the free points first. Not modified.
            orbits: which points follow others; None where all are free.
            bar: not used.
            budget: shared out among the rungs; None for no limit. Without time for one iteration, the start is
                returned with no evaluations.
            progress: called several times a minute.
        """
        (points,) = starts
        if budget is not None and budget.spent():  # not even time for lists
            return Descent(np.array(points)[None], Status.TIME_LIMIT)
        bound = self.chord_bound
        if bound is None:
            bound = 2.0 * math.sin(0.5 * upper_bound(*points.shape).angle)
        run = _Run(self, np.array(points, dtype=np.float64), bound, orbits, progress)
        status = Status.STEP_LIMIT  # the last digits are not sought: rungs end after a number of iterations
        try:
            for k in range(len(self.exponents)):
                if not run.climb(k, budget, part_of_first(budget, self.exponents[k:])):
                    status = Status.TIME_LIMIT
                    break
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        angles = np.array([2.0 * math.asin(min(1.0, 0.5 * run.chord))]) if run.evaluations else None
        return Descent(run.rows[None], status, run.evaluations, angles=angles)


class _Run:
    """A climb under way."""

    def __init__(
        self,
        ladder: ManyPointsLadder,
        rows: Floats,
        chord_bound: float,
        images: Images | None,
        progress: ProgressCallback,
    ) -> None:
        self.ladder = ladder
        self.rows = rows
        self.chord_bound = chord_bound
        self.images = images
        self.progress = progress
        self.evaluations = 0
        self.chord = 0.0
        """Smallest chord of the points, as the loops measured it; 0 where no iteration was done."""

    def climb(self, k: int, budget: Budget | None, part: Budget | None) -> bool:
        """Climb one rung in segments, for no longer than its part of the budget; False if the whole budget is spent."""
        ladder, images, n = self.ladder, self.images, len(self.rows)
        free = n if images is None else n - len(images.representative)
        done, ended = 0, False
        while done < ladder.iterations and not ended:
            if images is not None:
                self.rows = images.restored(self.rows)
            # Sorted anew for every segment: neighbours come near each other in memory.
            order = np.arange(n) if images is not None else cells.curve_order(np.ascontiguousarray(self.rows.T))
            rung = _Rung(np.ascontiguousarray(self.rows[order].T), ladder.exponents[k], self.chord_bound, images)
            length = min(_SEGMENT, ladder.iterations - done)
            try:
                while rung.done < length and not ended:
                    with cells.threads(ladder.threads):
                        converged = rung.iterate(
                            min(max(1, _CALL // free), length - rung.done), ladder.gradient_tol / n
                        )
                    self.evaluations, self.chord = self.evaluations + rung.fresh_evaluations(), rung.chord
                    ended = converged or (part is not None and part.spent())
                    self._report(k, min(ladder.iterations, done + rung.done))
                    if budget is not None and budget.spent():
                        return False
            finally:
                self.rows[order] = rung.x.T
                if images is not None:
                    self.rows = images.restored(self.rows)
            done += length
        return True

    def _report(self, k: int, iterations: int) -> None:
        """Report the state after some iterations on the k-th rung."""
        exponents, most = self.ladder.exponents, self.ladder.iterations
        detail = {"p": exponents[k], "chord_over_bound": self.chord / self.chord_bound}
        angle = 2.0 * math.asin(min(1.0, 0.5 * self.chord))
        self.progress(Progress("ladder", k * most + iterations, len(exponents) * most, angle, detail))


class _Rung:
    """One segment of one rung: L-BFGS from given points at one exponent."""

    def __init__(self, x: Floats, p: float, chord_bound: float, images: Images | None) -> None:
        d, n = x.shape
        m = n if images is None else n - len(images.representative)
        self.x, self.p, self.chord_bound, self.free = x, p, chord_bound, m
        self.squarings = round(math.log2(p)) - 1
        self.fade, self.end = (chord_bound * length for length in truncation(p, d))
        self.skin = skin(p, d) * chord_bound
        self.representative = np.empty(0, np.int32) if images is None else images.representative
        self.transforms = np.empty((0, d, d)) if images is None else images.transforms
        self.points = lbfgs.Points(
            x=x,
            trial=np.empty((d, n)),
            gradient=np.empty((d, m)),
            trial_gradient=np.empty((d, m)),
            direction=np.empty((d, m)),
            anchor=np.empty((d, m)),
            sizes=np.ones(m) if images is None else images.sizes(m),
        )
        self.memory = lbfgs.Memory(
            steps=np.empty((MEMORY, d, m)),
            changes=np.empty((MEMORY, d, m)),
            steps_changes=np.empty((MEMORY, MEMORY)),
            changes_changes=np.empty((MEMORY, MEMORY)),
            along=np.empty((2, MEMORY)),
            weights=np.empty(2 * MEMORY + 1),
        )
        self.states = np.zeros(1, lbfgs.STATE)
        self.lists: compiled_lists.Lists | None = None

    def near_pairs(self) -> compiled_lists.Lists:
        """Return the neighbour lists; made where there are none."""
        if self.lists is None:
            first, neighbours = cells.neighbours_within(self.x, self.end + self.skin, self.free)
            self.points.anchor[:] = self.x[:, : self.free]
            self.lists = compiled_lists.Lists(
                first=first,
                neighbours=neighbours,
                widest=int(np.diff(first).max()),
                squarings=self.squarings,
                fade_sq=self.fade**2,
                end_sq=self.end**2,
                representative=self.representative,
                transforms=self.transforms,
            )
        return self.lists

    def evaluate(self, scale: float, squarings: int | None = None) -> tuple[float, float]:
        """Return the sum of the weights and the smallest squared chord.

        The gradient times the sum is in `points.trial_gradient`.
        """
        lists = self.near_pairs()
        found: tuple[float, float] = compiled_lists.evaluate(
            self.x, self.points.trial_gradient, self.points.sizes, lists.first, lists.neighbours,
            self.squarings if squarings is None else squarings, scale, lists.fade_sq, lists.end_sq, lists.widest,
        )  # fmt: skip
        return found

    def iterate(self, iterations: int, gradient_tol: float) -> bool:
        """Do some more iterations, fewer where the lists are too old; return True where nothing is left to gain."""
        if not self.states["known"][0]:
            self.states["least"] = self.evaluate(1.0, -1)[1]
        settings = lbfgs.Settings(
            loops=lbfgs.AllThreads(),
            p=self.p,
            chord_bound=self.chord_bound,
            longest_step=_LONGEST,
            gradient_tol=gradient_tol,
            window=0,
            margin=self.skin,
        )
        ended = lbfgs.iterate(
            self.near_pairs(), self.points, self.memory, settings, self.states, self.done + iterations
        )
        if ended == lbfgs.STALE:
            self.lists = None
        return bool(ended == lbfgs.CONVERGED)

    @property
    def done(self) -> int:
        """Iterations done."""
        return int(self.states["iterations"][0])

    @property
    def chord(self) -> float:
        """Smallest chord of the points."""
        return math.sqrt(self.states["least"][0])

    def fresh_evaluations(self) -> int:
        """Return the evaluations since this was asked last."""
        count, self.states["evaluations"] = int(self.states["evaluations"][0]), 0
        return count


def forces(points: Floats, p: float, *, chord_bound: float) -> tuple[float, Floats]:
    """Return f_p of unit rows `(n, d)`, with its far pairs faded, and its tangent gradient, `(n, d)`."""
    rung = _Rung(np.ascontiguousarray(points.T), p, chord_bound, None)
    _, least = rung.evaluate(chord_bound**2)
    total, _ = rung.evaluate(least)
    value = math.log(total) / p - 0.5 * math.log(least)
    return value, np.ascontiguousarray(rung.points.trial_gradient.T) / total


def pressed(points: Floats, p: float, *, chord_bound: float) -> Floats:
    """Return the pressure of each point: its part of the sum of weights at the exponent p, `(n,)`, of sum 1."""
    rung = _Rung(np.ascontiguousarray(points.T), p, chord_bound, None)
    _, least = rung.evaluate(chord_bound**2)
    out = np.empty(len(points))
    lists = rung.near_pairs()
    compiled_lists.loads(rung.x, rung.points.sizes, lists.first, lists.neighbours, rung.squarings, least, out)
    return np.asarray(out / out.sum())
