"""Aligned faces of 112 x 112 to train on, a folder a person: `faces/0000045/001.jpg`.

CASIA-WebFace and its like, detected, aligned and cropped as for ArcFace. Its `train.rec`, the form in which the authors
of ArcFace hand it on, is not read: extract the images first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.paper.images import Images
from benchmarks.paper.readers.contents import find_first
from benchmarks.paper.readers.decoded import digest_of_files, memory_map
from benchmarks.paper.readers.folders import folders_in, images_in, of_class, picture
from tammes.base.errors import FileFormatError

__all__ = ["SIZE", "find", "read"]

SIZE = 112
"""Pixels a side."""

_NAMES = ("faces", "casia-webface", "CASIA-WebFace", "faces_webface_112x112", "webface")


def find(data: Path) -> Path:
    """Return where the folders of persons lie under a folder; the folder of them itself may be given too.

    Raises:
        FileAccessError: if there are none.
    """
    remedy = "What is needed is a folder a person, with .jpg or .png of 112 x 112 in it."
    return find_first(data, _NAMES, _has_persons, "folder of faces", remedy)


def _has_persons(path: Path) -> bool:
    return path.is_dir() and any(images_in(person) for person in folders_in(path))


def read(path: Path, cache: Path | None = None) -> Images:
    """Return the faces; the persons are the classes, by the names of their folders.

    Args:
        path: as `find` gives it.
        cache: folder for the decoded images; beside the data by default.

    Raises:
        FileAccessError: if a file or folder is missing or cannot be read.
        FileFormatError: if a file is damaged or of another size, or a person has no images.
    """
    path = Path(path)
    persons = folders_in(path)
    if not persons:
        raise FileFormatError(path, "no folders of persons in it")
    images = [of_class(person) for person in persons]
    paths = [one for several in images for one in several]
    labels = np.repeat(np.arange(len(persons)), [len(several) for several in images]).astype(np.int64)
    pixels = memory_map(
        len(paths),
        lambda number: picture(paths[number]),
        SIZE,
        digest=digest_of_files(paths, path),
        beside=path,
        name="faces",
        cache=cache,
    )
    return Images(pixels, labels, tuple(person.name for person in persons))
