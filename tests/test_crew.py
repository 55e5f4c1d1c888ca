"""Workers: what they do does not depend on who does it."""

import subprocess
import sys
import time

import numpy as np
import pytest

from tammes.hunting.crew import Crew, cores
from tammes.hunting.rounds import Round

TASKS = [Round(k, 20, 4, 3, arm, 3, 1.2) for k, arm in enumerate(["random/4", "hinge/32", "symmetric"])]
TASKS[2] = Round(2, 20, 4, 3, "symmetric", 3, 1.2, group="antipodal")


@pytest.fixture(scope="module")
def pair():
    with Crew(2) as crew:
        yield crew


def test_processes_and_this_process_agree_bit_for_bit(pair):
    with Crew(1) as alone:
        here = [alone.submit(task).result() for task in TASKS]
    there = [future.result() for future in [pair.submit(task) for task in TASKS]]
    for a, b in zip(here, there, strict=True):
        assert (a.tried, a.cost) == (b.tried, b.cost)
        assert [x.angle for x in a.found] == [x.angle for x in b.found]
        assert all(np.array_equal(x.points, y.points) for x, y in zip(a.found, b.found, strict=True))


def test_recall_ends_long_rounds_and_keeps_the_workers(pair):
    long = [pair.submit(Round(k, 130, 3, 0, "random/4", 100_000, 0.33)) for k in range(4)]
    began = time.monotonic()
    pair.recall()
    assert time.monotonic() - began < 60.0  # minutes, if they were waited for
    assert all(future.cancelled() or future.done() for future in long)
    assert pair.submit(TASKS[0]).result().tried == 3


def test_there_is_a_core():
    assert cores() >= 1


def test_a_script_without_a_guard_may_search(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("import tammes\nprint(tammes.search(12, 3, workers=2, time_limit=30.0).status.code, __file__)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["bound-met", str(script)]
