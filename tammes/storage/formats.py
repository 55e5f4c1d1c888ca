"""Points in files: one reader and one writer a format, atomic writes.

Binary formats keep every bit; text formats print 17 significant digits, which do too.

=======  =====================================================================================
.npy     float64, `(n, d)`; never unpickled
.npz     the same under the key `points`
.csv     one point a line, coordinates separated by commas
.txt     as Sloane writes them: one coordinate a line, points one after the other
.json    an object whose `points` is a list of rows; other keys are left alone
.off     Object File Format, d = 3: the points with the facets of their convex hull
=======  =====================================================================================
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import (
    FileAccessError,
    FileFormatError,
    InvalidParameterError,
    InvalidPointsError,
    UnknownNameError,
)
from tammes.base.geometry import Floats
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import check_size

__all__ = [
    "FORMATS",
    "Format",
    "check_writable",
    "format_of",
    "load",
    "read_bytes",
    "read_json",
    "save",
    "sidecar",
    "write_atomically",
]

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Format:
    """How one kind of file is read and written."""

    read: Callable[[bytes, int | None], Numbers]
    """Content and dimension (needed by formats that do not tell it) to the stored array."""
    write: Callable[[Floats], bytes]


def load(path: str | Path, *, d: int | None = None, normalize: bool = False) -> SphericalCode:
    """The code stored in a file; the extension tells the format.

    Args:
        path: a file in one of `FORMATS`.
        d: dimension, for `.txt` files whose name does not tell it (`pack.3.30.txt` does).
        normalize: scale rows to length 1, as for points stored in float32.

    Raises:
        FileAccessError: if the file cannot be read.
        FileFormatError: if it does not hold what its format promises, or no unit points.
        UnknownNameError: if no format has this extension.
    """
    path = Path(path)
    if d is not None:
        _, d = check_size(2, d)
    reader = format_of(path)
    content = read_bytes(path)
    if path.suffix.lower() == ".txt" and d is None:
        d = _dimension_in_name(path)
    try:
        array = reader.read(content, d)
    except (InvalidParameterError, FileFormatError):
        raise
    except Exception as error:  # a broken file makes the parsers of the libraries fail in every way
        raise FileFormatError(path, _one_line(error)) from None
    try:
        return SphericalCode(array, normalize=normalize)
    except InvalidPointsError as error:
        raise FileFormatError(path, _one_line(error)) from None


def save(path: str | Path, code: SphericalCode, *, force: bool = False) -> None:
    """Write the points of `code`; the extension tells the format.

    Args:
        path: where to; an existing file is kept unless `force`.
        code: whose points are written.
        force: replace an existing file.

    Raises:
        FileAccessError: if the file exists, or cannot be written.
        UnknownNameError: if no format has this extension.
        InvalidParameterError: if the format cannot hold these points (`.off` takes d = 3 alone).
    """
    write_atomically(path, format_of(path).write(code.points), force=force)


def format_of(path: str | Path) -> Format:
    """The format that the extension names.

    Raises:
        UnknownNameError: if there is none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UnknownNameError("format", suffix or str(path), FORMATS)
    return FORMATS[suffix]


def sidecar(path: str | Path) -> Path:
    """The `.json` with the provenance that lies beside a file of points."""
    return Path(path).with_suffix(".json")


def check_writable(path: str | Path, *, force: bool = False) -> None:
    """Find out now, not after hours of work, that a file cannot be written.

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
        raise FileAccessError(path, f"cannot be written ({_reason(error)})") from None
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
        raise FileAccessError(path, f"the folder cannot be written ({_reason(error)})") from None


def write_atomically(path: str | Path, content: bytes, *, force: bool = False) -> None:
    """Write a whole file or none: to a temporary file beside it, synced, then renamed.

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
        raise FileAccessError(path, f"cannot be written ({_reason(error)})") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        FileAccessError: if the file cannot be read.
        FileFormatError: if it holds anything but one JSON object.
    """
    content = read_bytes(path)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, f"not JSON: {_one_line(error)}") from None
    if not isinstance(document, dict):
        raise FileFormatError(path, "not a JSON object")
    return document


def read_bytes(path: str | Path) -> bytes:
    """The content of a regular file that is not empty.

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
        raise FileAccessError(path, f"cannot be read ({_reason(error)})") from None
    if special:
        raise FileAccessError(path, "not a regular file")  # a pipe would be waited for
    if not content:
        raise FileFormatError(path, "the file is empty")
    return content


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _dimension_in_name(path: Path) -> int | None:
    """d from `pack.3.30.txt` (Sloane's names) or `..._d3_n30.txt` (ours)."""
    match = re.search(r"pack\.(\d+)\.\d+\.txt$|_d(\d+)_n\d+", path.name)
    return int(match[1] or match[2]) if match else None


