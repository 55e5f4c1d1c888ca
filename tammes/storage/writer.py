"""A result on disk: the points, and beside them the record that `tammes verify` holds them to."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError
from tammes.storage import formats as files
from tammes.storage.result import Result

__all__ = ["rescued", "save_with_record", "to_json"]


def save_with_record(result: Result, target: Path, *, force: bool = False) -> list[str]:
    """Write the points and, beside them, the record of their provenance; nothing is lost.

    Args:
        result: what `solve` returned.
        target: the file of points; the record is the `.json` beside it, or the same file if that is
            its format.
        force: replace existing files.

    Returns:
        The paths written.

    Raises:
        FileAccessError: if the target cannot be written. The code is then saved in a temporary
            folder, which the message names.
    """
    try:
        return _write_pair(result, target, force=force)
    except FileAccessError as error:
        raise rescued(result, target, error) from None


def rescued(result: Result, target: Path, error: FileAccessError) -> FileAccessError:
    """Save a code in a temporary folder, because its own place cannot be written; the error to raise then.

    Args:
        result: what would be lost.
        target: where it was to go; its name is kept.
        error: what hindered it.
    """
    saved = _write_pair(result, Path(tempfile.mkdtemp(prefix="tammes_")) / target.name, force=False)
    return FileAccessError(target, error.reason, f"The code was saved as {saved[0]} instead.")


def _write_pair(result: Result, target: Path, *, force: bool) -> list[str]:
    """The points and, beside them, the record; one file where the record can hold the points."""
    record = result.to_dict() | {"file": target.name}
    if files.sidecar(target) == target:
        record["points"] = result.code.points.tolist()
        files.write_atomically(target, to_json(record).encode(), force=force)
        return [str(target)]
    files.save(target, result.code, force=force)
    files.write_atomically(files.sidecar(target), to_json(record).encode(), force=force)
    return [str(target), str(files.sidecar(target))]


def to_json(document: dict[str, Any]) -> str:
    """A JSON document as text; an infinite or missing number would be a defect, and raises."""
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
