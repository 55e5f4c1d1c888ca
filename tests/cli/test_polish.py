"""`tammes polish` as a person meets it: what it prints, what it writes, what it refuses."""

import functools
import json
import math
import types

import jsonschema
import numpy as np
import pytest
from command_line import RECORD_SCHEMA, one_line

from tammes.base import geometry
from tammes.base.budget import Progress
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import regular_polygon, simplex
from tammes.solvers.polish import polish as solver
from tammes.storage import formats


@pytest.fixture
def run(run):
    """Runs `tammes polish` likewise."""
    return functools.partial(run, "polish")


def nudged(points, size=1e-3):
    noise = np.random.default_rng(0).normal(size=points.shape)
    return geometry.as_points(points + size * noise, normalize=True)


@pytest.fixture
def start(tmp_path):
    """A regular simplex in R^3, off by a thousandth."""
    points = nudged(simplex(4, 3))
    np.save(tmp_path / "start.npy", points)
    return points


def test_the_polished_points_lie_beside_the_file(run, tmp_path, start):
    before = (tmp_path / "start.npy").read_bytes()
    status, out, err = run("start.npy")
    assert (status, err) == (0, "")
    code = formats.load(tmp_path / "start_polished.npy")
    assert code.max_cosine == pytest.approx(-1 / 3, abs=1e-14)
    assert f"before the polish {SphericalCode(start).min_angle_degrees:.12f}°" in out
    assert f"after it {code.min_angle_degrees:.12f}°" in out
    assert "by the loss" not in out
    for word in ("109.471220634", "6, 0 rattlers", "maximum", "best known", "upper bound", "start_polished.npy"):
        assert word in out
    assert (tmp_path / "start.npy").read_bytes() == before
    record = json.loads((tmp_path / "start_polished.json").read_text())
    jsonschema.validate(record, RECORD_SCHEMA)
    assert record["method"] == ["polish"]
    assert record["settings"] == {"source": "start.npy", "source_digest": SphericalCode(start).digest}
    assert record["before_polish_degrees"] == SphericalCode(start).min_angle_degrees
    assert record["min_angle_degrees"] == code.min_angle_degrees


def test_fifty_digits(run, tmp_path, start):
    status, out, err = run("start.npy", "--digits", 50)
    assert (status, err) == (0, "")
    assert "max cosine in 50 digits: -0." + "3" * 50 + "\n" in out
    assert "minimal angle in 50 digits: 109.4712206344906913692459993399" in out
    assert "6 contacts, their equations closed to " in out
    document = json.loads((tmp_path / "start_polished_50digits.json").read_text())
    assert document["schema"] == "tammes.refined/1"
    assert document["max_cosine"] == "-0." + "3" * 50
    assert np.abs(np.array(document["points"], dtype=float) - np.load(tmp_path / "start_polished.npy")).max() < 1e-8


def test_many_digits_are_cut_in_the_terminal_alone(run, tmp_path, start):
    status, out, _ = run("start.npy", "--digits", 400)
    assert status == 0
    assert "max cosine in 400 digits: -0." + "3" * 97 + "...\n" in out
    assert len(json.loads((tmp_path / "start_polished_400digits.json").read_text())["max_cosine"]) == 403


