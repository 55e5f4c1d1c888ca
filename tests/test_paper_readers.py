import io
import os
import pickle
import tarfile
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.paper import generated
from benchmarks.paper.readers import cifar100, contents, decoded, faces, tiny_imagenet, verification
from tammes.errors import FileAccessError, FileFormatError, UnknownNameError


def one_line(error, *words):
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said
    return said


def maps(folder):
    return sorted(folder.glob(".tammes-*"))


# --- CIFAR-100 --------------------------------------------------------------------------------------------------


@pytest.fixture
def cifar(tmp_path):
    generated.write_cifar100(tmp_path, "cifar-100-python", classes=7, train=20, test=9)
    return tmp_path


def python2_table(path):
    """What Python's own unpickler makes of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about where its parts lie now
        return pickle.loads(path.read_bytes(), encoding="bytes")


@pytest.mark.parametrize("form", generated.FORMS)
def test_every_form_of_cifar_holds_the_same(form, cifar, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    written = generated.write_cifar100(data, form, classes=7, train=20, test=9)
    assert cifar100.find(data) == cifar100.find(written) == written
    read = cifar100.read(written)
    for part, images in zip(("train", "test"), read, strict=True):
        table = python2_table(cifar / "cifar-100-python" / part)
        np.testing.assert_array_equal(images.labels, table[b"fine_labels"])
        for channel in range(3):  # 1,024 reds row by row, then greens, then blues
            flat = table[b"data"][:, 1_024 * channel : 1_024 * (channel + 1)]
            np.testing.assert_array_equal(images.pixels[:, channel].reshape(-1, 1_024), flat)
        assert images.classes == tuple(f"class_{k:03d}" for k in range(7))


def test_the_generated_pickles_are_those_of_python_2():
    value = {b"a": [1, -1, 300, True], b"b": (b"x" * 300, b"y"), b"c": np.arange(6, dtype="<i4").reshape(2, 3)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pickle.loads(generated.python2_pickle(value), encoding="bytes")
    np.testing.assert_array_equal(found.pop(b"c"), value.pop(b"c"))
    assert found == value


def test_classes_can_be_learnt():
    rng = np.random.default_rng(0)
    labels = generated.labels_of(400, 10, rng)
    images = generated.pictures(labels, 16, rng).reshape(400, -1, 3)
    colours = images.mean(axis=1)
    centres = np.array([colours[:200][labels[:200] == k].mean(axis=0) for k in range(10)])
    guessed = np.linalg.norm(colours[200:, None] - centres, axis=2).argmin(axis=1)
    assert np.mean(guessed == labels[200:]) > 0.9  # the colour alone


def test_cifar_is_found_in_a_folder_of_its_own(tmp_path):
    written = generated.write_cifar100(tmp_path / "cifar-100", "cifar-100-binary", train=2, test=2)
    assert cifar100.find(tmp_path) == written


def test_dicts_with_keys_of_text_are_read_too(cifar):
    folder = cifar / "cifar-100-python"
    before = cifar100.read(folder)
    for part in ("train", "test", "meta"):
        table = {key.decode(): value for key, value in python2_table(folder / part).items()}
        table = {k: np.array(v) if k == "fine_labels" else v for k, v in table.items()}
        (folder / part).write_bytes(pickle.dumps(table, 5))
    for one, other in zip(before, cifar100.read(folder), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_no_cifar_no_folder(tmp_path):
    with pytest.raises(FileAccessError) as error:
        cifar100.find(tmp_path)
    one_line(error, str(tmp_path), "no CIFAR-100 here", "cifar-100-python.tar.gz", "https://")
    with pytest.raises(FileAccessError) as error:
        cifar100.find(tmp_path / "nowhere")
    one_line(error, "nowhere: does not exist")


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_missing_part_is_named(cifar, name):
    (cifar / "cifar-100-python" / name).unlink()
    with pytest.raises(FileAccessError) as error:
        cifar100.read(cifar100.find(cifar))
    one_line(error, f"cifar-100-python/{name}: cannot be read")


TABLE = {b"data": np.zeros((2, 3_072), np.uint8), b"fine_labels": [0, 6]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE | {b"fine_labels": [0, 7]}, "label 7 of image 1 is not from 0 to 6"),
        (TABLE | {b"fine_labels": [-1, 0]}, "label -1 of image 0 is not from 0 to 6"),
        (TABLE | {b"fine_labels": [0]}, "1 labels for 2 images"),
        (TABLE | {b"fine_labels": b"ab"}, "`fine_labels` must be a list of integers"),
        (TABLE | {b"fine_labels": [0, True]}, "`fine_labels` must be a list of integers"),
        (
            TABLE | {b"data": np.zeros((2, 3_071), np.uint8)},
            "uint8 of shape (N, 3072), and is (2, 3071)",
        ),
        (TABLE | {b"data": np.zeros((2, 3_072), np.int32)}, "`data` must be uint8"),
        (TABLE | {b"data": np.zeros((0, 3_072), np.uint8), b"fine_labels": []}, "`data` must be uint8"),
        (TABLE | {b"data": [[0] * 3_072] * 2}, "and is a list"),
        ({b"data": TABLE[b"data"]}, "it has no `fine_labels`"),
        ([1, 2], "a pickle of a list, not of a dict"),
    ],
)
def test_tampered_pickles_of_cifar_are_refused(cifar, table, message):
    (cifar / "cifar-100-python" / "test").write_bytes(generated.python2_pickle(table))
    with pytest.raises(FileFormatError) as error:
        cifar100.read(cifar100.find(cifar))
    one_line(error, "cifar-100-python/test: ", message)


@pytest.mark.parametrize("names", [[], [b"a", b"a"], [b"a", 1], b"names"])
def test_names_of_classes_that_are_none_are_refused(cifar, names):
    (cifar / "cifar-100-python" / "meta").write_bytes(generated.python2_pickle({b"fine_label_names": names}))
    with pytest.raises(FileFormatError) as error:
        cifar100.read(cifar100.find(cifar))
    one_line(error, "cifar-100-python/meta: ", "names")


@pytest.mark.parametrize("archived", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(cifar, archived, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = cifar / "cifar-100-python"
    (folder / "test").write_bytes(b"\x80\x02cos\nsystem\nU\x09touch ran\x85R.")
    path = folder
    if archived:
        path = tmp_path / "cifar-100-python.tar.gz"
        generated.write_archive(path, {f"cifar-100-python/{one.name}": one.read_bytes() for one in folder.iterdir()})
    with pytest.raises(FileFormatError) as error:
        cifar100.read(path)
    one_line(error, f"{path.name}", "/test: ", "it names os.system, which could run code")
    assert not (tmp_path / "ran").exists()


def test_truncated_pickles_and_records_are_refused(tmp_path):
    for form, name in (("cifar-100-python", "train"), ("cifar-100-binary", "train.bin")):
        path = generated.write_cifar100(tmp_path, form, classes=7, train=20, test=9) / name
        whole = path.read_bytes()
        for length in (1, 3_000, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(FileFormatError) as error:
                cifar100.read(path.parent)
            one_line(error, f"{name}: ", "whole")
        path.write_bytes(b"")
        with pytest.raises(FileFormatError) as error:
            cifar100.read(path.parent)
        one_line(error, f"{name}: ", "empty")


def test_a_record_of_a_class_that_is_none_is_refused(tmp_path):
    folder = generated.write_cifar100(tmp_path, "cifar-100-binary", classes=7, train=20, test=9)
    content = bytearray((folder / "test.bin").read_bytes())
    content[3_074 * 4 + 1] = 7
    (folder / "test.bin").write_bytes(content)
    with pytest.raises(FileFormatError) as error:
        cifar100.read(folder)
    one_line(error, "test.bin: label 7 of image 4 is not from 0 to 6")


# --- archives ---------------------------------------------------------------------------------------------------


def tar(path, *members, mode="w:gz"):
    """An archive of (name, content) or of whole `TarInfo`s."""
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            entry = member
            if isinstance(member, str):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


@pytest.mark.parametrize("length", [0, 1, 40, 0.5, -9, -1])
def test_truncated_archives_are_refused(tmp_path, length):
    path = generated.write_cifar100(tmp_path, train=20, test=9)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(length * len(whole)) if isinstance(length, float) else length])
    with pytest.raises(FileFormatError) as error:
        cifar100.read(path)
    one_line(error, "cifar-100-python.tar.gz", "not a whole archive")


def test_a_changed_archive_is_refused(tmp_path):
    path = generated.write_cifar100(tmp_path, train=20, test=9)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as error:
        cifar100.read(path)
    one_line(error, "not a whole archive (CRC")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileFormatError) as error:
        cifar100.read(tar(tmp_path / "x.tar.gz", ("cifar-10-batches-py/data_batch_1", b"x")))
    one_line(error, "x.tar.gz: not an archive of CIFAR-100")
    with pytest.raises(FileAccessError) as error:
        cifar100.read(tar(tmp_path / "x.tar.gz", ("cifar-100-python/train", b"x")))
    one_line(error, "x.tar.gz/cifar-100-python/test: missing")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar(tmp_path / "x.tar.gz", special("a/train", kind, "/etc/passwd"))
    with pytest.raises(FileFormatError) as error:
        contents.members_of(path, ["a/train"])
    one_line(error, "x.tar.gz/a/train: not a regular file")


def test_paths_that_lead_out_are_never_followed(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    path = tar(
        tmp_path / "x.tar.gz",
        ("../out", b"x"),
        (str(tmp_path / "absolute"), b"x"),
        special("a", tarfile.SYMTYPE, str(tmp_path)),
        ("a/train", b"the content"),
        ("./a/test", b"another"),
    )
    assert contents.members_of(path, ["a/train", "a/test"]) == {"a/train": b"the content", "a/test": b"another"}
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["inside", "x.tar.gz"]


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = tar(tmp_path / "x.tar", ("a/train", b"one"), ("./a/train", b"two"), mode="w")
    with pytest.raises(FileFormatError) as error:
        contents.members_of(path, ["a/train"])
    one_line(error, "a/train: twice in the archive")


def test_an_empty_member_is_refused(tmp_path):
    with pytest.raises(FileFormatError) as error:
        contents.members_of(tar(tmp_path / "x.tar", ("a/train", b""), mode="w"), ["a/train"])
    one_line(error, "a/train: empty")


def test_what_unpacks_to_more_than_was_agreed_is_refused(tmp_path):
    bomb = tar(tmp_path / "x.tar.gz", ("a/other", b"\0" * 3_000_000), ("a/train", b"x"))
    assert bomb.stat().st_size < 10_000
    assert contents.members_of(bomb, ["a/train"], limit=4_000_000) == {"a/train": b"x"}
    with pytest.raises(FileFormatError) as error:
        contents.members_of(bomb, ["a/train"], limit=1_000_000)
    one_line(error, "x.tar.gz: more than 1,000,000 bytes when unpacked")
    entry = tarfile.TarInfo("a/train")
    entry.size = 1 << 40  # says its head; nothing follows
    head = entry.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "y.tar").write_bytes(head + b"\0" * 10_240)
    with pytest.raises(FileFormatError) as error:
        contents.members_of(tmp_path / "y.tar", ["a/train"])
    one_line(error, "a/train: 1,099,511,627,776 bytes, and at most")
    sparse = tarfile.TarInfo("a/train")
    sparse.type = tarfile.GNUTYPE_SPARSE
    (tmp_path / "z.tar").write_bytes(sparse.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(FileFormatError, match="not a regular file"):
        contents.members_of(tmp_path / "z.tar", ["a/train"])


def test_large_and_special_files_are_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 100)
    assert len(contents.content_of(tmp_path / "x", limit=100)) == 100
    with pytest.raises(FileFormatError, match="100 bytes, and at most 99 are expected"):
        contents.content_of(tmp_path / "x", limit=99)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="not a regular file"):
        contents.content_of(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="not a regular file"):
        contents.members_of(tmp_path / "pipe", ["a"])
    with pytest.raises(FileAccessError, match="does not exist"):
        contents.members_of(tmp_path / "nothing.tar", ["a"])


# --- tiny-imagenet-200 ------------------------------------------------------------------------------------------


def pillow(path, size):
    """What Pillow makes of a file, in colour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


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
        (k, pillow(path, 64).tobytes()) for k, one in enumerate(ids) for path in (root / "train" / one).rglob("*.JPEG")
    }
    assert as_set(train) == expected
    lines = {}
    if layout == "annotated":
        for line in (root / "val" / "val_annotations.txt").read_text().splitlines():
            lines[line.split("\t")[0]] = ids.index(line.split("\t")[1])
    found = set()
    for path in (root / "val").rglob("*.JPEG"):
        label = lines[path.name] if lines else next(k for k, one in enumerate(ids) if one in path.parts)
        found.add((label, pillow(path, 64).tobytes()))
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


