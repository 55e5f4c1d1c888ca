"""JSON lines survive a process that died in mid-line."""

import pytest

from tammes.base.errors import FileAccessError
from tammes.storage import journal


def test_lines_come_back_in_order(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [{"n": 3, "text": "±x\nsecond"}, {"angle": 0.1 + 0.2}]
    for line in lines:
        journal.append(path, line)
    assert list(journal.read(path)) == [(1, lines[0]), (2, lines[1])]
    assert path.read_bytes().count(b"\n") == 2


def test_half_a_line_spoils_no_other(tmp_path):
    path = tmp_path / "log.jsonl"
    journal.append(path, {"k": 1})
    with path.open("ab") as stream:
        stream.write(b'{"k": 2, "n')
    journal.append(path, {"k": 3})
    assert list(journal.read(path)) == [(1, {"k": 1}), (2, None), (3, {"k": 3})]


@pytest.mark.parametrize("line", [b"", b"null", b"[1]", b'"text"', b"<html>", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"k": 1}\n' + line + b'\n{"k": 3}\n')
    assert list(journal.read(path)) == [(1, {"k": 1}), (2, None), (3, {"k": 3})]


def test_no_file_has_no_lines(tmp_path):
    assert list(journal.read(tmp_path / "log.jsonl")) == []
    (tmp_path / "file").write_bytes(b"")
    assert list(journal.read(tmp_path / "file" / "log.jsonl")) == []


def test_a_folder_is_no_journal(tmp_path):
    with pytest.raises(FileAccessError, match=r"cannot be read \(is a directory\)"):
        list(journal.read(tmp_path))
    with pytest.raises(FileAccessError, match=r"cannot be written \(is a directory\)"):
        journal.append(tmp_path, {})


def test_a_missing_number_is_a_defect(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.append(tmp_path / "log.jsonl", {"angle": float("nan")})
    assert list(journal.read(tmp_path / "log.jsonl")) == []
