"""The runs of a table, one after the other: what is done is kept and not done again, what is half-done goes on.

A folder of results holds `runs/NAME.json` of every run that is done, and `runs/NAME.pt` of one that is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import torch

from benchmarks.paper import checkpoint
from benchmarks.paper.datasets import Dataset, part_of
from benchmarks.paper.evidence import PeakMemory, environment, histogram
from benchmarks.paper.jobs import Job
from benchmarks.paper.processes import Crew
from benchmarks.paper.training import DivergedError, Silent, Trainer, Watch
from tammes.base.errors import FileAccessError, FileFormatError, InvalidParameterError
from tammes.storage import formats as files

__all__ = ["SCHEMA", "SMOKE", "Result", "Store", "do", "make_folder"]

SCHEMA = "tammes.paper.run/1"
SMOKE = "A rehearsal on generated images: none of these figures means anything."
"""Stands in every file of a rehearsal."""
_STATES = ("free", "done", "busy")
_REMEDY = "Remove it to do that run again."


@dataclass(frozen=True)
class Result:
    """What a run came to. Accuracies in per cent, angles in degrees."""

    job: Mapping[str, Any]
    """`Job.settings`."""
    name: str
    digest: str
    seed: int
    smoke: bool
    data: str
    """Fingerprint of the images."""
    diverged: bool
    """Whether a loss was not finite; there are no measures then."""
    measures: Mapping[str, float]
    """Means over the last epochs."""
    epochs: int
    batch_seconds: float | None
    """Median over the epochs of the median of an epoch."""
    peak_bytes: int | None
    peak_what: str
    angles: Mapping[str, Mapping[str, Any]]
    """Of every layer at the end."""
    cosines: Mapping[str, Mapping[str, Any]]
    """Histograms of the cosines of all pairs of rows at the end, of every layer: tables share runs, not layers."""
    history: Sequence[Mapping[str, Any]]
    environment: Mapping[str, Any]

    def outcome(self) -> dict[str, Any]:
        """What another run with these settings should repeat bit for bit on this machine: all but times and memory."""
        found = dataclasses.asdict(self)
        for name in ("environment", "batch_seconds", "peak_bytes", "peak_what"):
            del found[name]
        for line in found["history"]:
            for name in ("batch_seconds", "peak_bytes", "seconds"):
                del line[name]
        return found


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it.

    Raises:
        FileAccessError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileAccessError(folder, f"the folder cannot be made ({reason})", "Choose another --out.") from None


class Store:
    """The folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runs"

    def path(self, job: Job, suffix: str = ".json") -> Path:
        """Where a run is kept."""
        return self.folder / f"{job.name}{suffix}"

    def has(self, job: Job) -> bool:
        """Whether a run is done."""
        return self.path(job).exists()

    def write(self, job: Job, result: Result) -> None:
        """Keep a run that is done."""
        note = {"note": SMOKE} if result.smoke else {}
        document = {"schema": SCHEMA} | note | dataclasses.asdict(result)
        text = json.dumps(_finite(document), indent=1)
        files.write_atomically(self.path(job), (text + "\n").encode(), force=True)

    def read(self, job: Job) -> Result | None:
        """A run that is done; None if it is not.

        Raises:
            FileFormatError: if the file is damaged, or of another run.
        """
        path = self.path(job)
        if not path.exists():
            return None
        document = files.read_json(path)
        if document.get("schema") != SCHEMA:
            raise FileFormatError(path, f"not a {SCHEMA} document", _REMEDY)
        try:
            result = Result(**{one.name: document[one.name] for one in dataclasses.fields(Result)})
            sound = _sound(result)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(path, f"damaged: {error!r}", _REMEDY) from None
        if not sound:
            raise FileFormatError(path, "damaged: its figures are none", _REMEDY)
        if result.digest != job.digest or result.job != job.settings():
            raise FileFormatError(path, "the result of a run with other settings", _REMEDY)
        return result

    def read_all(self, jobs: Sequence[Job]) -> dict[str, Result]:
        """Those of the runs that are done, by name."""
        found = {job.name: self.read(job) for job in jobs}
        return {name: result for name, result in found.items() if result is not None}

    def make(self) -> None:
        """Make the folder.

        Raises:
            FileAccessError: if it cannot be made, or does not take files.
        """
        for folder in (self.folder, self._locks):
            make_folder(folder)
            files.check_writable(folder / "tried", force=True)

    @property
    def _locks(self) -> Path:
        return self.folder / ".locks"

    @contextlib.contextmanager
    def claimed(self, job: Job, crew: Crew) -> Iterator[str]:
        """Whether this run is "free" for us to do, "done", or "busy": another command on this folder is at it."""
        lock = filelock.FileLock(self._locks / f"{job.name}.lock")
        state = 0
        if crew.first:
            make_folder(self._locks)  # locks stay: removed, two could hold one
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(timeout=0)
            state = _STATES.index("busy" if not lock.is_locked else "done" if self.has(job) else "free")
        try:
            yield _STATES[crew.agreed(state)]
        finally:
            if lock.is_locked:
                lock.release()


