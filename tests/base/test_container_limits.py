"""Limits of control groups of both versions, read from made-up files."""

import pytest

from tammes.base.container_limits import cpu_quota, memory_left


def test_without_control_groups_nothing_is_limited(system):
    assert memory_left(*system.roots) is None
    assert cpu_quota(*system.roots) is None


def test_groups_without_limits(system):
    system.write("proc/self/cgroup", "0::/job")
    system.write("cgroup/job/memory.max", "max")
    system.write("cgroup/job/memory.current", "1000")
    system.write("cgroup/job/cpu.max", "max 100000")
    assert memory_left(*system.roots) is None
    assert cpu_quota(*system.roots) is None


def test_the_smallest_of_nested_groups_counts(system):
    system.write("proc/self/cgroup", "0::/slice/job/step")
    for group, limit, used in (("slice", 1000, 900), ("slice/job", 500, 100), ("slice/job/step", 450, 20)):
        system.write(f"cgroup/{group}/memory.max", str(limit))
        system.write(f"cgroup/{group}/memory.current", str(used))
    assert memory_left(*system.roots) == 100  # of the outermost, which others use, too


def test_cached_files_can_be_dropped(system):
    system.write("proc/self/cgroup", "0::/job")
    system.write("cgroup/job/memory.max", "1000")
    system.write("cgroup/job/memory.current", "900")
    system.write("cgroup/job/memory.stat", "anon 500\ninactive_file 300\nactive_file 100")
    assert memory_left(*system.roots) == 400


def test_a_group_beyond_its_limit_has_nothing_left(system):
    system.write("proc/self/cgroup", "0::/")
    system.write("cgroup/memory.max", "1000")
    system.write("cgroup/memory.current", "1200")
    assert memory_left(*system.roots) == 0


def test_memory_in_version_1(system):
    system.write("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc")
    system.write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712")  # as good as none, at the root
    system.write("cgroup/memory/memory.usage_in_bytes", "5000")
    system.write("cgroup/memory/docker/abc/memory.limit_in_bytes", "1000")
    system.write("cgroup/memory/docker/abc/memory.usage_in_bytes", "600")
    system.write("cgroup/memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 100")
    assert memory_left(*system.roots) == 500


def test_in_a_container_the_path_of_the_host_is_not_there(system):
    system.write("proc/self/cgroup", "4:memory:/docker/abc")
    system.write("cgroup/memory/memory.limit_in_bytes", "1000")
    system.write("cgroup/memory/memory.usage_in_bytes", "400")
    assert memory_left(*system.roots) == 600


@pytest.mark.parametrize(("text", "quota"), [("150000 100000", 1.5), ("50000 100000", 0.5), ("max 100000", None)])
def test_a_quota_of_version_2(system, text, quota):
    system.write("proc/self/cgroup", "0::/job")
    system.write("cgroup/job/cpu.max", text)
    assert cpu_quota(*system.roots) == quota


def test_the_smallest_quota_of_nested_groups_counts(system):
    system.write("proc/self/cgroup", "0::/slice/job")
    system.write("cgroup/slice/cpu.max", "200000 100000")
    system.write("cgroup/slice/job/cpu.max", "800000 100000")
    assert cpu_quota(*system.roots) == 2.0


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "expected"), [("300000", 3.0), ("-1", None)])
def test_a_quota_of_version_1(system, folder, quota, expected):
    system.write("proc/self/cgroup", "2:cpu,cpuacct:/job\n1:cpuset:/")
    system.write(f"cgroup/{folder}/job/cpu.cfs_quota_us", quota)
    system.write(f"cgroup/{folder}/job/cpu.cfs_period_us", "100000")
    assert cpu_quota(*system.roots) == expected


def test_both_versions_side_by_side(system):
    system.write("proc/self/cgroup", "4:memory:/job\n0::/job")
    system.write("cgroup/memory/job/memory.limit_in_bytes", "1000")
    system.write("cgroup/memory/job/memory.usage_in_bytes", "0")
    system.write("cgroup/unified/job/cpu.max", "100000 100000")
    assert memory_left(*system.roots) == 1000


@pytest.mark.parametrize("text", ["", "nonsense", "0:", ":::", "4:memory"])
def test_files_of_another_form_limit_nothing(system, text):
    system.write("proc/self/cgroup", text)
    system.write("cgroup/memory.max", "none")
    assert memory_left(*system.roots) is None
    assert cpu_quota(*system.roots) is None
