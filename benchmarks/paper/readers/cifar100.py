"""CIFAR-100 (Krizhevsky, 2009): 50,000 and 10,000 images of 32 x 32 in 100 classes, in any form that is published.

=================================  ================================================================================
cifar-100-python.tar.gz            pickles of Python 2, `train`, `test` and `meta`, in an archive
cifar-100-python/                  the same, extracted
cifar-100-binary.tar.gz            records of 3,074 bytes, `train.bin` and `test.bin`, `fine_label_names.txt`
cifar-100-binary/                  the same, extracted
=================================  ================================================================================

Labels are the fine ones. The number of images is that of the file, so that parts of the data can be read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.images import Images
from benchmarks.paper.readers.contents import content_of, find_first, is_archive, members_of
from benchmarks.paper.readers.unpickling import loads
from tammes.base.errors import FileAccessError, FileFormatError

__all__ = ["find", "read"]

_PYTHON = ("train", "test", "meta")
_BINARY = ("train.bin", "test.bin", "fine_label_names.txt")
_FORMS = {"cifar-100-python": _PYTHON, "cifar-100-binary": _BINARY}
_PIXELS = 3 * 32 * 32
_RECORD = 2 + _PIXELS  # the coarse label, the fine one, the pixels


def find(data: Path) -> Path:
    """Return where CIFAR-100 lies under a folder; the folder or the archive itself may be given too.

    Raises:
        FileAccessError: if it does not.
    """
    names = [f"{form}{ending}" for form in _FORMS for ending in ("", ".tar.gz")]
    names += [f"{folder}/{name}" for folder in ("cifar-100", "cifar100") for name in names]
    remedy = "It is published at https://www.cs.toronto.edu/~kriz/cifar.html."
    return find_first(data, names, _fits, "CIFAR-100", remedy)


def _fits(path: Path) -> bool:
    if path.is_dir():
        return path.name in _FORMS or (path / "meta").is_file() or (path / "train.bin").is_file()
    return is_archive(path)


def read(path: Path) -> tuple[Images, Images]:
    """Return the training and the test images.

    Args:
        path: as `find` gives it.

    Raises:
        FileAccessError: if a file cannot be read.
        FileFormatError: if a file is damaged, or is not what CIFAR-100 is.
    """
    path = Path(path)
    if path.is_dir():
        names = _BINARY if (path / "train.bin").is_file() else _PYTHON
        contents = {name: content_of(path / name) for name in names}
        return _read(path, contents, names)
    packed = members_of(path, [f"{form}/{name}" for form, names in _FORMS.items() for name in names])
    for form, names in _FORMS.items():
        contents = {name: packed[f"{form}/{name}"] for name in names if f"{form}/{name}" in packed}
        if contents:
            return _read(path / form, contents, names)
    raise FileFormatError(path, "not an archive of CIFAR-100: it holds neither cifar-100-python nor cifar-100-binary")


def _read(where: Path, contents: Mapping[str, bytes], names: tuple[str, ...]) -> tuple[Images, Images]:
    for name in names:
        if name not in contents:
            raise FileAccessError(where / name, "missing")
    train, test, meta = names
    of_classes, of_images = (_binary_classes, _binary_images) if names == _BINARY else (_classes, _images)
    classes = of_classes(where / meta, contents[meta])
    return of_images(where / train, contents[train], classes), of_images(where / test, contents[test], classes)


# --- the pickles -----------------------------------------------------------------------------------------------


def _entries(path: Path, content: bytes, *names: str) -> list[Any]:
    """Return the values of a pickled dict under some names, which Python 2 writes as bytes."""
    table = loads(content, path)
    if type(table) is not dict:
        raise FileFormatError(path, f"a pickle of a {type(table).__name__}, not of a dict")
    for name in names:
        if name.encode() not in table and name not in table:
            raise FileFormatError(path, f"it has no `{name}`")
    return [table.get(name.encode(), table.get(name)) for name in names]


def _classes(path: Path, content: bytes) -> tuple[str, ...]:
    (names,) = _entries(path, content, "fine_label_names")
    if type(names) is not list or not all(type(name) in {bytes, str} for name in names):
        raise FileFormatError(path, "`fine_label_names` must be a list of names")
    return _distinct(path, tuple(n.decode("utf-8", "replace") if type(n) is bytes else str(n) for n in names))


def _images(path: Path, content: bytes, classes: tuple[str, ...]) -> Images:
    data, labels = _entries(path, content, "data", "fine_labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,) or len(data) == 0:
        shown = f"{data.shape} of {data.dtype}" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
        raise FileFormatError(path, f"`data` must be uint8 of shape (N, {_PIXELS}), and is {shown}")
    if isinstance(labels, np.ndarray):
        labels = labels.tolist()
    if type(labels) is not list or not all(type(label) is int for label in labels):
        raise FileFormatError(path, "`fine_labels` must be a list of integers")
    if len(labels) != len(data):
        raise FileFormatError(path, f"{len(labels)} labels for {len(data)} images")
    return _checked(path, data, labels, classes)


# --- the records -----------------------------------------------------------------------------------------------


def _binary_classes(path: Path, content: bytes) -> tuple[str, ...]:
    return _distinct(path, tuple(content.decode("utf-8", "replace").split()))


def _binary_images(path: Path, content: bytes, classes: tuple[str, ...]) -> Images:
    if len(content) % _RECORD:
        raise FileFormatError(path, f"{len(content)} bytes are no whole number of records of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return _checked(path, np.ascontiguousarray(records[:, 2:]), records[:, 1].tolist(), classes)


# --- both -------------------------------------------------------------------------------------------------------


def _distinct(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise FileFormatError(path, "the names of the classes must be distinct, and at least one")
    return names


def _checked(path: Path, data: NDArray[np.uint8], labels: list[int], classes: tuple[str, ...]) -> Images:
    for number, label in enumerate(labels):
        if not 0 <= label < len(classes):
            raise FileFormatError(path, f"label {label} of image {number} is not from 0 to {len(classes) - 1}")
    return Images(data.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64), classes)
