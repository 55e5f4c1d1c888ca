"""The cores that may be used: of the affinity, and under a quota."""

import os

import pytest

from tammes.base.processors import cores

pinned = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity on this system")


@pinned
def test_without_a_quota_the_cores_of_the_affinity(system):
    allowed = os.sched_getaffinity(0)
    assert cores(*system.roots) == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores(*system.roots) == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(("quota", "granted"), [("30000", 1), ("100000", 1), ("150000", 2), ("99900000", 999)])
def test_a_quota_is_rounded_up_and_adds_no_cores(system, quota, granted):
    whole = cores(*system.roots)
    system.write("proc/self/cgroup", "0::/")
    system.write("cgroup/cpu.max", f"{quota} 100000")
    assert cores(*system.roots) == min(whole, granted)
