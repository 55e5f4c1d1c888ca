"""Soft-min ladder: smooth stand-ins for the minimal angle, each steeper than the one before.

With D_ij the squared chord and m its minimum,

    f_p = (1/p) log sum_{i<j} (m / D_ij)^(p/2) - (1/2) log m

is a smooth bound on minus the logarithm of the smallest chord; it tends to it as p grows, and its
minimisers tend to local maxima of the minimal angle at a rate O(1/p). This is the realisation in
tensors, on any device: all pairs of all starts at once, or, with the forces of `tensor_lists`, the near pairs of
one start of many points. `compiled` and `many_points` are the other one, on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats, normalize_rows
from tammes.base.status import Status
from tammes.base.torch_geometry import few_threads, row_lengths
from tammes.bounds.best import upper_bound
from tammes.solvers import device_memory
from tammes.solvers.ladder.exponents import ladder, part_of_first
from tammes.solvers.ladder.tensor_forces import All, Evaluate, tile
from tammes.solvers.ladder.tensor_lbfgs import LBFGS, Steps
from tammes.solvers.local_solver import Descent

__all__ = ["Descended", "TensorLadder", "descend", "soft_min"]

_SMALLEST_TILE = 1 << 12  # pairs at once: below, memory is short for the points themselves


@dataclass(frozen=True)
class Descended:
    """Points at the top of the ladder, one entry a start, and how the descent ended."""

    points: Floats
    """Unit rows, float64, shape `(B, n, d)`."""
    predicted: Floats
    """The largest cosine that a polish should reach, right to O(1/p^2) at a minimum of f_p, `(B,)`."""
    chords: Floats
    """Smallest chords of the points, `(B,)`."""
    status: Status
    evaluations: int
    """Of f_p and its gradient, over all starts."""
    steps: int
    """L-BFGS iterations, over all starts."""


@torch.no_grad()
def soft_min(points: Tensor, p: float, *, fused: bool | None = None) -> tuple[Tensor, Tensor]:
    """`f_p` and its gradient along the sphere; scale-free, never overflows. O(n^2 d) time, memory in blocks.

    Args:
        points: unit rows, float64, shape `(B, n, d)`.
        p: exponent of the rung, dimensionless; powers of two cost least.
        fused: as one kernel, or not; None for what is faster on CUDA, and not on a CPU.

    Returns:
        `(B,)` values, infinite where two rows coincide, and `(B, n, d)` gradients, zero there.
    """
    found = All(fused=fused)(points, p)
    return found.value, found.grad


@torch.no_grad()
def descend(
    points: Floats,
    *,
    exponents: Sequence[float] = ladder(4.0, 1024.0),
    iterations: int = 150,
    device: str | torch.device = "cpu",
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
    gradient_tol: float = 1e-5,
    forces: Evaluate | None = None,
    time_shared: bool = False,
) -> Descended:
    """Climb the ladder from every start.

    Args:
        points: rows of any non-zero length, shape `(B, n, d)`, or `(n, d)` for one start. Not modified.
        exponents: p of every rung; a high first one stays near `points`.
        iterations: L-BFGS iterations on each rung.
        device: where the tensors live.
        budget: wall-clock limit; None for none.
        progress: called after every rung, and now and then on it.
        gradient_tol: largest gradient row times the smallest chord at which a rung ends.
        forces: of f_p; all pairs by default.
        time_shared: give every rung a part of the budget, so that the last is reached.

    Returns:
        Unit points. The minimal angle may be smaller than at the start: the caller compares. A
        start with coinciding or non-finite rows stays as it is. Ctrl-C returns what there is.
    """
    rows = torch.tensor(points, dtype=torch.float64, device=device).reshape(-1, *points.shape[-2:])
    climb = LBFGS(rows / row_lengths(rows), All() if forces is None else forces)
    n, d = rows.shape[1:]
    area = 2.0 * math.pi ** (0.5 * d) / math.gamma(0.5 * d)
    spacing = min(2.0, (area / n) ** (1.0 / (d - 1)))  # of evenly spread points
    status, p = Status.CONVERGED, exponents[0]
    try:
        with few_threads(climb.points[:, :1]):  # tiles on a CPU are too small for several, whatever the number of rows
            for rung, p in enumerate(exponents, start=1):

                def report(chord: float, rung: int = rung) -> None:
                    progress(Progress("ladder", rung, len(exponents), 2.0 * math.asin(min(1.0, 0.5 * chord))))

                share = part_of_first(budget, exponents[rung - 1 :]) if time_shared else budget
                steps = Steps(
                    first=0.1 * spacing / max(1.0, p / 16.0),
                    longest=0.3 * spacing,
                    gradient_tol=gradient_tol,
                    least_gain=1e-4 * gradient_tol / p,
                )
                climb.minimise(p, iterations, steps, share, report)
                report(math.sqrt(climb.forces(climb.points, p).least.max().item()))
                if budget is not None and budget.spent():
                    status = Status.TIME_LIMIT
                    break
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
        climb.write_back()
    with few_threads(climb.points[:, :1]):
        last = climb.forces(climb.points, p)
    return Descended(
        climb.points.cpu().numpy(),
        last.predicted.cpu().numpy(),
        last.least.sqrt().cpu().numpy(),
        status,
        climb.evaluations,
        int(climb.steps),
    )


@dataclass(frozen=True)
class TensorLadder:
    """The soft-min ladder as a local solver in tensors, on any device.

    Args:
        exponents: p of the rungs.
        iterations: L-BFGS iterations on each rung.
        gradient_tol: largest gradient row times the smallest chord at which a rung ends.
        device: "cpu", "cuda" or "cuda:N".
        fused: forces as one compiled kernel or not; None for what is faster on CUDA, and not on a CPU.
        lists: neighbour lists, for one start of many points in few dimensions, instead of all pairs.
        time_shared: every rung has a part of a time limit, so that the last one is reached.
    """

    exponents: tuple[float, ...] = ladder(4.0, 1024.0)
    iterations: int = 150
    gradient_tol: float = 1e-5
    device: str = "cpu"
    fused: bool | None = None
    lists: bool = False
    time_shared: bool = False

    def run(
        self,
        starts: Floats,
        *,
        orbits: None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Climb the ladder from every start; see `LocalSolver.run`.

        What does not fit the device's memory at once is done in parts, so that memory does not change the result.

        Args:
            starts: rows of any non-zero length, shape `(B, n, d)`. Not modified.
            orbits: must be None.
            bar: not used.
            budget: asked at every iteration; None for no limit.
            progress: called after every rung, and at times within it.

        Raises:
            InvalidParameterError: if not even one start fits.
        """
        rows = np.asarray(starts, dtype=np.float64)
        n, d = rows.shape[1:]
        made: list[Descended] = []
        done = 0
        if self.lists:
            climb, size, least = self._over_lists, tile(torch.device(self.device), d), _SMALLEST_TILE
        else:
            climb, size, least = self._over_pairs, len(rows), 1
        while done < len(rows):
            part = rows[done:]

            def attempt(size: int, part: Floats = part) -> Descended:
                return climb(part, size, budget, progress)

            climbed, size = device_memory.halving(attempt, size, min(least, size), n=n, d=d)
            made.append(climbed)
            done += len(climbed.points)
            if climbed.status is Status.INTERRUPTED:
                break
        steps = sum(each.steps for each in made)
        left = normalize_rows(rows[done:])
        chords = np.concatenate([each.chords for each in made])
        return Descent(
            np.concatenate([*(each.points for each in made), left]),
            made[-1].status,
            sum(each.evaluations for each in made) if steps else 0,  # without a step, the start is all there is
            steps,
            np.append(2.0 * np.arcsin(np.minimum(1.0, 0.5 * chords)), np.zeros(len(left))),
            np.append(np.concatenate([each.predicted for each in made]), np.ones(len(left))),
        )

    def _over_pairs(self, starts: Floats, size: int, budget: Budget | None, progress: ProgressCallback) -> Descended:
        """Climb from the first `size` starts over all pairs."""
        return self._descend(starts[:size], All(fused=self.fused), budget, progress)

    def _over_lists(self, starts: Floats, size: int, budget: Budget | None, progress: ProgressCallback) -> Descended:
        """Climb from the first start over neighbour lists, `size` pairs at once."""
        from tammes.solvers.ladder.tensor_lists import Neighbourhoods

        bound = 2.0 * math.sin(0.5 * upper_bound(*starts.shape[-2:]).angle)
        return self._descend(starts[:1], Neighbourhoods(bound, fused=self.fused, pairs=size), budget, progress)

    def _descend(
        self, starts: Floats, forces: Evaluate, budget: Budget | None, progress: ProgressCallback
    ) -> Descended:
        return descend(
            starts,
            exponents=self.exponents,
            iterations=self.iterations,
            device=self.device,
            budget=budget,
            progress=progress,
            gradient_tol=self.gradient_tol,
            forces=forces,
            time_shared=self.time_shared,
        )
