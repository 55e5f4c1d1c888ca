"""Progress of the runs on stderr: a bar with loss, accuracy and minimal angles, or lines where there is no terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.paper.jobs import Job
from benchmarks.paper.schedule import Schedule
from benchmarks.paper.training import NullCallback, TrainingCallback

__all__ = ["ProgressBar", "ProgressLog", "ProgressReporter", "summary"]

_EVERY = 60.0  # seconds between two lines of a log


def summary(line: Mapping[str, Any], layers: Sequence[str]) -> str:
    """Return one epoch in words: "loss 2.110, accuracy 43.10 %, L5-3 71.2°"."""
    parts = [f"loss {line['loss']:.3f}"]
    parts += [f"{name} {value:.2f} %" for name, value in line["measures"].items()]
    angles = {layer: line["angles"].get(layer) for layer in layers}
    return ", ".join(parts + [f"{layer} {angle:.1f}°" for layer, angle in angles.items() if angle is not None])


class ProgressBar:
    """A callback that shows one run in a progress bar."""

    def __init__(self, progress: Progress, task: Any, job: Job, schedule: Schedule, layers: Sequence[str]) -> None:
        self._progress = progress
        self._task = task
        self._job = job
        self._schedule = schedule
        self._layers = layers
        self._last = ""
        self._angles: Mapping[str, Any] = {}

    def step(self, epoch: int, step: int, loss: float) -> None:
        done = epoch * self._schedule.steps_an_epoch + step
        text = self._last or f"loss {loss:.3f}"
        self._progress.update(self._task, completed=done, text=f"epoch {epoch + 1}, {text}")

    def epoch(self, line: Mapping[str, Any]) -> None:
        self._angles = line["angles"] or self._angles
        self._last = summary({**line, "angles": self._angles}, self._layers)
        self.step(line["epoch"], self._schedule.steps_of(line["epoch"]), line["loss"])


class ProgressLog:
    """A callback that writes one line after an epoch, at most one a minute."""

    def __init__(self, reporter: ProgressReporter, job: Job, schedule: Schedule, layers: Sequence[str]) -> None:
        self._reporter = reporter
        self._job = job
        self._epochs = schedule.epochs
        self._layers = layers
        self._written = reporter.clock()

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Write nothing: steps are too frequent for a log."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        now = self._reporter.clock()
        if now - self._written >= _EVERY:
            self._written = now
            self._reporter.write(
                f"{self._job.name}, {line['epoch'] + 1} of {self._epochs}: {summary(line, self._layers)}"
            )


class ProgressReporter:
    """Writes progress to a console on stderr.

    Args:
        silent: write nothing, as in every process but that of rank 0.
        clock: seconds, from any origin.
    """

    def __init__(self, *, silent: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.console = Console(stderr=True, quiet=silent, highlight=False)

    def write(self, text: str) -> None:
        """Write one line."""
        self.console.print(escape(text), soft_wrap=True)

    @contextlib.contextmanager
    def run(self, job: Job, schedule: Schedule, layers: Sequence[str]) -> Iterator[TrainingCallback]:
        """Yield the callback for one run: a bar in a terminal, lines elsewhere, nothing where silent."""
        if self.console.quiet:
            yield NullCallback()
            return
        if not self.console.is_terminal:
            yield ProgressLog(self, job, schedule, layers)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(escape(job.name), total=schedule.steps, text="")
            yield ProgressBar(progress, task, job, schedule, layers)
