"""Codes into the archive and out of it, as files in every format of `files`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, FileFormatError, TammesError
from tammes.codes.deletion import is_antipodal
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import formats as files
from tammes.storage.archive import Archive, Offered
from tammes.storage.writer import to_json

__all__ = ["Imported", "export_code", "import_codes"]


@dataclass(frozen=True)
class Imported:
    """What an import found."""

    offered: tuple[tuple[Path, Offered], ...]
    """Every code with its file; one made of pairs +-x twice."""
    skipped: tuple[tuple[Path, str], ...]
    """Files that hold no code, with the reason."""


def export_code(
    archive: Archive, n: int, d: int, path: str | Path, *, antipodal: bool = False, force: bool = False
) -> list[Path]:
    """Write a stored code as a file of points, its record beside it (`.json`: one file for both).

    Args:
        archive: where the code is stored.
        n: number of points.
        d: dimension of the space.
        path: where to; the extension is the format.
        antipodal: the code of pairs +-x.
        force: replace existing files.

    Returns:
        The paths written.

    Raises:
        NotTabulatedError: if the archive holds no such code.
        UnknownNameError: if no format has this extension.
        InvalidParameterError: if the format cannot hold these points (`.off` takes d = 3 alone).
        FileAccessError: if a file exists, or cannot be written.
    """
    target = Path(path)
    files.format_of(target)
    beside = files.sidecar(target)
    for wanted in {target, beside}:
        files.check_writable(wanted, force=force)
    entry = archive.require(n, d, antipodal)
    record = entry.record | {"file": target.name}
    if beside == target:
        record["points"] = entry.code.points.tolist()
    else:
        files.save(target, entry.code, force=force)
    files.write_atomically(beside, to_json(record).encode(), force=force)
    return [target] if beside == target else [target, beside]


def import_codes(archive: Archive, source: str | Path, *, d: int | None = None, normalize: bool = False) -> Imported:
    """Offer every code in a file, or in the files of a folder and its folders (another archive, say).

    A code made of pairs +-x is offered to both problems. The record beside its points, or with them,
    is taken over as provenance if it names these very points by their digest.

    Args:
        archive: where the codes are offered.
        source: a file in one of `files.FORMATS`, or a folder.
        d: dimension, for `.txt` files whose name does not tell it.
        normalize: scale rows to length 1, as for points stored in float32.

    Returns:
        What became of every code, and the files that hold none.

    Raises:
        FileAccessError: if the source is not there, or the archive cannot be written.
    """
    source = Path(source)
    offered: list[tuple[Path, Offered]] = []
    skipped: list[tuple[Path, str]] = []
    for path in _candidates(source):
        try:
            code = files.load(path, d=d, normalize=normalize)
        except TammesError as error:
            skipped.append((path, str(error)))
            continue
        record = _provenance(path, code)
        for antipodal in (False, True) if is_antipodal(code) else (False,):
            offered.append((path, archive.offer(code, record, antipodal)))
    return Imported(tuple(offered), tuple(skipped))


def _candidates(source: Path) -> list[Path]:
    """The file itself, or the files of points below a folder, by name: in an archive, by n."""
    if not source.is_dir():
        if not source.exists():
            raise FileAccessError(source, "cannot be read (no such file or directory)")
        return [source]
    searches = source / "search" if (source / "log.jsonl").exists() else None  # an archive's: nothing finished
    return [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in files.FORMATS
        and not path.name.startswith(".")
        and path.is_file()
        and searches not in path.parents
        and not _is_sidecar(path)
    ]


def _is_sidecar(path: Path) -> bool:
    """Whether a file holds the record of a file of points beside it, and no points."""
    beside = (path.with_suffix(suffix) for suffix in files.FORMATS if suffix != ".json")
    if path.suffix != ".json" or not any(other.is_file() for other in beside):
        return False
    return "points" not in _record(path)


def _record(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or an empty one."""
    try:
        record = files.read_json(path)
        to_json(record)  # NaN and infinity are read, but no JSON
    except (FileAccessError, FileFormatError, ValueError, RecursionError):
        return {}
    return record


def _provenance(path: Path, code: SphericalCode) -> dict[str, Any]:
    """The record that came with imported points, if it is theirs, and where they came from."""
    beside = files.sidecar(path)
    record = _record(beside) if beside.is_file() else {}
    if record.get("digest") != code.digest:
        record = {}
    return {"method": ["import"]} | record | {"imported_from": str(path)}
