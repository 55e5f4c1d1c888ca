"""Soft-min ladder: smooth stand-ins for the minimal angle, each steeper than the one before.

With D_ij the squared chord and m its minimum,

    f_p = (1/p) log sum_{i<j} (m / D_ij)^(p/2) - (1/2) log m

is a smooth bound on minus the logarithm of the smallest chord; it tends to it as p grows, and its
minimisers tend to local maxima of the minimal angle at a rate O(1/p). This is the realisation in
tensors, on any device: all pairs of all starts at once, or, with the forces of `solvers.neighbourhoods`,
the near pairs of one start of many points. `solvers.compiled` and `solvers.large` are the other one, on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats, normalize_rows
from tammes.base.status import Status
from tammes.base.torch_geometry import few_threads, row_lengths
from tammes.bounds.best import upper_bound
from tammes.solvers import device_memory
from tammes.solvers.ladder.tensor_forces import All, Evaluate, tile
from tammes.solvers.local_solver import Descent

__all__ = ["Descended", "TensorLadder", "descend", "ladder", "soft_min"]

_MEMORY = 10  # pairs of L-BFGS
_TRIES = 25  # lengths of one direction
_SMALLEST_TILE = 1 << 12  # pairs at once: below, memory is short for the points themselves
_WINDOW = 20  # iterations after which the gain is judged
_REPORT = 50  # passes after which a long rung reports
_LOW = 16.0  # exponents up to here have most of the way to go: of a time limit that is shared out,
_LOW_SHARE = 3.0  # they have so many times the part of a high one


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


def ladder(first: float, last: float, factor: float = 2.0) -> tuple[float, ...]:
    """Exponents first, factor * first, ... up to last."""
    rungs = 1 + math.floor(math.log(last / first) / math.log(factor) + 1e-9)
    return tuple(first * factor**k for k in range(rungs))


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
    climb = _Climb(rows / row_lengths(rows), All() if forces is None else forces)
    status, p = Status.CONVERGED, exponents[0]
    try:
        with few_threads(climb.points[:, :1]):  # tiles on a CPU are too small for several, whatever the number of rows
            for rung, p in enumerate(exponents, start=1):

                def report(chord: float, rung: int = rung) -> None:
                    progress(Progress("ladder", rung, len(exponents), 2.0 * math.asin(min(1.0, 0.5 * chord))))

                share = _part(budget, exponents[rung - 1 :]) if time_shared else budget
                climb.minimise(p, iterations, gradient_tol, share, report)
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


def _part(budget: Budget | None, left: Sequence[float]) -> Budget | None:
    """The part of a limit that is due to the first of the rungs that are left."""
    if budget is None:
        return None
    weights = [_LOW_SHARE if p <= _LOW else 1.0 for p in left]
    return budget.part(weights[0] / sum(weights))


def _rows(of_starts: Tensor) -> Tensor:
    """`(B,)` against `(B, n, d)`."""
    return of_starts[:, None, None]


@dataclass
class _Working:
    """The starts that still move on this rung, b of them; every field has them along its first axis."""

    index: Tensor  # (b,) place in the batch
    x: Tensor  # (b, n, d)
    value: Tensor  # (b,)
    grad: Tensor  # (b, n, d)
    least: Tensor  # (b,) smallest squared chord
    direction: Tensor  # (b, n, d)
    slope: Tensor  # (b,) of f_p along the direction
    step: Tensor  # (b,) its length to try next
    tries: Tensor  # (b,) for this direction
    taken: Tensor  # (b,) iterations
    judged: Tensor  # (b,) value when the gain was last judged
    done: Tensor  # (b,)
    s: Tensor  # (b, memory, n d) steps, a ring
    y: Tensor  # (b, memory, n d) changes of the gradient
    rho: Tensor  # (b, memory) 1 / s.y; 0 where no step was taken
    gamma: Tensor  # (b,) s.y / y.y of the newest pair; 0 without one


class _Climb:
    """The batch on its way up."""

    def __init__(self, points: Tensor, forces: Evaluate) -> None:
        n, d = points.shape[1:]
        self.points = points
        self.forces = forces
        self.evaluations = 0
        self.steps = torch.zeros((), dtype=torch.int64, device=points.device)  # counted without waiting
        area = 2.0 * math.pi ** (0.5 * d) / math.gamma(0.5 * d)
        self._spacing = min(2.0, (area / n) ** (1.0 / (d - 1)))  # steps are counted in it
        self._working: _Working | None = None

    def write_back(self) -> None:
        """Put the starts that still move into the batch."""
        if self._working is not None:
            self.points[self._working.index] = self._working.x

    def minimise(
        self, p: float, iterations: int, gradient_tol: float, budget: Budget | None, report: Callable[[float], None]
    ) -> None:
        """L-BFGS on f_p from every start, each on its own; a pass evaluates all that still move.

        In a pass a start takes its step or shortens it, whatever the others do. Starts that are
        done leave once they are an eighth of what is left.
        """
        x = self.points
        batch, size = len(x), x[0].numel()
        zero, none = x.new_zeros(batch), torch.zeros(batch, dtype=torch.int64, device=x.device)
        value, grad, least, _ = self.forces(x, p)
        self.evaluations += batch
        w = _Working(
            index=torch.arange(batch, device=x.device),
            x=x.clone(),
            value=value,
            grad=grad,
            least=least,
            direction=grad,
            slope=zero,
            step=zero.clone(),
            tries=none,
            taken=none.clone(),
            judged=value.clone(),
            done=~value.isfinite() | (_longest(grad) * least.sqrt() < gradient_tol),
            s=x.new_zeros(batch, _MEMORY, size),
            y=x.new_zeros(batch, _MEMORY, size),
            rho=x.new_zeros(batch, _MEMORY),
            gamma=zero.clone(),
        )
        self._working = w
        _aim(w, torch.ones_like(w.done), -1, p, self._spacing)
        passes = 0
        while budget is None or not budget.spent():
            left = int((~w.done).sum())
            if 8 * left <= 7 * len(w.index):
                self.write_back()
                self._working = w = _Working(*(getattr(w, field.name)[~w.done] for field in fields(w)))
            if left == 0:
                break
            self._advance(w, p, passes % _MEMORY, iterations, gradient_tol)
            passes += 1
            if passes % _REPORT == 0:
                report(math.sqrt(w.least.max().item()))
        self.write_back()
        self._working = None

    def _advance(self, w: _Working, p: float, slot: int, iterations: int, gradient_tol: float) -> None:
        """Every start tries its step: takes it where f_p falls enough (Armijo), else shortens it."""
        trial = w.x + _rows(w.step) * w.direction
        trial /= trial.norm(dim=-1, keepdim=True)
        value, grad, least, _ = self.forces(trial, p)
        self.evaluations += len(trial)
        took = ~w.done & (value <= w.value + 1e-4 * w.step * w.slope)
        self.steps += took.sum()

        step, change = (trial - w.x).flatten(1), (grad - w.grad).flatten(1)  # (b, n d)
        curvature, size = (step * change).sum(dim=-1), change.square().sum(dim=-1)
        stored = took & (curvature > 1e-14 * size)
        w.s[:, slot] = torch.where(stored[:, None], step, 0.0)
        w.y[:, slot] = torch.where(stored[:, None], change, 0.0)
        w.rho[:, slot] = torch.where(stored, 1.0 / curvature, 0.0)
        w.gamma = torch.where(stored, curvature / size, w.gamma)

        # The minimum of the parabola through what is known of a step that was too long.
        rise = value - w.value - w.step * w.slope
        shorter = torch.where(value.isfinite(), (-0.5 * w.step * w.slope / rise).clamp(0.1, 0.5), 0.25)
        w.step = torch.where(took, w.step, w.step * shorter)
        w.tries = torch.where(took, 0, w.tries + 1)
        hopeless = ~w.done & (w.tries > _TRIES)
        w.done |= hopeless & (w.gamma == 0.0)
        w.gamma = torch.where(hopeless, 0.0, w.gamma)  # forget, and go down the gradient
        w.rho[hopeless] = 0.0

        w.x = torch.where(_rows(took), trial, w.x)
        w.grad = torch.where(_rows(took), grad, w.grad)
        w.value, w.least = torch.where(took, value, w.value), torch.where(took, least, w.least)
        w.taken = w.taken + took
        w.done |= (w.taken >= iterations) | (_longest(w.grad) * w.least.sqrt() < gradient_tol)
        due = took & (w.taken % _WINDOW == 0)
        w.done |= due & (w.judged - w.value < 1e-4 * gradient_tol / p)
        w.judged = torch.where(due, w.value, w.judged)
        _aim(w, took | hopeless, slot, p, self._spacing)


def _aim(w: _Working, which: Tensor, slot: int, p: float, spacing: float) -> None:
    """New directions by the two-loop recursion (Nocedal and Wright, algorithm 7.4), for the starts `which`."""
    q = -w.grad.flatten(1)  # (b, n d)
    order = [(slot - back) % _MEMORY for back in range(_MEMORY)] if slot >= 0 else []
    alphas = {}
    for k in order:
        alphas[k] = w.rho[:, k] * (w.s[:, k] * q).sum(dim=-1)
        q -= alphas[k][:, None] * w.y[:, k]
    q *= torch.where(w.gamma > 0.0, w.gamma, 1.0)[:, None]
    for k in reversed(order):
        beta = w.rho[:, k] * (w.y[:, k] * q).sum(dim=-1)
        q += (alphas[k] - beta)[:, None] * w.s[:, k]
    direction = q.view_as(w.x)
    direction = direction - (direction * w.x).sum(dim=-1, keepdim=True) * w.x
    slope = (direction * w.grad).sum(dim=(1, 2))
    uphill = ~(slope < 0.0)
    direction = torch.where(_rows(uphill), -w.grad, direction)
    slope = torch.where(uphill, -w.grad.square().sum(dim=(1, 2)), slope)
    longest = _longest(direction).clamp_min(1e-300)
    plain = uphill | (w.gamma == 0.0)
    first = 0.1 * spacing / (longest * max(1.0, p / 16.0))
    step = torch.where(plain, first, torch.minimum(torch.ones_like(longest), 0.3 * spacing / longest))
    w.direction = torch.where(_rows(which), direction, w.direction)
    w.slope, w.step = torch.where(which, slope, w.slope), torch.where(which, step, w.step)
    w.tries = torch.where(which, 0, w.tries)


def _longest(rows: Tensor) -> Tensor:
    """Largest norm of a row of every start, `(b,)`."""
    longest: Tensor = rows.norm(dim=-1).amax(dim=-1)
    return longest


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