def test_json_is_one_document(run, start):
    status, out, err = run("start.npy", "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    jsonschema.validate(document, RECORD_SCHEMA)
    assert "refined" not in document
    document = json.loads(run("start.npy", "--json", "--digits", 30, "--force")[1])
    assert document["file"] == "start_polished.npy"
    assert document["refined"]["max_cosine"] == "-0." + "3" * 30
    assert document["refined"]["file"] == "start_polished_30digits.json"
    assert "points" not in document["refined"]


def test_output_and_formats(run, tmp_path):
    formats.save(tmp_path / "pack.txt", SphericalCode(nudged(regular_polygon(5))))
    assert run("pack.txt", "-o", "there.csv")[0] == 2  # .txt does not tell d
    status, out, err = run("pack.txt", "--d", 2, "-o", "there.csv", "--digits", 20)
    assert (status, err) == (0, "")
    assert "there.csv, there.json, there_20digits.json" in out
    assert math.degrees(formats.load(tmp_path / "there.csv").min_angle) == pytest.approx(72.0, abs=1e-12)
    status, _, err = run("pack.txt", "--d", 2, "-o", "there.xyz")
    assert status == 2
    assert "`format` must be one of" in err


def test_float32_points_need_normalize(run, tmp_path):
    np.save(tmp_path / "single.npy", nudged(simplex(5, 4)).astype(np.float32))
    status, _, err = run("single.npy")
    assert status == 1
    assert one_line(err)
    assert "--normalize" in err
    assert run("single.npy", "--normalize")[0] == 0


@pytest.mark.parametrize("taken", ["start_polished.npy", "start_polished.json", "start_polished_20digits.json"])
def test_nothing_is_overwritten_without_force(run, tmp_path, start, monkeypatch, taken):
    def work(*_, **__):
        raise AssertionError("the work was started")

    (tmp_path / taken).write_bytes(b"kept")
    with monkeypatch.context() as patch:
        patch.setattr(solver, "polish", work)
        status, out, err = run("start.npy", "--digits", 20)
    assert (status, out) == (1, "")
    assert one_line(err)
    assert f"{taken}: the file exists. Use --force" in err
    assert (tmp_path / taken).read_bytes() == b"kept"
    assert run("start.npy", "--digits", 20, "--force")[0] == 0
    assert (tmp_path / taken).read_bytes() != b"kept"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--digits", "16"], "`digits` must be an integer of at least 17. Got 16."),
        (["--digits", "many"], "`digits` must be an integer of at least 17. Got 'many'."),
        (["--digits", "10001"], "`digits` must be an integer from 17 to 10000. Got 10001."),
        (["--time", "0s"], "`time` must be a positive duration"),
        (["--d", "1"], "`d` must be an integer of at least 2. Got 1."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_in_one_line(run, start, options, message):
    status, out, err = run("start.npy", *options)
    assert (status, out) == (2, "")
    assert one_line(err)
    assert message in err


def test_a_missing_file(run):
    status, _, err = run("nothing.npy")
    assert status == 1
    assert one_line(err)
    assert "nothing.npy: cannot be read" in err


def test_points_that_do_not_close_are_saved_in_float64(run, tmp_path, start, monkeypatch):
    """The time is up before the contacts are equal: the digits are refused, the points are kept."""

    def unfinished(points, **_):
        angle = SphericalCode(points).min_angle
        return types.SimpleNamespace(points=points, status=Status.TIME_LIMIT, before=angle, after=angle)

    monkeypatch.setattr(solver, "polish", unfinished)
    status, out, err = run("start.npy", "--digits", 30)
    assert status == 1
    assert one_line(err)
    assert "start_polished.npy: the contact equations do not close in 30 digits: " in err
    assert "nearest neighbours' angles that differ by" in err
    assert "The time limit was reached" in out
    assert (tmp_path / "start_polished.npy").exists()
    assert not (tmp_path / "start_polished_30digits.json").exists()
    status, out, err = run("start.npy", "--digits", 30, "--json", "--force")
    assert status == 1
    assert json.loads(out)["refined"] is None
    assert one_line(err)


def test_ctrl_c_saves_the_best_and_exits_130(run, tmp_path, monkeypatch):
    np.save(tmp_path / "start.npy", nudged(np.random.default_rng(0).normal(size=(30, 3))))
    original = solver.polish

    def interrupted(points, *, progress, **options):
        def report(event: Progress):
            raise KeyboardInterrupt

        return original(points, progress=report, **options)

    monkeypatch.setattr(solver, "polish", interrupted)
    status, out, _ = run("start.npy", "--digits", 30)
    assert status == 130
    assert Status.INTERRUPTED.sentence in out
    assert (tmp_path / "start_polished.npy").exists()
    assert not (tmp_path / "start_polished_30digits.json").exists()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tammes.solvers.polish.polish.polish", "Interrupted; nothing was polished yet"),
        (
            "tammes.codes.extended_precision.refine",
            "Interrupted; the points in float64 were saved as start_polished.npy.",
        ),
    ],
)
def test_ctrl_c_elsewhere(run, tmp_path, start, monkeypatch, where, message):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    status, out, err = run("start.npy", "--digits", 30)
    assert (status, out) == (130, "")
    assert one_line(err)
    assert message in err
    assert (tmp_path / "start_polished.npy").exists() == ("refine" in where)
