"""Measurements of a run besides its accuracy: angles of the layers, seconds a step, peak memory, the machine."""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.paper import models
from benchmarks.paper.processes import ProcessGroup
from tammes.bench.machine import describe_machine
from tammes.nn import Regularizer
from tammes.nn.inspect.weights import cosine_histogram
from tammes.storage.result import versions

__all__ = ["BINS", "PeakMemory", "StepTimer", "environment", "histogram", "layer_angles"]

BINS = 200
"""Number of bins of the histograms of cosines, over [-1, 1]."""
_PROCESS = Path("/proc/self")


class StepTimer:
    """Timer of training steps; on CUDA it records events, which do not make the device wait.

    Args:
        device: where the steps run.
        clock: seconds, from any origin; used where there are no events.
    """

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._cuda = device.type == "cuda"
        self._marks: list[Any] = []

    def mark(self) -> None:
        """Mark the end of one step and the beginning of the next."""
        if self._cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)
        else:
            self._marks.append(self._clock())

    def median(self) -> float:
        """Return the median of the seconds between consecutive marks."""
        pairs = list(itertools.pairwise(self._marks))
        if self._cuda:
            torch.cuda.synchronize()
            return statistics.median(a.elapsed_time(b) / 1e3 for a, b in pairs)
        return statistics.median(b - a for a, b in pairs)


class PeakMemory:
    """Peak memory since `restart`: of tensors on CUDA, of the whole process elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self.what = "tensors on the GPU" if self._cuda else "the process, all of it"

    def restart(self) -> None:
        """Start a new measurement."""
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            try:
                (_PROCESS / "clear_refs").write_text("5")  # Linux: resets the high-water mark
            except OSError:
                self.what = ""

    def read(self) -> int | None:
        """Return the peak in bytes; None where the system does not report it."""
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


def layer_angles(model: nn.Module, monitor: Regularizer, max_rows: int | None = None) -> dict[str, dict[str, Any]]:
    """Return minimal angle, mean nearest angle and bound of every layer, by the paper's name, in network order.

    Angles are measured in float64 on the CPU, independently of the loss.

    Args:
        model: the network without wrappers.
        monitor: a regularizer over all its layers, as `regularisers.monitor` returns it.
        max_rows: leave out layers with more.
    """
    lines = monitor.report(max_rows).to_dict()
    kept = ("rows", "d", "min_angle_degrees", "mean_nearest_degrees", "bound_degrees", "zero_rows", "duplicates")
    found = {}
    for name, path in models.layer_names(model).items():
        if path in lines:
            found[name] = {key: lines[path][key] for key in kept}
    return found


def histogram(model: nn.Module, layer: str) -> dict[str, Any]:
    """Return the histogram of Figure 1 for one layer: cosines of all pairs of rows, and how many are above 0.2.

    [-1, 1] is divided into `BINS` bins. `counts` begins with bin `start`; all bins before and after are empty.
    """
    modules: Mapping[str, nn.Module] = dict(model.named_modules())
    weight = modules[models.layer_names(model)[layer]].weight
    found = cosine_histogram(weight.detach().double().cpu().flatten(1).numpy(), BINS, threshold=0.2)
    filled = np.flatnonzero(found.counts)
    start, stop = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    counts = found.counts[start:stop].tolist()
    return {"start": start, "counts": counts, "threshold": found.threshold, "above": found.above, "pairs": found.pairs}


def environment(processes: ProcessGroup) -> dict[str, Any]:
    """Return the machine, the device and the versions that a run used."""
    found = describe_machine() | {"device": str(processes.device.type), "processes": processes.size}
    if processes.device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(processes.device)
    else:
        found["threads"] = torch.get_num_threads()
    return found | {"versions": versions(), "platform": sys.platform}
