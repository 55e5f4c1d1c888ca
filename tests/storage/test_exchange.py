"""Codes leave the archive and come back bit for bit; what is no code is skipped with its reason."""

import json
import math

import numpy as np
import oracles
import pytest

from tammes.base.errors import FileAccessError, InvalidParameterError, NotTabulatedError, UnknownNameError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import formats, verification
from tammes.storage.archive import Archive
from tammes.storage.exchange import export_code, import_codes


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


def digests(archive):
    return {(entry.code.n, entry.code.d, entry.antipodal): entry.code.digest for entry in archive.entries()}


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_round_trip_bit_for_bit(archive, tmp_path, suffix):
    points = oracles.random_code(9, 3)
    archive.offer(SphericalCode(points), {"method": ["hopping"], "seed": 11})
    target = tmp_path / f"code_d3_n9{suffix}"
    written = export_code(archive, 9, 3, target)
    assert written == ([target] if suffix == ".json" else [target, target.with_suffix(".json")])
    assert (formats.load(target).points == points).all()
    check = verification.verify(target)
    assert check.holds
    assert check.claimed_in == target.with_suffix(".json")
    other = Archive(tmp_path / "other")
    imported = import_codes(other, target)
    assert imported.skipped == ()
    assert [(path, offered.kept) for path, offered in imported.offered] == [(target, True)]
    assert (other.get(9, 3).code.points == points).all()
    assert other.get(9, 3).record["method"] == ["hopping"]  # provenance travels with the points
    assert other.get(9, 3).record["seed"] == 11
    assert other.get(9, 3).record["imported_from"] == str(target)


def test_export_keeps_what_is_there(archive, tmp_path):
    archive.offer(SphericalCode(oracles.icosahedron()))
    for taken in ("a.npy", "a.json"):
        (tmp_path / taken).write_bytes(b"kept")
        with pytest.raises(FileAccessError, match=f"{taken}: the file exists"):
            export_code(archive, 12, 3, tmp_path / "a.npy")
        assert (tmp_path / taken).read_bytes() == b"kept"
        assert len(list(tmp_path.glob("a.*"))) == 1
        (tmp_path / taken).unlink()
    (tmp_path / "a.npy").write_bytes(b"old")
    export_code(archive, 12, 3, tmp_path / "a.npy", force=True)
    assert formats.load(tmp_path / "a.npy").n == 12


def test_export_refusals(archive, tmp_path):
    archive.offer(SphericalCode(oracles.simplex(4)))
    with pytest.raises(NotTabulatedError, match=r"No code with n = 99, d = 4 in the archive"):
        export_code(archive, 99, 4, tmp_path / "a.npy")
    with pytest.raises(UnknownNameError):
        export_code(archive, 5, 4, tmp_path / "a.xyz")
    with pytest.raises(InvalidParameterError, match=r"`d` must be 3 for the \.off format"):
        export_code(archive, 5, 4, tmp_path / "a.off")
    with pytest.raises(FileAccessError, match="does not exist"):
        export_code(archive, 5, 4, tmp_path / "missing" / "a.npy")
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}


def test_lines_are_exported_and_imported_as_lines(archive, tmp_path):
    half = oracles.random_code(4, 3)
    archive.offer(SphericalCode(np.concatenate([half, -half])), antipodal=True)
    with pytest.raises(NotTabulatedError):
        export_code(archive, 8, 3, tmp_path / "a.npy")
    export_code(archive, 8, 3, tmp_path / "a.npy", antipodal=True)
    other = Archive(tmp_path / "other")
    assert [offered.antipodal for _, offered in import_codes(other, tmp_path / "a.npy").offered] == [False, True]
    assert other.get(8, 3).code.digest == other.get(8, 3, True).code.digest == archive.get(8, 3, True).code.digest


