"""A file of JSON lines that only grows; a line cut short by a killed process spoils no other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError
from tammes.storage.atomic import reason_of

__all__ = ["append", "read"]


def append(path: Path, line: dict[str, Any]) -> None:
    """Add one line and sync it to disk. Only one process at a time may append.

    Args:
        path: the file; made if it is not there.
        line: JSON values.

    Raises:
        FileAccessError: if the file cannot be written.
        ValueError: if a number is infinite or not a number.
    """
    try:
        with path.open("a+b") as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a process died in mid-line: what it wrote becomes a line of its own
                    stream.write(b"\n")
            stream.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise FileAccessError(path, f"cannot be written ({reason_of(error)})") from None


def read(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Return an iterator over the lines with their numbers, from 1.

    Args:
        path: the file; one that is not there has no lines.

    Returns:
        Pairs of a number and a JSON object, or None for a line that is no JSON object.

    Raises:
        FileAccessError: if the file is there and cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise FileAccessError(path, f"cannot be read ({reason_of(error)})") from None
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        yield number, document if isinstance(document, dict) else None
