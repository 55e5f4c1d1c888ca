"""`solve` and `search`: a problem in, a measured result out; bad settings refused, nothing lost."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import tammes
from tammes import losses
from tammes.base import memory
from tammes.base.errors import (
    ConflictingOptionsError,
    DeviceError,
    FileAccessError,
    InvalidParameterError,
    InvalidPointsError,
    NotTabulatedError,
    TammesError,
    UnknownNameError,
)
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.cli import report, terminal
from tammes.codes.antipodal import is_antipodal
from tammes.constructions import closed_forms
from tammes.constructions.spread import fibonacci
from tammes.global_search.api import check_target, search
from tammes.solvers.polish.polish import polish
from tammes.storage import tables, verification
from tammes.storage import writer as records
from tammes.storage.archive import Archive

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())


@pytest.mark.parametrize(("n", "d"), [(2, 2), (5, 2), (4, 3), (5, 3), (6, 3), (3, 9), (9, 5), (65, 64)])
def test_closed_forms_are_returned_where_they_apply(n, d):
    result = tammes.solve(n, d)
    form = closed_forms.closed_form(n, d)
    assert result.status is Status.CLOSED_FORM
    assert result.method == ("closed form",)
    assert result.settings["reference"] == form.reference
    assert result.code.min_angle == pytest.approx(form.angle, abs=1e-14)
    assert result.gap_degrees == pytest.approx(0.0, abs=1e-9)
    assert result.best_known.verdict(result.code.min_angle_degrees) == "matches"


@pytest.mark.parametrize("how", [{"analytic": False}, {"loss": "mma"}, {"preset": "paper"}])
@pytest.mark.parametrize(("n", "d"), [(3, 2), (4, 3), (5, 4), (6, 5), (3, 7), (9, 8)])
def test_the_numerical_way_reaches_the_simplex(n, d, how):
    result = tammes.solve(n, d, steps=2000, **how)
    assert result.method == ("sgd", "ladder", "polish")
    assert result.code.min_angle_degrees == pytest.approx(math.degrees(math.acos(-1 / (n - 1))), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_thirty_points_end_on_a_local_maximum(seed):
    result = tammes.solve(30, 3, "mma", seed=seed, steps=3000)
    assert result.status is Status.LOCAL_MAXIMUM
    assert result.code.min_angle > result.before_polish
    # Polished again from there nothing is left to gain.
    again = polish(result.code.points)
    assert math.degrees(again.after) == pytest.approx(result.code.min_angle_degrees, abs=1e-10)
    # At a rigid local maximum 2n - 3 + 1 contacts or more are tight to rounding.
    held = 30 - len(result.rattlers)
    assert len(result.code.contacts(1e-13)) >= 2 * held - 2


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_every_loss_solves(loss):
    result = tammes.solve(8, 3, loss, steps=1500)
    assert result.settings["loss"]["name"] == loss
    assert result.code.min_angle_degrees <= 74.85849218562 + 1e-9  # Schuette & van der Waerden 1951
    assert result.code.min_angle_degrees > 70.0


def test_a_loss_object_serves_as_well():
    named = tammes.solve(8, 3, "riesz-fisher", s=3.0, steps=200)
    handed = tammes.solve(8, 3, losses.RieszFisher(3.0), steps=200)
    assert (named.code.points == handed.code.points).all()


def test_same_seed_same_bits_other_seed_other_points():
    first, second, other = (tammes.solve(12, 3, "mma", seed=seed, steps=300) for seed in (1, 1, 2))
    assert (first.code.points == second.code.points).all()
    assert not np.allclose(first.code.points, other.code.points)


def test_the_best_of_several_starts_is_kept():
    alone = [tammes.solve(20, 3, "mma", steps=400, polish=False, starts=k).code.min_angle for k in (1, 4)]
    assert alone[1] >= alone[0]


def test_without_polish_the_losss_own_optimum_is_reported():
    raw = tammes.solve(12, 3, "mma", steps=300, polish=False)
    polished = tammes.solve(12, 3, "mma", steps=300)
    assert raw.before_polish is None
    assert raw.method == ("sgd",)
    assert polished.before_polish == raw.code.min_angle
    assert polished.code.min_angle > raw.code.min_angle


def test_a_warm_start_is_used_kept_and_named():
    start = closed_forms.orthoplex(3)
    kept = start.copy()
    result = tammes.solve(6, 3, init=start, steps=10)
    assert (start == kept).all()
    assert result.code.min_angle_degrees == pytest.approx(90.0, abs=1e-12)
    assert result.settings["start"] == "given points"
    assert result.settings["init_digest"] == tammes.SphericalCode(start).digest


def test_known_values_never_start_a_solver(monkeypatch):
    """Hiding every table changes no point."""
    with_tables = tammes.solve(13, 3, "mma", steps=200).code.points
    monkeypatch.setattr(tables, "_values", dict)
    assert (tammes.solve(13, 3, "mma", steps=200).code.points == with_tables).all()


def test_ctrl_c_in_any_phase_returns_the_best_so_far():
    for phase in ("sgd", "ladder", "polish"):

        def interrupt(event, phase=phase):
            if event.phase == phase:
                raise KeyboardInterrupt

        result = tammes.solve(30, 3, "mma", steps=500, progress=interrupt)
        assert result.interrupted
        assert result.phases[-1]["phase"] == phase
        assert result.code.min_angle > 0.3


def test_a_time_limit_ends_the_run():
    result = tammes.solve(100, 3, "mma", time_limit=1e-3)
    assert result.status is Status.TIME_LIMIT
    assert result.code.n == 100


@pytest.mark.parametrize(("n", "d", "loss"), [(4, 3, None), (20, 3, "mma"), (13, 4, "riesz-fisher"), (600, 40, None)])
def test_the_record_follows_its_schema_and_holds(n, d, loss):
    result = tammes.solve(n, d, loss, steps=30 if loss or n > 80 else None, polish=n < 100)
    record = json.loads(json.dumps(result.to_dict() | {"file": "x.npy"}, allow_nan=False))
    jsonschema.validate(record, SCHEMA)
    assert record["min_angle"] == result.code.min_angle
    assert record["bound"]["gap_degrees"] >= -1e-9
    assert record["digest"] == result.code.digest


@pytest.mark.parametrize("value", [0, 1, -3, 2.5, "abc", True, None, math.nan])
@pytest.mark.parametrize("name", ["n", "d"])
def test_bad_sizes(name, value):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be an integer of at least 2"):
        tammes.solve(**({"n": 5, "d": 3} | {name: value}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"starts": 0}, "`starts` must be an integer of at least 1. Got 0"),
        ({"starts": 2.0}, "`starts` must be"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"steps": 0}, "`steps` must be an integer of at least 1"),
        ({"time_limit": 0}, "`time_limit` must be a positive"),
        ({"dtype": "float16"}, "`dtype` must be one of"),
        ({"device": "tpu"}, "`device` must be auto, cpu, cuda"),
        ({"loss": "riesz-fisher", "s": 0.0}, "`s` must be a positive"),
        ({"init": np.eye(3)}, "`init` must be of shape \\(7, 3\\)"),
        ({"init": np.tile(np.eye(3), (3, 1))[:7], "starts": 2}, "`starts` must be 1"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        tammes.solve(7, 3, **parameters)


@pytest.mark.parametrize(
    ("given", "first", "second"),
    [
        ({"symmetry": "none", "device": "cuda"}, "symmetry", "device"),
        ({"antipodal": True, "loss": "mma"}, "antipodal", "loss"),
        ({"symmetry": "C3", "init": np.eye(3)}, "symmetry", "init"),
    ],
)
def test_options_that_exclude_each_other_are_both_named(given, first, second):
    with pytest.raises(ConflictingOptionsError, match=f"`{first}` and `{second}` exclude each other"):
        tammes.solve(12, 3, **given)


def test_a_device_that_is_not_there_is_never_replaced_in_silence(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for given in ({}, {"starts": 2}, {"loss": "mma"}, {"init": fibonacci(20)}):
        with pytest.raises(DeviceError, match="CUDA is not available"):
            tammes.solve(20, 3, device="cuda", **given)


def test_bad_points_unknown_names_missing_devices(monkeypatch):
    with pytest.raises(InvalidPointsError, match="row 1"):
        tammes.solve(2, 2, init=[[1.0, 0.0], [math.nan, 0.0]])
    with pytest.raises(UnknownNameError, match="mma, cosine"):
        tammes.solve(7, 3, "mna")
    with pytest.raises(UnknownNameError, match="paper"):
        tammes.solve(7, 3, preset="papers")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match="CUDA is not available"):
        tammes.solve(7, 3, device="cuda")


def test_a_batch_that_does_not_fit_is_refused_before_the_work():
    with pytest.raises(InvalidParameterError, match=r"`starts` must be smaller: a batch of 1000000 starts of 100000 p"):
        tammes.solve(100_000, 3, "mma", starts=10**6)


# --- solve for many points ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_record_of_many_points_says_what_is_left_out(tmp_path):
    result = tammes.solve(5_500, 3, time_limit=2.0, checkpoint=tmp_path / "x.checkpoint.npz")
    assert result.method == ("ladder", "repair")
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
def test_given_points_are_climbed_from_over_lists():
    """No dense ladder, no polish: a narrow code of 3,000 points widens within a minute."""
    start = fibonacci(3_000)
    result = tammes.solve(3_000, 3, init=start, time_limit=60.0)
    assert result.method == ("ladder",)
    assert result.before_polish == pytest.approx(min_angle(start))
    assert result.code.min_angle > 1.02 * min_angle(start)
    assert result.phases[0]["polish"] == "not done from n = 3000 on"
    assert result.status in (Status.STEP_LIMIT, Status.TIME_LIMIT)
    assert np.linalg.norm(result.code.points - start, axis=1).max() < 0.5  # the same points, moved


def test_what_does_not_fit_is_refused_before_the_work(monkeypatch):
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: .* would take .* GiB, and .* are free"):
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


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tmp_path):
    """kill -9 in the middle, then the same command."""
    # The state is written every minute; a clock that runs faster writes it sooner.
    script = (
        "import time\n"
        "from tammes.global_search import store\n"
        "store.SearchStore.__init__.__kwdefaults__['clock'] = lambda: 300.0 * time.monotonic()\n"
        "from tammes.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "solve", "--d", "3", "--n", "4000", "--workers", "1", "--json"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    path = tmp_path / "tammes_d3_n4000.checkpoint.npz"
    until = time.monotonic() + 120
    while not path.exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    assert path.exists()
    again = subprocess.run([*command, "--time", "1s"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["settings"]["resumed"] is True
    assert not path.exists()


# --- search -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"time_limit": 0.0}, "time_limit"),
        ({"time_limit": -3.0}, "time_limit"),
        ({"time_limit": math.nan}, "time_limit"),
        ({"workers": 0}, "workers"),
        ({"starts": 0}, "starts"),
        ({"seed": -1}, "seed"),
        ({"target": 0.0}, "target"),
        ({"target": 64.0}, "target"),  # above the bound at (3, 12)
        ({"symmetry": "C5", "antipodal": True}, None),  # fits: D5d's like
        ({"symmetry": "O"}, None),
    ],
)
def test_bad_settings_are_refused_by_name(settings, name):
    if name is None:
        assert search(12, 3, workers=1, starts=8, **settings).code.n == 12
        return
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        search(12, 3, workers=settings.pop("workers", 1), **settings)


def test_a_target_above_a_proven_bound_names_the_bound():
    with pytest.raises(InvalidParameterError, match="fejes-toth"):
        check_target(64.0, 12, 3)
    assert check_target(63.43494882, 12, 3) == pytest.approx(math.radians(63.43494882))


@pytest.mark.parametrize("symmetry", ["none", "C3"])
def test_a_code_that_reached_the_target_is_polished_all_the_same(symmetry):
    result = search(30, 3, target=37.0, symmetry=symmetry, workers=1)
    assert result.status is Status.TARGET
    assert result.phases[0]["code"] == "local-maximum"
    assert result.code.min_angle_degrees > 37.0


def test_an_impossible_group_is_refused_with_its_orbits():
    with pytest.raises(InvalidParameterError, match=r"of T: 4, 6, 12"):
        search(5, 3, symmetry="T", workers=1)
    with pytest.raises(UnknownNameError):
        search(12, 3, symmetry="icosahedral", workers=1)


def test_lines_come_in_pairs():
    with pytest.raises(InvalidParameterError, match="even"):
        search(13, 3, antipodal=True, workers=1)
    result = search(6, 3, antipodal=True, workers=1, time_limit=20.0)
    assert result.status is Status.BOUND
    assert result.code.min_angle == pytest.approx(math.pi / 2, abs=1e-12)
    record = result.to_dict()
    assert (record["antipodal"], record["lines"], record["best_known"]) == (True, 3, None)
    with pytest.raises(NotTabulatedError):
        search(6, 3, antipodal=True, workers=1, target="best-known")


def test_a_proved_optimum_is_a_bound_and_stops_it():
    """Eleven points: no formula's bound is met, but Danzer proved that no code is better."""
    result = search(11, 3, workers=1, time_limit=30.0)
    assert result.status is Status.BOUND
    assert result.bound.name == "proved optimum"
    assert result.gap_degrees == pytest.approx(0.0, abs=1e-11)


