"""What is measured of a run beside its accuracy: angles by the judge, time a batch, memory, and on what."""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.paper import models
from benchmarks.paper.processes import Crew
from tammes.bench.machine import describe_machine
from tammes.nn import Regularizer
from tammes.nn.inspect.weights import cosine_histogram
from tammes.storage.result import versions

__all__ = ["BINS", "Clock", "PeakMemory", "environment", "histogram", "layer_angles"]

BINS = 200
"""Of the histograms of cosines, over [-1, 1]."""
_PROCESS = Path("/proc/self")


class Clock:
    """Seconds of each step: by events of the device where there are such, which do not wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._marks: list[Any] = []

    def mark(self) -> None:
        """A step begins here, and the one before ends."""
        if self._cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(time.perf_counter())

    def median(self) -> float:
        """Of the seconds between neighbouring marks."""
        pairs = list(itertools.pairwise(self._marks))
        if self._cuda:
            torch.cuda.synchronize()
            return statistics.median(a.elapsed_time(b) / 1e3 for a, b in pairs)
        return statistics.median(b - a for a, b in pairs)


class PeakMemory:
    """The most memory since `restart`: of tensors on CUDA, of the whole process elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self.what = "tensors on the GPU" if self._cuda else "the process, all of it"

    def restart(self) -> None:
        """Forget what was."""
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            try:
                (_PROCESS / "clear_refs").write_text("5")  # Linux: the high-water mark begins anew
            except OSError:
                self.what = ""

    def read(self) -> int | None:
        """Bytes; None where the system does not tell."""
        if self._cuda:
            return torch.cuda.max_memory_allocated()
        if not self.what:
            return None
        try:
            lines = (_PROCESS / "status").read_text().splitlines()
        except OSError:
            return None
        found = next((line.split() for line in lines if line.startswith("VmHWM:")), None)
        return None if found is None else int(found[1]) * 1024


def layer_angles(model: nn.Module, judge: Regularizer, max_rows: int | None = None) -> dict[str, dict[str, Any]]:
    """Minimal angle, mean nearest angle and bound of every layer, by the paper's name, in the order of the network.

    Measured in float64 on the CPU by the package's judge, never by the loss.

    Args:
        model: the bare network.
        judge: of all its layers.
        max_rows: leave out layers with more.
    """
    lines = judge.report(max_rows).to_dict()
    kept = ("rows", "d", "min_angle_degrees", "mean_nearest_degrees", "bound_degrees", "zero_rows", "duplicates")
    found = {}
    for name, path in models.layer_names(model).items():
        if path in lines:
            found[name] = {key: lines[path][key] for key in kept}
    return found


def histogram(model: nn.Module, layer: str) -> dict[str, Any]:
    """Figure 1 of one layer: cosines of all pairs of rows, in `BINS` parts of [-1, 1], and how many are above 0.2.

    `counts` begins with bin `start`; all bins before and after hold nothing.
    """
    modules: Mapping[str, nn.Module] = dict(model.named_modules())
    weight = modules[models.layer_names(model)[layer]].weight
    found = cosine_histogram(weight.detach().double().cpu().flatten(1).numpy(), BINS, threshold=0.2)
    filled = np.flatnonzero(found.counts)
    start, stop = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    counts = found.counts[start:stop].tolist()
    return {"start": start, "counts": counts, "threshold": found.threshold, "above": found.above, "pairs": found.pairs}


def environment(crew: Crew) -> dict[str, Any]:
    """The machine and the versions behind a run's figures."""
    found = describe_machine() | {"device": str(crew.device.type), "processes": crew.size}
    if crew.device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(crew.device)
    else:
        found["threads"] = torch.get_num_threads()
    return found | {"versions": versions(), "platform": sys.platform}
