"""Estimate the cost of a table before it is run: seconds of a few steps of each network, times the number of steps.

An estimate: steps are measured on noise, one after the other, with no more images than fit a short measurement, and
the network's part is scaled to the batch. Evaluation, checkpoints and the reading of data are not in it.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.paper import models
from benchmarks.paper.config import Experiment
from benchmarks.paper.jobs import Job
from benchmarks.paper.measurements import PeakMemory
from benchmarks.paper.regularisers import regulariser
from benchmarks.paper.schedule import Schedule

__all__ = ["IMAGES", "Cost", "costs_of", "duration", "measure", "median_seconds", "plan"]

IMAGES = {"cifar-100": 50_000, "tiny-imagenet-200": 100_000, "faces": 490_623}
"""Training images where the data are not there to be counted; faces as in CASIA-WebFace, which is assumed."""
CLASSES = {"cifar-100": 100, "tiny-imagenet-200": 200, "faces": 10_575}
_MOST = {"cpu": 16, "cuda": 1 << 30}  # images in a measured step
_STEPS = {"cpu": 3, "cuda": 20}


@dataclass(frozen=True)
class Cost:
    """Estimated cost of one run."""

    step_seconds: float
    """Seconds of a step with the whole batch."""
    steps: int
    peak_bytes: int | None
    """At the peak of a measured step; None where it was not that of the whole batch."""
    measured: int
    """Images in a measured step."""
    network_seconds: float = 0.0
    """Seconds of the network's forward and backward pass in a measured step."""

    @property
    def seconds(self) -> float:
        """Seconds of all steps."""
        return self.step_seconds * self.steps


def costs_of(
    experiment: Experiment, jobs: Sequence[Job], device: torch.device, images: int | None = None
) -> dict[str, Cost]:
    """Return the cost of each of the given runs, by name; equal steps are measured once.

    Args:
        experiment: the table.
        jobs: some of its runs.
        device: where they would run.
        images: in the training set; as published by default.
    """
    count = IMAGES[experiment.data.name] if images is None else images
    known: dict[str, Cost] = {}
    networks: dict[str, float] = {}
    found = {}
    for job in jobs:
        arm = job.arm if job.arm.loss == "none" else dataclasses.replace(job.arm, coef=1.0)
        key = dataclasses.replace(job, seed=0, arm=arm).digest
        if key not in known:
            known[key] = measure(job, device, count, network_seconds=networks.get(job.network))
            networks.setdefault(job.network, known[key].network_seconds)
        found[job.name] = known[key]
    return found


def measure(
    job: Job,
    device: torch.device,
    images: int,
    make: Callable[[], nn.Module] | None = None,
    network_seconds: float | None = None,
    timed: Callable[[Callable[[], object], torch.device], float] | None = None,
) -> Cost:
    """Measure the steps of one run on noise.

    Args:
        job: the run.
        device: where.
        images: in the training set.
        make: returns the network; `models.build` by default.
        network_seconds: of its forward and backward pass, if they were measured already.
        timed: returns the seconds of a call; `median_seconds` by default.
    """
    timed = median_seconds if timed is None else timed
    batch = min(job.recipe.batch, _MOST[device.type])
    classes, size = CLASSES[job.data.name], job.data.image_size
    torch.manual_seed(0)
    model = (models.build(job.network, classes, size) if make is None else make()).to(device).train()
    reg = regulariser(model, job.arm, refresh_every=job.refresh_every)
    optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=1e-4, momentum=0.9)
    x = torch.randn(batch, 3, size, size, device=device)
    labels = torch.randint(classes, (batch,), device=device)
    memory = PeakMemory(device)
    memory.restart()

    def network() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=job.amp != "off"):
            logits = model(x, labels) if job.data.name == "faces" else model(x)
        nn.functional.cross_entropy(logits.float(), labels).backward()

    def term() -> None:
        if reg is not None:
            reg().backward()

    if network_seconds is None:
        network_seconds = timed(network, device)
    else:
        network()  # for the gradients, and for the peak of memory
    rest = timed(term, device) if reg is not None else 0.0
    rest += timed(optimizer.step, device)
    whole = batch == job.recipe.batch
    return Cost(
        network_seconds * job.recipe.batch / batch + rest,
        Schedule(job.recipe, images).steps,
        memory.read() if whole else None,
        batch,
        network_seconds,
    )


def median_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the median of the seconds of some calls, after one that is not counted."""
    found = []
    for _ in range(1 + _STEPS[device.type]):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


def duration(seconds: float) -> str:
    """Return seconds in words: "40 s", "12 min", "3.5 h", "21 days"."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    if seconds < 100.0 * 60.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h" if seconds < 100.0 * 3600.0 else f"{seconds / 86400.0:.0f} days"


def plan(jobs: Sequence[Job], done: Mapping[str, bool], costs: Mapping[str, Cost], device: str) -> list[str]:
    """Return the runs and their estimated costs as lines of Markdown.

    Args:
        jobs: all runs.
        done: by name, True for a run that has a result.
        costs: of the others, by name.
        device: in words.
    """
    lines = ["| run | steps | a step | all steps | memory | |", "|---|---:|---:|---:|---:|---|"]
    total = 0.0
    for job in jobs:
        if done[job.name]:
            lines.append(f"| {job.name} | | | | | done |")
            continue
        cost = costs[job.name]
        total += cost.seconds
        memory = "—" if cost.peak_bytes is None else f"{cost.peak_bytes / 2**20:,.0f} MiB"
        note = "" if cost.measured == job.recipe.batch else f"scaled from {cost.measured} images"
        step = f"{1e3 * cost.step_seconds:,.0f} ms"
        lines.append(f"| {job.name} | {cost.steps:,} | {step} | {duration(cost.seconds)} | {memory} | {note} |")
    left = sum(not one for one in done.values())
    lines += ["", f"{left} of {len(jobs)} runs to do: about {duration(total)} on {device}."]
    lines += ["An estimate from a few steps of each on noise; evaluation and the reading of data are not in it."]
    return lines