@pytest.mark.slow
def test_a_known_value_stops_it_only_when_asked_to():
    asked = search(15, 3, workers=1, time_limit=30.0, target="best-known")
    assert asked.status is Status.TARGET
    free = search(15, 3, workers=1, starts=60)
    assert free.status is Status.STARTS
    assert free.code.min_angle == pytest.approx(asked.code.min_angle, abs=1e-12)
    with pytest.raises(NotTabulatedError):
        search(131, 9, workers=1, target="best-known")


@pytest.mark.slow
def test_the_archive_keeps_the_best_and_the_search_goes_on(tmp_path):
    archive = Archive(tmp_path)
    first = search(16, 3, workers=1, starts=40, archive=archive)
    entry = archive.get(16, 3)
    assert entry.code.min_angle == first.code.min_angle
    assert archive.get(15, 3) is not None  # the offered deletion
    second = search(16, 3, workers=1, starts=80, archive=archive)
    assert second.settings["resumed"]
    assert second.phases[0]["starts"] == 80
    assert second.code.min_angle >= first.code.min_angle
    fresh = search(16, 3, workers=1, starts=40, archive=archive, resume=False)
    assert not fresh.settings["resumed"]
    assert fresh.code.digest == first.code.digest  # nothing stored was used


def test_adjacent_sizes_from_the_archive_are_arms(tmp_path):
    archive = Archive(tmp_path)
    search(11, 3, workers=1, starts=30, archive=archive)
    result = search(12, 3, workers=1, starts=8, archive=archive)
    assert "insert" in result.phases[0]["arms"]


