"""The number of processor cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from tammes.base.container_limits import MOUNT, PROC, cpu_quota

__all__ = ["cores"]


def cores(proc: Path = PROC, mount: Path = MOUNT) -> int:
    """Return the number of cores that this process may use, at least 1.

    Of the machine's cores, those of the process's CPU affinity, and no more than the CPU quota of the container or
    batch job around it, rounded up.

    Args:
        proc: the directory of the process information.
        mount: the directory of the control groups.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(proc, mount)
    return count if quota is None else max(1, min(count, math.ceil(quota)))
