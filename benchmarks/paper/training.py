"""Training of one network: SGD on cross-entropy plus the regularisation term of Eq. 13, measured after every epoch.

Initial weights, order of the images, augmentation and dropout depend on the seed and the epoch alone, so that a run
resumed from a checkpoint gives the same bits as one that was not interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.paper import batches, models
from benchmarks.paper.augmentation import HALF, Augmentation
from benchmarks.paper.datasets import Dataset
from benchmarks.paper.jobs import Job, check_precision
from benchmarks.paper.measurements import PeakMemory, StepTimer, layer_angles
from benchmarks.paper.processes import ProcessGroup
from benchmarks.paper.regularisers import monitor, regulariser
from benchmarks.paper.schedule import Schedule
from benchmarks.paper.verification_accuracy import verify
from tammes.base.errors import FileFormatError, InvalidParameterError
from tammes.nn import Regularizer

__all__ = ["DivergedError", "NullCallback", "Trainer", "TrainingCallback"]

LOOK = 50
"""Steps between two reads of the loss, for the check that it is finite and for the progress bar."""
MEASURED = 40
"""Approximate number of epochs of a run after which the angles of the layers are measured, which takes seconds."""
WIDEST = 2_048
"""Layers with more rows are measured after the last epoch only."""


class DivergedError(Exception):
    """The loss is not finite: the run ends without a result."""


class TrainingCallback(Protocol):
    """Called during a run with its progress."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Called every few steps; `step` counts from 1 within the epoch, `loss` is the mean of the epoch so far."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Called after each epoch with its line of the history."""


class NullCallback:
    """A callback that does nothing."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Do nothing."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Do nothing."""


class Trainer:
    """The state of one training run.

    Args:
        job: network, data, hyperparameters and seed.
        dataset: its images.
        processes: the process group; by default this process alone.
        compiled: pass the network through `torch.compile`.
        network: returns the network for a number of classes; `models.build` by default.
    """

    def __init__(
        self,
        job: Job,
        dataset: Dataset,
        processes: ProcessGroup | None = None,
        *,
        compiled: bool = False,
        network: Callable[[int], nn.Module] | None = None,
    ) -> None:
        self.job, self.dataset, self.processes = job, dataset, ProcessGroup() if processes is None else processes
        device = self.processes.device
        check_precision(job.amp, device.type)
        self.schedule = Schedule(job.recipe, len(dataset.train.labels))
        self._check_last_batch()
        torch.manual_seed(batches.seed_of("weights", job.seed))
        classes = len(dataset.train.classes)
        made = models.build(job.network, classes, job.data.image_size) if network is None else network(classes)
        self.bare = self.processes.synchronise_batch_norms(made.to(device))
        self.reg = regulariser(self.bare, job.arm, seed=job.seed, refresh_every=job.refresh_every)
        self.monitor: Regularizer = monitor(self.bare)
        self.model = self.processes.wrap(torch.compile(self.bare) if compiled else self.bare)  # type: ignore[arg-type]
        self.optimizer = self._optimizer()
        self.scaler = torch.amp.GradScaler(device.type, enabled=job.amp == "fp16")
        self.source = batches.Source(dataset.train, device)
        self.tested = None if dataset.test is None else batches.Source(dataset.test, device)
        mean, std = HALF if job.data.statistics == "half" else dataset.statistics
        self.augment = Augmentation(mean, std, pad=job.data.pad, flip=job.data.flip)
        self.plain = Augmentation(mean, std, pad=0, flip=False)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self._final: dict[str, dict[str, Any]] | None = None  # measured after the last epoch already

    def _check_last_batch(self) -> None:
        """Check that the last batch has two images or more in each process: batch norm needs a variance."""
        images, batch = len(self.dataset.train.labels), self.job.recipe.batch
        if batch % self.processes.size:
            raise InvalidParameterError("nproc-per-node", f"a divisor of the batch, {batch}", self.processes.size)
        last = images % batch or batch
        if last < 2 * self.processes.size:
            requirement = f"such that batches of {batch} leave {2 * self.processes.size} or more in the last one"
            raise InvalidParameterError("images", requirement, images)

    def _optimizer(self) -> torch.optim.SGD:
        recipe = self.job.recipe
        learning = [parameter for parameter in self.bare.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in learning if recipe.decay_all or parameter.ndim > 1]
        rest = [parameter for parameter in learning if not recipe.decay_all and parameter.ndim <= 1]
        groups = [{"params": decayed}, {"params": rest, "weight_decay": 0.0}][: 2 if rest else 1]
        return torch.optim.SGD(
            groups,
            lr=recipe.rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )

    # --- an epoch ---------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """True after the last epoch."""
        return self.epoch >= self.schedule.epochs

    def advance(self, callback: TrainingCallback | None = None) -> dict[str, Any]:
        """Train for one epoch, and measure.

        Returns:
            Its line of the history.

        Raises:
            DivergedError: if a loss is not finite.
        """
        callback = NullCallback() if callback is None else callback
        began = time.perf_counter()
        timer, memory = StepTimer(self.processes.device), PeakMemory(self.processes.device)
        memory.restart()
        loss, accuracy = self._train(callback, timer)
        peak = memory.read()
        rate = self.schedule.rate(self.epoch, self.schedule.steps_of(self.epoch) - 1)
        last = self.epoch + 1 == self.schedule.epochs
        line = {
            "epoch": self.epoch,
            "rate": rate,
            "loss": loss,
            "train_accuracy": accuracy,
            "measures": self._measures(last),
            "angles": self._angles(last),
            "batch_seconds": timer.median(),
            "peak_bytes": peak,
            "seconds": time.perf_counter() - began,
        }
        self.history.append(line)
        self.epoch += 1
        callback.epoch(line)
        return line

    def _train(self, callback: TrainingCallback, timer: StepTimer) -> tuple[float, float]:
        """Run all steps of the epoch; return mean cross-entropy and accuracy (per cent) on the training batches."""
        job, epoch, processes = self.job, self.epoch, self.processes
        self.model.train()
        torch.manual_seed(batches.seed_of("dropout", job.seed, epoch) ^ processes.rank)
        random = batches.random("augmentation", job.seed, epoch, processes.device)
        indices = self._indices(epoch)
        totals, seen, whole = torch.zeros(2, dtype=torch.float64, device=processes.device), 0, 0
        timer.mark()
        for step, (pixels, labels) in enumerate(self.source.batches(indices)):
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(epoch, step)
            mine = processes.slice_of(len(labels))  # each draws for the whole batch: the same crops
            totals += self._step(self.augment(pixels, random)[mine], labels[mine], len(labels))
            timer.mark()
            seen, whole = seen + mine.stop - mine.start, whole + len(labels)
            if (step + 1) % LOOK == 0 or step + 1 == len(indices) or processes.device.type == "cpu":
                mean = float(totals[0]) / seen
                callback.step(epoch, step + 1, mean)
                if not math.isfinite(mean) and processes.size == 1:
                    raise DivergedError
        loss, right = processes.sum(totals).tolist()
        sound = all(bool(parameter.isfinite().all()) for parameter in self.bare.parameters())  # after the last step too
        if not (math.isfinite(loss) and sound):  # of all processes alike: none is left waiting for another
            raise DivergedError
        return loss / whole, 100.0 * right / whole

    def _indices(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the indices of the images of each step."""
        order, batch = batches.order(len(self.source), self.job.seed, epoch), self.job.recipe.batch
        return [order[k * batch : (k + 1) * batch] for k in range(self.schedule.steps_of(epoch))]

    def _step(self, images: Tensor, labels: Tensor, whole: int) -> Tensor:
        """Take one step on `whole` images of all processes; return sums of cross-entropy and of correct images."""
        self.optimizer.zero_grad(set_to_none=True)
        faces = self.job.data.name == "faces"
        with self._precision():
            logits = self.model(images, labels) if faces else self.model(images)
        logits = logits.float()
        summed = nn.functional.cross_entropy(logits, labels, reduction="sum")
        loss = summed * (self.processes.size / whole)  # DDP takes the mean over processes: that is the mean over images
        if self.reg is not None:
            loss = loss + self.reg()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            right = (logits.argmax(dim=1) == labels).sum()
            return torch.stack([summed.double(), right.double()])

    def _precision(self) -> torch.autocast:
        dtype = torch.float16 if self.job.amp == "fp16" else torch.bfloat16
        return torch.autocast(self.processes.device.type, dtype=dtype, enabled=self.job.amp != "off")

    # --- measuring ----------------------------------------------------------------------------------------

    def _measures(self, last: bool) -> dict[str, float]:
        """Return accuracies in per cent: on the test images, or on the sets of pairs."""
        self.bare.eval()
        if self.tested is None:
            wanted = last or self.epoch + self.job.recipe.last >= self.schedule.epochs
            return {name: self._verified(name) for name in self.dataset.pairs} if wanted else {}
        count = len(self.tested)
        mine = np.arange(count)[self.processes.slice_of(count)]
        size = 1_000 if self.processes.device.type == "cuda" else 128
        right = torch.zeros(1, dtype=torch.float64, device=self.processes.device)
        with torch.no_grad(), self._precision():
            for pixels, labels in self.tested.batches([mine[k : k + size] for k in range(0, len(mine), size)]):
                right += (self.bare(self.plain(pixels)).argmax(dim=1) == labels).sum()
        return {"accuracy": 100.0 * float(self.processes.sum(right)) / count}

    def _verified(self, name: str) -> float:
        with self._precision():
            return 100.0 * verify(self.bare, self.dataset.pairs[name], prepare=self.plain).mean

    def _angles(self, last: bool) -> dict[str, float | None]:
        """Return the minimal angles of the layers in degrees; empty between measurements and for ranks above 0."""
        if not self.processes.first or not (last or self.epoch % math.ceil(self.schedule.epochs / MEASURED) == 0):
            return {}
        found = layer_angles(self.bare, self.monitor, None if last else WIDEST)
        self._final = found if last else None
        return {name: one["min_angle_degrees"] for name, one in found.items()}

    def final_angles(self) -> dict[str, dict[str, Any]]:
        """Return the measurements of all layers after the last epoch."""
        return layer_angles(self.bare, self.monitor) if self._final is None else self._final

    # --- checkpoints -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, for a checkpoint."""
        return {
            "epoch": self.epoch,
            "history": self.history,
            "model": self.bare.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "regulariser": None if self.reg is None else self.reg.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state` returned in a run with the same settings.

        Raises:
            InvalidParameterError: if it is the state of another kind of run.
        """
        try:
            self.bare.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            if self.reg is not None:
                self.reg.load_state_dict(state["regulariser"])
            self.history, self.epoch = list(state["history"]), int(state["epoch"])
        except (KeyError, TypeError, ValueError, RuntimeError, FileFormatError) as error:
            reason = " ".join(str(error).split())[:120]
            raise InvalidParameterError("state", "that of a run of this kind", reason or type(error).__name__) from None
