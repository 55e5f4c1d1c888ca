"""A search for many points: measured, refused where it cannot fit, told as it is."""

import dataclasses
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import tammes
from tammes.base import memory
from tammes.base.budget import Budget
from tammes.base.errors import FileFormatError, InvalidParameterError
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.cli import report, terminal
from tammes.constructions.spread import fibonacci
from tammes.global_search import scale
from tammes.global_search.problem import Problem
from tammes.global_search.stored_runs import Checkpoint
from tammes.storage import verification
from tammes.storage import writer as records

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())


@pytest.mark.slow
def test_solve_comes_here_and_the_record_says_what_is_left_out(tmp_path):
    result = tammes.solve(5_500, 3, time_limit=2.0, checkpoint=tmp_path / "x.checkpoint.npz")
    assert result.method == ("ladder", "squeeze")
    assert result.status is Status.TIME_LIMIT
    assert result.phases[0]["chord_over_bound"] > 0.8  # on a busy machine, too
    assert not list(tmp_path.iterdir())  # the checkpoint is gone: the run is over
    record = json.loads(json.dumps(result.to_dict() | {"file": "x.npy"}, allow_nan=False))
    jsonschema.validate(record, SCHEMA)
    assert record["rattlers"] is None
    assert record["certificate"] is None
    assert record["left_out"] == {
        "certificate": "not computed above n = 5000",
        "rattlers": "not computed above n = 3000",
    }
    with terminal.console().capture() as shown:
        console = terminal.console()
        with console.capture() as shown:
            console.print(report.result_block(result))
    assert shown.get().count("not computed above") == 2
    # The judge's own measurement, by all pairs of a part.
    chord = np.linalg.norm(result.code.points[:50, None] - result.code.points, axis=2)
    chord[np.arange(50), np.arange(50)] = 9
    assert chord.min() >= 2 * math.sin(result.code.min_angle / 2) * (1 - 1e-12)
    # And an outsider's check of what is written.
    saved = records.save_with_record(result, tmp_path / "code.npy")
    check = verification.verify(saved[0])
    assert check.holds
    assert check.rattlers is None
    assert check.contacts == result.contacts


@pytest.mark.slow
def test_given_points_are_climbed_from_over_lists(monkeypatch):
    """No dense ladder, no polish: a narrow code of 3,000 points widens within a minute."""
    monkeypatch.setattr("tammes.solvers.ladder.many_points._SEGMENT", 10)
    start = fibonacci(3_000)
    result = tammes.solve(3_000, 3, init=start, time_limit=60.0)
    assert result.method == ("ladder",)
    assert result.before_polish == pytest.approx(min_angle(start))
    assert result.code.min_angle > 1.02 * min_angle(start)
    assert result.phases[0]["polish"] == "not done from n = 3000 on"
    assert result.status in (Status.STEP_LIMIT, Status.TIME_LIMIT)
    assert np.linalg.norm(result.code.points - start, axis=1).max() < 0.5  # the same points, moved


def test_what_does_not_fit_is_refused_before_the_work(monkeypatch):
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: .* would take about .* GiB, and there are"):
        tammes.solve(10**9, 3)
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    with pytest.raises(InvalidParameterError, match=r"a search for 2000000 points in R\^3"):
        tammes.solve(2_000_000, 3)


def test_the_command_refuses_at_once(run):
    status, out, err = run("solve", "--d", 3, "--n", 10**9)
    assert (status, out) == (2, "")
    assert err.startswith("Error: `n` must be smaller")
    assert err.count("GiB") == 2


def test_the_command_ends_with_files_and_says_what_is_missing(run, tmp_path):
    status, out, _ = run("solve", "--d", 3, "--n", 6_000, "--time", "1s")
    assert status == 0
    assert "rattlers not computed above n = 3000" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tammes_d3_n6000.json", "tammes_d3_n6000.npy"]
    assert run("verify", "tammes_d3_n6000.npy")[0] == 0


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on(tmp_path):
    """kill -9 in the middle, then the same command."""
    script = (
        "import sys\n"
        "import tammes.global_search.stored_runs as checkpoints\n"
        "checkpoints._SECONDS = 0.2\n"
        "from tammes.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "solve", "--d", "3", "--n", "4000", "--workers", "1", "--json"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    path = tmp_path / "tammes_d3_n4000.checkpoint.npz"
    until = time.monotonic() + 60
    while not path.exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    assert path.exists()
    again = subprocess.run([*command, "--time", "1s"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["settings"]["resumed"] is True
    assert not path.exists()


@pytest.mark.parametrize(("n", "d"), [(10**12, 2), (10**9, 10**9), (10, 10**12)])
def test_closed_forms_that_do_not_fit_are_refused_too(n, d):
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: .* GiB"):
        tammes.solve(n, d)


def test_a_large_polygon_builds_nothing_quadratic():
    result = tammes.solve(50_000, 2)
    assert result.status is Status.CLOSED_FORM
    assert result.code.min_angle == pytest.approx(2 * math.pi / 50_000, rel=1e-9)
    assert result.rattlers is None
    result.to_dict()


def test_more_dimensions_than_points():
    assert tammes.solve(40, 3_500).code.min_angle == pytest.approx(math.acos(-1 / 39), abs=1e-12)


def test_predictions_grow_with_the_work():
    assert scale.needed(10**6, 3) < 5 * 2**30
    assert scale.needed(10**5, 3) < 1.5 * 2**30
    assert scale.needed(10**4, 4) < 2 * 2**30
    assert scale.needed(2 * 10**6, 3) > 1.9 * scale.needed(10**6, 3) - 5e8


def test_dimensions_that_lists_do_not_serve():
    with pytest.raises(InvalidParameterError, match="`d` must be from 3 to 8"):
        scale.scale_search(4_000, 9)


def test_no_time_returns_the_start_and_says_so():
    result = scale.scale_search(4_000, 4, budget=Budget(1e-9))
    assert result.status is Status.START
    assert "start is returned" in result.status.sentence
    assert result.code.min_angle == min_angle(result.code.points) > 0.0


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    problem = {**dataclasses.asdict(Problem(5_000, 3)), "starts": None}
    Checkpoint(path, problem).save({}, {})
    with pytest.raises(FileFormatError, match=r"another problem \(n = 5000, here 4000\)"):
        scale.scale_search(4_000, 3, checkpoint=path)
    assert path.exists()


def test_ctrl_c_keeps_the_checkpoint_and_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr("tammes.global_search.stored_runs._SECONDS", 0.0)
    path = tmp_path / "run.npz"

    def interrupt(event):
        if event.step > 120:
            raise KeyboardInterrupt

    result = scale.scale_search(3_100, 3, checkpoint=path, progress=interrupt)
    assert result.interrupted
    assert path.exists()
    again = scale.scale_search(3_100, 3, checkpoint=path, budget=Budget(0.5))
    assert again.settings["resumed"] is True
    assert again.code.n == 3_100
