"""Read files and members of archives into memory, without extraction and within limits of size."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.storage import formats as files

__all__ = ["LIMIT", "content_of", "find_first", "is_archive", "members_of"]

LIMIT = 512 << 20
"""Bytes of a file, of a member of an archive, and of a whole archive once it is unpacked."""

_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError, ArithmeticError, LookupError, RecursionError, zlib.error)


def find_first(data: Path, names: Iterable[str], fits: Callable[[Path], bool], what: str, remedy: str = "") -> Path:
    """Return the first of the names under a folder that fits, else the folder (or file) itself if that fits.

    Raises:
        FileAccessError: if there is no such folder, or nothing in it fits.
    """
    data = Path(data)
    if not data.exists():
        raise FileAccessError(data, "does not exist")
    names = list(names)
    for candidate in (*(data / name for name in names), data):
        if fits(candidate):
            return candidate
    raise FileAccessError(data, f"no {what} here: none of {', '.join(names)} is there", remedy)


def is_archive(path: Path) -> bool:
    """Return True for a file with the name of an archive."""
    return path.name.lower().endswith(_ARCHIVES) and path.is_file()


def content_of(path: Path, limit: int = LIMIT) -> bytes:
    """Return the bytes of a regular file that is neither empty nor too large.

    Raises:
        FileAccessError: if it cannot be read.
        FileFormatError: if it is empty or too large.
    """
    if path.is_file() and path.stat().st_size > limit:
        raise FileFormatError(path, f"{path.stat().st_size:,} bytes, and at most {limit:,} are expected")
    return files.read_bytes(path)


def members_of(path: Path, wanted: Iterable[str], limit: int = LIMIT) -> dict[str, bytes]:
    """Return the content of some files of a `.tar`, `.tar.gz` or `.tgz`; those that are not there are left out.

    The archive is read once from front to back, to its very end, so that one that was cut off or changed is found
    out. Names are compared and never used as paths: what else the archive holds, and wherever it points, is skipped.

    Args:
        path: the archive.
        wanted: names as in `cifar-100-python/train`.
        limit: bytes of the whole archive, unpacked.

    Raises:
        FileAccessError: if it cannot be read.
        FileFormatError: if it is damaged or too large, or one of the wanted is no regular file, or is there twice.
    """
    if not path.is_file():
        raise FileAccessError(path, "not a regular file" if path.exists() else "does not exist")
    found: dict[str, bytes] = {}
    names = set(wanted)
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = _Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, path, limit)  # type: ignore[arg-type]
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    archive.members = []  # else it keeps a record of every one
                    name = member.name.removeprefix("./")
                    if name in names:
                        found[name] = _member(path, archive, member, found, limit)
            while stream.read(1 << 20):
                pass  # to the checksum at the end
    except FileFormatError:
        raise
    except _DAMAGE as error:
        said = " ".join(str(error).split())[:100].rstrip(".") or type(error).__name__
        raise FileFormatError(path, f"not a whole archive ({said})") from None
    return found


def _member(
    path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, found: dict[str, bytes], limit: int
) -> bytes:
    name = member.name.removeprefix("./")
    if not member.isreg() or member.issparse():
        raise FileFormatError(path / name, "not a regular file in the archive")
    if name in found:
        raise FileFormatError(path / name, "twice in the archive")
    if member.size > limit:
        raise FileFormatError(path / name, f"{member.size:,} bytes, and at most {limit:,} are expected")
    stream = archive.extractfile(member)
    content = b"" if stream is None else stream.read()
    if len(content) != member.size or not content:
        raise FileFormatError(path / name, "empty" if member.size == 0 else "cut off in the archive")
    return content


class _Bounded:
    """A stream that raises an error beyond a number of bytes."""

    def __init__(self, stream: BinaryIO, path: Path, limit: int) -> None:
        self.stream = stream
        self.path = path
        self.limit = limit
        self.left = limit

    def read(self, size: int = -1) -> bytes:
        content = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(content)
        if self.left < 0:
            raise FileFormatError(self.path, f"more than {self.limit:,} bytes when unpacked")
        return content
