"""Small generated data sets in the formats of the published ones, for smoke runs and tests; classes can be learnt.

Each class is a grating with a direction, a width and a colour of its own, in a place that changes from image to image,
under noise. Nothing measured on them says anything about the true data.
"""

from __future__ import annotations

import colorsys
import io
import math
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.paper.readers.verification import NAMES
from tammes.base.validation import check_integer, check_name

__all__ = ["FORMS", "write_all", "write_cifar100", "write_faces", "write_tiny_imagenet", "write_verification"]

FORMS = ("cifar-100-python.tar.gz", "cifar-100-python", "cifar-100-binary.tar.gz", "cifar-100-binary")
"""Forms in which CIFAR-100 is published."""

Pixels = NDArray[np.uint8]


def write_all(data: Path, *, classes: int = 10, train: int = 64, test: int = 32, pairs: int = 20) -> Path:
    """Write everything that a smoke run reads: CIFAR-100, tiny-imagenet-200, faces and the three sets of pairs.

    Args:
        data: the folder for it; made if it is not there.
        classes: of each set, so few that each has an image or more.
        train: images to train on, of each set.
        test: images to test on, of each set.
        pairs: of each set of pairs.

    Returns:
        The folder.
    """
    write_cifar100(data, classes=classes, train=train, test=test)
    each, tested = math.ceil(train / classes), math.ceil(test / classes)
    write_tiny_imagenet(data, classes=classes, train=each, validation=tested)
    write_faces(data, persons=classes, images=each)
    write_verification(data, pairs=pairs)
    return Path(data)


