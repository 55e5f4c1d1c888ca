"""JSON lines in a file that only grows, and that a process killed in mid-line does not spoil."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError

__all__ = ["append", "read"]


def append(path: Path, line: dict[str, Any]) -> None:
    """Add one line, synced to disk. Only one process at a time may append.

    Args:
        path: the file; made if it is not there.
        line: JSON values.

    Raises:
        FileAccessError: if the file cannot be written.
    """
    try:
        with path.open("a+b") as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a process died in mid-line: its half stays alone
                    stream.write(b"\n")
            stream.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise FileAccessError(path, f"cannot be written ({_reason(error)})") from None


def read(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The lines with their numbers, from 1; None for one that is no JSON object. No file has no lines.

    Raises:
        FileAccessError: if the file is there and cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise FileAccessError(path, f"cannot be read ({_reason(error)})") from None
    for k, line in enumerate(content.splitlines(), start=1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        yield k, document if isinstance(document, dict) else None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
