"""Execute the runs of an experiment and write its tables (`NAME.md`, `NAME.csv`, the layers) and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.paper import figures, tables
from benchmarks.paper.config import Experiment
from benchmarks.paper.datasets import Dataset, open_dataset, part_of
from benchmarks.paper.jobs import Job
from benchmarks.paper.processes import ProcessGroup
from benchmarks.paper.progress import ProgressReporter, summary
from benchmarks.paper.runs import Result, Store, make_folder, run_job
from benchmarks.paper.schedule import Schedule
from tammes import plots
from tammes.base.errors import FileAccessError, FileFormatError
from tammes.storage import formats as files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Settings", "machines", "run_all", "write"]

Draw = Callable[[Experiment, Sequence[Job], Mapping[str, Result]], "Figure"]


@dataclass(frozen=True)
class Settings:
    """Options of the runs that are not part of their settings."""

    data: Path
    compiled: bool = False
    keep_weights: bool = False


def run_all(
    experiment: Experiment,
    jobs: Sequence[Job],
    store: Store,
    processes: ProcessGroup,
    settings: Settings,
    dataset: Dataset | None = None,
) -> None:
    """Run every job that has no result yet and that no other command is running.

    Args:
        experiment: the table.
        jobs: its runs.
        store: of the results.
        processes: the process group that trains each of them.
        settings: of this command.
        dataset: the images; by default they are read from `settings.data`.

    Raises:
        FileAccessError: if the folder of results cannot be written.
        FileFormatError: if a stored result was computed on other images.
    """
    reporter = ProgressReporter(silent=not processes.first)
    if processes.first:
        done = store.read_all(jobs)  # a damaged file is reported now, not after hours
        left = sum(job.name not in done for job in jobs)
        reporter.write(f"{experiment.title}: {left} of {len(jobs)} runs to do")
    if not processes.broadcast(int(any(not store.has(job) for job in jobs))):
        return
    if processes.first:
        store.make()  # an unwritable folder is reported before the data are read
    dataset = open_dataset(experiment.data.name, settings.data) if dataset is None else dataset
    for job in jobs:
        kept = store.read(job)
        if kept is not None and kept.data != part_of(dataset, job.limit).fingerprint:
            raise FileFormatError(store.path(job), "the result of a run on other images", "Choose another --out.")
    for number, job in enumerate(jobs, 1):
        with store.claim(job, processes) as state:
            if state == "busy":
                reporter.write(f"{job.name}: another command is running it")
            if state != "free":
                continue
            schedule = Schedule(job.recipe, len(dataset.train.labels))
            with reporter.run(job, schedule, experiment.layers) as callback:
                result = run_job(
                    job,
                    dataset,
                    store,
                    processes,
                    compiled=settings.compiled,
                    callback=callback,
                    keep_weights=settings.keep_weights,
                )
        if result is not None:
            end = "diverged" if result.diverged else summary(result.history[-1], experiment.layers)
            reporter.write(f"{number} of {len(jobs)}, {job.name}: {end}")


def write(
    folder: Path, experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result], command: str
) -> list[Path]:
    """Write the tables and figures of the results so far; return their paths.

    Raises:
        FileAccessError: if they cannot be written, or the folder is that of a smoke run.
        FileFormatError: if the runs were done on different images.
    """
    data = {result.data for result in results.values() if not result.smoke}
    if len(data) > 1:
        raise FileFormatError(
            folder / "runs", f"holds runs of {experiment.name} on {len(data)} different sets of images"
        )
    smoke = any(job.smoke for job in jobs)
    if not smoke and (folder / "smoke.md").exists():
        raise FileAccessError(folder, "is the folder of a smoke run", "Choose another --out.")
    rows = tables.rows_of(experiment, jobs, results)
    page = tables.as_markdown(experiment, rows, smoke=smoke, machines=machines(results), command=command)
    name = experiment.name
    content: dict[str, bytes] = {
        f"{name}.md": page.encode(),
        f"{name}.csv": tables.as_csv(experiment, rows, smoke=smoke).encode(),
        f"{name}_layers.csv": tables.layers_as_csv(experiment, jobs, results, smoke=smoke).encode(),
    }
    if any(not result.diverged for result in results.values()):
        for file, draw in _drawings(name).items():
            content[file] = plots.figure_bytes(draw(experiment, jobs, results))
    make_folder(folder)
    for file, what in content.items():
        files.write_atomically(folder / file, what, force=True)
    return [folder / file for file in content]


def _drawings(name: str) -> dict[str, Draw]:
    """Return the functions that draw the figures of an experiment, by the name of the file."""
    found: dict[str, Draw] = {f"{name}_layers.png": figures.draw_layers}  # Supplement D
    if name == "table3":
        found |= {"figure1.png": figures.draw_cosines, "table3_training.png": figures.draw_training}
    if name == "figure3":
        found |= {"figure3.png": figures.draw_coefficients, "figure4.png": figures.draw_angles}
    return found


def machines(results: Mapping[str, Result]) -> list[str]:
    """Return the machines of the runs in words, each once."""
    found = []
    for result in results.values():
        there = result.environment
        where = there.get("gpu") or f"{there['processor']}, threads: {there.get('threads')}"
        versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
        count = f"{there['processes']} process{'' if there['processes'] == 1 else 'es'}"
        memory = f"; peak memory of {result.peak_what}" if result.peak_bytes is not None else ""
        found.append(f"{count} on {where}, {there['system']}; {versions}{memory}")
    return list(dict.fromkeys(found))
