"""Whole files: written completely or not at all, and read at once or refused in one line."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.storage import atomic

# --- writing: all or nothing ----------------------------------------------------------------------


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"mine")
    with pytest.raises(FileAccessError) as caught:
        atomic.write_atomically(path, b"new")
    assert str(caught.value) == f"{path}: the file exists. Use --force to replace it."
    assert path.read_bytes() == b"mine"
    atomic.write_atomically(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("existing", [None, b"mine"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_in_the_middle_leaves_what_was_there(call, failure, existing, tmp_path, monkeypatch):
    def fail(*arguments):
        assert len(list(tmp_path.iterdir())) == (1 if existing is None else 2)  # the temporary file is there
        raise failure

    path = tmp_path / "a.npy"
    if existing is not None:
        path.write_bytes(existing)
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises((FileAccessError, KeyboardInterrupt)) as caught:
        atomic.write_atomically(path, b"new", force=True)
    if isinstance(failure, OSError):
        assert str(caught.value) == f"{path}: cannot be written (no space left on device)."
    left = {found: found.read_bytes() for found in tmp_path.iterdir()}
    assert left == ({} if existing is None else {path: existing})


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic.write_atomically(tmp_path / "a.npy", b"new")
    assert (tmp_path / "a.npy").stat().st_mode == (tmp_path / "plain").stat().st_mode


def bad_places(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "file").write_bytes(b"")
    return {
        "missing folder": (tmp_path / "none" / "a.npy", "the folder .*none does not exist. Create it first."),
        "file for a folder": (tmp_path / "file" / "a.npy", "the folder .*file does not exist"),
        "folder": (tmp_path / "folder.npy", "this is a folder. Name a file in it."),
    }


@pytest.mark.parametrize("which", ["missing folder", "file for a folder", "folder"])
@pytest.mark.parametrize("force", [True, False])
def test_places_that_take_no_file(which, force, tmp_path):
    path, reason = bad_places(tmp_path)[which]
    for act in (atomic.check_writable, lambda path, force: atomic.write_atomically(path, b"new", force=force)):
        with pytest.raises(FileAccessError, match=f"^{path}: {reason}"):
            act(path, force=force)


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*arguments, **named):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(FileAccessError) as caught:
        atomic.check_writable(tmp_path / "a.npy")
    assert str(caught.value) == f"{tmp_path / 'a.npy'}: the folder cannot be written (permission denied)."


def test_checking_leaves_nothing_behind(tmp_path):
    atomic.check_writable(tmp_path / "a.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 300 + ".npy", "a\0.npy"], ids=["too long", "null byte"])
@pytest.mark.parametrize(
    "act", [atomic.check_writable, lambda path: atomic.write_atomically(path, b"new")], ids=["check", "write"]
)
def test_impossible_names_to_write(act, name, tmp_path):
    with pytest.raises(FileAccessError):
        act(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 300 + ".npy", id="too long"),
        pytest.param("a\0.npy", id="null byte"),
        pytest.param("none.npy", id="missing"),
        pytest.param("none/a.npy", id="missing folder"),
        pytest.param("folder.npy", id="folder"),
    ],
)
def test_names_that_cannot_be_read(name, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(FileAccessError) as caught:
        atomic.read_bytes(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


# --- JSON ---------------------------------------------------------------------------------


def test_read_json_is_one_object(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"n": 12, "note": "π"}\r\n', encoding="utf-8")
    assert atomic.read_json(path) == {"n": 12, "note": "π"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "the file is empty"),
        (b"[1, 2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{'n': 1}", "not JSON: "),
        (b'{"n": 1', "not JSON: "),
        (b"\xff\xfe{}", "not JSON: "),
        (f'{{"n": {"[" * 100_000 + "]" * 100_000}}}'.encode(), "not JSON: "),
        (f'{{"n": {"9" * 9000}}}'.encode(), "not JSON: "),
    ],
    ids=["empty", "list", "null", "quotes", "cut", "binary", "deep", "endless"],
)
def test_read_json_refuses_anything_else(content, reason, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        atomic.read_json(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_not_waited_for(kind, tmp_path):
    path = tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    with pytest.raises(FileAccessError, match="not a regular file"):
        atomic.read_bytes(path)


def test_json_comes_back(tmp_path):
    document = {"n": 12, "note": "±x", "angle": 0.1 + 0.2, "none": None}
    atomic.write_atomically(tmp_path / "a.json", atomic.encode_json(document))
    assert atomic.read_json(tmp_path / "a.json") == document


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_missing_number(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.encode_json({"angle": value})