# --- images -----------------------------------------------------------------------------------------------------


def png_of(width, height):
    """A PNG of that size by its head, and of nothing."""
    whole = bytearray(generated.encoded(np.zeros((8, 8, 3), np.uint8), ".png"))
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:29]
    return bytes(whole[:12]) + head + zlib.crc32(head).to_bytes(4, "big") + bytes(whole[33:])


JPEG = generated.encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))


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


# --- maps -------------------------------------------------------------------------------------------------------


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
    np.testing.assert_array_equal(after, pillow(path, 64))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not a map", None])
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


def test_many_images_are_counted_in_a_terminal(tmp_path, monkeypatch):
    stream = io.StringIO()
    console = decoded.Console(file=stream, force_terminal=True, width=100)
    monkeypatch.setattr(decoded, "Console", lambda stderr: console)
    monkeypatch.setattr(decoded, "_SHOWN", 10)
    content = generated.encoded(np.zeros((8, 8, 3), np.uint8))
    decoded.memory_map(300, lambda k: (content, "x"), 8, digest="x", beside=tmp_path, name="faces")
    assert "decoding faces" in stream.getvalue()
    assert "300/300" in stream.getvalue()


# --- faces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_faces_are_those_of_their_folders(tmp_path, suffix):
    root = generated.write_faces(tmp_path, persons=3, images=2, suffix=suffix)
    (root / "0000001" / "notes.txt").write_text("not an image")
    (root / "0000001" / ".hidden.jpg").write_bytes(b"neither")
    (root / ".hidden").mkdir()
    (root / "list.txt").write_text("not a person")
    assert faces.find(tmp_path) == faces.find(root) == root
    for _ in range(2):  # also when the map lies beside them
        found = faces.read(root)
        assert found.classes == ("0000000", "0000001", "0000002")
        assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
        paths = sorted(root.glob(f"0*/0*{suffix}"))
        for path, image in zip(paths, found.pixels, strict=True):
            np.testing.assert_array_equal(image, pillow(path, 112))


