"""Measure what MMA adds to a training step: time and peak memory with it, over those of the plain step.

VGG19-BN for 100 classes, batch 128 of 32 x 32 pixels, SGD with momentum and weight decay; forward, backward and
update. Three kinds of step alternate in one process, each on a network of its own: plain, with MMA, and with MMA
whose nearest rows are searched at every tenth step. A pair is ten steps of each kind, with one such search; ratios
are taken pair by pair, and their median is reported. Peak memory is that beyond the imported libraries, in a process
of its own for each kind.

    python -m benchmarks.paper.step_cost --pairs 5 --threads 1 [--device cuda] --out benchmarks/paper/step_cost.md

Prints the report; with `--out` also writes it, and the figures as JSON beside it. A run on another device adds its
rows to that file.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.paper import models
from benchmarks.paper.measurements import PeakMemory
from tammes.base.errors import DeviceError, TammesError
from tammes.base.validation import check_integer
from tammes.bench.machine import describe_machine
from tammes.nn import Regularizer
from tammes.storage import formats as files

__all__ = ["FORMS", "main", "markdown", "measure", "ratios"]

FORMS: Mapping[str, tuple[int | None, float | None]] = {
    "plain": (None, None),
    "MMA at every step": (1, 1.36),
    "MMA, `refresh_every=10`": (10, 1.10),
}
"""`refresh_every` of each kind of step, and the target for its time in plain steps."""

STANDARD: Mapping[str, Any] = {"model": "vgg19-bn", "batch": 128, "size": 32}
"""The settings that the targets refer to."""

STEPS = 10  # of a pair: one search with `refresh_every=10`
DEVICES = ("cpu", "cuda")


class Training:
    """A network in training on one batch of noise; the time of a step does not depend on the values."""

    def __init__(self, form: str, options: argparse.Namespace) -> None:
        torch.manual_seed(0)
        size, classes = options.size, 100
        self.device = options.device
        self.model = models.build(options.model, classes, size).to(self.device)
        self.images = torch.randn(options.batch, 3, size, size).to(self.device)
        self.labels = torch.randint(classes, (options.batch,)).to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        refresh_every = FORMS[form][0]
        self.reg = None if refresh_every is None else Regularizer(self.model, "mma", 0.07, refresh_every=refresh_every)

    def step(self) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.model(self.images), self.labels)
        if self.reg is not None:
            loss = loss + self.reg()
        loss.backward()
        self.optimizer.step()

    def reset_neighbours(self) -> None:
        """Make the next step search for the nearest rows."""
        if self.reg is not None:
            self.reg.load_state_dict(self.reg.state_dict() | {"calls": 0})


def seconds(work: Callable[[], None], device: str) -> float:
    """Return the wall time of one call, the device's work included."""
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def alternate(steps: Mapping[str, Callable[[], None]], device: str, pairs: int) -> dict[str, list[float]]:
    """Return seconds a step by kind, the mean of `STEPS` steps for each pair; the order rotates from step to step."""
    names = list(steps)
    for work in steps.values():
        seconds(work, device)
    columns: dict[str, list[float]] = {name: [] for name in names}
    for pair in range(pairs):
        sums = dict.fromkeys(names, 0.0)
        for step in range(STEPS):
            first = (pair * STEPS + step) % len(names)
            for name in names[first:] + names[:first]:
                sums[name] += seconds(steps[name], device)
        for name in names:
            columns[name].append(sums[name] / STEPS)
        print(json.dumps({name: columns[name][-1] for name in names}), file=sys.stderr, flush=True)
    return columns