def _sound(result: Result) -> bool:
    """Whether the figures can be figures."""
    accuracies = list(result.measures.values())
    angles = [one["min_angle_degrees"] for one in result.angles.values()]
    return (
        all(0.0 <= float(one) <= 100.0 for one in accuracies)
        and all(one is None or 0.0 <= float(one) <= 180.0 for one in angles)
        and (result.diverged or bool(accuracies))
        and all(isinstance(line["epoch"], int) for line in result.history)
    )


def _finite(value: Any) -> Any:
    """The document with None for what JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def do(
    job: Job,
    dataset: Dataset,
    store: Store,
    crew: Crew,
    *,
    compiled: bool = False,
    watch: Watch | None = None,
    trainer: Callable[..., Trainer] = Trainer,
    keep_weights: bool = False,
) -> Result | None:
    """Do one run, from where it was left, and keep it.

    Args:
        job: the run.
        dataset: its images.
        store: where it is kept.
        crew: the processes that do it together; the first one writes.
        compiled: whether the network goes through `torch.compile`.
        watch: is told how it goes.
        trainer: makes the `Trainer`.
        keep_weights: keep the weights at the end in `NAME.weights.pt`, for `tammes inspect`.

    Returns:
        The result, of the first process; None of the others.

    Raises:
        FileFormatError: if the checkpoint is damaged, or is of another run or of other images.
    """
    watch = Silent() if watch is None else watch
    dataset = part_of(dataset, job.limit)
    run = trainer(job, dataset, crew, compiled=compiled)
    path = store.path(job, ".pt")
    if crew.agreed(int(path.exists())):
        state = checkpoint.load(path, digest=job.digest, data=dataset.fingerprint)
        try:
            run.take_up(state)
        except InvalidParameterError as error:
            raise FileFormatError(path, f"the checkpoint of another network ({error.value})", _REMEDY) from None
        for line in run.history:
            watch.epoch(line)
    diverged = False
    try:
        while not run.done:
            run.advance(watch)
            if crew.first:
                checkpoint.save(path, run.state(), digest=job.digest, data=dataset.fingerprint)
    except DivergedError:
        diverged = True
    if not crew.first:
        return None
    result = _result(job, dataset, run, diverged=diverged)
    if keep_weights:
        weights = {name: value.cpu() for name, value in run.bare.state_dict().items()}
        stream = io.BytesIO()
        torch.save(weights, stream)
        files.write_atomically(store.path(job, ".weights.pt"), stream.getvalue(), force=True)
    store.write(job, result)
    path.unlink(missing_ok=True)
    return result


def _result(job: Job, dataset: Dataset, run: Trainer, *, diverged: bool) -> Result:
    """What the run came to."""
    lines = run.history[-job.recipe.last :]
    names = [] if diverged else list(lines[-1]["measures"])
    seconds = [line["batch_seconds"] for line in run.history]
    peaks = [line["peak_bytes"] for line in run.history if line["peak_bytes"] is not None]
    angles = run.final_angles()
    histograms = {} if diverged else {layer: histogram(run.bare, layer) for layer in angles}
    return Result(
        job=job.settings(),
        name=job.name,
        digest=job.digest,
        seed=job.seed,
        smoke=job.smoke,
        data=dataset.fingerprint,
        diverged=diverged,
        measures={name: statistics.fmean(line["measures"][name] for line in lines) for name in names},
        epochs=len(run.history),
        batch_seconds=statistics.median(seconds) if seconds else None,
        peak_bytes=max(peaks, default=None),
        peak_what=PeakMemory(run.crew.device).what,
        angles=angles,
        cosines=histograms,
        history=run.history,
        environment=environment(run.crew),
    )
