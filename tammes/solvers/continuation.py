"""Soft-min ladder: smooth stand-ins for the minimal angle, each steeper than the one before.

With D_ij the squared chord and m its minimum,

    f_p = (1/p) log sum_{i<j} (m / D_ij)^(p/2) - (1/2) log m

is a smooth bound on minus the logarithm of the smallest chord; it tends to it as p grows, and its
minimisers tend to local maxima of the minimal angle at a rate O(1/p). This is the realisation in
tensors: all pairs of all starts at once, on any device. `solvers.compiled` is the other one, for
one start on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tammes.geometry import Floats
from tammes.pairs import on_gpu, unit_rows
from tammes.solvers.run import Budget, Progress, ProgressCallback, Status, silent

__all__ = ["Descended", "descend", "ladder", "soft_min"]

_MEMORY = 10  # pairs of L-BFGS
_WINDOW = 20  # iterations after which the gain is judged
_CPU_BLOCK = (1 << 15) - 1  # pairs at once: they fit a cache, and torch takes one thread for so few
_GPU_BLOCK = 1 << 26  # 512 MiB


@dataclass(frozen=True)
class Descended:
    """Points at the top of the ladder, one entry a start, and how the descent ended."""

    points: Floats
    """Unit rows, float64, shape `(B, n, d)`."""
    predicted: Floats
    """The largest cosine that a polish should reach, right to O(1/p^2) at a minimum of f_p, `(B,)`."""
    status: Status
    evaluations: int
    """Of f_p and its gradient, over all starts."""


def ladder(first: float, last: float, factor: float = 2.0) -> tuple[float, ...]:
    """Exponents first, factor * first, ... up to last."""
    rungs = 1 + math.floor(math.log(last / first) / math.log(factor) + 1e-9)
    return tuple(first * factor**k for k in range(rungs))


@torch.no_grad()
def soft_min(points: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """`f_p` and its gradient along the sphere; scale-free, never overflows. O(n^2 d) time, memory in blocks.

    Args:
        points: unit rows, float64, shape `(B, n, d)`.
        p: exponent of the rung, dimensionless; powers of two cost least.

    Returns:
        `(B,)` values, infinite where two rows coincide, and `(B, n, d)` gradients, zero there.
    """
    return _evaluate(points, p)[:2]


@torch.no_grad()
def descend(
    points: Floats,
    *,
    exponents: Sequence[float] = ladder(4.0, 1024.0),
    iterations: int = 150,
    device: str | torch.device = "cpu",
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
    stationary: float = 1e-5,
) -> Descended:
    """Climb the ladder from every start.

    Args:
        points: rows of any non-zero length, shape `(B, n, d)`, or `(n, d)` for one start. Not modified.
        exponents: p of every rung; a high first one stays near `points`.
        iterations: L-BFGS iterations on each rung.
        device: where the tensors live.
        budget: wall-clock limit; None for none.
        progress: called after every rung.
        stationary: largest gradient row times the smallest chord at which a rung ends.

    Returns:
        Unit points. The minimal angle may be smaller than at the start: the caller compares. A
        start with coinciding or non-finite rows stays as it is. Ctrl-C returns what there is.
    """
    climb = _Climb(unit_rows(torch.tensor(points, dtype=torch.float64, device=device))[0], budget)
    status, p = Status.CONVERGED, exponents[0]
    try:
        for rung, p in enumerate(exponents, start=1):
            climb.minimise(p, iterations, stationary)
            chord = _evaluate(climb.points, p)[2].max().sqrt().item()
            progress(Progress("ladder", rung, len(exponents), 2.0 * math.asin(min(1.0, 0.5 * chord))))
            if climb.out_of_time():
                status = Status.TIME_LIMIT
                break
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
        climb.write_back()
    predicted = _evaluate(climb.points, p)[3]
    return Descended(climb.points.cpu().numpy(), predicted.cpu().numpy(), status, climb.evaluations)


def _evaluate(x: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """f_p `(B,)`, its tangent gradient `(B, n, d)`, the smallest D `(B,)`, the predicted cosine `(B,)`."""
    batch, n, d = x.shape
    near, weights, pulls = (torch.empty_like(x[..., 0]) for _ in range(3))  # (B, n)
    grad = torch.empty_like(x)
    block = _GPU_BLOCK if on_gpu(x) else _CPU_BLOCK
    starts, height = max(1, block // (n * n)), max(1, block // n)
    for first in range(0, batch, starts):
        axes = x[first : first + starts].mT.contiguous()  # (b, d, n)
        for top in range(0, n, height):
            part = slice(first, first + starts), slice(top, top + height)
            chord = [axes[:, k, part[1], None] - axes[:, k, None] for k in range(d)]  # d of (b, height, n)
            inverse = chord[0] * chord[0]
            for along in chord[1:]:
                inverse.addcmul_(along, along)
            inverse.diagonal(top, 1, 2).fill_(torch.inf)
            near[part] = inverse.amin(dim=-1)
            inverse.reciprocal_()
            weight = _power(inverse * near[part][..., None], 0.5 * p)  # every row has its own scale
            weights[part] = weight.sum(dim=-1)
            weight *= inverse
            pulls[part] = weight.sum(dim=-1)
            for k, along in enumerate(chord):
                grad[(*part, k)] = along.mul_(weight).sum(dim=-1)
    least = near.amin(dim=-1)
    share = _power(least[:, None] / near, 0.5 * p)  # from the scale of a row to that of the start
    total = (share * weights).sum(dim=-1)  # every pair twice
    value = (0.5 * total).log() / p - 0.5 * least.log()
    grad *= (share * (-2.0 / total)[:, None])[..., None]
    grad -= (grad * x).sum(dim=-1, keepdim=True) * x
    predicted = 1.0 - 0.5 * total / (share * pulls).sum(dim=-1)  # c = 1 - D / 2
    sound = least > 0.0
    grad = torch.where(_rows(sound), grad, 0.0)
    return torch.where(sound, value, torch.inf), grad, least, torch.where(sound, predicted, 1.0)


def _power(base: Tensor, exponent: float) -> Tensor:
    """`base ** exponent`, in place; by squarings where they will do, which are cheaper on a CPU."""
    mantissa, squarings = math.frexp(exponent)
    if mantissa != 0.5 or squarings < 1 or on_gpu(base):
        return base.pow_(exponent)
    for _ in range(squarings - 1):
        base *= base
    return base


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
    move: Tensor  # (b, n, d) to try next
    promised: Tensor  # (b,) change of f_p along it to first order
    taken: Tensor  # (b,) iterations
    judged: Tensor  # (b,) value when the gain was last judged
    done: Tensor  # (b,)
    s: Tensor  # (b, memory, n d) steps, a ring
    y: Tensor  # (b, memory, n d) changes of the gradient; zeros in place of steps that were not taken
    sy: Tensor  # (b, memory, memory) inner products s_i.y_j, right where i is no newer than j
    yy: Tensor  # (b, memory, memory)
    gamma: Tensor  # (b,) s.y / y.y of the newest pair; 0 forgets them all


class _Climb:
    """The batch on its way up."""

    def __init__(self, points: Tensor, budget: Budget | None) -> None:
        n, d = points.shape[1:]
        self.points = points
        self.evaluations = 0
        self._budget = budget
        area = 2.0 * math.pi ** (0.5 * d) / math.gamma(0.5 * d)
        self._spacing = min(2.0, (area / n) ** (1.0 / (d - 1)))  # steps are counted in it
        self._working: _Working | None = None

    def out_of_time(self) -> bool:
        return self._budget is not None and self._budget.spent()

    def write_back(self) -> None:
        """Put the starts that still move into the batch."""
        if self._working is not None:
            self.points[self._working.index] = self._working.x

    def minimise(self, p: float, iterations: int, stationary: float) -> None:
        """L-BFGS on f_p from every start, each on its own; a pass evaluates all that still move.

        In a pass a start takes its step or shortens it, whatever the others do. Starts that are
        done leave once they are an eighth of what is left.
        """
        x, batch = self.points, len(self.points)
        nothing = x.new_zeros(batch)
        past = [x.new_zeros(batch, _MEMORY, size) for size in (x[0].numel(), x[0].numel(), _MEMORY, _MEMORY)]
        value, grad, least, _ = _evaluate(x, p)
        index, done = torch.arange(batch, device=x.device), _longest(grad) * least.sqrt() >= stationary
        w = _Working(index, x, value, grad, grad, nothing, 0 * index, value, ~done, *past, nothing)
        self._working = w
        self._aim(w, p, 0, done)
        passes = 0
        while not self.out_of_time():
            left = int((~w.done).sum())
            if 8 * left <= 7 * len(w.index):
                self.write_back()
                self._working = w = _Working(*(getattr(w, field.name)[~w.done] for field in fields(w)))
            if left == 0:
                break
            self._advance(w, p, passes % _MEMORY, iterations, stationary)
            passes += 1
        self.write_back()
        self._working = None

    def _advance(self, w: _Working, p: float, slot: int, iterations: int, stationary: float) -> None:
        """Every start tries its move: takes it where f_p falls enough (Armijo), else shortens it."""
        trial = w.x + w.move
        trial /= trial.norm(dim=-1, keepdim=True)
        value, grad, least, _ = _evaluate(trial, p)
        self.evaluations += len(trial)
        took = ~w.done & (value <= w.value + 1e-4 * w.promised)
        stuck = ~w.done & ~took & ~(w.promised < -1e-16)  # f_p cannot tell shorter steps apart

        step, change = (trial - w.x).flatten(1), (grad - w.grad).flatten(1)  # (b, n d)
        curvature, size = (step * change).sum(dim=-1), change.square().sum(dim=-1)
        stored = took & (curvature > 1e-14 * size)
        w.s[:, slot] = torch.where(stored[:, None], step, 0.0)
        w.y[:, slot] = torch.where(stored[:, None], change, 0.0)
        newest = w.y[:, slot, :, None]
        for products in (w.sy, w.yy):
            products.masked_fill_(_rows(w.gamma == 0.0), 0.0)
        known = w.sy.diagonal(0, 1, 2) > 0.0

        w.sy[:, :, slot] = (w.s @ newest)[..., 0]
        w.yy[:, :, slot] = w.yy[:, slot] = (w.y @ newest)[..., 0]
