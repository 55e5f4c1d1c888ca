"""tiny-imagenet-200 (Stanford CS231N): 100,000 and 10,000 images of 64 x 64 in 200 classes.

::

    tiny-imagenet-200/
      wnids.txt                       the classes, in the order of the labels
      words.txt                       what they are called
      train/n01443537/images/*.JPEG
      val/images/*.JPEG               with val/val_annotations.txt: file, class and box, a line each
      val/n01443537/images/*.JPEG     the same, sorted into folders, as many scripts leave it; also without images/

Some images are grey. All are decoded once; see `decoded.memory_map`. The published test set has no labels, so that
the validation set is what networks are tested on, here as elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.paper.images import Images
from benchmarks.paper.readers.contents import content_of, find_first
from benchmarks.paper.readers.decoded import digest_of_files, memory_map
from benchmarks.paper.readers.folders import images_in, of_class, picture
from tammes.base.errors import FileAccessError, FileFormatError

__all__ = ["SIZE", "find", "read"]

SIZE = 64
"""Pixels a side."""

_NAME = "tiny-imagenet-200"
_ANNOTATIONS = "val_annotations.txt"
_TEXT = 64 << 20  # bytes of a list


def find(data: Path) -> Path:
    """Return where tiny-imagenet-200 lies under a folder; the folder `tiny-imagenet-200` itself may be given too.

    Raises:
        FileAccessError: if it does not.
    """
    names = [_NAME, f"tiny-imagenet/{_NAME}", "tiny-imagenet"]
    remedy = "It is published at http://cs231n.stanford.edu/tiny-imagenet-200.zip."
    if (Path(data) / f"{_NAME}.zip").is_file():
        remedy = f"Extract {_NAME}.zip first."
    return find_first(data, names, lambda path: (path / "wnids.txt").is_file(), _NAME, remedy)


def read(path: Path, cache: Path | None = None) -> tuple[Images, Images]:
    """Return the training and the validation images.

    Args:
        path: as `find` gives it.
        cache: folder for the decoded images; beside the data by default.

    Raises:
        FileAccessError: if a file or folder is missing or cannot be read.
        FileFormatError: if a file is damaged, a class has no images, or the lists contradict the folders.
    """
    path = Path(path)
    ids = _ids(path / "wnids.txt")
    words = _words(path / "words.txt")
    classes = tuple(f"{one} {words[one]}" if words.get(one) else one for one in ids)
    train = {one: of_class(path / "train" / one, "images") for one in ids}
    tested = path / "val"
    if not tested.is_dir():
        raise FileAccessError(tested, "the folder does not exist")
    unsorted = (tested / "images").is_dir() and bool(images_in(tested / "images"))
    if unsorted or ((tested / _ANNOTATIONS).is_file() and not any((tested / one).is_dir() for one in ids)):
        validation = _annotated(tested, ids)
    else:
        validation = {one: of_class(tested / one, "images") for one in ids}
    return _images(path, train, classes, "train", cache), _images(path, validation, classes, "val", cache)


def _lines(path: Path) -> list[str]:
    try:
        return content_of(path, _TEXT).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise FileFormatError(path, "not a text file") from None


def _ids(path: Path) -> list[str]:
    ids = [line.strip() for line in _lines(path) if line.strip()]
    for number, one in enumerate(ids, 1):
        if not re.fullmatch(r"n\d{8}", one):  # it becomes part of a path
            raise FileFormatError(path, f"line {number} is {one[:40]!r}, not a class such as n01443537")
    if not ids or len(set(ids)) != len(ids):
        raise FileFormatError(path, "the classes must be distinct, and at least one")
    return ids


def _words(path: Path) -> dict[str, str]:
    """Return the names of the classes in words; the file may be missing, since they are only shown."""
    if not path.is_file():
        return {}
    parts = [line.partition("\t") for line in _lines(path)]
    return {one.strip(): words.strip() for one, _, words in parts}


def _annotated(folder: Path, ids: list[str]) -> dict[str, list[Path]]:
    """Return the validation images of every class, by the list of annotations."""
    source = folder / _ANNOTATIONS
    found: dict[str, list[Path]] = {one: [] for one in ids}
    there = {image.name for image in images_in(folder / "images")} if (folder / "images").is_dir() else set()
    seen: set[str] = set()
    for number, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        name, _, rest = line.partition("\t")
        one = rest.partition("\t")[0].strip()
        if one not in found:
            raise FileFormatError(source, f"line {number} names the class {one[:40]!r}, which is not in wnids.txt")
        if name not in there:
            raise FileFormatError(source, f"line {number} names {name[:60]!r}, which is not in {folder / 'images'}")
        if name in seen:
            raise FileFormatError(source, f"line {number} names {name[:60]!r} a second time")
        seen.add(name)
        found[one].append(folder / "images" / name)
    if there - seen:
        raise FileFormatError(source, f"no line for {min(there - seen)[:60]!r} and {len(there - seen) - 1} others")
    for one, images in found.items():
        if not images:
            raise FileFormatError(source, f"no image of the class {one}")
        images.sort()
    return found


def _images(
    root: Path, of_classes: Mapping[str, list[Path]], classes: tuple[str, ...], name: str, cache: Path | None
) -> Images:
    paths = [path for images in of_classes.values() for path in images]
    labels = np.repeat(np.arange(len(classes)), [len(images) for images in of_classes.values()])
    digest = digest_of_files(paths, root)
    pixels = memory_map(
        len(paths),
        lambda number: picture(paths[number]),
        SIZE,
        digest=digest,
        beside=root,
        name=f"{_NAME}-{name}",
        cache=cache,
    )
    return Images(pixels, labels.astype(np.int64), classes)
