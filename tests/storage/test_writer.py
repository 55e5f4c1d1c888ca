"""Points and record are written together, and a full disk loses neither."""

import json
from pathlib import Path

import oracles
import pytest

import tammes
from tammes.base.errors import FileAccessError, UnknownNameError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, formats, verification, writer


def test_points_and_record_lie_side_by_side(tmp_path):
    result = tammes.solve(5, 4)
    saved = writer.save_with_record(result, tmp_path / "a.npy")
    assert saved == [tmp_path / "a.npy", tmp_path / "a.json"]
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["file"] == "a.npy"
    assert record["digest"] == formats.load(tmp_path / "a.npy").digest


def test_one_json_file_holds_both(tmp_path):
    saved = writer.save_with_record(tammes.solve(5, 4), tmp_path / "a.json")
    assert saved == [tmp_path / "a.json"]
    assert formats.load(tmp_path / "a.json").digest == json.loads((tmp_path / "a.json").read_text())["digest"]


def test_what_cannot_be_written_here_is_saved_elsewhere(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"kept")
    with pytest.raises(FileAccessError, match=r"the file exists\. The code was saved as") as caught:
        writer.save_with_record(tammes.solve(5, 4), tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"kept"
    rescued = Path(str(caught.value).split("saved as ")[1].split(" instead")[0])
    assert formats.load(rescued).n == 5


@pytest.mark.parametrize("suffix", sorted(formats.FORMATS))
def test_bare_points_are_saved_with_the_record_given(tmp_path, suffix):
    code = SphericalCode(oracles.icosahedron())
    target = tmp_path / f"a_d3_n12{suffix}"
    record = {**code.to_dict(), "reference": "Fejes Toth 1943"}
    saved = writer.save_with_record(code, target, record)
    assert saved == list(dict.fromkeys([target, target.with_suffix(".json")]))
    assert formats.load(target).digest == code.digest
    written = atomic.read_json(saved[-1])
    assert (written["reference"], written["file"]) == ("Fejes Toth 1943", target.name)
    check = verification.verify(target)
    assert (check.claimed_in, check.holds) == (saved[-1], True)
    assert "file" not in record  # the caller's record is not changed


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_record_that_is_no_json_writes_nothing(tmp_path, suffix):
    code = SphericalCode(oracles.icosahedron())
    with pytest.raises(ValueError, match="not JSON compliant"):
        writer.save_with_record(code, tmp_path / f"a{suffix}", {"angle": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_between_the_files_loses_nothing(tmp_path, monkeypatch):
    write = atomic.write_atomically

    def full(path, content, *, force=False):
        if path == tmp_path / "a.json":
            raise FileAccessError(path, "cannot be written (no space left on device)")
        write(path, content, force=force)

    monkeypatch.setattr(atomic, "write_atomically", full)
    code = SphericalCode(oracles.icosahedron())
    with pytest.raises(FileAccessError, match=r"no space left on device\)\. The code was saved as") as caught:
        writer.save_with_record(code, tmp_path / "a.npy", code.to_dict())
    saved = Path(str(caught.value).split("saved as ")[1].split(" instead")[0])
    assert verification.verify(saved).claimed_in == saved.with_suffix(".json")


@pytest.mark.parametrize(("taken", "target"), [("a.npy", "a.npy"), ("a.json", "a.npy"), ("a.json", "a.json")])
def test_a_target_is_checked_with_its_record(tmp_path, taken, target):
    writer.check_target(tmp_path / target)
    (tmp_path / taken).write_bytes(b"kept")
    with pytest.raises(FileAccessError, match=f"{taken}: the file exists"):
        writer.check_target(tmp_path / target)
    writer.check_target(tmp_path / target, force=True)
    with pytest.raises(UnknownNameError):
        writer.check_target(tmp_path / "a.xyz")
