"""Soft maximum of the cosines in matrix products: the ladder for high dimensions and many points.

With c_ij the cosines of unit rows,

    g_p = (1/p) log sum_{i<j} exp(p c_ij)

is a smooth bound on the largest cosine, above it by at most log(n(n-1)/2) / p; minimised by L-BFGS on the
sphere for one p after the other, each larger. In d = 128 the chords of `tensor`, one axis at a
time, cost many times what two matrix products do, and the contacts are far too many for an exact polish:
n(d-1) and more, 1.3 million at (10,000, 128).

The products are float32, in blocks of rows of the upper triangle: O(n^2 d) time an evaluation, O(n d) memory
beside one block. Cosines good to some 1e-7 are enough for exponents of up to 2^14; what is reported
is measured from the points in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.base.torch_geometry import normalize_rows
from tammes.base.validation import check_integer
from tammes.solvers.ladder.tensor_forces import Forces
from tammes.solvers.ladder.tensor_lbfgs import LBFGS, Settings, Steps
from tammes.solvers.local_solver import Descent

__all__ = ["EXPONENTS", "ProductLadder", "affordable", "soft_max"]

EXPONENTS = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0, 4_096.0, 16_384.0)
"""p of the rungs: at the last, what a minimum of g_p has above the local optimum is about 1e-4."""

_WORK = 2e12  # iterations * rungs * n^2 d: about a minute on one core
_ROUNDING = 1e-6  # of a float32 cosine: progress shows no more than will be measured
_SETTINGS = Settings(memory=8, tries=11, window=10)
_BLOCK = 1 << 21  # cosines at once: 8 MiB
_FAINT = -60.0  # weights below exp(_FAINT) count as that: denormal numbers are slow
_LOUD = 80.0  # weights above exp(_LOUD) would overflow
_REACH = 4.0  # how far a row may move in one step, over p: cosines change by about that
_GAIN = 1e-3  # over p: the gain of a window below which the rung ends


def affordable(n: int, d: int) -> int:
    """Return the iterations on each rung that make a ladder of about a minute on one core: at least 10, at most 100."""
    return int(max(10.0, min(100.0, _WORK / len(EXPONENTS) / (float(n) * n * d))))


@torch.no_grad()
def soft_max(points: Tensor, p: float) -> tuple[float, Tensor]:
    """Return `g_p` and its gradient along the sphere.

    Args:
        points: unit rows, float32 or float64, shape `(n, d)`.
        p: exponent of the rung, dimensionless.

    Returns:
        The value, and the tangent gradient, shape `(n, d)`.
    """
    found = _evaluate(points, p, _evaluate(points, 1.0, 1.0).top)
    return found.value, found.grad


@dataclass(frozen=True)
class ProductLadder:
    """The ladder of the soft maximum as a local solver for many points in many dimensions.

    It takes one thread, whatever torch has, so that the same points and settings give the same bits.

    Args:
        iterations: L-BFGS iterations on each rung, at most; None for what makes a ladder of about a minute on one core.
        exponents: p of the rungs, increasing; a high first one stays near the start.
        device: of the tensors.

    Raises:
        InvalidParameterError: if there is no rung, or no iteration.
    """

    iterations: int | None = None
    exponents: tuple[float, ...] = EXPONENTS
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.exponents:
            raise InvalidParameterError("exponents", "at least one", self.exponents)
        if self.iterations is not None:
            object.__setattr__(self, "iterations", check_integer("iterations", self.iterations, 1))

    @torch.no_grad()
    def run(
        self,
        starts: Floats,
        *,
        orbits: None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Climb the ladder from one start; see `LocalSolver.run`.

        Args:
            starts: rows of any non-zero length, shape `(1, n, d)`. Not modified.
            orbits: must be None.
            bar: minimal angle to exceed, radians; 0 for none. The run ends after a rung that will not exceed it: the
                mean cosine, weighted as in the gradient, has not been seen to fall on later rungs.
            budget: asked after every iteration; None for no limit.
            progress: called after every rung.

        Returns:
            The points with the smallest largest cosine that were met, the start included.
        """
        n, d = starts.shape[1:]
        iterations = affordable(n, d) if self.iterations is None else self.iterations
        start = normalize_rows(torch.tensor(starts, dtype=torch.float64, device=self.device)[0]).float()
        status = Status.CONVERGED
        with _plain_arithmetic():
            cosines = _Cosines(start[None])
            climb = LBFGS(start[None].clone(), cosines, _SETTINGS)
            try:
                for rung, p in enumerate(self.exponents, start=1):
                    if budget is not None and budget.spent():
                        status = Status.TIME_LIMIT
                        break
                    steps = Steps(first=0.25 * _REACH / p, longest=_REACH / p, gradient_tol=0.0, least_gain=_GAIN / p)
                    climb.minimise(p, iterations, steps, budget, _no_report)
                    cosines.shift = 1.0 - 0.5 * climb.least.item()
                    status = Status.STEP_LIMIT if climb.taken.item() >= iterations else Status.CONVERGED
                    angle = math.acos(max(-1.0, min(1.0, cosines.top + _ROUNDING)))
                    progress(Progress("ladder", rung, len(self.exponents), angle))
                    if budget is not None and budget.spent():
                        status = Status.TIME_LIMIT
                        break
                    if bar > 0.0 and climb.predicted.item() > math.cos(bar):
                        status = Status.STEP_LIMIT
                        break
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
        best = normalize_rows(cosines.best.double())
        return Descent(best.cpu().numpy(), status, climb.evaluations)


