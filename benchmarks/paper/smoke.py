"""Smoke run of all experiments on generated data, in minutes: readers, networks, regularisers, a killed run, all files.

Every network trains for two epochs with every regulariser on a handful of images; one run is killed (SIGKILL) after
its first epoch, and resumed; every table and every figure is written. All files say that their figures mean nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import threadpoolctl
import torch

from benchmarks.paper import config, generated, reports, runs
from benchmarks.paper.config import Arm, Experiment
from benchmarks.paper.datasets import Dataset, open_dataset
from benchmarks.paper.jobs import Job, jobs_of
from benchmarks.paper.processes import ProcessGroup
from tammes.base.errors import FileAccessError, TammesError
from tammes.storage import formats as files

__all__ = ["KILLED_NETWORK", "experiments", "jobs_for", "run_smoke", "shrunk"]

EPOCHS = 2
LIMITS: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "cifar-100": (8, {"train": 16, "test": 16}),
    "tiny-imagenet-200": (8, {"train": 16, "test": 16}),
    "faces": (4, {"train": 8, "pairs": 10}),
}
"""Images a batch, and images of each part that are taken, by data set."""
SWEPT = (0.01, 0.03, 0.2)
"""Coefficients of the sweep that are run."""
KILLED_NETWORK = "resnet20"
"""The network of the run that is killed, and of the sweep: the smallest one."""
_TIMEOUT = 120.0  # seconds until the run that is killed must have reached its second epoch


def shrunk(experiment: Experiment) -> Experiment:
    """Return the same experiment with two short epochs, and the sweep of one network only."""
    batch, limit = LIMITS[experiment.data.name]
    recipes = {}
    for network, recipe in experiment.recipes.items():
        length = EPOCHS if recipe.unit == "epochs" else EPOCHS * (limit["train"] // batch)
        recipes[network] = dataclasses.replace(
            recipe, length=length, milestones=(1,), batch=batch, last=min(recipe.last, EPOCHS)
        )
    found = dataclasses.replace(experiment, recipes=recipes)
    if experiment.name == "figure3":
        arms = tuple(arm for arm in experiment.arms if arm.loss == "none" or arm.coef in SWEPT)
        found = dataclasses.replace(found, arms=arms).only([KILLED_NETWORK])
    return found


def experiments() -> list[Experiment]:
    """Return all tables and figures, shrunk, then the combinations of network and regulariser that no table has."""
    found = [shrunk(config.load(name)) for name in config.EXPERIMENTS]
    by_name = {one.name: one for one in found}
    losses = [arm for arm in by_name["table3"].arms if arm.loss != "mma"]
    for name, source, networks in (
        ("networks_cifar", "table4", list(by_name["table4"].recipes)),
        ("networks_tiny", "table5", ["vgg16-bn"]),
    ):
        table = by_name[source].only(networks)
        others = [dataclasses.replace(arm, networks=tuple(networks)) for arm in losses]
        arms: tuple[Arm, ...] = (*others, *(arm for arm in table.arms if arm.loss == "mma"))
        title = f"Every network of {source.replace('table', 'Table ')} with every regulariser"
        contents = "No table of the paper: a smoke run of every combination."
        found.append(dataclasses.replace(table, name=name, title=title, contents=contents, arms=arms))
    return found


def jobs_for(experiment: Experiment) -> list[Job]:
    """Return one seed of each run of a shrunk experiment."""
    _, limit = LIMITS[experiment.data.name]
    return jobs_of(experiment, [0], smoke=True, limit=limit)


def run_smoke(folder: Path) -> int:
    """Run everything on one thread, print the report and return the exit status.

    Raises:
        TammesError: if a step fails.
    """
    with _one_thread():
        return _run_smoke(folder)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: threads that wait on busy cores took ten times as long, and both runs must round alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _run_smoke(folder: Path) -> int:
    began = time.monotonic()
    results = [path for path in (folder / "runs").glob("*.json") if not path.name.startswith("smoke_")]
    if results:
        raise FileAccessError(folder, "holds results, whose tables a smoke run would replace", "Choose another --out.")
    store, processes = runs.Store(folder), ProcessGroup()
    store.make()
    data = folder / "generated_data"
    runs.make_folder(data)
    generated.write_all(data)
    settings = reports.Settings(data)
    datasets: dict[str, Dataset] = {}
    lines = [f"**{runs.SMOKE}**", "", "| | runs | files | s |", "|---|---:|---:|---:|"]
    for experiment in experiments():
        start = time.monotonic()
        jobs, name = jobs_for(experiment), experiment.data.name
        if name not in datasets:
            datasets[name] = open_dataset(name, data)
        reports.run_all(experiment, jobs, store, processes, settings, datasets[name])
        found = store.read_all(jobs)
        if len(found) < len(jobs):
            raise TammesError(f"{experiment.name}: {len(found)} of {len(jobs)} runs are done.")
        command = "python -m benchmarks.paper --smoke"
        written = reports.write(folder, experiment, jobs, found, command)
        seconds = time.monotonic() - start
        lines.append(f"| {experiment.title} | {len(jobs)} | {len(written)} | {seconds:.0f} |")
    lines += ["", kill_and_resume(folder, datasets["cifar-100"], store)]
    lines += ["", f"{time.monotonic() - began:.0f} s in all."]
    text = "\n".join(lines) + "\n"
    files.write_atomically(folder / "smoke.md", text.encode(), force=True)
    print(text)
    return 0


# --- a run that is killed ------------------------------------------------------------------------------------


def _killed_job() -> Job:
    experiment = shrunk(config.load("table4")).only([KILLED_NETWORK])
    return next(job for job in jobs_for(experiment) if job.arm.loss == "mma")


def kill_and_resume(folder: Path, dataset: Dataset, store: runs.Store) -> str:
    """Kill one run after its first epoch, resume it, and compare with the uninterrupted one.

    Raises:
        TammesError: if the two differ, or the run could not be killed in time.
    """
    job = _killed_job()
    apart = runs.Store(folder / "killed")
    for suffix in (".json", ".pt"):
        apart.path(job, suffix).unlink(missing_ok=True)
    words = [sys.executable, "-m", "benchmarks.paper.smoke", str(folder)]
    with subprocess.Popen(words, cwd=Path(__file__).resolve().parents[2]) as process:
        try:
            deadline = time.monotonic() + _TIMEOUT
            while not apart.path(job, ".pt").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise TammesError(f"{job.name}: the run that was to be killed ended or did not begin.")
                time.sleep(0.02)
        finally:
            process.kill()  # SIGKILL: nothing in it can tidy up
    if apart.has(job):
        raise TammesError(f"{job.name}: the run that was to be killed finished first.")
    resumed = runs.run_job(job, dataset, apart, ProcessGroup())
    alone = store.read(job)
    again = apart.read(job)
    if resumed is None or alone is None or again is None or again.outcome() != alone.outcome():
        raise TammesError(f"{job.name}: killed and resumed, it came to another result.")
    return f"{job.name}: killed after its first epoch and resumed, it came to the same result, bit for bit."


class _WaitInSecondEpoch:
    """A callback that waits in the second epoch for the process to be killed."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Do nothing."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        if line["epoch"] > 0:  # the checkpoint of the first epoch is written, that of this one is not
            time.sleep(2.0 * _TIMEOUT)


def main(arguments: Sequence[str]) -> None:
    """Execute the run that is to be killed, in this process."""
    folder = Path(arguments[0])
    job = _killed_job()
    dataset = open_dataset(job.data.name, folder / "generated_data")
    store = runs.Store(folder / "killed")
    with _one_thread(), store.claim(job, ProcessGroup()):
        runs.run_job(job, dataset, store, ProcessGroup(), callback=_WaitInSecondEpoch())


if __name__ == "__main__":
    main(sys.argv[1:])
