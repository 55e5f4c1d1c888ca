import errno
import io
import os
import threading
import zlib

import numpy as np
import pytest
from paper_files import JPEG, maps, one_line, pillow
from PIL import Image

from benchmarks.paper import generated
from benchmarks.paper.readers import decoded, tiny_imagenet
from tammes.base.errors import FileAccessError, FileFormatError

# --- tiny-imagenet-200 -----------------------------------------------------------------------------------------------


def as_set(images):
    return {(label, image.tobytes()) for label, image in zip(images.labels.tolist(), images.pixels, strict=True)}


@pytest.mark.parametrize("layout", ["annotated", "sorted", "sorted-flat"])
def test_tiny_imagenet_in_every_layout(tmp_path, layout):
    root = generated.write_tiny_imagenet(tmp_path, classes=4, train=3, validation=2, layout=layout)
    assert tiny_imagenet.find(tmp_path) == tiny_imagenet.find(root) == root
    train, validation = tiny_imagenet.read(root)
    ids = (root / "wnids.txt").read_text().split()
    assert train.classes == validation.classes == tuple(f"{one} thing, {one[-4:]}" for one in ids)
    assert train.pixels.shape == (12, 3, 64, 64)
    expected = {
        (k, pillow(path).tobytes()) for k, one in enumerate(ids) for path in (root / "train" / one).rglob("*.JPEG")
    }
    assert as_set(train) == expected
    lines = {}
    if layout == "annotated":
        for line in (root / "val" / "val_annotations.txt").read_text().splitlines():
            lines[line.split("\t")[0]] = ids.index(line.split("\t")[1])
    found = set()
    for path in (root / "val").rglob("*.JPEG"):
        label = lines[path.name] if lines else next(k for k, one in enumerate(ids) if one in path.parts)
        found.add((label, pillow(path).tobytes()))
    assert as_set(validation) == found
    assert len(found) == 8


