"""One run from its first step to its last: SGD on cross-entropy plus the term of Eq. 13, measured after every epoch.

Weights, order, augmentation and dropout follow from the seed and the number of the epoch, so that a run which was
stopped goes on as if it had not been.
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
from benchmarks.paper.evidence import Clock, PeakMemory, layer_angles
from benchmarks.paper.jobs import Job, check_precision
from benchmarks.paper.processes import Crew
from benchmarks.paper.regularisers import judge, regulariser
from benchmarks.paper.schedule import Schedule
from benchmarks.paper.verification_accuracy import verify
from tammes.base.errors import FileFormatError, InvalidParameterError
from tammes.nn import Regularizer

__all__ = ["DivergedError", "Silent", "Trainer", "Watch"]

LOOK = 50
"""Steps between two looks at the loss: is it finite, and what does the progress bar say?"""
MEASURED = 40
"""Epochs of a run, about, after which the angles of all layers are measured: some seconds each time, on the CPU."""
WIDEST = 2_048
"""Rows of layers whose angles are measured on the way; those of wider ones at the end only."""


class DivergedError(Exception):
    """The loss is not finite; the run ends here, and its figures are none."""


class Watch(Protocol):
    """Who is told how a run goes."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Now and then within an epoch."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """After each one."""


class Silent:
    """Nobody."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Nothing."""


