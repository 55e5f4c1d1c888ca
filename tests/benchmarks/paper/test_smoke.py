"""The smoke run of the paper's experiments: that it covers everything, and (slowly) that it passes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.paper import __main__ as command
from benchmarks.paper import config, smoke
from benchmarks.paper.runs import SMOKE

ROOT = Path(__file__).parents[3]
CLASSIFIERS = set(config.NETWORKS) - {config.ARC}
FILES = {
    *(f"{name}{end}" for name in config.EXPERIMENTS for end in (".md", ".csv", "_layers.csv", "_layers.png")),
    *("figure1.png", "figure3.png", "figure4.png", "table3_training.png", "smoke.md"),
}


def jobs():
    return {job.name: job for experiment in smoke.experiments() for job in smoke.jobs_for(experiment)}


def test_each_network_is_trained_with_each_regulariser_for_two_epochs():
    found = jobs().values()
    losses = {"none", "mma", "mhe-0", "mhe-2", "orthogonal"}
    assert {(job.network, job.arm.loss) for job in found if job.network in CLASSIFIERS} == {
        (network, loss) for network in CLASSIFIERS for loss in losses
    }
    assert {job.arm.loss for job in found if job.network == config.ARC} == {"none", "mma"}
    for job in found:
        steps_an_epoch = job.limit["train"] // job.recipe.batch
        assert job.recipe.length == (2 if job.recipe.unit == "epochs" else 2 * steps_an_epoch)
        assert job.smoke


def test_the_smoke_run_covers_all_arms_of_every_table():
    found = {one.name: one for one in smoke.experiments()}
    for name in config.EXPERIMENTS:
        whole = config.load(name)
        if name != "figure3":
            assert found[name].arms == whole.arms
            assert set(found[name].recipes) == set(whole.recipes)
    assert {arm.coef for arm in found["figure3"].arms} == {0.0, *smoke.SWEPT}


def test_a_smoke_run_does_not_replace_results(tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "vgg19-bn_baseline_seed0_00000000.json").write_text("{}")
    assert command.main(["--smoke", "--out", str(tmp_path)]) == 1
    assert "a smoke run would replace" in capsys.readouterr().err
    (tmp_path / "smoke.md").write_text("")
    assert command.main(["table3", "--report", "--out", str(tmp_path), "--device", "cpu"]) == 1
    assert "is the folder of a smoke run" in capsys.readouterr().err
    assert not (tmp_path / "table3.md").exists()


@pytest.mark.slow
def test_the_smoke_run_passes_and_every_file_says_what_it_is(tmp_path):
    """Minutes: all networks, all regularisers, a run that is killed (SIGKILL) and resumed, all tables and figures."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.paper", "--smoke", "--out", tmp_path],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert "killed after its first epoch and resumed, it came to the same result, bit for bit" in done.stdout
    there = {path.name for path in tmp_path.iterdir()}
    assert there >= FILES
    for path in tmp_path.glob("*.md"):
        assert SMOKE in path.read_text(), path
    for path in tmp_path.glob("*.csv"):
        assert all(line.endswith(",smoke") for line in path.read_text().splitlines()), path
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG"), path
    names = {path.stem for path in (tmp_path / "runs").glob("*.json")}
    assert names == set(jobs())
    for path in (tmp_path / "runs").glob("*.json"):
        document = json.loads(path.read_text())
        assert (document["note"], document["smoke"], document["epochs"]) == (SMOKE, True, 2), path
    assert list((tmp_path / "runs").glob("*.pt")) == []