def test_the_list_that_is_left_when_images_were_sorted_is_not_needed(tmp_path):
    generated.write_tiny_imagenet(tmp_path, classes=3, train=1, validation=2)
    listed = as_set(tiny_imagenet.read(tmp_path / "tiny-imagenet-200")[1])
    again = tmp_path / "again"
    root = generated.write_tiny_imagenet(again, classes=3, train=1, validation=2, layout="sorted")
    lines = (tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt").read_text()
    (root / "val" / "val_annotations.txt").write_text(lines)
    (root / "val" / "images").mkdir()
    assert as_set(tiny_imagenet.read(root)[1]) == listed


def test_grey_images_have_three_equal_channels(tmp_path):
    root = generated.write_tiny_imagenet(tmp_path, classes=1, train=2, validation=1)
    grey, coloured = tiny_imagenet.read(root)[0].pixels
    assert (grey == grey[:1]).all()
    assert not (coloured == coloured[:1]).all()


@pytest.fixture
def tiny(tmp_path):
    return generated.write_tiny_imagenet(tmp_path, classes=3, train=2, validation=2)


def refused_tiny(root, *words, kind=FileFormatError):
    with pytest.raises(kind) as error:
        tiny_imagenet.read(root)
    one_line(error, *words)
    assert not list(root.rglob("*.tmp*"))


def test_annotations_that_contradict_the_folder_are_refused(tiny):
    path = tiny / "val" / "val_annotations.txt"
    lines = path.read_text().splitlines(keepends=True)
    one = (tiny / "wnids.txt").read_text().split()[0]
    path.write_text("".join([*lines, f"val_99.JPEG\t{one}\t0\t0\t1\t1\n"]))
    refused_tiny(tiny, "val_annotations.txt: line 7 names 'val_99.JPEG', which is not in")
    path.write_text("".join([*lines[:-1], f"../../train/x.JPEG\t{one}\t0\t0\t1\t1\n"]))
    refused_tiny(tiny, "val_annotations.txt: line 6 names '../../train/x.JPEG', which is not in")
    path.write_text("".join([*lines[:-1], "val_5.JPEG\tn99999999\t0\t0\t1\t1\n"]))
    refused_tiny(tiny, "val_annotations.txt: line 6 names the class 'n99999999', which is not in wnids.txt")
    path.write_text("".join([*lines, lines[2]]))
    refused_tiny(tiny, "val_annotations.txt: line 7 names 'val_2.JPEG' a second time")
    path.write_text("".join(lines[:-1]))
    refused_tiny(tiny, "val_annotations.txt: no line for 'val_5.JPEG'")
    path.write_text("no tabs at all\n")
    refused_tiny(tiny, "val_annotations.txt: line 1 names the class ''")
    path.write_bytes(b"\xff\xfe\x00")
    refused_tiny(tiny, "val_annotations.txt: not a text file")
    path.unlink()
    refused_tiny(tiny, "val_annotations.txt: cannot be read", kind=FileAccessError)


def test_a_class_without_images_is_refused(tiny):
    ids = (tiny / "wnids.txt").read_text().split()
    lines = (tiny / "val" / "val_annotations.txt").read_text().splitlines()
    kept = [line for line in lines if ids[1] not in line]
    for line in set(lines) - set(kept):
        (tiny / "val" / "images" / line.split("\t")[0]).unlink()
    (tiny / "val" / "val_annotations.txt").write_text("\n".join(kept))
    refused_tiny(tiny, f"val_annotations.txt: no image of the class {ids[1]}")
    for path in (tiny / "train" / ids[2] / "images").iterdir():
        path.unlink()
    refused_tiny(tiny, f"train/{ids[2]}: a class without images")
    (tiny / "train" / ids[2] / "images").rmdir()
    (tiny / "train" / ids[2]).rmdir()
    refused_tiny(tiny, f"train/{ids[2]}: the folder of this class does not exist", kind=FileAccessError)


@pytest.mark.parametrize("ids", ["", "n01443537\nn01443537", "../../..", "n0144353", "dog", "n01443537/x"])
def test_lists_of_classes_that_are_none_are_refused(tiny, ids):
    (tiny / "wnids.txt").write_text(ids)
    refused_tiny(tiny, "wnids.txt: ")


def test_no_validation_images_no_folder(tiny, tmp_path):
    (tiny / "val").rename(tiny / "elsewhere")
    refused_tiny(tiny, "val: the folder does not exist", kind=FileAccessError)
    with pytest.raises(FileAccessError) as error:
        tiny_imagenet.find(tiny / "train")
    one_line(error, "no tiny-imagenet-200 here")
    (tiny / "tiny-imagenet-200.zip").write_bytes(b"PK")
    (tiny / "wnids.txt").unlink()
    with pytest.raises(FileAccessError, match=r"Extract tiny-imagenet-200\.zip first"):
        tiny_imagenet.find(tiny)


# --- images ----------------------------------------------------------------------------------------------------------


def png_of(width, height):
    """A PNG of that size by its head, and of nothing."""
    whole = bytearray(generated.encoded(np.zeros((8, 8, 3), np.uint8), ".png"))
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:29]
    return bytes(whole[:12]) + head + zlib.crc32(head).to_bytes(4, "big") + bytes(whole[33:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (JPEG[: len(JPEG) // 2], "a damaged image"),
        (JPEG[:-40], "a damaged image"),
        (JPEG[:20], "neither a JPEG nor a PNG"),
        (b"GIF89a" + b"\0" * 30, "neither a JPEG nor a PNG"),
        (b"not an image", "neither a JPEG nor a PNG"),
        (generated.encoded(np.zeros((64, 63, 3), np.uint8)), "an image of 63 x 64, not of 64 x 64"),
        (png_of(20_000, 20_000), "an image far too large"),
        (png_of(5_000, 5_000), "an image of 5000 x 5000, not of 64 x 64"),
        (png_of(64, 64), "a damaged image"),
    ],
)
def test_damaged_and_hostile_images_are_named(tiny, content, message):
    path = next((tiny / "train").rglob("*.JPEG"))
    path.write_bytes(content)
    refused_tiny(tiny, f"{path.name}: {message}")
    assert maps(tiny) == []


def test_an_empty_image_is_named(tiny):
    path = next((tiny / "val").rglob("*.JPEG"))
    path.write_bytes(b"")
    refused_tiny(tiny, f"{path.name}: the file is empty")
    path.unlink()
    refused_tiny(tiny, f"names {path.name!r}, which is not in")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "RGB"])
