"""What is said on stderr while runs go: a bar with loss, accuracy and minimal angles, and a line when one ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.paper.jobs import Job
from benchmarks.paper.schedule import Schedule
from benchmarks.paper.training import Silent, Watch

__all__ = ["Bar", "Lines", "Narrator", "summary"]

_EVERY = 60.0  # seconds between two lines of a log


def summary(line: Mapping[str, Any], layers: Sequence[str]) -> str:
    """The last epoch in words: "loss 2.110, accuracy 43.10 %, L5-3 71.2°"."""
    said = [f"loss {line['loss']:.3f}"]
    said += [f"{name} {value:.2f} %" for name, value in line["measures"].items()]
    angles = {layer: line["angles"].get(layer) for layer in layers}
    return ", ".join(said + [f"{layer} {angle:.1f}°" for layer, angle in angles.items() if angle is not None])


class Bar:
    """Tells one run to a progress bar: its own `Watch`."""

    def __init__(self, progress: Progress, task: Any, job: Job, schedule: Schedule, layers: Sequence[str]) -> None:
        self._progress, self._task, self._job, self._schedule, self._layers = progress, task, job, schedule, layers
        self._last = ""
        self._angles: Mapping[str, Any] = {}

    def step(self, epoch: int, step: int, loss: float) -> None:
        done = epoch * self._schedule.steps_an_epoch + step
        said = self._last or f"loss {loss:.3f}"
        self._progress.update(self._task, completed=done, said=f"epoch {epoch + 1}, {said}")

    def epoch(self, line: Mapping[str, Any]) -> None:
        self._angles = line["angles"] or self._angles
        self._last = summary({**line, "angles": self._angles}, self._layers)
        self.step(line["epoch"], self._schedule.steps_of(line["epoch"]), line["loss"])


class Lines:
    """Tells one run to a log: a line after an epoch, at most one a minute."""

    def __init__(self, narrator: Narrator, job: Job, schedule: Schedule, layers: Sequence[str]) -> None:
        self._narrator, self._job, self._epochs, self._layers = narrator, job, schedule.epochs, layers
        self._said = time.monotonic()

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Nothing: too often."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        if time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            self._narrator.say(
                f"{self._job.name}, {line['epoch'] + 1} of {self._epochs}: {summary(line, self._layers)}"
            )


class Narrator:
    """Speaks to a console, or is silent (of all processes but the first)."""

    def __init__(self, *, silent: bool = False) -> None:
        self.console = Console(stderr=True, quiet=silent, highlight=False)

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(escape(text), soft_wrap=True)

    @contextlib.contextmanager
    def run(self, job: Job, schedule: Schedule, layers: Sequence[str]) -> Iterator[Watch]:
        """A bar for one run; lines where there is no terminal."""
        if self.console.quiet:
            yield Silent()
            return
        if not self.console.is_terminal:
            yield Lines(self, job, schedule, layers)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(escape(job.name), total=schedule.steps, said="")
            yield Bar(progress, task, job, schedule, layers)
