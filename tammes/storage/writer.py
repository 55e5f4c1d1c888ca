"""Points on disk with, beside them, the record that `tammes verify` compares with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, formats
from tammes.storage.result import Result

__all__ = ["check_target", "encode_record", "rescued", "save_with_record"]


def check_target(target: Path, *, force: bool = False) -> None:
    """Refuse a file of points that cannot be written with its record, before the work and not after it.

    Args:
        target: the file of points.
        force: existing files may be replaced.

    Raises:
        UnknownNameError: if no format has this extension.
        FileAccessError: if the file, or that of the record, exists or cannot be written.
    """
    formats.format_of(target)
    for path in dict.fromkeys([target, formats.sidecar(target)]):
        atomic.check_writable(path, force=force)


def save_with_record(
    code: Result | SphericalCode, target: Path, record: Mapping[str, Any] | None = None, *, force: bool = False
) -> list[Path]:
    """Write points and, beside them, their record. Nothing is lost where the target cannot be written.

    Args:
        code: a result, which knows its own record; or bare points.
        target: the file of points; the extension is the format. The record is the `.json` beside it,
            or the same file if that is its format.
        record: of bare points: what is claimed of them, and where they come from. JSON values.
        force: replace existing files.

    Returns:
        The paths written, that of the points first.

    Raises:
        FileAccessError: if the target cannot be written. The code is then saved in a temporary
            folder, which the message names.
        UnknownNameError: if no format has this extension.
        InvalidParameterError: if the format cannot hold these points (`.off` takes d = 3 alone).
    """
    points, document = (code.code, code.to_dict()) if isinstance(code, Result) else (code, dict(record or {}))
    try:
        return _write_pair(points, document, target, force=force)
    except FileAccessError as error:
        raise _saved_elsewhere(points, document, target, error) from None


def rescued(result: Result, target: Path, error: FileAccessError) -> FileAccessError:
    """Save a result in a temporary folder, because its own place cannot be written; return the error to raise.

    Args:
        result: what would be lost.
        target: where it was to go; its name is kept.
        error: why it could not be written there.
    """
    return _saved_elsewhere(result.code, result.to_dict(), target, error)


def encode_record(record: Mapping[str, Any], code: SphericalCode) -> bytes:
    """Return the content of a `.json` file that holds a record and, under `points`, the points it is about."""
    return atomic.encode_json({**record, "points": code.points.tolist()})


def _saved_elsewhere(
    code: SphericalCode, record: dict[str, Any], target: Path, error: FileAccessError
) -> FileAccessError:
    """Write the pair to a temporary folder; return the error that says where."""
    saved = _write_pair(code, record, Path(tempfile.mkdtemp(prefix="tammes_")) / target.name, force=False)
    return FileAccessError(target, error.reason, f"The code was saved as {saved[0]} instead.")


def _write_pair(code: SphericalCode, record: dict[str, Any], target: Path, *, force: bool) -> list[Path]:
    """Write the points and, beside them, the record; one file where the record can hold the points."""
    record = record | {"file": target.name}
    beside = formats.sidecar(target)
    if beside == target:
        atomic.write_atomically(target, encode_record(record, code), force=force)
        return [target]
    content = atomic.encode_json(record)
    formats.save(target, code, force=force)
    atomic.write_atomically(beside, content, force=force)
    return [target, beside]
