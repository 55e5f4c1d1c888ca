"""`tammes construct`: what it writes, what it prints, what it refuses."""

import json
import math

import numpy as np
import pytest

from tammes.constructions.catalogue import CONSTRUCTIONS


def test_a_code_its_record_and_its_verification(run, tmp_path):
    status, out, err = run("construct", "600-cell")
    assert (status, err) == (0, "")
    assert "120 points on the unit sphere in R^4" in out
    assert "36.000000000000°" in out
    assert "exactly (1+sqrt(5))/4" in out
    assert "yes: Boroczky 1978" in out
    assert "tammes_600-cell_d4_n120.npy, tammes_600-cell_d4_n120.json" in out
    points = np.load(tmp_path / "tammes_600-cell_d4_n120.npy")
    assert points.shape == (120, 4)
    record = json.loads((tmp_path / "tammes_600-cell_d4_n120.json").read_text())
    assert record["schema"] == "tammes.result/1"
    assert (record["n"], record["d"], record["method"]) == (120, 4, ["constructed"])
    assert record["min_angle"] == pytest.approx(math.pi / 5, abs=1e-14)
    assert record["min_angle_degrees"] == pytest.approx(36.0, abs=1e-12)
    assert record["max_cosine"] == pytest.approx((1 + math.sqrt(5)) / 4, abs=1e-14)
    assert record["construction"]["name"] == "600-cell"
    assert record["construction"]["command"] == "tammes construct 600-cell"
    assert record["construction"]["exact_max_cosine"] == "(1+sqrt(5))/4"
    assert record["file"] == "tammes_600-cell_d4_n120.npy"
    assert "Cohn" in record["reference"]
    assert len(record["digest"]) == 64
    status, out, err = run("verify", "tammes_600-cell_d4_n120.npy")
    assert (status, err) == (0, "")
    assert "agrees" in out
    assert run("verify", "tammes_600-cell_d4_n120.json")[0] == 0


@pytest.mark.parametrize("suffix", [".json", ".csv", ".txt", ".npz"])
def test_other_formats_are_verified_too(run, suffix):
    file = f"pack_d5_n40{suffix}"
    assert run("construct", "d5", "-o", file)[0] == 0
    status, out, _ = run("verify", file)
    assert status == 0
    assert "40 in d = 5" in out
    assert "agrees" in out


def test_a_claim_that_was_changed_is_found_out(run, tmp_path):
    assert run("construct", "cube", "-o", "cube.npy")[0] == 0
    record = json.loads((tmp_path / "cube.json").read_text())
    (tmp_path / "cube.json").write_text(json.dumps(record | {"min_angle_degrees": 71.0}))
    status, _, err = run("verify", "cube.npy")
    assert status == 1
    assert "min_angle_degrees" in err


@pytest.mark.parametrize(
    ("arguments", "optimal"),
    [
        (["simplex", "--d", 5], "yes: "),
        (["fibonacci", "--n", 50], "this code misses it by"),
        (["smith-40"], "not proved; this is the best known"),
        (["equal-area", "--n", 700, "--d", 9], "nothing is stored for this size"),
        (["cube"], "best known 74.858492185616°; this code misses it by 4.329712820107°"),
    ],
)
def test_what_is_said_of_optimality(run, arguments, optimal):
    status, out, err = run("construct", *arguments)
    assert (status, err) == (0, "")
    assert optimal in out


def test_json(run):
    status, out, err = run("construct", "E8", "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["n"], document["d"], document["optimal"]) == (240, 8, True)
    assert document["proved_by"]
    assert document["file"] == "tammes_E8_d8_n240.npy"
    assert document["min_angle_degrees"] == pytest.approx(60.0, abs=1e-12)
    status, out, _ = run("construct", "fibonacci", "--n", 12, "--json")
    document = json.loads(out)
    assert (document["optimal"], document["proved_by"]) == (False, None)
    assert document["construction"]["exact_max_cosine"] is None


def test_list(run):
    status, out, err = run("construct", "--list")
    assert (status, err) == (0, "")
    lines = [line.split()[0] for line in out.splitlines()[1:]]
    assert len(lines) == len(CONSTRUCTIONS)
    assert {"600-cell", "E8", "leech", "kerdock", "fibonacci"} <= set(lines)
    assert "A2, A3, ..." in out
    status, out, _ = run("construct", "--list", "--json")
    entries = json.loads(out)
    assert [entry["name"] for entry in entries] == list(CONSTRUCTIONS)
    assert all(entry["size"] and entry["reference"] for entry in entries)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`name` must be given. Got None. `tammes construct --list` shows all."),
        (["600cell"], "`name` must be one of: 600-cell, "),
        (["E8", "--n", 7], "`n` must be 240 for E8. Got 7."),
        (["D5", "--d", 6], "`d` must be 5 for D5. Got 6."),
        (["D5", "--d", "x"], "`d` must be an integer of at least 2. Got 'x'."),
        (["kerdock"], "`d` must be given for kerdock."),
        (["kerdock", "--d", 1024], "1050624 points in R^1024 would take 8.0 GiB"),
        (["E8", "--list"], "`--list` and `NAME`"),
        (["--list", "--d", 3], "`--list` and `--d`"),
        (["E8", "-o", "e8.xyz"], "`format` must be one of"),
    ],
)
def test_wrong_usage_is_one_line_and_2(run, tmp_path, arguments, message):
    status, out, err = run("construct", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_are_kept_unless_forced(run, tmp_path):
    assert run("construct", "cube", "-o", "a.npy")[0] == 0
    before = (tmp_path / "a.npy").read_bytes()
    status, out, err = run("construct", "icosahedron", "-o", "a.npy")
    assert (status, out) == (1, "")
    assert "the file exists. Use --force to replace it." in err
    assert (tmp_path / "a.npy").read_bytes() == before
    assert run("construct", "icosahedron", "-o", "a.npy", "--force")[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (12, 3)
    assert run("verify", "a.npy")[0] == 0
    assert run("construct", "cube", "-o", "nowhere/a.npy")[0] == 1