def test_faces_of_another_size_are_named(tmp_path):
    root = generated.write_faces(tmp_path, persons=2, images=2)
    (root / "0000001" / "001.jpg").write_bytes(JPEG)
    with pytest.raises(FileFormatError) as error:
        faces.read(root)
    one_line(error, "0000001/001.jpg: an image of 64 x 64, not of 112 x 112")


def test_a_person_without_images_is_refused(tmp_path):
    root = generated.write_faces(tmp_path, persons=2, images=1)
    (root / "somebody").mkdir()
    with pytest.raises(FileFormatError) as error:
        faces.read(root)
    one_line(error, "faces/somebody: a class without images")


def test_no_faces_no_folder(tmp_path):
    (tmp_path / "faces").mkdir()
    with pytest.raises(FileAccessError) as error:
        faces.find(tmp_path)
    one_line(error, "no folder of faces here")
    with pytest.raises(FileFormatError) as wrong:
        faces.read(tmp_path / "faces")
    one_line(wrong, "no folders of persons in it")
    with pytest.raises(FileAccessError) as error:
        faces.read(tmp_path / "nowhere")
    one_line(error, "nowhere: cannot be read")


# --- pairs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", verification.NAMES)
def test_pairs_are_in_the_order_of_the_file(tmp_path, name):
    generated.write_verification(tmp_path, pairs=5)
    path = verification.find(tmp_path, name)
    assert path == tmp_path / f"{name}.bin" == verification.find(path, name)
    pictures, same = pickle.loads(path.read_bytes(), encoding="bytes")
    for _ in range(2):
        pairs = verification.read(path)
        assert pairs.same.tolist() == same
        for k in range(5):
            np.testing.assert_array_equal(pairs.first[k], pillow(io.BytesIO(pictures[2 * k]), 112))
            np.testing.assert_array_equal(pairs.second[k], pillow(io.BytesIO(pictures[2 * k + 1]), 112))