class Trainer:
    """The state of one run.

    Args:
        job: what the run is.
        dataset: its images.
        crew: the processes that do it together.
        compiled: whether the network goes through `torch.compile`.
        network: makes the bare network from the number of classes; `models.build` by default.
    """

    def __init__(
        self,
        job: Job,
        dataset: Dataset,
        crew: Crew | None = None,
        *,
        compiled: bool = False,
        network: Callable[[int], nn.Module] | None = None,
    ) -> None:
        self.job, self.dataset, self.crew = job, dataset, Crew() if crew is None else crew
        device = self.crew.device
        check_precision(job.amp, device.type)
        self.schedule = Schedule(job.recipe, len(dataset.train.labels))
        self._check_last_batch()
        torch.manual_seed(batches.seed_of("weights", job.seed))
        classes = len(dataset.train.classes)
        made = models.build(job.network, classes, job.data.image_size) if network is None else network(classes)
        self.bare = self.crew.synchronised(made.to(device))
        self.reg = regulariser(self.bare, job.arm, seed=job.seed, refresh_every=job.refresh_every)
        self.judge: Regularizer = judge(self.bare)
        self.model = self.crew.wrapped(torch.compile(self.bare) if compiled else self.bare)  # type: ignore[arg-type]
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
        """A last batch of an image a process, or fewer, has no variance for batch norms."""
        images, batch = len(self.dataset.train.labels), self.job.recipe.batch
        if batch % self.crew.size:
            raise InvalidParameterError("nproc-per-node", f"a divisor of the batch, {batch}", self.crew.size)
        last = images % batch or batch
        if last < 2 * self.crew.size:
            raise InvalidParameterError(
                "images", f"such that batches of {batch} leave {2 * self.crew.size} or more in the last one", images
            )

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
        """Whether no epoch is left."""
        return self.epoch >= self.schedule.epochs

    def advance(self, watch: Watch | None = None) -> dict[str, Any]:
        """Train for one epoch more, and measure.

        Returns:
            Its line of the history.

        Raises:
            DivergedError: if a loss is not finite.
        """
        watch = Silent() if watch is None else watch
        began = time.perf_counter()
        clock, memory = Clock(self.crew.device), PeakMemory(self.crew.device)
        memory.restart()
        loss, accuracy = self._train(watch, clock)
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
            "batch_seconds": clock.median(),
            "peak_bytes": peak,
            "seconds": time.perf_counter() - began,
        }
        self.history.append(line)
        self.epoch += 1
        watch.epoch(line)
        return line

    def _train(self, watch: Watch, clock: Clock) -> tuple[float, float]:
        """All steps of the epoch: mean cross-entropy and accuracy (per cent) on the training images as they came."""
        job, epoch, crew = self.job, self.epoch, self.crew
        self.model.train()
        torch.manual_seed(batches.seed_of("dropout", job.seed, epoch) ^ crew.rank)
        random = batches.random("augmentation", job.seed, epoch, crew.device)
        indices = self._indices(epoch)
        totals, seen, whole = torch.zeros(2, dtype=torch.float64, device=crew.device), 0, 0
        clock.mark()
        for step, (pixels, labels) in enumerate(self.source.batches(indices)):
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(epoch, step)
            mine = crew.share(len(labels))  # all processes draw for the whole batch, so that each image has its crop
            totals += self._step(self.augment(pixels, random)[mine], labels[mine], len(labels))
            clock.mark()
            seen, whole = seen + mine.stop - mine.start, whole + len(labels)
            if (step + 1) % LOOK == 0 or step + 1 == len(indices) or crew.device.type == "cpu":
                mean = float(totals[0]) / seen
                watch.step(epoch, step + 1, mean)
                if not math.isfinite(mean) and crew.size == 1:
                    raise DivergedError
        loss, right = crew.summed(totals).tolist()
        sound = all(bool(parameter.isfinite().all()) for parameter in self.bare.parameters())  # after the last step too
        if not (math.isfinite(loss) and sound):  # of all processes alike: none is left waiting for another
            raise DivergedError
        return loss / whole, 100.0 * right / whole

    def _indices(self, epoch: int) -> list[NDArray[np.int64]]:
        """Numbers of the images of each step."""
        order, batch = batches.order(len(self.source), self.job.seed, epoch), self.job.recipe.batch
        return [order[k * batch : (k + 1) * batch] for k in range(self.schedule.steps_of(epoch))]

    def _step(self, images: Tensor, labels: Tensor, whole: int) -> Tensor:
        """One step of SGD, of `whole` images in all processes; sums of cross-entropy and of images that are right."""
        self.optimizer.zero_grad(set_to_none=True)
        faces = self.job.data.name == "faces"
        with self._precision():
            logits = self.model(images, labels) if faces else self.model(images)
        logits = logits.float()
        summed = nn.functional.cross_entropy(logits, labels, reduction="sum")
        loss = summed * (self.crew.size / whole)  # DDP takes the mean over processes: that is the mean over images
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
        return torch.autocast(self.crew.device.type, dtype=dtype, enabled=self.job.amp != "off")

    # --- measuring ----------------------------------------------------------------------------------------

    def _measures(self, last: bool) -> dict[str, float]:
        """Accuracies in per cent: on the test images, or on the sets of pairs."""
        self.bare.eval()
        if self.tested is None:
            wanted = last or self.epoch + self.job.recipe.last >= self.schedule.epochs
            return {name: self._verified(name) for name in self.dataset.pairs} if wanted else {}
        count = len(self.tested)
        mine = np.arange(count)[self.crew.share(count)]
        size = 1_000 if self.crew.device.type == "cuda" else 128
        right = torch.zeros(1, dtype=torch.float64, device=self.crew.device)
        with torch.no_grad(), self._precision():
            for pixels, labels in self.tested.batches([mine[k : k + size] for k in range(0, len(mine), size)]):
                right += (self.bare(self.plain(pixels)).argmax(dim=1) == labels).sum()
        return {"accuracy": 100.0 * float(self.crew.summed(right)) / count}

    def _verified(self, name: str) -> float:
        with self._precision():
            return 100.0 * verify(self.bare, self.dataset.pairs[name], prepare=self.plain).mean

    def _angles(self, last: bool) -> dict[str, float | None]:
        """Minimal angle of every layer that is not too wide, degrees; now and then, of the first process only."""
        if not self.crew.first or not (last or self.epoch % math.ceil(self.schedule.epochs / MEASURED) == 0):
            return {}
        found = layer_angles(self.bare, self.judge, None if last else WIDEST)
        self._final = found if last else None
        return {name: one["min_angle_degrees"] for name, one in found.items()}

    def final_angles(self) -> dict[str, dict[str, Any]]:
        """What all layers are like now."""
        return layer_angles(self.bare, self.judge) if self._final is None else self._final

    # --- stop and go on -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "history": self.history,
            "model": self.bare.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "regulariser": None if self.reg is None else self.reg.state_dict(),
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; other than that, the run must be the same.

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
