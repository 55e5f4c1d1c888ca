"""Results and checkpoints of runs on disk, and the execution of one run.

A folder of results holds `runs/NAME.json` of every finished run, and `runs/NAME.pt`, the checkpoint of one that is not.
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
from benchmarks.paper.jobs import Job
from benchmarks.paper.measurements import PeakMemory, environment, histogram
from benchmarks.paper.processes import ProcessGroup
from benchmarks.paper.training import DivergedError, NullCallback, Trainer, TrainingCallback
from tammes.base.errors import FileAccessError, FileFormatError, InvalidParameterError
from tammes.storage import formats as files

__all__ = ["SCHEMA", "SMOKE", "Result", "Store", "make_folder", "run_job"]

SCHEMA = "tammes.paper.run/1"
SMOKE = "A smoke run on generated images: none of these figures means anything."
"""Note in every file of a smoke run."""
_STATES = ("free", "done", "busy")
_REMEDY = "Remove it to do that run again."


@dataclass(frozen=True)
class Result:
    """The result of a run. Accuracies in per cent, angles in degrees."""

    job: Mapping[str, Any]
    """`Job.settings`."""
    name: str
    digest: str
    seed: int
    smoke: bool
    data: str
    """Fingerprint of the images."""
    diverged: bool
    """True if a loss was not finite; there are no measures then."""
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
        """Return what a second run on this machine repeats bit for bit: everything but times and memory."""
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
        """Return the path of a run's file."""
        return self.folder / f"{job.name}{suffix}"

    def has(self, job: Job) -> bool:
        """Return True if the run has a result."""
        return self.path(job).exists()

    def write(self, job: Job, result: Result) -> None:
        """Write the result of a run."""
        note = {"note": SMOKE} if result.smoke else {}
        document = {"schema": SCHEMA} | note | dataclasses.asdict(result)
        text = json.dumps(_json_ready(document), indent=1)
        files.write_atomically(self.path(job), (text + "\n").encode(), force=True)

    def read(self, job: Job) -> Result | None:
        """Return the result of a run; None if there is none.

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
            plausible = _is_plausible(result)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(path, f"damaged: {error!r}", _REMEDY) from None
        if not plausible:
            raise FileFormatError(path, "damaged: a figure is out of range", _REMEDY)
        if result.digest != job.digest or result.job != job.settings():
            raise FileFormatError(path, "the result of a run with other settings", _REMEDY)
        return result

    def read_all(self, jobs: Sequence[Job]) -> dict[str, Result]:
        """Return the results that there are, by the name of the run."""
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
    def claim(self, job: Job, processes: ProcessGroup) -> Iterator[str]:
        """Lock a run; yield "free" if it is ours to execute, "done", or "busy" if another command holds the lock."""
        lock = filelock.FileLock(self._locks / f"{job.name}.lock")
        state = 0
        if processes.first:
            make_folder(self._locks)  # lock files stay: with removal two processes could hold one
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(timeout=0)
            state = _STATES.index("busy" if not lock.is_locked else "done" if self.has(job) else "free")
        try:
            yield _STATES[processes.broadcast(state)]
        finally:
            if lock.is_locked:
                lock.release()


def _is_plausible(result: Result) -> bool:
    """Return True if all figures are in their ranges."""
    accuracies = list(result.measures.values())
    angles = [one["min_angle_degrees"] for one in result.angles.values()]
    return (
        all(0.0 <= float(one) <= 100.0 for one in accuracies)
        and all(one is None or 0.0 <= float(one) <= 180.0 for one in angles)
        and (result.diverged or bool(accuracies))
        and all(isinstance(line["epoch"], int) for line in result.history)
    )


def _json_ready(value: Any) -> Any:
    """Return the document with None for numbers that are not finite, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {str(key): _json_ready(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run_job(
    job: Job,
    dataset: Dataset,
    store: Store,
    processes: ProcessGroup,
    *,
    compiled: bool = False,
    callback: TrainingCallback | None = None,
    trainer: Callable[..., Trainer] = Trainer,
    keep_weights: bool = False,
) -> Result | None:
    """Execute one run, from its checkpoint if there is one, and write the result.

    Args:
        job: the run.
        dataset: its images.
        store: of checkpoint and result.
        processes: the process group; rank 0 writes.
        compiled: pass the network through `torch.compile`.
        callback: called with the progress.
        trainer: returns the `Trainer`.
        keep_weights: keep the weights at the end in `NAME.weights.pt`, for `tammes inspect`.

    Returns:
        The result in the process of rank 0; None in the others.

    Raises:
        FileFormatError: if the checkpoint is damaged, or is of another run or of other images.
    """
    callback = NullCallback() if callback is None else callback
    dataset = part_of(dataset, job.limit)
    run = trainer(job, dataset, processes, compiled=compiled)
    path = store.path(job, ".pt")
    if processes.broadcast(int(path.exists())):
        state = checkpoint.load(path, digest=job.digest, data=dataset.fingerprint)
        try:
            run.load_state(state)
        except InvalidParameterError as error:
            raise FileFormatError(path, f"the checkpoint of another network ({error.value})", _REMEDY) from None
        for line in run.history:
            callback.epoch(line)
    diverged = False
    try:
        while not run.done:
            run.advance(callback)
            if processes.first:
                checkpoint.save(path, run.state(), digest=job.digest, data=dataset.fingerprint)
    except DivergedError:
        diverged = True
    if not processes.first:
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
    """Return the result of a finished run."""
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
        peak_what=PeakMemory(run.processes.device).what,
        angles=angles,
        cosines=histograms,
        history=run.history,
        environment=environment(run.processes),
    )
