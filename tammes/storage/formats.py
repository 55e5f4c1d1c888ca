"""File formats of points: one reader and one writer for each, found by the extension.

Binary formats keep every bit; text formats print 17 significant digits, which do too.

=======  =====================================================================================
.npy     float64, `(n, d)`; never unpickled
.npz     the same under the key `points`
.csv     one point a line, coordinates separated by commas
.txt     as Sloane writes them: one coordinate a line, points one after the other
.json    an object whose `points` is a list of rows; other keys are left alone
.off     Object File Format, d = 3: the points with the facets of their convex hull
=======  =====================================================================================

`tammes.files` is this module: it offers the access to whole files as well.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import FileFormatError, InvalidParameterError, InvalidPointsError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.validation import check_size
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic
from tammes.storage.atomic import check_writable, on_one_line, read_bytes, read_json, write_atomically

__all__ = [
    "FORMATS",
    "Format",
    "check_writable",
    "format_of",
    "is_certificate",
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
    """Reader and writer of one kind of file."""

    read: Callable[[bytes, int | None], Numbers]
    """From content, and dimension where the format does not tell it, to the stored array."""
    write: Callable[[Floats], bytes]
    """From points, shape `(n, d)`, to content."""


def load(path: str | Path, *, d: int | None = None, normalize: bool = False) -> SphericalCode:
    """Return the code stored in a file; the extension tells the format.

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
    content = atomic.read_bytes(path)
    if path.suffix.lower() == ".txt" and d is None:
        d = _dimension_in_name(path)
    try:
        array = reader.read(content, d)
    except (InvalidParameterError, FileFormatError):
        raise
    except Exception as error:  # a broken file makes the parsers of the libraries fail in every way
        raise FileFormatError(path, on_one_line(error)) from None
    try:
        return SphericalCode(array, normalize=normalize)
    except InvalidPointsError as error:
        raise FileFormatError(path, on_one_line(error)) from None


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
    atomic.write_atomically(path, format_of(path).write(code.points), force=force)


def format_of(path: str | Path) -> Format:
    """Return the format that the extension names.

    Raises:
        UnknownNameError: if there is none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UnknownNameError("format", suffix or str(path), FORMATS)
    return FORMATS[suffix]


def sidecar(path: str | Path) -> Path:
    """Return the path of the record beside a file of points: the same name, ending in `.json`."""
    return Path(path).with_suffix(".json")


def is_certificate(path: str | Path) -> bool:
    """Return True if a file is named as `tammes certify` names certificates: NAME.cert.json."""
    return Path(path).name.endswith(".cert.json")


def _dimension_in_name(path: Path) -> int | None:
    """Return d as named in `pack.3.30.txt` (Sloane's names) or `..._d3_n30.txt` (ours); None if it is not."""
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
    """Return the numbers of one line, separated by commas."""
    try:
        return [float(field) for field in text.split(",")]
    except ValueError:
        raise ValueError(f"line {line} is not made of numbers: {text[:60]!r}") from None


def _lines(content: bytes) -> list[tuple[int, str]]:
    """Return the lines with their numbers; blank lines and # comments are left out."""
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
