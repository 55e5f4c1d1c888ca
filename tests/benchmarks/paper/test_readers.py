import io
import pickle
import warnings

import numpy as np
import pytest
from paper_files import JPEG, maps, one_line, pillow

from benchmarks.paper import generated
from benchmarks.paper.readers import cifar100, faces, tiny_imagenet, verification
from tammes.base.errors import FileAccessError, FileFormatError, UnknownNameError

# --- CIFAR-100 -------------------------------------------------------------------------------------------------------


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


# --- faces -----------------------------------------------------------------------------------------------------------


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
            np.testing.assert_array_equal(image, pillow(path))


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


# --- pairs -----------------------------------------------------------------------------------------------------------


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
            np.testing.assert_array_equal(pairs.first[k], pillow(io.BytesIO(pictures[2 * k])))
            np.testing.assert_array_equal(pairs.second[k], pillow(io.BytesIO(pictures[2 * k + 1])))


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


# --- all of it -------------------------------------------------------------------------------------------------------


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