FACE = generated.encoded(np.zeros((112, 112, 3), np.uint8))


@pytest.mark.parametrize(
    "document",
    [
        ([FACE, FACE], [True]),
        [[FACE, FACE], [True]],
        ([np.frombuffer(FACE, np.uint8)] * 2, [1]),
        ([FACE, FACE], np.array([True])),
        ([FACE, FACE], [np.True_]),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_variants_of_such_files_are_read(tmp_path, document, protocol):
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(document, protocol))
    pairs = verification.read(tmp_path / "lfw.bin")
    assert pairs.same.tolist() == [True]
    assert pairs.first.shape == (1, 3, 112, 112)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (([FACE] * 3, [True]), "3 images for 1 pairs"),
        (([FACE] * 2, [True, False]), "2 images for 2 pairs"),
        (([FACE] * 2, [2]), "the answer to pair 0 is neither true nor false"),
        (([FACE] * 2, [None]), "the answer to pair 0 is neither true nor false"),
        (([FACE, "text"], [True]), "image 1 is a str, not bytes"),
        (([FACE, np.zeros(3)], [True]), "image 1 is a ndarray, not bytes"),
        (([FACE, FACE[:-60]], [True]), "image 1: a damaged image"),
        (([FACE, JPEG], [True]), "image 1: an image of 64 x 64, not of 112 x 112"),
        (([FACE, b""], [True]), "image 1: neither a JPEG nor a PNG"),
        (([], []), "not a pickle of two lists"),
        (([FACE] * 2, [True], []), "not a pickle of two lists"),
        ({"a": 1}, "not a pickle of two lists"),
        ((FACE, [True]), "not a pickle of two lists"),
    ],
)
def test_tampered_pairs_are_refused(tmp_path, document, message):
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(document, 2))
    with pytest.raises(FileFormatError) as error:
        verification.read(path)
    one_line(error, "lfw.bin: ", message)
    assert maps(tmp_path) == []