def test_images_of_every_kind_become_colours(mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    found = decoded.decode(stream.getvalue(), "x.png", 8)
    assert (found.shape, found.dtype) == ((3, 8, 8), np.uint8)
    for place in ((0, 0), (3, 5), (7, 7)):
        assert tuple(found[:, place[1], place[0]]) == image.convert("RGB").getpixel(place)


# --- maps ------------------------------------------------------------------------------------------------------------


def test_images_are_decoded_once(tiny, monkeypatch):
    first, _ = tiny_imagenet.read(tiny)
    assert isinstance(first.pixels, np.memmap)
    assert not first.pixels.flags.writeable
    assert len(maps(tiny)) == 2
    monkeypatch.setattr(decoded, "decode", None)
    again, _ = tiny_imagenet.read(tiny)
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_a_replaced_image_is_decoded_anew(tiny):
    before = tiny_imagenet.read(tiny)[0].pixels[0].copy()
    path = next(iter(sorted((tiny / "train").rglob("*.JPEG"))))
    path.write_bytes(JPEG)
    after = tiny_imagenet.read(tiny)[0].pixels[0]
    np.testing.assert_array_equal(after, pillow(path))
    assert not np.array_equal(before, after)


def bytes_of_map(shape, dtype):
    stream = io.BytesIO()
    np.save(stream, np.zeros(shape, dtype))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        b"not a map",
        bytes_of_map((6, 3, 64, 63), np.uint8),
        bytes_of_map((6, 3, 64, 64), np.int8),
        None,
    ],
)
def test_a_damaged_map_is_written_anew(tiny, content):
    before = tiny_imagenet.read(tiny)[0].pixels.copy()
    for path in maps(tiny):
        path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    np.testing.assert_array_equal(tiny_imagenet.read(tiny)[0].pixels, before)


def test_maps_go_to_the_cache_where_it_is_given_or_the_data_are_read_only(tiny, tmp_path, monkeypatch):
    tiny_imagenet.read(tiny, cache=tmp_path / "given")
    assert (len(maps(tmp_path / "given")), maps(tiny)) == (2, [])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    content = generated.encoded(np.zeros((8, 8, 3), np.uint8))
    options = {"digest": "x", "name": "black"}
    found = decoded.memory_map(1, lambda k: (content, "x"), 8, beside="/proc" / decoded.Path("self"), **options)
    assert found.shape == (1, 3, 8, 8)
    assert len(maps(tmp_path / "caches" / "tammes")) == 1


def test_a_disk_that_is_too_small_is_told_before(tiny, monkeypatch):
    usage = decoded.shutil.disk_usage(tiny)
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(FileAccessError) as error:
        tiny_imagenet.read(tiny)
    one_line(error, "73,728 bytes are needed for the decoded images, and 100 are free", "XDG_CACHE_HOME")


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_nothing(tiny, monkeypatch, reason):
    def full(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(decoded.os, "posix_fallocate", full)
    refused_tiny(tiny, "cannot be written", os.strerror(reason).lower(), kind=FileAccessError)
    assert maps(tiny) == []


def test_a_disk_that_cannot_reserve_room_will_do(tiny, monkeypatch):
    def unable(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(decoded.os, "posix_fallocate", unable)
    assert len(tiny_imagenet.read(tiny)[0]) == 6


def test_readers_at_the_same_time_decode_once(tiny, monkeypatch):
    times, original = [], decoded.decode

    def counted(content, name, size):
        times.append(name)
        return original(content, name, size)

    monkeypatch.setattr(decoded, "decode", counted)
    results = [None] * 4

    def work(k):
        results[k] = tiny_imagenet.read(tiny)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 12
    for train, _ in results:
        np.testing.assert_array_equal(train.pixels, results[0][0].pixels)


def test_where_there_are_no_locks_each_decodes_and_all_are_right(tiny, monkeypatch):
    monkeypatch.setattr(decoded, "fcntl", None)
    results = []
    threads = [threading.Thread(target=lambda: results.append(tiny_imagenet.read(tiny)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for one in results:
        assert as_set(one) == as_set(results[0])
    assert len(maps(tiny)) == 2


def test_an_interruption_leaves_nothing(tiny, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoded, "decode", stop)
    with pytest.raises(KeyboardInterrupt):
        tiny_imagenet.read(tiny)
    assert maps(tiny) == []


def test_many_images_are_counted_in_a_terminal(tmp_path):
    stream = io.StringIO()
    console = decoded.Console(file=stream, force_terminal=True, width=100)
    content = generated.encoded(np.zeros((8, 8, 3), np.uint8))
    options = {"name": "faces", "console": console, "shown_from": 300}
    decoded.memory_map(299, lambda k: (content, "x"), 8, digest="few", beside=tmp_path, **options)
    assert stream.getvalue() == ""
    decoded.memory_map(300, lambda k: (content, "x"), 8, digest="many", beside=tmp_path, **options)
    assert "decoding faces" in stream.getvalue()
    assert "300/300" in stream.getvalue()
