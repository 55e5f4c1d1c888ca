"""The archive keeps the best, whoever writes at once, dies in the middle, or put a foreign file there."""

import json
import math
import multiprocessing
import os
import random
import re
import signal
from pathlib import Path

import jsonschema
import numpy as np
import oracles
import pytest
from command_line import RECORD_SCHEMA
from filelock import FileLock

from tammes.base.errors import FileAccessError, InvalidParameterError, NotTabulatedError
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, formats, verification
from tammes.storage.archive import Archive, ArchiveWarning, default_folder
from tammes.storage.result import Result

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


def arc(theta):
    """Two points of the circle at an angle: the smallest code there is, and no deletion."""
    return SphericalCode([[1.0, 0.0], [math.cos(theta), math.sin(theta)]])


def line(d, *degrees):
    """Points on one great circle at these places."""
    turns = np.radians(degrees)
    return SphericalCode(np.pad(np.stack([np.cos(turns), np.sin(turns)], axis=1), ((0, 0), (0, d - 2))))


def tree(folder):
    """Every file below a folder with its content."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def result(points, **more):
    return Result(SphericalCode(points), ("sgd", "polish"), Status.LOCAL_MAXIMUM, 1.5, {"seed": 7}, **more)


# --- what is kept -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "kept"),
    [(1e-3, True), (1.01e-12, True), (0.99e-12, False), (0.0, False), (-0.99e-12, False), (-1e-3, False)],
)
def test_replaced_by_an_improvement_beyond_1e_12(archive, gain, kept):
    old, new = arc(1.0), arc(1.0 + gain)
    assert archive.offer(old).kept
    offered = archive.offer(new)
    assert offered.kept is kept
    assert offered.previous == pytest.approx(1.0, abs=1e-15)
    assert offered.angle == pytest.approx(1.0 + gain, abs=1e-15)
    assert archive.get(2, 2).code.digest == (new if kept else old).digest
    assert len(list(archive.log())) == 1 + kept


def test_small_gains_do_not_add_up_unmeasured(archive):
    """Each is compared with what is stored, not with the last that was offered."""
    archive.offer(arc(1.0))
    kept = [archive.offer(arc(1.0 + k * 0.4e-12)).kept for k in range(1, 7)]
    assert kept == [False, False, True, False, False, True]


def test_a_tie_keeps_the_old_file(archive):
    archive.offer(SphericalCode(oracles.icosahedron()), {"method": ["first"]})
    before = tree(archive.folder)
    turned = SphericalCode(oracles.icosahedron()[::-1])
    assert not archive.offer(turned, {"method": ["second"]}).kept
    assert tree(archive.folder) == before


def test_problems_do_not_mix(archive):
    codes = {(6, 3): oracles.orthoplex(3), (6, 2): oracles.polygon(6), (5, 2): oracles.polygon(5)}
    for points in codes.values():
        archive.offer(SphericalCode(points))
    for (n, d), points in codes.items():
        assert (archive.get(n, d).code.points == points).all()
        assert not archive.get(n, d).antipodal
    assert archive.get(6, 3, antipodal=True) is None
    worse = SphericalCode(np.concatenate([oracles.simplex(3)[:3], -oracles.simplex(3)[:3]]))
    assert not archive.offer(worse).kept
    assert archive.offer(worse, antipodal=True).kept  # another problem: lines
    assert archive.get(6, 3, True).code.digest == worse.digest
    assert archive.get(6, 3, True).antipodal


@pytest.mark.parametrize("points", [oracles.simplex(3), oracles.polygon(5)])
def test_a_wrong_antipodal_claim_is_refused(archive, points):
    with pytest.raises(InvalidParameterError, match=r"`code` must be made of pairs \+-x"):
        archive.offer(SphericalCode(points), antipodal=True)
    assert not archive.folder.exists()


@pytest.mark.parametrize(("n", "d"), [(1, 3), (3, 1), (2.0, 3), (True, 3), ("../../x", 3)])
def test_wrong_sizes(archive, n, d):
    with pytest.raises(InvalidParameterError, match="must be an integer of at least 2"):
        archive.get(n, d)


def test_require(archive):
    archive.offer(arc(1.0))
    assert archive.require(2, 2).code.digest == arc(1.0).digest
    with pytest.raises(NotTabulatedError, match=r"No antipodal code with n = 2, d = 2 in the archive .*archive\."):
        archive.require(2, 2, antipodal=True)


# --- what is written --------------------------------------------------------------------------


def test_a_result_is_stored_with_its_record(archive):
    made = result(oracles.icosahedron())
    path = archive.offer(made, {"search": {"hops": 3}}).path
    record = json.loads(path.read_text())
    jsonschema.validate({**record, "method": ["polish"]}, RECORD_SCHEMA)
    assert (np.array(record["points"]) == oracles.icosahedron()).all()
    assert record["method"] == ["sgd", "polish"]
    assert record["settings"] == {"seed": 7}
    assert record["search"] == {"hops": 3}
    assert record["contacts"]["count"] == 30  # edges of the icosahedron
    entry = archive.get(12, 3)
    assert entry.path == path
    assert "points" not in entry.record
    assert verification.verify(path).holds
    assert verification.verify(path).claimed_in == path


def test_bare_points_are_measured_whatever_the_record_says(archive):
    lies = {"min_angle": 3.0, "digest": "0" * 64, "n": 99, "contacts": 7, "rattlers": 7, "schema": "x", "points": []}
    code = SphericalCode(oracles.random_code(9, 4))
    path = archive.offer(code, {"method": ["hopping"], "seed": 3} | lies).path
    record = json.loads(path.read_text())
    assert record["min_angle"] == pytest.approx(float(oracles.min_angle(code.points)), abs=1e-14)
    assert (record["n"], record["seed"], record["method"]) == (9, 3, ["hopping"])
    assert verification.verify(path).holds
    assert formats.load(path).digest == code.digest


def test_a_record_must_be_json(archive):
    for value in (math.nan, {1, 2}, np.float64):
        with pytest.raises(InvalidParameterError, match="`record` must be made of JSON values"):
            archive.offer(arc(1.0), {"value": value})
    assert not archive.folder.exists()


def test_the_log_has_a_line_an_improvement(archive):
    archive.offer(arc(0.5), {"method": ["first"]})
    archive.offer(arc(0.4))
    archive.offer(arc(math.pi), antipodal=True)
    archive.offer(arc(0.6), {"method": ["second", "polish"]})
    lines = [json.loads(text) for text in (archive.folder / "log.jsonl").read_text().splitlines()]
    assert lines == list(archive.log())
    assert [(line["old_degrees"], line["new_degrees"]) for line in lines] == [
        (None, arc(0.5).min_angle_degrees),
        (None, 180.0),
        (arc(0.5).min_angle_degrees, arc(0.6).min_angle_degrees),
    ]
    assert [line["method"] for line in lines] == [["first"], [], ["second", "polish"]]
    assert [line["antipodal"] for line in lines] == [False, True, False]
    assert lines[-1]["digest"] == arc(0.6).digest
    assert all((line["n"], line["d"]) == (2, 2) for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["time"]) for line in lines)


def test_a_half_line_in_the_log_is_told(archive):
    archive.offer(arc(0.5))
    with (archive.folder / "log.jsonl").open("ab") as stream:
        stream.write(b'{"time": "20')
    archive.offer(arc(0.6))
    with pytest.warns(ArchiveWarning, match=r"log\.jsonl: line 2 is no JSON object"):
        lines = list(archive.log())
    assert [line["new_degrees"] for line in lines] == [arc(0.5).min_angle_degrees, arc(0.6).min_angle_degrees]


def test_entries_come_in_order(archive):
    assert list(archive.entries()) == []
    assert not archive.folder.exists()
    for n, d in [(10_001, 2), (9, 10), (3, 2), (12, 2), (4, 3)]:
        archive.offer(SphericalCode(oracles.polygon(n, d)))
    for n in (4, 12):
        archive.offer(SphericalCode(oracles.polygon(n)), antipodal=True)
    (archive.folder / "search").mkdir()
    for name in (
        "d2/notes.txt",
        "d2/n7.json",
        "d2/n000007.json",
        "d2/.n00003.json.x.tmp",
        "d2x",
        "d1",
        "search/n.json",
    ):
        (archive.folder / name).write_bytes(b"no code")
    found = [(entry.code.d, entry.code.n, entry.antipodal) for entry in archive.entries()]
    deletions = [(2, 2, False), (2, 2, True), (2, 10, True), (2, 11, False), (2, 10_000, False), (3, 3, False)]
    wanted = [(2, 3, False), (2, 12, False), (2, 10_001, False), (2, 4, True), (2, 12, True), (3, 4, False)]
    assert found == sorted([*deletions, *wanted, (10, 8, False), (10, 9, False)])
    assert [(entry.code.d, entry.code.n) for entry in archive.entries(3)] == [(3, 3), (3, 4)]
    assert list(archive.entries(17)) == []
    with pytest.raises(InvalidParameterError):
        list(archive.entries(1))


# --- deletions --------------------------------------------------------------------------------


def test_a_kept_code_offers_its_deletion(archive):
    code = line(2, 0, 100, 110, 230)
    offered = archive.offer(code)
    assert [(kept.n, round(math.degrees(kept.angle), 9)) for kept in offered.deletions] == [(3, 110.0)]
    record = archive.get(3, 2).record
    assert record["method"] == ["deletion"]
    assert record["from"] == code.digest
    assert verification.verify(archive.path_of(3, 2)).holds


def test_deletions_go_on_while_stored_codes_are_improved(archive):
    for points in ([0, 10], [0, 10, 20], [0, 10, 20, 30]):
        archive.offer(line(2, *points))
    # By hand: without 40 it is 60 at best, then without 150 it is 90, then without 90 it is 140.
    offered = archive.offer(line(2, 0, 40, 90, 150, 220))
    assert [kept.n for kept in offered.deletions] == [4, 3, 2]
    assert np.degrees([kept.previous for kept in offered.deletions]) == pytest.approx([10.0, 10.0, 20.0])
    assert np.degrees([kept.angle for kept in offered.deletions]) == pytest.approx([60.0, 90.0, 140.0])
    assert archive.get(2, 2).code.min_angle_degrees == pytest.approx(140.0)
    assert archive.get(2, 2).record["from"] == archive.get(3, 2).code.digest


def test_deletions_stop_where_they_do_not_improve(archive):
    archive.offer(SphericalCode(oracles.orthoplex(3)))
    best = archive.get(6, 3).code.digest
    offered = archive.offer(SphericalCode(oracles.random_code(7, 3)))
    assert offered.kept
    assert offered.deletions == ()
    assert archive.get(6, 3).code.digest == best


def test_one_code_does_not_fill_an_empty_archive(archive):
    offered = archive.offer(SphericalCode(oracles.icosahedron()))
    assert [kept.n for kept in offered.deletions] == [11]
    assert [entry.code.n for entry in archive.entries()] == [11, 12]


def test_antipodal_codes_lose_pairs(archive):
    offered = archive.offer(SphericalCode(oracles.orthoplex(4)), antipodal=True)
    assert [(kept.n, kept.antipodal) for kept in offered.deletions] == [(6, True)]
    assert archive.get(6, 4, antipodal=True).code.min_angle == pytest.approx(math.pi / 2)
    assert archive.get(7, 4) is None
    assert archive.get(6, 4) is None


def test_a_deletion_that_cannot_be_kept_is_told(archive, monkeypatch):
    write = atomic.write_atomically

    def full(path, content, *, force=False):
        if path == archive.path_of(11, 3):
            raise FileAccessError(path, "cannot be written (no space left on device)")
        write(path, content, force=force)

    monkeypatch.setattr(atomic, "write_atomically", full)
    with pytest.warns(ArchiveWarning, match=r"no space left on device\)\. The deletion was not kept"):
        assert archive.offer(SphericalCode(oracles.icosahedron())).kept
    assert archive.get(12, 3) is not None
    assert archive.get(11, 3) is None


# --- foreign files ----------------------------------------------------------------------------


def good_record():
    code = SphericalCode(oracles.icosahedron())
    return {"method": ["sgd"], **code.to_dict(), "points": code.points.tolist()}


def changed(**changes):
    return json.dumps(good_record() | changes).encode()


def other_points(k, row):
    points = oracles.icosahedron().tolist()
    points[k] = row
    return points


FOREIGN = {
    "empty": (b"", "the file is empty"),
    "half": (changed()[: len(changed()) // 2], "not JSON"),
    "html": (b"<!DOCTYPE html><html></html>", "not JSON"),
    "binary": (b"\x93NUMPY\x01\x00\xff\xfe", "not JSON"),
    "list": (b"[1, 2]", "not a JSON object"),
    "deep": (b"[" * 100_000, "not JSON"),
    "no points": (b'{"n": 12, "d": 3}', "`points` must be"),
    "null": (changed(points=None), "`points` must be"),
    "words": (changed(points=[["a", "b", "c"]] * 12), "`points` must be an array of real numbers"),
    "ragged": (changed(points=[[1.0, 0.0], [1.0]]), "rows of different lengths"),
    "huge": (changed(points=[[10**400, 0, 0]] * 12), "`points` must be"),
    "nan": (changed(points=other_points(4, [math.nan, 0.0, 1.0])), "finite. Got row 4"),
    "infinite": (changed(points=other_points(4, [math.inf, 0.0, 1.0])), "finite. Got row 4"),
    "off the sphere": (changed(points=other_points(3, [1.0, 1e-4, 0.0])), "on the unit sphere to 1e-09. Got row 3"),
    "other n": (
        json.dumps({"points": oracles.icosahedron()[:11].tolist()}).encode(),
        "11 points in R^3, which belong elsewhere",
    ),
    "other d": (
        json.dumps({"points": oracles.random_code(12, 4).tolist()}).encode(),
        "12 points in R^4, which belong elsewhere",
    ),
    "claimed n": (changed(n=13), "n: claimed 13, measured 12"),
    "angle": (changed(min_angle=good_record()["min_angle"] + 1.1e-12), "min_angle: claimed"),
    "degrees": (changed(min_angle_degrees=good_record()["min_angle_degrees"] + 6e-11), "min_angle_degrees: claimed"),
    "cosine": (changed(max_cosine=0.4), "max_cosine: claimed 0.4"),
    "nan angle": (changed(min_angle=math.nan), "min_angle: claimed nan"),
    "word angle": (changed(min_angle="1.1"), "min_angle: claimed '1.1'"),
    "digest": (changed(digest="0" * 64), "digest: claimed 000"),
    "points": (changed(points=oracles.icosahedron()[::-1].tolist()), "digest: claimed"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_file_is_skipped_and_never_lost(archive, case):
    content, reason = FOREIGN[case]
    path = archive.path_of(12, 3)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.warns(ArchiveWarning, match=re.escape(str(path))) as told:
        assert archive.get(12, 3) is None
    assert reason in str(told[0].message)
    with pytest.warns(ArchiveWarning, match="It is skipped"):
        assert list(archive.entries()) == []
    assert path.read_bytes() == content  # untouched by reading
    poor = SphericalCode(oracles.random_code(12, 3))
    with pytest.warns(ArchiveWarning, match=r"It was moved aside, to n00012\.json\.corrupt-1") as told:
        offered = archive.offer(poor)
    assert Path(told[0].filename) == Path(__file__)  # the caller's line, not ours
    assert (offered.kept, offered.previous) == (True, None)
    assert path.with_name("n00012.json.corrupt-1").read_bytes() == content
    assert archive.get(12, 3).code.digest == poor.digest
    assert next(archive.log())["old_degrees"] is None


def test_honest_claims_within_1e_12_stand(archive):
    archive.path_of(12, 3).parent.mkdir(parents=True)
    archive.path_of(12, 3).write_bytes(changed(min_angle=good_record()["min_angle"] + 0.9e-12))
    assert archive.get(12, 3) is not None
    archive.path_of(12, 3).write_text(json.dumps({"points": oracles.icosahedron().tolist()}))  # claims nothing
    assert archive.get(12, 3) is not None


def test_a_code_without_partners_is_foreign_among_lines(archive):
    path = archive.path_of(4, 3, antipodal=True)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"points": oracles.simplex(3).tolist()}))
    with pytest.warns(ArchiveWarning, match=r"the points are not made of pairs \+-x"):
        assert archive.get(4, 3, antipodal=True) is None


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling link"])
def test_what_is_no_file_is_moved_aside_too(archive, kind):
    path = archive.path_of(2, 2)
    path.parent.mkdir(parents=True)
    make = {"folder": path.mkdir, "fifo": lambda: os.mkfifo(path), "dangling link": lambda: path.symlink_to("nowhere")}
    make[kind]()
    kind_before = os.lstat(path).st_mode
    with pytest.warns(ArchiveWarning, match="not a regular file"):
        assert archive.get(2, 2) is None
    with pytest.warns(ArchiveWarning, match="moved aside"):
        assert archive.offer(arc(1.0)).kept
    assert os.lstat(f"{path}.corrupt-1").st_mode == kind_before
    assert archive.get(2, 2).code.digest == arc(1.0).digest


def test_every_foreign_file_is_kept(archive):
    path = archive.path_of(2, 2)
    path.parent.mkdir(parents=True)
    for k in (1, 2, 3):
        path.write_text(f"foreign {k}")
        with pytest.warns(ArchiveWarning, match=f"corrupt-{k}"):
            archive.offer(arc(1.0))
    for k in (1, 2, 3):
        assert path.with_name(f"n00002.json.corrupt-{k}").read_text() == f"foreign {k}"
    assert [entry.code.n for entry in archive.entries()] == [2]


def test_all_is_stored_before_a_warning_may_raise(archive):
    path = archive.path_of(12, 3)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"foreign")
    with pytest.raises(ArchiveWarning):  # pytest's filter
        archive.offer(SphericalCode(oracles.icosahedron()))
    assert archive.get(12, 3) is not None
    assert archive.get(11, 3) is not None


def test_a_file_that_cannot_be_read_is_not_taken_for_foreign(archive, monkeypatch):
    archive.offer(arc(1.0))
    before = tree(archive.folder)

    def broken(path):
        raise FileAccessError(path, "cannot be read (input/output error)")

    monkeypatch.setattr(atomic, "read_json", broken)
    with pytest.raises(FileAccessError, match="input/output error"):
        archive.offer(arc(1.5))
    with pytest.warns(ArchiveWarning, match="input/output error"):
        assert archive.get(2, 2) is None
    assert tree(archive.folder) == before


# --- many processes, and dead ones ------------------------------------------------------------


def racer(folder, angles, barrier):
    archive = Archive(folder)
    barrier.wait(60)
    for theta in angles:
        archive.offer(arc(theta), {"method": [str(os.getpid())]})


def in_processes(target, *arguments):
    """Run in processes of their own, one for each tuple; their exit codes."""
    children = [SPAWN.Process(target=target, args=each) for each in arguments]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]


@pytest.mark.slow
def test_two_processes_at_once(archive):
    angles = [0.5 + 0.01 * k for k in range(40)]
    random.Random(5).shuffle(angles)
    barrier = SPAWN.Barrier(2)
    assert in_processes(racer, *((archive.folder, angles[k::2], barrier) for k in range(2))) == [0, 0]
    assert archive.get(2, 2).code.digest == arc(0.89).digest
    lines = [json.loads(text) for text in (archive.folder / "log.jsonl").read_text().splitlines()]
    old, new = [line["old_degrees"] for line in lines], [line["new_degrees"] for line in lines]
    assert old == [None, *new[:-1]]  # each was compared with what the one before had stored
    assert new == sorted(new)
    assert new[-1] == arc(0.89).min_angle_degrees
    assert not list(archive.folder.rglob("*.tmp"))


def dying_writer(folder, moment):
    """Offer a better code, and be killed with the lock held: before or after the file is replaced."""

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "before":
        os.fsync = die  # the temporary file is written, not yet renamed
    else:
        from tammes.storage import journal

        journal.append = die
    Archive(folder).offer(arc(1.5))


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "survives"), [("before", 1.0), ("after", 1.5)])
def test_a_killed_writer_leaves_old_or_new(archive, moment, survives):
    archive.offer(arc(1.0))
    assert in_processes(dying_writer, (archive.folder, moment)) == [-signal.SIGKILL]
    assert len(list(archive.folder.rglob("*.tmp"))) == (1 if moment == "before" else 0)
    assert [entry.code.digest for entry in archive.entries()] == [arc(survives).digest]
    offered = archive.offer(arc(2.0))  # the lock died with its holder
    assert offered.kept
    assert offered.previous == pytest.approx(survives, abs=1e-15)
    assert archive.get(2, 2).code.digest == arc(2.0).digest
    assert len(list(archive.log())) == 2


def test_a_lock_that_is_held_too_long_is_told(archive):
    archive = Archive(archive.folder, lock_seconds=0.0)
    archive.offer(arc(1.0))
    with FileLock(archive.folder / ".lock"):
        assert not archive.offer(arc(0.9)).kept  # what is no better needs no lock
        with pytest.raises(FileAccessError, match=r"another process has held its lock for 0 s\. Try again"):
            archive.offer(arc(1.1))
    assert archive.offer(arc(1.1)).kept


def test_the_stored_code_is_compared_again_under_the_lock(archive, monkeypatch):
    """Between the first look and the lock, another process stores a better code."""
    archive.offer(arc(1.0))
    acquire = FileLock.acquire

    def late(lock, *arguments, **options):
        monkeypatch.setattr(FileLock, "acquire", acquire)
        Archive(archive.folder).offer(arc(2.0))
        return acquire(lock, *arguments, **options)

    monkeypatch.setattr(FileLock, "acquire", late)
    offered = archive.offer(arc(1.5))
    assert not offered.kept
    assert offered.previous == pytest.approx(2.0)
    assert archive.get(2, 2).code.digest == arc(2.0).digest


# --- where it lies ----------------------------------------------------------------------------


def test_a_missing_folder_is_empty_and_stays_missing(archive):
    assert archive.get(3, 2) is None
    assert list(archive.entries()) == []
    assert list(archive.log()) == []
    assert not archive.folder.exists()


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "archive").write_bytes(b"kept")
    archive = Archive(tmp_path / "archive")
    assert archive.get(3, 2) is None
    assert list(archive.entries()) == []
    with pytest.raises(FileAccessError, match=r"archive: the archive cannot be written \(file exists\)"):
        archive.offer(arc(1.0))
    assert (tmp_path / "archive").read_bytes() == b"kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
@pytest.mark.parametrize("part", ["", "d2"])
def test_a_read_only_folder(archive, part):
    archive.offer(arc(1.0))
    closed = archive.folder / part
    closed.chmod(0o555)
    try:
        assert archive.get(2, 2).code.digest == arc(1.0).digest
        assert len(list(archive.entries())) == 1
        assert not archive.offer(arc(0.9)).kept
        better = arc(1.1) if part else SphericalCode(oracles.simplex(3))
        with pytest.raises(FileAccessError, match=f"{re.escape(str(closed))}.*cannot be written .*permission denied"):
            archive.offer(better)
    finally:
        closed.chmod(0o755)
    assert archive.get(2, 2).code.digest == arc(1.0).digest


def test_a_disk_that_takes_no_folder_or_lock(archive, monkeypatch):
    archive.offer(arc(1.0))

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    reason = (
        rf"^{re.escape(str(archive.folder))}: the archive cannot be written \(read-only file system\)\. Name another"
    )
    with monkeypatch.context() as patch:
        patch.setattr("filelock.FileLock.acquire", refuse)
        with pytest.raises(FileAccessError, match=reason):
            archive.offer(arc(1.1))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(FileAccessError, match=reason):
            archive.offer(arc(1.1))
    assert archive.get(2, 2).code.digest == arc(1.0).digest
    assert archive.offer(arc(1.1)).kept


def test_what_cannot_be_listed_or_moved_is_told(archive, monkeypatch):
    path = archive.path_of(2, 2)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"foreign")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(FileAccessError, match=r"d2: the archive cannot be written \(permission denied\)"):
        archive.offer(arc(1.0))
    assert path.read_bytes() == b"foreign"
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileAccessError, match=r"archive: cannot be read \(permission denied\)"):
        list(archive.entries())


def test_a_full_disk_leaves_the_old_code(archive, monkeypatch):
    archive.offer(arc(1.0))
    before = tree(archive.folder)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileAccessError, match="no space left on device"):
        archive.offer(arc(1.1))
    assert tree(archive.folder) == before


def test_the_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TAMMES_ARCHIVE", str(tmp_path / "mine"))
    assert Archive().folder == default_folder() == tmp_path / "mine"
    assert Archive(tmp_path / "other").folder == tmp_path / "other"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAMMES_ARCHIVE", "~/here")
    assert default_folder() == tmp_path / "here"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for unset in ("", None):
        monkeypatch.delenv("TAMMES_ARCHIVE") if unset is None else monkeypatch.setenv("TAMMES_ARCHIVE", unset)
        assert default_folder().name == "archive"
        assert default_folder().parent.name == "tammes"