def ratios(columns: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Return the time of each kind of step over that of the plain step, pair by pair."""
    plain = columns["plain"]
    return {name: [b / a for a, b in zip(plain, column, strict=True)] for name, column in columns.items()}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one device for the report."""
    trainings = {name: Training(name, options) for name in FORMS}
    columns = alternate({name: one.step for name, one in trainings.items()}, options.device, options.pairs)
    del trainings
    machine = describe_machine()
    return {
        "device": machine["processor"] if options.device == "cpu" else torch.cuda.get_device_name(),
        "cores": machine["cores"],
        "threads": options.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "model": options.model,
        "batch": options.batch,
        "size": options.size,
        "seconds": columns,
        "mib": {name: peak(name, options) for name in FORMS} if options.memory else {},
    }


def peak(form: str, options: argparse.Namespace) -> float:
    """Return the peak memory of training in MiB beyond the imported libraries, in a process of its own.

    Raises:
        TammesError: if that process fails, as where memory runs out.
    """
    command = [sys.executable, "-m", "benchmarks.paper.step_cost", "--peak-of", form]
    for name in ("model", "batch", "size", "threads", "device"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    if done.returncode:
        raise TammesError((done.stderr.strip().splitlines() or [f"`{form}`: the process ended"])[-1])
    return int(done.stdout) / 2**20


def own_peak(form: str, options: argparse.Namespace) -> int:
    """Return the peak of this process in bytes for two steps, one of them with a search for the nearest rows."""
    small = argparse.Namespace(**(vars(options) | {"model": "resnet20", "batch": 2, "size": 8}))
    Training(form, small).step()  # libraries allocate their own memory first
    memory = PeakMemory(torch.device(options.device))
    memory.restart()
    before = _bytes(memory)
    training = Training(form, options)
    training.step()  # allocates the momentum
    training.reset_neighbours()
    memory.restart()
    for _ in range(2):
        training.step()
    return _bytes(memory) - before


def _bytes(memory: PeakMemory) -> int:
    found = memory.read()
    if found is None:
        raise DeviceError("`memory` cannot be measured on this system. Use --no-memory.")
    return found


# --- the report -------------------------------------------------------------------------------------------


def markdown(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the report of the figures of all devices."""
    lines = ["# What MMA costs a training step", ""]
    for one in measured.values():
        where = f"{one['device']}, {one['cores']} cores, {one['threads']} " + (
            "thread" if one["threads"] == 1 else "threads"
        )
        lines.append(
            f"- {where}; Python {one['python']}, torch {one['torch']}, float32: {one['model']} for 100 classes, "
            f"batch {one['batch']}, {one['size']} x {one['size']} pixels; {len(one['seconds']['plain'])} pairs."
        )
    lines += [
        "",
        f"Forward, backward and update by SGD with momentum. The three kinds of step take turns in one process; a pair "
        f"is {STEPS} steps of each, ratios are taken pair by pair: their median, with the least and the most. Memory "
        "is the peak on top of the libraries, in a process of its own.",
        "",
        "| device | step | seconds a step | times the plain step | at most | peak MiB | times the plain one's |",
        "|---|---|---|---|---|---|---|",
    ]
    for device in DEVICES:
        for name in FORMS:
            cells = _cells(measured[device], name) if device in measured else ["not measured"] + [""] * 4
            lines.append(f"| {device.upper()} | {name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{device.upper()}: `{_command(device, one)}`" for device, one in measured.items())]
    return "\n".join(lines) + "\n"


def _command(device: str, one: Mapping[str, Any]) -> str:
    """Return the command that repeats the measurement."""
    asked = {"pairs": len(one["seconds"]["plain"]), "threads": one["threads"], "device": device}
    others = {name: one[name] for name in ("model", "batch", "size")}
    given = asked | {name: value for name, value in others.items() if value != STANDARD[name]}
    return " ".join(["python -m benchmarks.paper.step_cost", *(f"--{name} {value}" for name, value in given.items())])


def _cells(one: Mapping[str, Any], name: str) -> list[str]:
    """Return seconds, ratio, target and whether it is met, memory, ratio of memory."""
    limit = FORMS[name][1] if all(one[key] == value for key, value in STANDARD.items()) else None
    own = ratios(one["seconds"])[name]
    median = statistics.median(own)
    ratio = "1" if name == "plain" else f"{median:.3f} ({min(own):.3f} to {max(own):.3f})"
    target = ""
    if limit is not None:
        target = f"{limit:.2f}: {'met' if median <= limit else 'not met'}"
    mib = one["mib"].get(name)
    memory = ["not measured", ""] if mib is None else [f"{mib:.0f}", f"{mib / one['mib']['plain']:.3f}"]
    return [f"{statistics.median(one['seconds'][name]):.4g}", ratio, target, *memory]


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.step_cost", description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--model", choices=models.NAMES[:-1], default=STANDARD["model"])
    parser.add_argument("--batch", type=int, default=STANDARD["batch"])
    parser.add_argument("--size", type=int, default=STANDARD["size"], help="pixels a side")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="time alone")
    parser.add_argument("--out", type=Path, help="the report; the figures go beside it as .json")
    parser.add_argument("--peak-of", choices=list(FORMS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name, least in (("pairs", 1), ("threads", 1), ("batch", 2), ("size", 1)):
        check_integer(name, getattr(options, name), least)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("`device` is 'cuda', but CUDA is not available here. Use --device cpu.")
    return options


def run(arguments: Sequence[str] | None = None) -> None:
    """Measure as the command line says, print and write the report."""
    options = parsed(arguments)
    torch.set_num_threads(options.threads)
    if options.peak_of:
        print(own_peak(options.peak_of, options))
        return
    store = options.out.with_suffix(".json") if options.out else None
    if store:
        for path in (options.out, store):
            files.check_writable(path, force=True)
    measured = files.read_json(store) if store and store.exists() else {}
    measured[options.device] = measure(options)
    report = markdown({device: measured[device] for device in DEVICES if device in measured})
    print(report, end="")
    if store:
        files.write_atomically(store, (json.dumps(measured, indent=1) + "\n").encode(), force=True)
        files.write_atomically(options.out, report.encode(), force=True)


def main() -> None:
    """Run; errors of the package are printed in one line."""
    try:
        run()
    except TammesError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