def test_pairs_that_would_run_code_are_refused(tmp_path):
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02c__builtin__\neval\nU\x041/0.\x85R.")
    with pytest.raises(FileFormatError) as error:
        verification.read(path)
    one_line(error, "lfw.bin: ", "it names __builtin__.eval, which could run code")


def test_truncated_pairs_are_refused(tmp_path):
    (path,) = generated.write_verification(tmp_path, pairs=2)[:1]
    whole = path.read_bytes()
    for length in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError) as error:
            verification.read(path)
        one_line(error, "lfw.bin: not a whole pickle")


def test_unknown_and_missing_sets(tmp_path):
    with pytest.raises(UnknownNameError, match="lfw"):
        verification.find(tmp_path, "lfv")
    with pytest.raises(FileAccessError) as error:
        verification.find(tmp_path, "cfp_fp")
    one_line(error, "no cfp_fp.bin here")


# --- all of it --------------------------------------------------------------------------------------------------


def test_everything_that_is_generated_is_read(tmp_path):
    generated.write_all(tmp_path / "data", classes=4, train=8, test=8, pairs=10)
    data = tmp_path / "data"
    for reader in (cifar100, tiny_imagenet):
        train, test = reader.read(reader.find(data))
        assert (len(train), len(test), len(train.classes)) == (8, 8, 4)
        assert set(train.labels.tolist()) == {0, 1, 2, 3}
    assert len(faces.read(faces.find(data))) == 8
    assert [len(verification.read(verification.find(data, name))) for name in verification.NAMES] == [10] * 3


@pytest.mark.parametrize(
    "write",
    [
        lambda data: generated.write_cifar100(data, "cifar-100"),
        lambda data: generated.write_tiny_imagenet(data, layout="other"),
    ],
)
def test_unknown_forms_are_named(tmp_path, write):
    with pytest.raises(UnknownNameError, match="must be one of"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []
