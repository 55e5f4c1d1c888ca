"""The images of an experiment, with a fingerprint that identifies them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.augmentation import statistics
from benchmarks.paper.config import DATA
from benchmarks.paper.images import Images, Pairs
from tammes.base.validation import check_name

__all__ = ["Dataset", "open_dataset", "part_of"]

_SAMPLE = 64  # images whose pixels are part of the fingerprint


@dataclass(frozen=True)
class Dataset:
    """Training and test images of one run, or pairs for verification."""

    train: Images
    test: Images | None
    """None for face verification, which uses `pairs`."""
    pairs: Mapping[str, Pairs] = field(default_factory=dict)

    @functools.cached_property
    def statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and standard deviation of every channel of the training images."""
        return statistics(self.train)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shapes, labels, classes and the pixels of some images and pairs: 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for images in (self.train, self.test):
            if images is not None:
                digest.update(repr((images.pixels.shape, images.classes)).encode())
                digest.update(np.ascontiguousarray(images.labels).tobytes())
                digest.update(_some(images.pixels))
        for name, pairs in self.pairs.items():
            digest.update(repr((name, pairs.first.shape)).encode())
            digest.update(np.ascontiguousarray(pairs.same).tobytes())
            digest.update(_some(pairs.first) + _some(pairs.second))
        return digest.hexdigest()


def _some(pixels: NDArray[np.uint8]) -> bytes:
    """Return the pixels of evenly spaced images, the first and the last among them."""
    chosen = np.linspace(0, len(pixels) - 1, min(_SAMPLE, len(pixels))).astype(np.int64)
    return np.ascontiguousarray(pixels[chosen]).tobytes()


def open_dataset(name: str, folder: Path) -> Dataset:
    """Return the data set of that name, in any of its published forms in the folder.

    Raises:
        UnknownNameError: if there are no data of this name.
        FileAccessError, FileFormatError: if they are not there, or are not what they should be.
    """
    from benchmarks.paper.readers import cifar100, faces, tiny_imagenet, verification

    check_name("data", name, DATA)
    if name == "cifar-100":
        return Dataset(*cifar100.read(cifar100.find(folder)))
    if name == "tiny-imagenet-200":
        return Dataset(*tiny_imagenet.read(tiny_imagenet.find(folder)))
    pairs = {one: verification.read(verification.find(folder, one)) for one in verification.NAMES}
    return Dataset(faces.read(faces.find(folder)), None, pairs)


def part_of(dataset: Dataset, limit: Mapping[str, int]) -> Dataset:
    """Return the first images of each part, for a smoke run; the keys of `limit` are `train`, `test` and `pairs`."""
    if not limit:
        return dataset
    train, test, most = _first(dataset.train, limit.get("train")), None, limit.get("pairs")
    if dataset.test is not None:
        test = _first(dataset.test, limit.get("test"))
    pairs = {k: Pairs(one.first[:most], one.second[:most], one.same[:most]) for k, one in dataset.pairs.items()}
    return Dataset(train, test, pairs)


def _first(images: Images, most: int | None) -> Images:
    return Images(images.pixels[:most], images.labels[:most], images.classes)