# --- the formats ------------------------------------------------------------------------------


def _read_npy(content: bytes, _: int | None) -> Numbers:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


def _write_npy(points: Floats) -> bytes:
    stream = io.BytesIO()
    np.save(stream, points, allow_pickle=False)
    return stream.getvalue()


def _read_npz(content: bytes, _: int | None) -> Numbers:
    if not content.startswith(b"PK"):
        raise ValueError("not an .npz archive")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if "points" not in archive:
            raise ValueError("no array named `points`")
        array: Numbers = archive["points"]
    return array


def _write_npz(points: Floats) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, points=points)
    return stream.getvalue()


def _numbers(text: str, line: int) -> list[float]:
    try:
        return [float(field) for field in text.split(",")]
    except ValueError:
        raise ValueError(f"line {line} is not made of numbers: {text[:60]!r}") from None


def _lines(content: bytes) -> list[tuple[int, str]]:
    """Lines that hold something, with their numbers; blank lines and # comments are skipped."""
    lines = enumerate(content.decode("utf-8-sig").splitlines(), start=1)
    return [(k, line.strip()) for k, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _read_csv(content: bytes, _: int | None) -> Numbers:
    rows = [(k, _numbers(line, k)) for k, line in _lines(content)]
    for k, row in rows:
        if len(row) != len(rows[0][1]):
            raise ValueError(f"line {k} has {len(row)} numbers, the first has {len(rows[0][1])}")
    return np.array([row for _, row in rows])


def _write_csv(points: Floats) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in points.tolist()).encode()


def _read_txt(content: bytes, d: int | None) -> Numbers:
    flat = []
    for k, line in _lines(content):
        numbers = _numbers(line, k)
        if len(numbers) != 1:
            raise ValueError(f"line {k} must hold one coordinate")
        flat += numbers
    if d is None:
        requirement = "given for a .txt file whose name does not tell it"
        raise InvalidParameterError("d", requirement, None, "Use --d, or a name like pack.3.30.txt.")
    if not d >= 2 or len(flat) % d:
        raise ValueError(f"{len(flat)} coordinates do not make points in d = {d}")
    return np.array(flat).reshape(-1, d)


def _write_txt(points: Floats) -> bytes:
    return "".join(f"{value!r}\n" for value in points.ravel().tolist()).encode()


def _read_json_points(content: bytes, _: int | None) -> Numbers:
    document = json.loads(content.decode("utf-8-sig"))
    if not isinstance(document, dict) or "points" not in document:
        raise ValueError("no `points` in this JSON; a record of provenance names its file under `file`")
    points = np.array(document["points"])
    return points.astype(np.float64) if "digits" in document else points  # a refined code: decimal strings


def _write_json_points(points: Floats) -> bytes:
    document = {"n": points.shape[0], "d": points.shape[1], "points": points.tolist()}
    return (json.dumps(document) + "\n").encode()


def _read_off(content: bytes, _: int | None) -> Numbers:
    fields = " ".join(line.partition("#")[0] for _, line in _lines(content)).split()
    if not fields or fields[0] != "OFF":
        raise ValueError("the first word is not OFF")
    if len(fields) < 4 or len(fields) < 4 + 3 * int(fields[1]):
        raise ValueError("fewer coordinates than the header promises")
    n = int(fields[1])
    return np.array([float(field) for field in fields[4 : 4 + 3 * n]]).reshape(n, 3)


def _write_off(points: Floats) -> bytes:
    from scipy.spatial import ConvexHull, QhullError

    n, d = points.shape
    if d != 3:
        raise InvalidParameterError("d", "3 for the .off format", d)
    try:
        hull = ConvexHull(points)
        corners = hull.simplices
        a, b, c = points[corners.T]
        inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0.0
        corners[inward] = corners[inward, ::-1]  # viewers draw the side that runs anticlockwise
        facets = corners.tolist()
    except (QhullError, ValueError):  # all points on one circle, or fewer than four
        facets = []
    lines = ["OFF", f"{n} {len(facets)} 0"]
    lines += [" ".join(map(repr, row)) for row in points.tolist()]
    lines += [" ".join(map(str, [len(facet), *facet])) for facet in facets]
    return ("\n".join(lines) + "\n").encode()


FORMATS: dict[str, Format] = {
    ".npy": Format(_read_npy, _write_npy),
    ".npz": Format(_read_npz, _write_npz),
    ".csv": Format(_read_csv, _write_csv),
    ".txt": Format(_read_txt, _write_txt),
    ".json": Format(_read_json_points, _write_json_points),
    ".off": Format(_read_off, _write_off),
}
"""Every format by its extension."""
