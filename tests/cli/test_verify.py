"""`tammes verify`: honest and false claims, hostile files."""

import json
import math
import os

import numpy as np
import pytest
from command_line import one_line

from tammes.constructions.closed_forms import orthoplex


@pytest.fixture
def solved(run, tmp_path):
    run("solve", "--n", 6, "--d", 3, "-o", "code.npy")
    return tmp_path / "code.npy"


def test_verify_json(run, solved):
    status, out, _ = run("verify", solved, "--json")
    assert status == 0
    document = json.loads(out)
    assert document["holds"]
    assert document["min_angle"] == pytest.approx(math.pi / 2, abs=1e-15)


def test_a_false_claim_exits_1(run, solved):
    record = json.loads(solved.with_suffix(".json").read_text())
    record["min_angle"] += 2e-12
    solved.with_suffix(".json").write_text(json.dumps(record))
    status, out, err = run("verify", solved)
    assert status == 1
    assert "claimed" in out
    assert one_line(err)
    assert "the claim does not hold: min_angle: claimed" in err
    assert run("verify", solved, "--tolerance", "1e-11")[0] == 0
    status, out, _ = run("verify", solved, "--json")
    assert status == 1
    assert json.loads(out)["holds"] is False


def hostile(tmp_path):
    """Files that no one should choke on."""
    pickled = np.array([{"a": 1}, None], dtype=object)
    with (tmp_path / "pickled.npy").open("wb") as stream:
        np.save(stream, pickled, allow_pickle=True)
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "whole.npy", orthoplex(3))
    (tmp_path / "truncated.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-9])
    np.save(tmp_path / "zero.npy", np.vstack([orthoplex(3), np.zeros(3)]))
    np.save(tmp_path / "off.npy", 1.001 * orthoplex(3))
    np.save(tmp_path / "single.npy", np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "nan.npy", np.array([[1.0, 0.0], [math.nan, 1.0]]))
    (tmp_path / "nan.csv").write_text("1,0\nnan,1\n")
    (tmp_path / "words.csv").write_text("1,0\none,two\n")
    return {
        "empty.npy": "the file is empty",
        "truncated.npy": "truncated.npy",
        "pickled.npy": "allow_pickle=False",
        "zero.npy": "non-zero rows. Got row 6",
        "off.npy": "on the unit sphere to 1e-09. Got row 0",
        "single.npy": "normalize",
        "cube.npy": "of shape (n, d)",
        "nan.npy": "finite. Got row 1",
        "nan.csv": "finite. Got row 1",
        "words.csv": "line 2 is not made of numbers",
        "missing.npy": "cannot be read (no such file or directory)",
        ".": "`format` must be one of",
    }


def test_hostile_files(run, tmp_path):
    for name, message in hostile(tmp_path).items():
        for command in (["verify", name], ["convert", name, "out.csv"], ["plot", name, "-o", "out.png"]):
            status, out, err = run(*command)
            assert status in (1, 2), command
            assert out == ""
            assert one_line(err), err
            assert message in err
    assert not (tmp_path / "out.csv").exists()
    assert run("verify", "single.npy", "--normalize")[0] == 0
    assert run("verify", "whole.npy", "--tolerance", "-1")[0] == 2


def test_a_pipe_is_not_waited_for(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    status, _, err = run("verify", "pipe.npy")
    assert status == 1
    assert one_line(err)
    assert "not a regular file" in err
