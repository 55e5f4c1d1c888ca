"""Limits of the control groups (cgroups) of Linux around this process: those of a container or of a batch job.

Version 2 has one tree of groups, version 1 one for each controller. Groups are nested, and each on the way to this
process limits it. In a container `/proc/self/cgroup` may name the path on the host, where its own root is mounted:
directories that are not there are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["MOUNT", "PROC", "cpu_quota", "memory_left"]

PROC = Path("/proc")
MOUNT = Path("/sys/fs/cgroup")


def memory_left(proc: Path = PROC, mount: Path = MOUNT) -> int | None:
    """Return the bytes that the groups around this process still grant; None where none has a limit.

    The smallest of limit minus usage over the nested groups. Cached files that have not been used of late do not count
    as used: they are dropped when memory is asked for.

    Args:
        proc: the directory of the process information.
        mount: the directory of the control groups.
    """
    left: list[int] = []
    for version, group in _groups("memory", proc, mount):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_number(group / name) for name in names)
        if limit is not None:
            left.append(max(0, limit - max(0, (used or 0) - _inactive_files(group))))
    return min(left, default=None)


def cpu_quota(proc: Path = PROC, mount: Path = MOUNT) -> float | None:
    """Return the processors that the groups around this process grant, such as 1.5; None where none has a quota.

    Args:
        proc: the directory of the process information.
        mount: the directory of the control groups.
    """
    granted: list[float] = []
    for version, group in _groups("cpu", proc, mount):
        if version == 2:
            quota, _, period = _text(group / "cpu.max").partition(" ")  # "150000 100000", or "max 100000"
        else:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")  # -1: no quota
        if quota.isdecimal() and period.isdecimal() and int(quota) > 0 and int(period) > 0:
            granted.append(int(quota) / int(period))
    return min(granted, default=None)


def _groups(controller: str, proc: Path, mount: Path) -> Iterator[tuple[int, Path]]:
    """Yield the version and the directory of each group around this process that may hold this controller."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            version, roots = 2, [mount, mount / "unified"]
        elif controller in controllers.split(","):
            version, roots = 1, [mount / controllers, mount / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        root = next((root for root in roots if root.is_dir()), None)
        if root is not None:
            for depth in range(len(parts) + 1):
                yield version, root.joinpath(*parts[:depth])


def _inactive_files(group: Path) -> int:
    """Return the bytes of cached files of a group that have not been used of late."""
    fields = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines() if " " in line)
    text = fields.get("total_inactive_file", fields.get("inactive_file", "0"))  # the first one is of version 1
    return int(text) if text.isdecimal() else 0


def _number(path: Path) -> int | None:
    """Return the number in a file; None for `max`, and where there is no such file."""
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    """Return the text of a file; nothing where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
