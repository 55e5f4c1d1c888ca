"""`tammes bench`: Table 1 and Figure 2."""

import json

import numpy as np
import pytest


def test_bench_gradients(run, tmp_path):
    assert run("bench", "gradients")[0] == 0
    rows = np.genfromtxt(tmp_path / "gradients.csv", delimiter=",", skip_header=1)
    assert rows[:, 1] == pytest.approx(np.ones(len(rows)))  # Eq. 8
    assert rows[:, 2] == pytest.approx(np.sin(rows[:, 0]))  # Eq. 7
    assert (tmp_path / "gradients.png").stat().st_size > 5000


def test_bench_options(run):
    assert "`rows` must be a comma-separated choice of 3x4," in run("bench", "--rows", "4x31")[2]
    assert "`losses` must be one of: mma" in run("bench", "--losses", "mmma")[2]
    assert "`seeds` must be an integer of at least 1. Got 0." in run("bench", "--seeds", "0")[2]
    assert run("bench", "--rows", "600x4")[0] == 2


@pytest.mark.slow
def test_bench_of_two_cells(run, tmp_path):
    arguments = ("bench", "--rows", "3x4", "--losses", "mma,cosine", "--steps", 200, "--workers", 1, "--out", "t")
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert "109.47" in out
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "table1.csv",
        "table1.json",
        "table1.md",
        "table1.png",
    }
    status, out, _ = run(*arguments, "--json")
    assert json.loads(out)["rows"][0]["label"] == "(3, 4)"
