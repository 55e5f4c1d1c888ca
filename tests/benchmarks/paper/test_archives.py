import io
import os
import tarfile

import pytest
from paper_files import one_line

from benchmarks.paper import generated
from benchmarks.paper.readers import cifar100, contents
from tammes.base.errors import FileAccessError, FileFormatError


def tar(path, *members, mode="w:gz"):
    """An archive of (name, content) or of whole `TarInfo`s."""
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            entry = member
            if isinstance(member, str):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


@pytest.mark.parametrize("length", [0, 1, 40, 0.5, -9, -1])
def test_truncated_archives_are_refused(tmp_path, length):
    path = generated.write_cifar100(tmp_path, train=20, test=9)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(length * len(whole)) if isinstance(length, float) else length])
    with pytest.raises(FileFormatError) as error:
        cifar100.read(path)
    one_line(error, "cifar-100-python.tar.gz", "not a whole archive")


def test_a_changed_archive_is_refused(tmp_path):
    path = generated.write_cifar100(tmp_path, train=20, test=9)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as error:
        cifar100.read(path)
    one_line(error, "not a whole archive (CRC")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileFormatError) as error:
        cifar100.read(tar(tmp_path / "x.tar.gz", ("cifar-10-batches-py/data_batch_1", b"x")))
    one_line(error, "x.tar.gz: not an archive of CIFAR-100")
    with pytest.raises(FileAccessError) as error:
        cifar100.read(tar(tmp_path / "x.tar.gz", ("cifar-100-python/train", b"x")))
    one_line(error, "x.tar.gz/cifar-100-python/test: missing")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar(tmp_path / "x.tar.gz", special("a/train", kind, "/etc/passwd"))
    with pytest.raises(FileFormatError) as error:
        contents.members_of(path, ["a/train"])
    one_line(error, "x.tar.gz/a/train: not a regular file")


def test_paths_that_lead_out_are_never_followed(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    path = tar(
        tmp_path / "x.tar.gz",
        ("../out", b"x"),
        (str(tmp_path / "absolute"), b"x"),
        special("a", tarfile.SYMTYPE, str(tmp_path)),
        ("a/train", b"the content"),
        ("./a/test", b"another"),
    )
    assert contents.members_of(path, ["a/train", "a/test"]) == {"a/train": b"the content", "a/test": b"another"}
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["inside", "x.tar.gz"]


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = tar(tmp_path / "x.tar", ("a/train", b"one"), ("./a/train", b"two"), mode="w")
    with pytest.raises(FileFormatError) as error:
        contents.members_of(path, ["a/train"])
    one_line(error, "a/train: twice in the archive")


def test_an_empty_member_is_refused(tmp_path):
    with pytest.raises(FileFormatError) as error:
        contents.members_of(tar(tmp_path / "x.tar", ("a/train", b""), mode="w"), ["a/train"])
    one_line(error, "a/train: empty")


def test_what_unpacks_to_more_than_was_agreed_is_refused(tmp_path):
    bomb = tar(tmp_path / "x.tar.gz", ("a/other", b"\0" * 3_000_000), ("a/train", b"x"))
    assert bomb.stat().st_size < 10_000
    assert contents.members_of(bomb, ["a/train"], limit=4_000_000) == {"a/train": b"x"}
    with pytest.raises(FileFormatError) as error:
        contents.members_of(bomb, ["a/train"], limit=1_000_000)
    one_line(error, "x.tar.gz: more than 1,000,000 bytes when unpacked")
    entry = tarfile.TarInfo("a/train")
    entry.size = 1 << 40  # says its head; nothing follows
    head = entry.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "y.tar").write_bytes(head + b"\0" * 10_240)
    with pytest.raises(FileFormatError) as error:
        contents.members_of(tmp_path / "y.tar", ["a/train"])
    one_line(error, "a/train: 1,099,511,627,776 bytes, and at most")
    sparse = tarfile.TarInfo("a/train")
    sparse.type = tarfile.GNUTYPE_SPARSE
    (tmp_path / "z.tar").write_bytes(sparse.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(FileFormatError, match="not a regular file"):
        contents.members_of(tmp_path / "z.tar", ["a/train"])


def test_large_and_special_files_are_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 100)
    assert len(contents.content_of(tmp_path / "x", limit=100)) == 100
    with pytest.raises(FileFormatError, match="100 bytes, and at most 99 are expected"):
        contents.content_of(tmp_path / "x", limit=99)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="not a regular file"):
        contents.content_of(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="not a regular file"):
        contents.members_of(tmp_path / "pipe", ["a"])
    with pytest.raises(FileAccessError, match="does not exist"):
        contents.members_of(tmp_path / "nothing.tar", ["a"])
