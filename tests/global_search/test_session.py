"""`search` as its user meets it: bad settings refused, the archive kept, resumed after a kill."""

import math
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tammes
from tammes.base.errors import FileAccessError, InvalidParameterError, NotTabulatedError, TammesError, UnknownNameError
from tammes.base.status import Status
from tammes.codes.deletion import is_antipodal
from tammes.global_search.session import check_target, search
from tammes.storage.archive import Archive


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


def test_neighbours_from_the_archive_are_arms(tmp_path):
    archive = Archive(tmp_path)
    search(11, 3, workers=1, starts=30, archive=archive)
    result = search(12, 3, workers=1, starts=8, archive=archive)
    assert "insert" in result.phases[0]["arms"]


SCRIPT = """
import sys
from tammes.storage.archive import Archive
from tammes.codes.deletion import is_antipodal
from tammes.global_search.session import search
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


def test_many_points_in_many_dimensions_are_searched_in_products(tmp_path, monkeypatch):
    monkeypatch.setattr("tammes.global_search.session.LARGE_FROM", 40)
    archive = Archive(tmp_path / "archive")
    result = search(40, 9, starts=1, archive=archive)
    assert result.phases[0]["phase"] == "products"
    assert archive.get(40, 9).code.digest == result.code.digest


def test_many_points_of_a_closed_form_are_not_searched_for():
    result = search(10_000, 2, time_limit=1.0)
    assert result.status is Status.CLOSED_FORM
    assert result.code.min_angle_degrees == pytest.approx(360 / 10_000, rel=1e-12)


@pytest.mark.slow
def test_many_points_are_searched_as_solve_does_and_go_to_the_archive(tmp_path):
    archive = Archive(tmp_path / "archive")
    result = search(3_000, 3, time_limit=2.0, archive=archive)
    assert result.method == ("ladder", "squeeze")
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
        "d3_n03000_seed0_large.npz",
        "d3_n03000_seed0_large_starts3.npz",
    }
    with ThreadPoolExecutor(1) as pool, pytest.raises(InvalidParameterError, match="`executor` must be left out from"):
        search(3_000, 3, executor=pool)


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


@pytest.mark.parametrize(("n", "d"), [(14, 3), (40, 9)])
def test_an_archive_that_cannot_be_written_loses_no_code(n, d, tmp_path, monkeypatch):
    monkeypatch.setattr("tammes.global_search.session.LARGE_FROM", 40)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(self, *_, **__):
        raise FileAccessError(self.folder, "cannot be written (no space left on device)")

    monkeypatch.setattr(Archive, "offer", full)
    with pytest.raises(FileAccessError, match=r"no space left on device.*The code was saved as") as caught:
        search(n, d, starts=30 if d == 3 else 1, archive=Archive(tmp_path / "archive"))
    saved = str(caught.value).partition("saved as ")[2].removesuffix(" instead.")
    code = tammes.load(saved)
    assert (code.n, code.d) == (n, d)
    assert code.min_angle_degrees > 30.0
