"""`tammes search`: one size, a range of sizes, the most points at an angle."""

import functools
import json

import pytest
from command_line import one_line

from tammes.storage import formats, verification


@pytest.fixture
def run(run):
    """Runs `tammes search` in d = 3 with one worker and an archive of its own."""
    return functools.partial(run, "search", "--d", 3, "--workers", 1, "--archive", "archive")


def test_a_search_prints_saves_and_keeps(run, tmp_path):
    status, out, err = run("--n", 12, "--time", "20s", "-o", "best.npy")
    assert (status, err) == (0, "")
    assert "63.434948822922" in out
    assert "no code is better" in out
    assert "best.npy, best.json, archive/d3/n00012.json" in out
    assert formats.load(tmp_path / "best.npy").n == 12
    for name in ("best.npy", "archive/d3/n00012.json"):
        assert verification.verify(tmp_path / name).holds


@pytest.mark.slow
def test_json_is_one_document(run):
    document = json.loads(run("--n", 15, "--starts", 24, "--json")[1])
    assert document["method"] == ["search", "polish"]
    assert document["status"]["code"] == "starts-tried"
    assert document["settings"]["starts"] == 24
    assert document["file"] == "archive/d3/n00015.json"
    assert sum(arm["rounds"] for arm in document["phases"][0]["arms"].values()) > 0


def test_a_range_writes_its_tables(run, tmp_path):
    status, out, err = run("--n", "7..8", "--time", "4s", "--starts", 24, "--symmetry", "none", "-o", "t")
    assert status == 0
    assert "2 matches" in out
    assert [line.split()[:3] for line in err.splitlines()[:2]] == [["n", "=", "7"], ["n", "=", "8"]]
    assert {path.name for path in (tmp_path / "t").iterdir()} == {"sweep.csv", "sweep.md"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "12", "--time", "0"], "`time` must be a positive duration"),
        (["--n", "12", "--target", "64"], "`target` must be "),
        (["--n", "12", "--target", "much"], "`target` must be an angle in degrees"),
        (["--n", "5", "--symmetry", "T"], "`symmetry` must be "),
        (["--n", "12", "--symmetry", "Q"], "`symmetry` must be "),
        (["--n", "13", "--antipodal"], "even"),
        (["--n", "9..4"], "`n` must be a range that grows"),
        ([], "`--n` must be given, or --angle"),
        (["--angle", 181], "`angle` must be "),
    ],
)
def test_bad_options(run, tmp_path, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert one_line(err)
    assert message in err
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize(
    "other", [["--n", 12], ["--target", 60], ["--target", "best-known"], ["--starts", 5], ["--antipodal"]]
)
def test_options_that_do_not_go_with_an_angle(run, other):
    status, out, err = run("--angle", 60, *other)
    assert (status, out) == (2, "")
    assert one_line(err)
    assert f"`--angle` and `{other[0]}`" in err


def test_no_workers_are_refused(run):
    assert "`workers` must be an integer of at least 1. Got 0." in run("--n", 12, "--workers", 0)[2]


@pytest.mark.parametrize("question", [["--n", 12], ["--angle", 60]])
def test_existing_files_are_not_replaced(run, tmp_path, question):
    (tmp_path / "best.npy").write_bytes(b"mine")
    status, out, err = run(*question, "-o", "best.npy")
    assert (status, out) == (1, "")
    assert "best.npy: the file exists. Use --force" in err
    assert (tmp_path / "best.npy").read_bytes() == b"mine"


def test_the_most_points_at_an_angle(run, tmp_path):
    status, out, err = run("--angle", 120, "--time", "10s", "-o", "most.npy")
    assert status == 0, err
    assert "3 found, no more are possible" in out
    assert formats.load(tmp_path / "most.npy").min_angle_degrees == pytest.approx(120.0, abs=1e-12)
