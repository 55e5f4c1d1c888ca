"""L-BFGS on the sphere in tensors: the one minimiser of both ladders in tensors.

A batch of starts descends at once, each on its own: in a pass every start takes its step or shortens it, whatever
the others do. Starts that are done leave once they are an eighth of what is left. What is minimised is any function
of unit rows and an exponent, in any precision; values are compared in float64.

References: J. Nocedal and S. J. Wright, Numerical Optimization, 2006, algorithm 7.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tammes.base.budget import Budget
from tammes.solvers.ladder.tensor_forces import Evaluate

__all__ = ["LBFGS", "Settings", "Steps"]


@dataclass(frozen=True)
class Settings:
    """What is the same on all rungs.

    Args:
        memory: pairs of steps and changes that are stored.
        tries: lengths of one direction, after the first.
        window: iterations after which the gain is judged.
        report: passes after which a long rung reports.
    """

    memory: int = 10
    tries: int = 25
    window: int = 20
    report: int = 50


@dataclass(frozen=True)
class Steps:
    """What depends on the rung.

    Args:
        first: how far a point goes in the first step down the gradient.
        longest: how far a point may go in any other step.
        gradient_tol: largest gradient row times the smallest chord at which a start is done.
        least_gain: fall of the value over a window below which a start is done.
    """

    first: float
    longest: float
    gradient_tol: float
    least_gain: float


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
    predicted: Tensor  # (b,) as the forces have it
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


class LBFGS:
    """A batch of starts that descends rung by rung.

    Args:
        points: unit rows, shape `(B, n, d)`. Moved in place.
        forces: what is minimised: value, tangent gradient, smallest squared chord and prediction of every start.
        settings: see `Settings`.
    """

    def __init__(self, points: Tensor, forces: Evaluate, settings: Settings = Settings()) -> None:
        self.points = points
        self.forces = forces
        self.settings = settings
        self.evaluations = 0
        self.steps = torch.zeros((), dtype=torch.int64, device=points.device)  # counted without waiting
        self.taken = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        """Iterations of every start on this rung, `(B,)`."""
        self.least = torch.zeros(len(points), dtype=torch.float64, device=points.device)
        """Smallest squared chords of the points, `(B,)`."""
        self.predicted = torch.zeros_like(self.least)
        """Predictions at the points, `(B,)`."""
        self._working: _Working | None = None

    def write_back(self) -> None:
        """Put the starts that still move into the batch."""
        if self._working is not None:
            index = self._working.index
            self.points[index] = self._working.x
            self.taken[index] = self._working.taken
            self.least[index] = self._working.least.double()
            self.predicted[index] = self._working.predicted.double()

    def minimise(
        self, p: float, iterations: int, steps: Steps, budget: Budget | None, report: Callable[[float], None]
    ) -> None:
        """Descend from where every start is.

        Args:
            p: exponent of the rung.
            iterations: of every start, at most.
            steps: see `Steps`.
            budget: asked in every pass; None for no limit.
            report: called now and then, with the largest of the smallest chords.
        """
        x = self.points
        batch, size = len(x), x[0].numel()
        memory = self.settings.memory
        none = torch.zeros(batch, dtype=torch.int64, device=x.device)
        value, grad, least, predicted = self.forces(x, p)
        self.evaluations += batch
        value = value.double()
        zero = value.new_zeros(batch)
        w = _Working(
            index=torch.arange(batch, device=x.device),
            x=x.clone(),
            value=value,
            grad=grad,
            least=least,
            predicted=predicted,
            direction=grad,
            slope=zero,
            step=zero.clone(),
            tries=none,
            taken=none.clone(),
            judged=value.clone(),
            done=~value.isfinite() | (_longest(grad) * least.sqrt() < steps.gradient_tol),
            s=x.new_zeros(batch, memory, size),
            y=x.new_zeros(batch, memory, size),
            rho=x.new_zeros(batch, memory),
            gamma=x.new_zeros(batch),
        )
        self._working = w
        _aim(w, torch.ones_like(w.done), 0, 0, steps)
        passes = 0
        while budget is None or not budget.spent():
            left = int((~w.done).sum())
            if 8 * left <= 7 * len(w.index):
                self.write_back()
                self._working = w = _Working(*(getattr(w, field.name)[~w.done] for field in fields(w)))
            if left == 0:
                break
            self._advance(w, p, passes, iterations, steps)
            passes += 1
            if passes % self.settings.report == 0:
                report(math.sqrt(w.least.max().item()))
        self.write_back()
        self._working = None

    def _advance(self, w: _Working, p: float, passes: int, iterations: int, steps: Steps) -> None:
        """Every start tries its step: takes it where f_p falls enough (Armijo), else shortens it."""
        slot = passes % self.settings.memory
        trial = w.x + _rows(w.step).to(w.x.dtype) * w.direction
        trial /= trial.norm(dim=-1, keepdim=True)
        value, grad, least, predicted = self.forces(trial, p)
        value = value.double()
        self.evaluations += len(trial)
        took = ~w.done & (value <= w.value + 1e-4 * w.step * w.slope)
        self.steps += took.sum()

        step, change = (trial - w.x).flatten(1), (grad - w.grad).flatten(1)  # (b, n d)
        curvature, size = _dot(step, change), _dot(change, change)
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
        hopeless = ~w.done & (w.tries > self.settings.tries)
        w.done |= hopeless & (w.gamma == 0.0)
        w.gamma = torch.where(hopeless, 0.0, w.gamma)  # forget, and go down the gradient
        w.rho[hopeless] = 0.0

        w.x = torch.where(_rows(took), trial, w.x)
        w.grad = torch.where(_rows(took), grad, w.grad)
        w.value = torch.where(took, value, w.value)
        w.least = torch.where(took, least, w.least)
        w.predicted = torch.where(took, predicted, w.predicted)
        w.taken = w.taken + took
        w.done |= (w.taken >= iterations) | (_longest(w.grad) * w.least.sqrt() < steps.gradient_tol)
        due = took & (w.taken % self.settings.window == 0)
        w.done |= due & (w.judged - w.value < steps.least_gain)
        w.judged = torch.where(due, w.value, w.judged)
        _aim(w, took | hopeless, slot, passes + 1, steps)


def _aim(w: _Working, which: Tensor, slot: int, filled: int, steps: Steps) -> None:
    """New directions by the two-loop recursion (Nocedal and Wright, algorithm 7.4), for the starts `which`."""
    q = -w.grad.flatten(1)  # (b, n d)
    memory = w.s.shape[1]
    order = [(slot - back) % memory for back in range(min(memory, filled))]
    alphas = {}
    for k in order:
        alphas[k] = w.rho[:, k] * _dot(w.s[:, k], q)
        q.addcmul_(alphas[k][:, None], w.y[:, k], value=-1.0)
    q *= torch.where(w.gamma > 0.0, w.gamma, 1.0)[:, None]
    for k in reversed(order):
        beta = w.rho[:, k] * _dot(w.y[:, k], q)
        q.addcmul_((alphas[k] - beta)[:, None], w.s[:, k])
    direction = q.view_as(w.x)
    direction = direction - (direction * w.x).sum(dim=-1, keepdim=True) * w.x
    slope = _dot(direction.flatten(1), w.grad.flatten(1)).double()
    uphill = ~(slope < 0.0)
    direction = torch.where(_rows(uphill), -w.grad, direction)
    slope = torch.where(uphill, -_dot(w.grad.flatten(1), w.grad.flatten(1)).double(), slope)
    longest = _longest(direction).double().clamp_min(1e-30)
    plain = uphill | (w.gamma == 0.0)
    step = torch.where(plain, steps.first / longest, (steps.longest / longest).clamp_max(1.0))
    w.direction = torch.where(_rows(which), direction, w.direction)
    w.slope, w.step = torch.where(which, slope, w.slope), torch.where(which, step, w.step)
    w.tries = torch.where(which, 0, w.tries)


def _longest(rows: Tensor) -> Tensor:
    """Largest norm of a row of every start, `(b,)`."""
    longest: Tensor = rows.norm(dim=-1).amax(dim=-1)
    return longest


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Products of the vectors of every start, `(b,)`; on a CPU without a temporary of their size."""
    dots: Tensor = (a * b).sum(dim=-1) if a.is_cuda else torch.linalg.vecdot(a, b)
    return dots
