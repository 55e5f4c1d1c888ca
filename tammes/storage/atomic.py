"""Access to whole files: read at once, written completely or not at all; JSON documents in them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, FileFormatError

__all__ = ["check_writable", "encode_json", "on_one_line", "read_bytes", "read_json", "reason_of", "write_atomically"]


def check_writable(path: str | Path, *, force: bool = False) -> None:
    """Refuse a file that cannot be written, before hours of work and not after them.

    Args:
        path: the file to be written later.
        force: an existing file may be replaced.

    Raises:
        FileAccessError: if the folder is missing or does not take files, if the path is a folder,
            or if the file exists and `force` is not set.
    """
    path = Path(path)
    folder = path.parent
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        exists = True
    except (FileNotFoundError, NotADirectoryError):
        is_folder = exists = False
    except (OSError, ValueError) as error:  # a name too long, a null byte, a folder that is closed
        raise FileAccessError(path, f"cannot be written ({reason_of(error)})") from None
    if not folder.is_dir():
        raise FileAccessError(path, f"the folder {folder} does not exist", "Create it first.")
    if is_folder:
        raise FileAccessError(path, "this is a folder", "Name a file in it.")
    if exists and not force:
        raise FileAccessError(path, "the file exists", "Use --force to replace it.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileAccessError(path, f"the folder cannot be written ({reason_of(error)})") from None


def write_atomically(path: str | Path, content: bytes, *, force: bool = False) -> None:
    """Write a whole file or none: to a temporary file beside it, synced, then renamed.

    Args:
        path: the file to write.
        content: its bytes.
        force: replace an existing file.

    Raises:
        FileAccessError: as `check_writable`, or if the disk is full; nothing is left behind.
    """
    path = Path(path)
    check_writable(path, force=force)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes the file private
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise FileAccessError(path, f"cannot be written ({reason_of(error)})") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        FileAccessError: if the file cannot be read.
        FileFormatError: if it holds anything but one JSON object.
    """
    content = read_bytes(path)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, f"not JSON: {on_one_line(error)}") from None
    if not isinstance(document, dict):
        raise FileFormatError(path, "not a JSON object")
    return document


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a regular file that is not empty.

    Raises:
        FileAccessError: if it cannot be read.
        FileFormatError: if it is empty.
    """
    path = Path(path)
    special = False
    try:
        special = path.is_fifo() or path.is_char_device()
        content = b"" if special else path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise FileAccessError(path, f"cannot be read ({reason_of(error)})") from None
    if special:
        raise FileAccessError(path, "not a regular file")  # a pipe would be waited for
    if not content:
        raise FileFormatError(path, "the file is empty")
    return content


def encode_json(document: dict[str, Any]) -> bytes:
    """Return a JSON document as the bytes of a file.

    Raises:
        ValueError: if a number is infinite or not a number, which JSON does not know.
        TypeError: if a value is none of JSON's.
    """
    return (json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def reason_of(error: Exception) -> str:
    """Return the system's reason in an error of reading or writing, in lower case."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def on_one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks and full stop; its kind where it has none."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
