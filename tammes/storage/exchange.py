"""Import into the archive and export from it, as files of points in every format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, FileFormatError, TammesError
from tammes.codes.antipodal import is_antipodal
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, formats
from tammes.storage.archive import Archive, Offered
from tammes.storage.writer import check_target, save_with_record

__all__ = ["Imported", "export_code", "import_codes"]


@dataclass(frozen=True)
class Imported:
    """Outcome of an import."""

    offered: tuple[tuple[Path, Offered], ...]
    """Every file that holds a code, with what became of it; twice for a code made of pairs +-x."""
    skipped: tuple[tuple[Path, str], ...]
    """Every file that holds no code, with the reason."""


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
    check_target(target, force=force)
    entry = archive.require(n, d, antipodal)
    return save_with_record(entry.code, target, entry.record, force=force)


def import_codes(archive: Archive, source: str | Path, *, d: int | None = None, normalize: bool = False) -> Imported:
    """Offer every code in a file, or in the files of a folder and its folders (another archive, say).

    A code made of pairs +-x is offered to both problems. The record beside its points, or with them,
    is taken over as provenance if it names these very points by their digest.

    Args:
        archive: where the codes are offered.
        source: a file in one of `formats.FORMATS`, or a folder.
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
            code = formats.load(path, d=d, normalize=normalize)
        except TammesError as error:
            skipped.append((path, str(error)))
            continue
        record = _provenance(path, code)
        problems = (False, True) if is_antipodal(code) else (False,)
        for antipodal in problems:
            offered.append((path, archive.offer(code, record, antipodal)))
    return Imported(tuple(offered), tuple(skipped))


def _candidates(source: Path) -> list[Path]:
    """Return the file itself, or the files of points below a folder, by name: in an archive, by n."""
    if not source.is_dir():
        if not source.exists():
            raise FileAccessError(source, "cannot be read (no such file or directory)")
        return [source]
    # An archive keeps the states of its searches there; none of them is a finished code.
    searches = source / "search" if (source / "log.jsonl").exists() else None
    return [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in formats.FORMATS
        and not path.name.startswith(".")
        and path.is_file()
        and searches not in path.parents
        and not _is_sidecar(path)
    ]


def _is_sidecar(path: Path) -> bool:
    """Return True if a file holds the record of a file of points beside it, and no points."""
    if path.suffix != ".json":
        return False
    has_points_beside = any(path.with_suffix(suffix).is_file() for suffix in formats.FORMATS if suffix != ".json")
    return has_points_beside and "points" not in _record(path)


def _record(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where there is none (NaN and infinity are no JSON)."""
    import msgspec

    try:
        return msgspec.json.decode(atomic.read_bytes(path), type=dict[str, Any])
    except (FileAccessError, FileFormatError, msgspec.DecodeError, RecursionError):
        return {}


def _provenance(path: Path, code: SphericalCode) -> dict[str, Any]:
    """Return the record that came with imported points, if it is theirs, and where they came from."""
    from tammes.storage.record import field_of

    beside = formats.sidecar(path)
    record = _record(beside) if beside.is_file() else {}
    if field_of(record, "digest") != code.digest:
        record = {}
    method = field_of(record, "method")
    return record | {"method": ["import"] if method is None else method, "imported_from": str(path)}