@dataclass(frozen=True)
class _Found:
    """What one evaluation finds."""

    value: float
    """g_p."""
    grad: Tensor
    """Its tangent gradient, `(n, d)`."""
    top: float
    """The largest cosine."""
    mean: float
    """The mean cosine under the weights of the gradient: at a minimum close to the largest that a polish reaches."""


@contextmanager
def _plain_arithmetic() -> Iterator[None]:
    """One thread and full float32, whatever the training run around it has set, and all put back at the end.

    Sums come in another order with another number of threads; autocast and "medium" precision round the factors
    of a product to bfloat16.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    if precision != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_num_threads(threads)
        if precision != "highest":
            torch.set_float32_matmul_precision(precision)


def _no_report(_: float) -> None:
    """Rungs are short: progress is reported at their ends."""


def _weights(x: Tensor, p: float, shift: float) -> Iterator[tuple[int, int, Tensor]]:
    """`exp(p (c_ij - shift))` for rows start:stop against rows start:, zero for all but j > i."""
    n = len(x)
    height = max(1, _BLOCK // n)
    offset = x.new_full((1, 1), -p * shift)
    for start in range(0, n, height):
        stop = min(n, start + height)
        weight = torch.addmm(offset, x[start:stop], x[start:].T, alpha=p)  # (stop - start, n - start)
        weight.clamp_(_FAINT, _LOUD).exp_()
        weight[:, : stop - start].triu_(1)
        yield start, stop, weight


def _evaluate(x: Tensor, p: float, shift: float) -> _Found:
    """g_p at unit rows `(n, d)`; `shift` is a cosine near the largest."""
    force = torch.zeros_like(x)
    total, top = 0.0, 0.0
    for start, stop, weight in _weights(x, p, shift):
        total += weight.sum().item()
        top = max(top, weight.amax().item())
        force[start:stop].addmm_(weight, x[start:])
        force[start:].addmm_(weight.T, x[start:stop])
    along = (force * x).sum(dim=1, keepdim=True)  # (n, 1)
    mean = along.sum(dtype=torch.float64).item() / (2.0 * total)
    grad = (force - along * x) / total
    largest = shift + math.log(top) / p
    # Weights are cut off at exp(_LOUD): a step that comes there is refused.
    value = shift + math.log(total) / p if top < math.exp(_LOUD - 1.0) else math.inf
    return _Found(value, grad, largest, mean)


class _Cosines:
    """g_p as the minimiser asks for it, for one start; the points with the smallest largest cosine are kept.

    Args:
        points: unit rows, float32, shape `(1, n, d)`.
    """

    def __init__(self, points: Tensor) -> None:
        self.best = points
        self.top = self.shift = _evaluate(points[0], 1.0, 1.0).top

    def __call__(self, x: Tensor, p: float) -> Forces:
        """See `tensor_forces.Evaluate`."""
        found = _evaluate(x[0], p, self.shift)
        # The lowest cosine that was met is near enough to the largest of all later points of a rung.
        self.shift = min(self.shift, found.top)
        if found.top < self.top:
            self.best, self.top = x, found.top
        value, least, mean = torch.tensor(
            [[found.value], [2.0 - 2.0 * found.top], [found.mean]], dtype=torch.float64, device=x.device
        )
        return Forces(value, found.grad[None], least, mean)
