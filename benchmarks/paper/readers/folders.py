"""Folders of images, a folder a class."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.paper.readers.contents import content_of
from benchmarks.paper.readers.decoded import SUFFIXES, Picture
from tammes.base.errors import FileAccessError, FileFormatError

__all__ = ["folders_in", "images_in", "of_class", "picture"]

_LIMIT = 16 << 20  # bytes of the file of one image


def images_in(folder: Path) -> list[Path]:
    """Return the images in a folder, not below it, by name; hidden files are none.

    Raises:
        FileAccessError: if it cannot be read.
    """
    return [folder / entry for entry in _entries(folder, files=True) if Path(entry).suffix.lower() in SUFFIXES]


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name; hidden ones are none.

    Raises:
        FileAccessError: if it cannot be read.
    """
    return [folder / entry for entry in _entries(folder, files=False)]


def _entries(folder: Path, *, files: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if (entry.is_file() if files else entry.is_dir())]
    except OSError as error:
        raise FileAccessError(folder, f"cannot be read ({(error.strerror or str(error)).lower()})") from None
    return sorted(name for name in found if not name.startswith("."))


def of_class(folder: Path, *inside: str) -> list[Path]:
    """Return the images of one class: in the folder, or in one of those inside it.

    Raises:
        FileAccessError: if there is no such folder.
        FileFormatError: if there are no images.
    """
    for place in (*(folder / name for name in inside), folder):
        if place.is_dir():
            found = images_in(place)
            if found:
                return found
    if not folder.is_dir():
        raise FileAccessError(folder, "the folder of this class does not exist")
    raise FileFormatError(folder, "a class without images (.jpg, .jpeg, .png)")


def picture(path: Path) -> Picture:
    """Return the file of an image, and its name."""
    return content_of(path, _LIMIT), path
