"""Pairs of faces as InsightFace publishes them: `lfw.bin`, `cfp_fp.bin`, `agedb_30.bin`.

Each is a pickle of two lists: the JPEGs, two a pair, one after the other, and whether the two are of one person.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.images import Pairs
from benchmarks.paper.readers.contents import content_of, find_first
from benchmarks.paper.readers.decoded import memory_map
from benchmarks.paper.readers.unpickling import loads
from tammes.base.errors import FileFormatError
from tammes.base.validation import check_name

__all__ = ["NAMES", "SIZE", "find", "read"]

NAMES = ("lfw", "cfp_fp", "agedb_30")
"""The sets of the paper: 6,000, 7,000 and 6,000 pairs."""
SIZE = 112
"""Pixels a side."""

_FOLDERS = ("", "verification/", "faces/", "casia-webface/", "CASIA-WebFace/", "faces_webface_112x112/", "webface/")
_LIMIT = 1 << 30  # bytes of a file


def find(data: Path, name: str = "lfw") -> Path:
    """Return where a set lies under a folder; the file itself may be given too.

    Raises:
        UnknownNameError: if there is no set of this name.
        FileAccessError: if it is not there.
    """
    wanted = f"{check_name('name', name, NAMES)}.bin"
    remedy = "It comes with the data sets of InsightFace."
    return find_first(
        data, [f"{folder}{wanted}" for folder in _FOLDERS], lambda path: path.is_file(), f"{wanted}", remedy
    )


def read(path: Path, cache: Path | None = None) -> Pairs:
    """Return the pairs, in the order of the file: its tenths are the folds.

    Args:
        path: as `find` gives it.
        cache: folder for the decoded images; beside the file by default.

    Raises:
        FileAccessError: if it cannot be read.
        FileFormatError: if it is damaged, or is not what such a file is.
    """
    path = Path(path)
    content = content_of(path, _LIMIT)
    pictures, same = _lists(path, loads(content, path))
    pixels = memory_map(
        len(pictures),
        lambda number: (pictures[number], f"{path}: image {number}"),
        SIZE,
        digest=hashlib.sha256(content).hexdigest(),
        beside=path.parent,
        name=path.stem,
        cache=cache,
    )
    return Pairs(pixels[0::2], pixels[1::2], same)


def _lists(path: Path, document: Any) -> tuple[list[bytes], NDArray[np.bool_]]:
    if type(document) not in {tuple, list} or len(document) != 2:
        raise FileFormatError(path, "not a pickle of two lists, images and answers")
    pictures, answers = (one.tolist() if isinstance(one, np.ndarray) else one for one in document)
    if type(pictures) is not list or type(answers) is not list or not answers:
        raise FileFormatError(path, "not a pickle of two lists, images and answers")
    if len(pictures) != 2 * len(answers):
        raise FileFormatError(path, f"{len(pictures)} images for {len(answers)} pairs")
    for number, answer in enumerate(answers):
        if not isinstance(answer, bool | int | np.bool_) or answer not in {0, 1}:
            raise FileFormatError(path, f"the answer to pair {number} is neither true nor false")
    return [_bytes(path, number, one) for number, one in enumerate(pictures)], np.array(answers, dtype=np.bool_)


def _bytes(path: Path, number: int, picture: Any) -> bytes:
    """Return the bytes of a picture; some of these files hold arrays in place of bytes."""
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 1:
        return picture.tobytes()
    if type(picture) is not bytes:
        raise FileFormatError(path, f"image {number} is a {type(picture).__name__}, not bytes")
    return picture
