"""The memory that can be had, and the refusal of work that does not fit in it."""

import pytest

from tammes.base import memory
from tammes.base.errors import InvalidParameterError

GIB = 2**30


def test_no_more_is_available_than_the_machine_has(system):
    system.write("proc/meminfo", "MemTotal: 16777216 kB\nMemFree: 1048576 kB\nMemAvailable: 8388608 kB\n")
    assert memory.available(*system.roots) == 8 * GIB


def test_what_is_left_under_a_limit_is_what_is_available(system):
    system.write("proc/meminfo", "MemAvailable: 8388608 kB\n")
    system.write("proc/self/cgroup", "0::/job\n")
    system.write("cgroup/job/memory.max", str(2 * GIB))
    system.write("cgroup/job/memory.current", str(GIB // 2))
    assert memory.available(*system.roots) == 3 * GIB // 2


def test_a_limit_above_what_the_machine_has_does_not_add_memory(system):
    system.write("proc/meminfo", "MemAvailable: 1048576 kB\n")
    system.write("proc/self/cgroup", "0::/job\n")
    system.write("cgroup/job/memory.max", str(64 * GIB))
    assert memory.available(*system.roots) == GIB


def test_what_does_not_fit_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 8 * GIB)
    memory.require("n", 5, 8 * GIB, "work")
    message = r"^`n` must be smaller: work would take about 16\.0 GiB, and 8\.0 GiB are free\. Got 5\.$"
    with pytest.raises(InvalidParameterError, match=message):
        memory.require("n", 5, 16 * GIB, "work")


def test_nothing_is_refused_where_the_memory_is_not_known(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.require("n", 5, 2.0**60, "work")


@pytest.mark.parametrize(("size", "text"), [(3 * 2**20, "3 MiB"), (1.5 * GIB, "1.5 GiB"), (2.0**70, "1.1e+12 GiB")])
def test_sizes_for_people(size, text):
    assert memory.shown(size) == text