def pictures(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> Pixels:
    """Return images `(N, size, size, 3)` of the classes of the labels."""
    y, x = np.mgrid[0:size, 0:size] / size
    found = np.empty((len(labels), size, size, 3), dtype=np.uint8)
    for number, label in enumerate(labels.tolist()):
        angle = math.pi * (label * 0.618034 % 1.0)  # the golden ratio keeps all of them apart, however many there are
        colour = np.array(colorsys.hsv_to_rgb(label * 0.381966 % 1.0, 0.7, 1.0))
        waves = 2.0 + label % 5
        phase = waves * (x * math.cos(angle) + y * math.sin(angle)) + rng.uniform()
        bright = 0.5 + 0.4 * np.sin(2.0 * math.pi * phase)[:, :, None] * colour
        noisy = bright * (0.6 + 0.4 * colour) + rng.normal(0.0, 0.05, (size, size, 1))
        found[number] = np.clip(255.0 * noisy, 0.0, 255.0).astype(np.uint8)
    return found


def labels_of(count: int, classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` labels, every class about as often, in a random order."""
    return rng.permutation(np.arange(count, dtype=np.int64) % classes)


# --- CIFAR-100 --------------------------------------------------------------------------------------------------


def write_cifar100(
    data: Path, form: str = FORMS[0], *, classes: int = 100, train: int = 200, test: int = 100, seed: int = 0
) -> Path:
    """Write CIFAR-100 with fewer images, in one of the forms in which it is published.

    Args:
        data: the folder for it.
        form: one of `FORMS`.
        classes: at most 256; the true data have 100.
        train: images to train on.
        test: images to test on.
        seed: of the images.

    Returns:
        The archive or folder.
    """
    check_name("form", form, FORMS)
    for name, value in (("classes", classes), ("train", train), ("test", test)):
        check_integer(name, value, 1)
    rng = np.random.default_rng(seed)
    names = [f"class_{number:03d}" for number in range(classes)]
    binary = "binary" in form
    contents = {}
    for part, count in (("train", train), ("test", test)):
        labels = labels_of(count, classes, rng)
        pixels = pictures(labels, 32, rng).transpose(0, 3, 1, 2).reshape(count, -1)
        if binary:
            contents[f"{part}.bin"] = np.column_stack([labels // 5, labels, pixels]).astype(np.uint8).tobytes()
            continue
        table = {
            b"filenames": [b"image_%05d.png" % number for number in range(count)],
            b"batch_label": b"%sing batch 1 of 1" % part.encode(),
            b"fine_labels": labels.tolist(),
            b"coarse_labels": (labels // 5).tolist(),
            b"data": pixels,
        }
        contents[part] = python2_pickle(table)
    coarse = [f"group_{number:02d}" for number in range((classes + 4) // 5)]
    if binary:
        contents["fine_label_names.txt"] = ("\n".join(names) + "\n\n").encode()
        contents["coarse_label_names.txt"] = ("\n".join(coarse) + "\n").encode()
    else:
        texts = {b"fine_label_names": names, b"coarse_label_names": coarse}
        contents["meta"] = python2_pickle({key: [name.encode() for name in value] for key, value in texts.items()})
    folder = form.removesuffix(".tar.gz")
    if form == folder:
        return _write_files(Path(data) / folder, contents)
    Path(data).mkdir(parents=True, exist_ok=True)
    write_archive(Path(data) / form, {f"{folder}/{name}": content for name, content in contents.items()})
    return Path(data) / form


def write_archive(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a `.tar.gz` of files by name."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _write_files(folder: Path, contents: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def python2_pickle(value: Any) -> bytes:
    """Return a pickle of protocol 2 as Python 2 and the NumPy of its time wrote it: text is bytes, so are arrays."""
    return b"\x80\x02" + _pickled(value) + b"."


def _pickled(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_pickled, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_pickled, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_pickled(key) + _pickled(one) for key, one in value.items()) + b"u"
    if isinstance(value, np.ndarray):
        dtype = b"cnumpy\ndtype\n" + _pickled((value.dtype.str[1:].encode(), 0, 1)) + b"R"
        dtype += b"(K\x03" + _pickled(value.dtype.str[:1].encode()) + b"NNN" + _pickled(-1) * 2 + b"K\x00tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _pickled((0,)) + _pickled(b"b") + b"tR"
        state = b"(K\x01" + _pickled(value.shape) + dtype + b"\x89" + _pickled(value.tobytes()) + b"t"
        return made + state + b"b"
    raise TypeError(f"no pickle of a {type(value).__name__}")


# --- images in files --------------------------------------------------------------------------------------------


def encoded(pixels: Pixels, suffix: str = ".jpg") -> bytes:
    """Return the file of an image `(H, W, 3)`, or `(H, W)` if it is grey."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG" if suffix == ".png" else "JPEG", quality=90)
    return stream.getvalue()


def write_tiny_imagenet(
    data: Path,
    *,
    classes: int = 10,
    train: int = 4,
    validation: int = 2,
    layout: str = "annotated",
    seed: int = 0,
) -> Path:
    """Write tiny-imagenet-200 with fewer classes and images; the first image of every third class is grey.

    Args:
        data: the folder for it.
        classes: 200 in the true data.
        train: images a class.
        validation: images a class.
        layout: of the validation images: `annotated` as published, `sorted` into folders, or `sorted-flat`, into
            folders without `images/` in them.
        seed: of the images.

    Returns:
        The folder `tiny-imagenet-200`.
    """
    check_name("layout", layout, ("annotated", "sorted", "sorted-flat"))
    rng = np.random.default_rng(seed)
    root = Path(data) / "tiny-imagenet-200"
    ids = [f"n{1_443_537 + 1_000 * number:08d}" for number in range(classes)]
    lists = {"wnids.txt": "\n".join(ids), "words.txt": "".join(f"{one}\tthing, {one[-4:]}\n" for one in ids)}
    _write_files(root, {name: content.encode() for name, content in lists.items()})
    for number, one in enumerate(ids):
        shown = pictures(np.full(train, number, dtype=np.int64), 64, rng)
        files = {f"{one}_{k}.JPEG": encoded(shown[k]) for k in range(train)}
        if number % 3 == 0:
            files[f"{one}_0.JPEG"] = encoded(shown[0].mean(axis=2).astype(np.uint8))
        _write_files(root / "train" / one / "images", files)
    labels = labels_of(classes * validation, classes, rng)
    lines = []
    for k, (label, shown) in enumerate(zip(labels.tolist(), pictures(labels, 64, rng), strict=True)):
        name = f"val_{k}.JPEG"
        lines.append(f"{name}\t{ids[label]}\t0\t0\t63\t63\n")
        inside = {"annotated": "images", "sorted": f"{ids[label]}/images", "sorted-flat": ids[label]}[layout]
        _write_files(root / "val" / inside, {name: encoded(shown)})
    if layout == "annotated":
        (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


def write_faces(data: Path, *, persons: int = 8, images: int = 4, suffix: str = ".jpg", seed: int = 0) -> Path:
    """Write aligned faces, one folder for each person, in `faces`."""
    rng = np.random.default_rng(seed)
    root = Path(data) / "faces"
    for person in range(persons):
        shown = pictures(np.full(images, person, dtype=np.int64), 112, rng)
        files = {f"{k:03d}{suffix}": encoded(one, suffix) for k, one in enumerate(shown)}
        _write_files(root / f"{person:07d}", files)
    return root


def write_verification(data: Path, *, pairs: int = 20, persons: int = 8, seed: int = 0) -> list[Path]:
    """Write `lfw.bin`, `cfp_fp.bin` and `agedb_30.bin`, every other pair of one person, as of `write_faces`."""
    check_integer("persons", persons, 2)
    Path(data).mkdir(parents=True, exist_ok=True)
    paths = []
    for number, name in enumerate(NAMES):
        rng = np.random.default_rng([seed, number])
        first = rng.integers(0, persons, pairs)
        same = np.arange(pairs) % 2 == 0
        second = np.where(same, first, (first + rng.integers(1, persons, pairs)) % persons)
        shown = pictures(np.column_stack([first, second]).reshape(-1), 112, rng)
        paths.append(Path(data) / f"{name}.bin")
        paths[-1].write_bytes(python2_pickle(([encoded(one) for one in shown], same.tolist())))
    return paths