def test_another_archive(archive, tmp_path):
    theirs = Archive(tmp_path / "theirs")
    for points in (oracles.icosahedron(), oracles.random_code(20, 3), oracles.cell24(), oracles.random_code(7, 4)):
        theirs.offer(SphericalCode(points), {"method": ["theirs"]})
    better = SphericalCode(oracles.orthoplex(4)[:7])  # 90 degrees
    archive.offer(better, {"method": ["ours"]})
    search = theirs.folder / "search"
    search.mkdir()
    formats.save(search / "state.npy", SphericalCode(oracles.orthoplex(3)))
    (theirs.folder / "d3" / ".n00012.json.x.tmp").write_bytes(b"half")
    imported = import_codes(archive, theirs.folder)
    assert imported.skipped == ()
    assert archive.get(7, 4).code.digest == better.digest
    assert archive.get(6, 3) is None  # the state of a search is no finished code
    kept = digests(archive)
    for key, digest in digests(theirs).items():
        assert key[:2] in {(7, 4), (6, 4)} or kept[key] == digest  # ours are better there
    assert (12, 3, True) in kept  # the icosahedron is made of lines
    assert archive.get(24, 4).record["method"] == ["theirs"]
    again = import_codes(archive, theirs.folder)
    assert not any(offered.kept for _, offered in again.offered)


def test_a_folder_of_all_sorts(archive, tmp_path):
    folder = tmp_path / "found"
    (folder / "deeper").mkdir(parents=True)
    formats.save(folder / "deeper" / "pack.3.12.txt", SphericalCode(oracles.icosahedron()))
    formats.save(folder / "deeper" / "unknown.txt", SphericalCode(oracles.icosahedron()))
    code = SphericalCode(oracles.random_code(9, 4))
    formats.save(folder / "a.npy", code)
    (folder / "a.json").write_text(json.dumps({"digest": code.digest, "method": ["sgd"], "min_angle": 3.0}))
    np.save(folder / "single.npy", oracles.random_code(9, 5).astype(np.float32))
    (folder / "empty.csv").write_bytes(b"")
    (folder / "broken.json").write_bytes(b"<html>")
    (folder / "README.md").write_text("no points")
    imported = import_codes(archive, folder)
    names = [path.name for path, _ in imported.offered]
    assert names == ["a.npy", "pack.3.12.txt", "pack.3.12.txt"]
    reasons = {path.name: reason for path, reason in imported.skipped}
    assert set(reasons) == {"single.npy", "empty.csv", "broken.json", "unknown.txt"}
    assert "normalize" in reasons["single.npy"]
    assert "the file is empty" in reasons["empty.csv"]
    assert "--d" in reasons["unknown.txt"]
    record = archive.get(9, 4).record
    assert record["method"] == ["sgd"]
    assert record["min_angle"] == pytest.approx(float(oracles.min_angle(code.points)), abs=1e-14)
    assert archive.get(12, 3).record["method"] == ["import"]


def test_normalize_and_dimension(archive, tmp_path):
    np.save(tmp_path / "single.npy", oracles.random_code(9, 5).astype(np.float32))
    assert import_codes(archive, tmp_path / "single.npy").offered == ()
    assert import_codes(archive, tmp_path / "single.npy", normalize=True).offered[0][1].kept
    formats.save(tmp_path / "plain.txt", SphericalCode(oracles.simplex(3)))
    assert import_codes(archive, tmp_path / "plain.txt", d=3).offered[0][1].kept


@pytest.mark.parametrize("record", [b"", b"<html>", b"[1]", b'{"digest": "other", "method": ["lie"]}', "nan"])
def test_a_broken_record_costs_no_code(archive, tmp_path, record):
    code = SphericalCode(oracles.random_code(9, 4))
    formats.save(tmp_path / "a.npy", code)
    if record == "nan":
        record = json.dumps({"digest": code.digest, "method": ["lie"], "value": math.nan}).encode()
    (tmp_path / "a.json").write_bytes(record)
    assert import_codes(archive, tmp_path / "a.npy").offered[0][1].kept
    assert archive.get(9, 4).record["method"] == ["import"]


def test_a_missing_source(archive, tmp_path):
    with pytest.raises(FileAccessError, match=r"cannot be read \(no such file or directory\)"):
        import_codes(archive, tmp_path / "missing.npy")
    (tmp_path / "bare").mkdir()
    assert import_codes(archive, tmp_path / "bare").offered == ()
    assert not archive.folder.exists()


def test_an_archive_that_cannot_be_written_is_no_skipped_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    formats.save(tmp_path / "a.npy", SphericalCode(oracles.simplex(3)))
    with pytest.raises(FileAccessError, match="the archive cannot be written"):
        import_codes(Archive(tmp_path / "file"), tmp_path / "a.npy")