SCRIPT = """
import sys
from tammes.storage.archive import Archive
from tammes.codes.antipodal import is_antipodal
from tammes.global_search.api import search
search(22, 3, workers=1, time_limit=60.0, seed=1, archive=Archive(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_search_loses_nothing(tmp_path):
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)])
    state = tmp_path / "search" / "d3_n00022_seed1.npz"
    end = time.monotonic() + 60.0
    while not state.exists() and process.poll() is None and time.monotonic() < end:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    archive = Archive(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = archive.get(22, 3)
        again = search(22, 3, workers=1, seed=1, starts=2_000, time_limit=2.0, archive=archive)
    assert again.settings["resumed"]
    assert again.code.min_angle >= kept.code.min_angle


def test_the_public_names():
    assert tammes.search is search
    assert tammes.Archive is Archive
    assert issubclass(InvalidParameterError, TammesError)


def test_a_stored_codes_symmetry_is_not_taken_for_the_prescribed_one(tmp_path):
    archive = Archive(tmp_path)
    search(12, 3, workers=1, starts=16, archive=archive)
    result = search(12, 3, workers=1, starts=16, symmetry="C5", archive=archive)
    turn = result.code.points @ np.array(
        [
            [math.cos(0.4 * math.pi), math.sin(0.4 * math.pi), 0],
            [-math.sin(0.4 * math.pi), math.cos(0.4 * math.pi), 0],
            [0, 0, 1],
        ]
    )
    assert np.abs(turn[:, None] - result.code.points[None]).max(axis=2).min(axis=1).max() < 1e-9


def test_many_points_of_a_closed_form_are_not_searched_for():
    result = search(10_000, 2, time_limit=1.0)
    assert result.status is Status.CLOSED_FORM
    assert result.code.min_angle_degrees == pytest.approx(360 / 10_000, rel=1e-12)


@pytest.mark.slow
def test_many_points_are_searched_as_solve_does_and_go_to_the_archive(tmp_path):
    archive = Archive(tmp_path / "archive")
    result = search(3_000, 3, time_limit=2.0, archive=archive)
    assert result.method == ("ladder", "repair")
    entry = archive.get(3_000, 3)
    assert entry.code.digest == result.code.digest
    again = search(3_000, 3, time_limit=2.0, archive=archive)  # goes on, where it would do the same things again
    assert [run.settings["resumed"] for run in (result, again)] == [False, True]
    assert again.phases[0]["evaluations"] > result.phases[0]["evaluations"]
    assert again.code.min_angle >= result.code.min_angle
    assert archive.get(3_000, 3).code.digest == again.code.digest
    other = search(3_000, 3, time_limit=2.0, starts=3, archive=archive)
    assert not other.settings["resumed"]
    assert not search(3_000, 3, time_limit=2.0, archive=archive, resume=False).settings["resumed"]
    assert {path.name for path in (tmp_path / "archive" / "search").iterdir()} == {
        "d3_n03000_seed0_staged.npz",
        "d3_n03000_seed0_staged_starts3.npz",
    }


@pytest.mark.slow
def test_many_points_keep_what_was_prescribed_and_end_at_the_target(tmp_path):
    archive = Archive(tmp_path / "archive")
    lines = search(3_000, 3, time_limit=3.0, antipodal=True, archive=archive)
    assert lines.antipodal
    assert lines.method == ("ladder",)
    assert is_antipodal(lines.code)
    assert archive.get(3_000, 3, antipodal=True).code.digest == lines.code.digest
    assert archive.get(3_000, 3).code.digest == lines.code.digest
    # The bound of lines is another one than that of all codes.
    assert lines.to_dict()["lines"] == 1_500
    spiral = search(3_000, 3, target=3.3, symmetry="none", archive=archive)
    assert spiral.status is Status.TARGET
    assert spiral.settings["target_degrees"] == pytest.approx(3.3)
    later = search(3_000, 3, time_limit=1.0, symmetry="none", archive=archive)  # the target was no end
    assert later.settings["resumed"]
    assert later.code.min_angle >= spiral.code.min_angle
    with pytest.raises(InvalidParameterError, match="`target` must be at most"):
        search(3_000, 3, target=5.0)
    with pytest.raises(InvalidParameterError, match="`symmetry` must be a group whose orbits"):
        search(3_001, 3, symmetry="I")


def test_an_archive_that_cannot_be_written_loses_no_code(tmp_path, monkeypatch):
    n, d = 14, 3
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(self, *_, **__):
        raise FileAccessError(self.folder, "cannot be written (no space left on device)")

    monkeypatch.setattr(Archive, "offer", full)
    with pytest.raises(FileAccessError, match=r"no space left on device.*The code was saved as") as caught:
        search(n, d, starts=30, archive=Archive(tmp_path / "archive"))
    saved = str(caught.value).partition("saved as ")[2].removesuffix(" instead.")
    code = tammes.load(saved)
    assert (code.n, code.d) == (n, d)
    assert code.min_angle_degrees > 30.0


def test_a_code_that_met_the_bound_without_its_polish_is_polished_by_the_next_search(tmp_path):
    """A time limit may cut the polish short; the archive's code then stays within 1e-9 of the bound."""
    form = closed_forms.closed_form(4, 3).points()
    nudged = form + 1e-10 * np.random.default_rng(0).standard_normal(form.shape)
    archive = Archive(tmp_path)
    archive.offer(tammes.SphericalCode(nudged, normalize=True))
    before = archive.get(4, 3).code.min_angle
    result = search(4, 3, time_limit=20.0, workers=1, archive=archive)
    assert result.status is Status.BOUND
    assert result.code.min_angle > before
    assert result.code.min_angle == pytest.approx(math.acos(-1 / 3), abs=1e-14)
    assert archive.get(4, 3).code.min_angle == result.code.min_angle
