"""The paper's solver: SGD with momentum, the learning rate divided on a plateau.

Wang et al. 2020, section 4: weights from the standard normal, momentum 0.9, 10,000 iterations,
learning rate 0.1, divided by 5 once learning stagnates. What the paper leaves open is chosen here:

* Stagnation: for 5 windows of 100 steps, the mean loss of the window has not improved by 1e-4 of
  its size on the last window that did. Single steps of MMA oscillate, so means are compared; 500 steps
  is the shortest patience that does not cut the rate while (d, n) = (4, 600) is still improving.
* Floor: the rate is divided at most 6 times, to 6.4e-6; then a further plateau ends the run.
* Dtype: float64. In float32 a cosine cannot tell angles apart below 3e-4 rad, so ties between
  neighbours fall by rounding; at the sizes of Table 1 float64 takes no longer.

All starts of one run form one batch; each has its own learning rate and ends for its own reason.
The best points of every start are kept by their measured minimal angle, never by the loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.errors import DeviceError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.base.torch_geometry import few_threads
from tammes.base.validation import check_choice, check_device, check_integer
from tammes.losses.loss import Loss
from tammes.solvers.local_solver import Descent

__all__ = ["DTYPES", "PRESETS", "SGD", "LossDescent", "SGDRun", "resolve_device"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class SGDRun:
    """What a run of `SGD` found, one entry a start."""

    points: Floats
    """Best points of every start by measured minimal angle, float64, shape `(B, n, d)`."""
    min_angles: Floats
    """Their measured minimal angles, radians, shape `(B,)`."""
    statuses: tuple[Status, ...]
    steps: int
    evaluations: int
    """Evaluations of the loss and its gradient, over all starts."""
    history: dict[str, list[list[float]]]
    """A list a window: `step`, `loss`, `min_angle` (radians), `learning_rate`, each over starts."""


@dataclass(frozen=True)
class SGD:
    """Settings of the paper's solver; the defaults are the preset `paper`.

    Args:
        learning_rate: step per unit of gradient at the start of the run.
        momentum: of the heavy-ball update.
        divisor: what a plateau divides the learning rate by.
        divisions: how often it may be divided.
        window: steps over which the loss is averaged, and after which the angle is measured.
        patience: windows without improvement that make a plateau.
        threshold: relative improvement that counts.
        steps: iterations at most.
        dtype: `float32` or `float64`.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    divisor: float = 5.0
    divisions: int = 6
    window: int = 100
    patience: int = 5
    threshold: float = 1e-4
    steps: int = 10_000
    dtype: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", check_integer("steps", self.steps, 1))
        check_choice("dtype", self.dtype, DTYPES)

    def run(
        self,
        loss: Loss,
        starts: Floats,
        *,
        device: torch.device | None = None,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> SGDRun:
        """Minimise `loss` from every start.

        Args:
            loss: what is minimised.
            starts: rows of any non-zero length, shape `(B, n, d)`. Not modified.
            device: where the tensors live; the CPU by default.
            budget: wall-clock limit; None for none. The start is measured in any case.
            progress: called after every window.

        Returns:
            The best points of every start. Ctrl-C returns what was best so far.
        """
        weight = torch.tensor(starts, dtype=DTYPES[self.dtype], device=device or torch.device("cpu"))
        batch = _Batch(self, starts)
        steps = 0
        try:
            with torch.inference_mode(), few_threads(weight):
                steps = self._iterate(loss, weight, batch, budget, progress)
        except KeyboardInterrupt:
            steps = batch.steps
            batch.measure(_to_numpy(weight))
            batch.end_all(Status.INTERRUPTED)
        return SGDRun(
            batch.points,
            batch.min_angles,
            tuple(status or Status.STEP_LIMIT for status in batch.statuses),
            steps,
            steps * len(starts),
            batch.history,
        )

    def _iterate(
        self, loss: Loss, weight: Tensor, batch: _Batch, budget: Budget | None, progress: ProgressCallback
    ) -> int:
        """Steps until every start has ended; the number taken."""
        velocity = torch.zeros_like(weight)
        rate = weight.new_tensor(batch.rates)[:, None, None]  # (B, 1, 1)
        losses = weight.new_zeros(len(weight))  # summed over the window
        for step in range(1, self.steps + 1):
            value, grad = loss.value_and_grad(weight)
            velocity.mul_(self.momentum).add_(grad)
            weight.addcmul_(velocity, rate, value=-1.0)
            losses += value
            batch.steps = step
            out_of_time = budget is not None and budget.spent()
            if step % self.window and step < self.steps and not out_of_time:
                continue
            window = step % self.window or self.window
            batch.measure(_to_numpy(weight))
            # |g| |w| n is the pull on a row in radians of loss: free of scale.
            pull = (grad.norm(dim=-1) * weight.norm(dim=-1)).amax(dim=-1) * weight.shape[-2]
            batch.judge(_to_numpy(losses) / window, _to_numpy(pull))
            losses.zero_()
            rate = weight.new_tensor(batch.rates)[:, None, None]
            detail = {"loss": batch.losses[batch.best], "learning_rate": batch.rates[batch.best]}
            progress(Progress("sgd", step, self.steps, float(batch.min_angles.max()), detail))
            if out_of_time:
                batch.end_all(Status.TIME_LIMIT)
            if all(status is not None for status in batch.statuses):
                return step
        return self.steps


class _Batch:
    """Per-start bookkeeping: best points, plateaus, learning rates, ends."""

    def __init__(self, settings: SGD, starts: Floats) -> None:
        count = len(starts)
        self._settings = settings
        self._tolerance = float(torch.finfo(DTYPES[settings.dtype]).eps) ** (2 / 3)
        self.points = np.array(starts, dtype=np.float64)
        self.min_angles = np.full(count, -np.inf)
        self.statuses: list[Status | None] = [None] * count
        self.rates = [settings.learning_rate] * count
        self.losses = [math.nan] * count
        self.steps = 0
        self.history: dict[str, list[list[float]]] = {
            "step": [],
            "loss": [],
            "min_angle": [],
            "learning_rate": [],
        }
        self._best_loss = [math.inf] * count
        self._waited = [0] * count
        self._divided = [0] * count
        self.measure(self.points)

    @property
    def best(self) -> int:
        """Index of the start with the largest measured angle so far."""
        return int(self.min_angles.argmax())

    def measure(self, weight: Floats) -> None:
        """Keep the points of every start whose measured minimal angle has grown."""
        for k, rows in enumerate(weight):
            if self.statuses[k] is not None or not np.isfinite(rows).all() or not rows.any(axis=1).all():
                continue
            points = geometry.as_points(rows, normalize=True)
            found = geometry.min_angle(points)
            if found > self.min_angles[k]:
                self.points[k], self.min_angles[k] = points, found

    def judge(self, losses: Floats, pull: Floats) -> None:
        """Divide learning rates on plateaus, and end the starts that are done."""
        self.losses = losses.tolist()
        for k, (loss, force) in enumerate(zip(losses.tolist(), pull.tolist(), strict=True)):
            if self.statuses[k] is not None:
                continue
            if not (math.isfinite(loss) and math.isfinite(force)):
                self._end(k, Status.NON_FINITE)
            elif force < self._tolerance:
                self._end(k, Status.CONVERGED)
            elif not loss > self._best_loss[k] - self._settings.threshold * abs(self._best_loss[k]):
                self._best_loss[k], self._waited[k] = loss, 0  # also the first window: inf - inf
            else:
                self._waited[k] += 1
                if self._waited[k] >= self._settings.patience:
                    self._divide(k)
        for name, values in (
            ("step", [float(self.steps)] * len(losses)),
            ("loss", self.losses),
            ("min_angle", self.min_angles.tolist()),
            ("learning_rate", list(self.rates)),
        ):
            self.history[name].append(values)

    def _divide(self, k: int) -> None:
        """The plateau of start k: a smaller learning rate, or the end."""
        self._waited[k] = 0
        if self._divided[k] >= self._settings.divisions:
            self._end(k, Status.LEARNING_RATE_EXHAUSTED)
            return
        self._divided[k] += 1
        self.rates[k] /= self._settings.divisor

    def _end(self, k: int, status: Status) -> None:
        self.statuses[k] = status
        self.rates[k] = 0.0  # its rows stand still while the others go on

    def end_all(self, status: Status) -> None:
        """End every start that has not ended yet."""
        for k, ended in enumerate(self.statuses):
            if ended is None:
                self._end(k, status)


PRESETS = {"paper": SGD()}
"""Settings by name; `paper` is the faithful one."""


def resolve_device(name: str) -> torch.device:
    """The device of that name: `auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`.

    Raises:
        InvalidParameterError: if the name is none of these.
        DeviceError: if CUDA, or the GPU of that number, is not there.
    """
    check_device(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"`device` is {name!r}, but CUDA is not available here. Use --device cpu.")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(f"`device` is {name!r}, but there are only {count} GPUs, counted from 0.")
    return torch.device(name)


def _to_numpy(tensor: Tensor) -> NDArray[np.float64]:
    """A float64 NumPy copy on the host."""
    return tensor.double().cpu().numpy()


@dataclass(frozen=True)
class LossDescent:
    """The paper's method as a local solver: SGD on a loss, all starts in one batch.

    Args:
        loss: what is minimised.
        settings: of the descent.
        device: "cpu", "cuda" or "cuda:N".
    """

    loss: Loss
    settings: SGD
    device: str = "cpu"

    def run(
        self,
        starts: Floats,
        *,
        orbits: None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Minimise the loss from every start; see `LocalSolver.run`.

        Args:
            starts: rows of any non-zero length, shape `(B, n, d)`. Not modified.
            orbits: must be None.
            bar: not used.
            budget: asked at every step; None for no limit.
            progress: called after every window of steps.

        Returns:
            The best points of every start by measured minimal angle, with the status and the course of the best
            start.
        """
        made = self.settings.run(self.loss, starts, device=torch.device(self.device), budget=budget, progress=progress)
        best = int(made.min_angles.argmax())
        return Descent(
            made.points,
            made.statuses[best],
            made.evaluations,
            made.steps,
            made.min_angles,
            history=_course(made.history, best),
        )


def _course(batched: dict[str, list[list[float]]], start: int) -> dict[str, list[float | None]]:
    """Return the history of one start: angles in degrees, None where a loss was not finite."""
    course: dict[str, list[float | None]] = {}
    for name, windows in batched.items():
        values = [of_starts[start] for of_starts in windows]
        if name == "min_angle":
            name, values = "min_angle_degrees", [math.degrees(angle) for angle in values]
        course[name] = [value if math.isfinite(value) else None for value in values]
    return course
