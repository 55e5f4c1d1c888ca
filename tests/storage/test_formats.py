"""File formats of points: every bit comes back, and hostile files are refused."""

import contextlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import oracles
import pytest

import tammes
from tammes.base.errors import FileFormatError, InvalidParameterError, TammesError, UnknownNameError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import formats

ICOSAHEDRON = SphericalCode(oracles.icosahedron())
SQUARE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


def packed(write, *arrays, **named):
    """What one of NumPy's writers puts into a file."""
    stream = io.BytesIO()
    write(stream, *arrays, **named)
    return stream.getvalue()


def off_points(content):
    words = content.split()
    n = int(words[1])
    return np.array(words[4 : 4 + 3 * n], dtype=float).reshape(n, 3)


READERS = {
    ".npy": lambda content, d: np.load(io.BytesIO(content)),
    ".npz": lambda content, d: np.load(io.BytesIO(content))["points"],
    ".csv": lambda content, d: np.loadtxt(io.BytesIO(content), delimiter=","),
    ".txt": lambda content, d: np.loadtxt(io.BytesIO(content)).reshape(-1, d),
    ".json": lambda content, d: np.array(json.loads(content)["points"]),
    ".off": lambda content, d: off_points(content.decode()),
}
"""How someone without this package reads each format."""


def test_every_format_has_an_independent_reader():
    assert set(READERS) == set(formats.FORMATS)


# --- round trip -----------------------------------------------------------------------------------

CODES = {
    "icosahedron": oracles.icosahedron(),
    "negative zeros": np.array([[1.0, -0.0, 0.0], [-0.0, 1.0, -0.0], [0.0, -0.0, -1.0]]),
    "subnormal": np.array(
        [[1.0, 5e-324, -2.5e-310], [-1e-308, -1.0, 5e-324], [1e-300, -1e-17, 1.0], [0.6, 0.8, 5e-324]]
    ),
    "two": np.array([[0.6, 0.8, 0.0], [-0.6, -0.8, -0.0]]),
    "a rounding off": oracles.icosahedron() * (1.0 + 3e-10),
    **{f"random {n} in {d}": oracles.random_code(n, d, seed=n) for n, d in [(50, 3), (7, 2), (40, 5), (3, 64)]},
}


@pytest.mark.parametrize("points", CODES.values(), ids=CODES)
@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_every_bit_comes_back(suffix, points, tmp_path):
    path = tmp_path / f"code{suffix}"
    d = points.shape[1]
    if suffix == ".off" and d != 3:
        with pytest.raises(InvalidParameterError, match=rf"^`d` must be 3 for the .off format. Got {d}.$"):
            formats.save(path, SphericalCode(points))
        assert list(tmp_path.iterdir()) == []
        return
    formats.save(path, SphericalCode(points))
    assert READERS[suffix](path.read_bytes(), d).tobytes() == points.tobytes()
    again = formats.load(path, d=d)
    assert again.points.dtype == np.float64
    assert again.points.tobytes() == points.tobytes()


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_extensions_in_capitals(suffix, tmp_path):
    path = tmp_path / f"CODE_d3_n12{suffix.upper()}"
    formats.save(path, ICOSAHEDRON)
    assert formats.load(str(path)).digest == ICOSAHEDRON.digest


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", b"1,0\r\n0,1\r\n-1,0\r\n0,-1\r\n", id="csv-crlf"),
        pytest.param("a.csv", b"\xef\xbb\xbf1,0\n0,1\n-1,0\n0,-1", id="csv-bom"),
        pytest.param("a.csv", b"# square\n\n1, 0\n  0 ,1\n#\n-1e0,0.\n0,-1\n\n", id="csv-comments"),
        pytest.param("pack.2.4.txt", b"1\r\n0\r\n0\r\n1\r\n-1\r\n0\r\n0\r\n-1\r\n", id="txt-crlf"),
        pytest.param("pack.2.4.txt", b"\xef\xbb\xbf1\n0\n0\n1\n-1\n0\n0\n-1", id="txt-bom"),
        pytest.param(
            "a.json", b'{\r\n"points": [[1, 0], [0, 1.0],\r\n[-1, 0], [0, -1]], "note": null}\r\n', id="json-crlf"
        ),
        pytest.param("a.npy", packed(np.save, np.asfortranarray(SQUARE)), id="npy-fortran-order"),
        pytest.param("a.npy", packed(np.save, SQUARE.astype(">f8")), id="npy-big-endian"),
        pytest.param("a.npy", packed(np.save, SQUARE.astype(np.int8)), id="npy-integers"),
        pytest.param("a.npz", packed(np.savez_compressed, points=SQUARE, other=np.zeros(3)), id="npz-compressed"),
    ],
)
def test_what_others_write_is_read(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    np.testing.assert_array_equal(formats.load(path).points, SQUARE)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_off_files_of_others(newline, tmp_path):
    path = tmp_path / "a.off"
    lines = [b"# made by hand", b"OFF  # a comment", b"3 1 0", b"", b"1 0 0", b"0 1 0  # y", b"0 0 1", b"3 0 1 2"]
    path.write_bytes(newline.join(lines))
    np.testing.assert_array_equal(formats.load(path).points, np.eye(3))


@pytest.mark.parametrize("encoding", ["utf-8-sig"])
def test_a_byte_order_mark_before_json(encoding, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"points": SQUARE.tolist()}), encoding=encoding)
    np.testing.assert_array_equal(formats.load(path).points, SQUARE)


# --- the dimension of .txt files ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "d"),
    [("pack.3.12.txt", None), ("tammes_d3_n12.txt", None), ("mma_d3_n12_polished.txt", None), ("a.txt", 3)],
)
def test_dimension_from_the_name_or_the_caller(name, d, tmp_path):
    path = tmp_path / name
    path.write_text("".join(f"{value!r}\n" for value in ICOSAHEDRON.points.ravel().tolist()))
    assert formats.load(path, d=d).digest == ICOSAHEDRON.digest


def test_a_given_dimension_wins_over_the_name(tmp_path):
    path = tmp_path / "pack.3.4.txt"
    path.write_text("1\n0\n0\n1\n-1\n0\n0\n-1\n")
    assert formats.load(path, d=2).points.tolist() == SQUARE.tolist()


@pytest.mark.parametrize("name", ["a.txt", "pack.3.txt", "pack.x.12.txt", "3.12.txt"])
def test_a_dimension_that_nothing_tells_is_asked_for(name, tmp_path):
    (tmp_path / name).write_text("1\n0\n0\n1\n")
    with pytest.raises(
        InvalidParameterError, match=r"^`d` must be given .*Got None\. Use --d, or a name like pack\.3\.30"
    ):
        formats.load(tmp_path / name)


@pytest.mark.parametrize("d", [4, 0, -1, 1, 10**9])
def test_a_wrong_dimension_is_refused(d, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1\n0\n0\n0\n1\n0\n")
    with pytest.raises(TammesError, match=rf"6 coordinates do not make points in d = {d}|`d` must be .*Got {d}\."):
        formats.load(path, d=d)


def test_a_wrong_dimension_that_divides_the_count_is_off_the_sphere(tmp_path):
    path = tmp_path / "pack.2.15.txt"
    path.write_text("".join(f"{value!r}\n" for value in oracles.random_code(10, 3).ravel().tolist()))
    with pytest.raises(FileFormatError, match="on the unit sphere"):
        formats.load(path)


@pytest.mark.parametrize("d", [2.0, "2", True], ids=repr)
def test_a_dimension_of_the_wrong_type_is_the_callers_fault(d, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1\n0\n0\n1\n")
    with pytest.raises(InvalidParameterError, match=r"^`d` must be "):
        formats.load(path, d=d)


# --- extensions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "closest", "got"),
    [
        ("a.jsn", ".json", ".jsn"),
        ("a.ofx", ".off", ".ofx"),
        ("a.CSVX", ".csv", ".csvx"),
        ("a.npy.gz", ".np[yz]", ".gz"),
    ],
)
@pytest.mark.parametrize("act", [formats.load, lambda path: formats.save(path, ICOSAHEDRON), formats.format_of])
def test_an_unknown_extension_lists_the_known_ones(act, name, closest, got, tmp_path):
    with pytest.raises(UnknownNameError, match=rf"^`format` must be one of: {closest}, .*\. Got '{got}'\.$") as caught:
        act(tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in formats.FORMATS)
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_extension_is_shown_whole(tmp_path):
    with pytest.raises(UnknownNameError, match=r"Got '.*code'"):
        formats.load(tmp_path / "code")


def test_a_certificate_is_known_by_its_name():
    assert formats.is_certificate("folder/code.npy.cert.json")
    assert not formats.is_certificate("folder/cert.json")


def test_the_public_files_offer_formats_and_access_to_files():
    assert tammes.files is formats
    offered = {"FORMATS", "load", "save", "format_of", "sidecar", "check_writable", "read_bytes", "read_json"}
    assert offered | {"Format", "write_atomically"} <= set(tammes.files.__all__)
    assert (tammes.load, tammes.save) == (formats.load, formats.save)


def test_the_record_lies_beside_the_points():
    assert formats.sidecar("folder/code.one.npy") == Path("folder/code.one.json")


# --- facets ---------------------------------------------------------------------------------------

CUBE = oracles.normalized([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
PYRAMID = np.delete(oracles.orthoplex(3), 5, axis=0)
CAP = oracles.normalized([[3, 0, 10], [-1, 2, 10], [-1, -2, 10], [0, 0, 1]])


@pytest.mark.parametrize(
    ("points", "facets"),
    [
        pytest.param(oracles.icosahedron(), 20, id="icosahedron"),
        pytest.param(oracles.orthoplex(3), 8, id="octahedron"),
        pytest.param(CUBE, 12, id="cube"),
        pytest.param(oracles.random_code(30, 3), 56, id="random"),
        pytest.param(PYRAMID, 6, id="origin on a facet"),
        pytest.param(CAP, 4, id="origin outside"),
    ],
)
def test_facets_close_up_and_face_outward(points, facets, tmp_path):
    path = tmp_path / "a.off"
    formats.save(path, SphericalCode(points))
    lines = path.read_text().splitlines()
    assert lines[0] == "OFF"
    assert lines[1] == f"{len(points)} {facets} 0"
    faces = np.array([line.split() for line in lines[2 + len(points) :]], dtype=int)
    assert faces.shape == (facets, 4)
    assert (faces[:, 0] == 3).all()
    sides = [(int(face[i]), int(face[j])) for face in faces[:, 1:] for i, j in ((0, 1), (1, 2), (2, 0))]
    assert len(set(sides)) == 3 * facets  # every side once each way: consistently turned
    assert {(j, i) for i, j in sides} == set(sides)
    a, b, c = points[faces[:, 1:].T]
    normals = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", normals, a - points.mean(axis=0)) > 0.0).all()


@pytest.mark.parametrize("points", [oracles.polygon(6, d=3), oracles.polygon(3, d=3)], ids=["hexagon", "triangle"])
def test_flat_codes_have_no_facets(points, tmp_path):
    path = tmp_path / "a.off"
    formats.save(path, SphericalCode(points))
    assert path.read_text().splitlines()[1] == f"{len(points)} 0 0"
    assert formats.load(path).points.tobytes() == points.tobytes()


# --- rows off the sphere --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_a_row_off_the_sphere_is_named_or_normalised(suffix, tmp_path):
    path = tmp_path / f"a_d3_n12{suffix}"
    points = oracles.icosahedron()
    points[4] *= 1.5
    path.write_bytes(formats.FORMATS[suffix].write(points))
    with pytest.raises(FileFormatError) as caught:
        formats.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: `points` must be on the unit sphere to 1e-09. Got row 4, which is off by 0.5. ")
    assert "normalize=True" in message
    code = formats.load(path, normalize=True)
    assert np.abs(code.points - oracles.icosahedron()).max() < 1e-15


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_float32_rows_are_normalised_when_asked(suffix, tmp_path):
    path = tmp_path / f"a_d3_n12{suffix}"
    single = oracles.random_code(12, 3).astype(np.float32)
    content = {".npy": packed(np.save, single), ".npz": packed(np.savez, points=single)}
    path.write_bytes(content.get(suffix, formats.FORMATS[suffix].write(single.astype(float))))
    with pytest.raises(FileFormatError, match="on the unit sphere"):
        formats.load(path)
    double = single.astype(np.float64)
    expected = double / np.sqrt((double**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(formats.load(path, normalize=True).points, expected, rtol=0, atol=3e-16)


# --- hostile files --------------------------------------------------------------------------------

NPY = packed(np.save, SQUARE)
NPZ = packed(np.savez, points=SQUARE)


def zipped(name, content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def patched(content, at, new):
    return content[:at] + new + content[at + len(new) :]


def directory(content):
    """Offset of the first entry of the directory of a zip file."""
    return content.index(b"PK\x01\x02")


def compressed_noise():
    content = packed(np.savez_compressed, points=oracles.random_code(50, 3))
    return patched(content, 120, bytes(255 - byte for byte in content[120:600]))


def points_json(text):
    return f'{{"points": {text}}}'.encode()


DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    ".npy": {
        "words": (b"hello, I am not an array", "magic string"),
        "header": (NPY[:6] + b"\x09\x00" + NPY[8:], "version"),
        "bracket": (patched(NPY, NPY.index(b"}"), b"("), None),
        "long header": (NPY[:8] + b"\x20\x4e" + b" " * 20_000, "header"),
        "3-D": (packed(np.save, np.ones((2, 2, 2))), r"shape \(2, 2, 2\)"),
        "1-D": (packed(np.save, np.ones(6)), r"shape \(6,\)"),
        "0-D": (packed(np.save, np.float64(1.0)), r"shape \(\)"),
        "one point": (packed(np.save, np.eye(1, 3)), r"shape \(1, 3\)"),
        "no points": (packed(np.save, np.empty((0, 3))), r"shape \(0, 3\)"),
        "one column": (packed(np.save, np.ones((3, 1))), r"shape \(3, 1\)"),
        "complex": (packed(np.save, SQUARE.astype(complex)), "real numbers. Got dtype complex128"),
        "string": (packed(np.save, SQUARE.astype(str)), "real numbers. Got dtype <U"),
        "boolean": (packed(np.save, SQUARE > 0), "real numbers. Got dtype bool"),
        "structured": (packed(np.save, np.zeros(3, dtype=[("x", float), ("y", float)])), "real numbers"),
        "NaN": (packed(np.save, np.where(SQUARE < 0, np.nan, SQUARE)), r"finite. Got row 2: \[nan, 0\]"),
        "infinite": (packed(np.save, np.where(SQUARE < 0, np.inf, SQUARE)), r"finite. Got row 2: \[inf, 0\]"),
        "zero row": (packed(np.save, np.maximum(SQUARE, 0.0)), "non-zero rows. Got row 2"),
    },
    ".npz": {
        "words": (b"hello, I am not an archive", None),
        "no points": (packed(np.savez, weights=SQUARE), "no array named `points`"),
        "an .npy": (NPY, "no array named `points`|not an? .*archive"),
        "empty archive": (packed(np.savez), "no array named `points`"),
        "member of bytes": (zipped("points", b"1 0 0 1"), "real numbers"),
        "member cut": (zipped("points.npy", NPY[:-3]), None),
        "member empty": (zipped("points.npy", b""), None),
        "NaN": (packed(np.savez, points=np.full((3, 3), np.nan)), "finite. Got row 0"),
        "3-D": (packed(np.savez, points=np.ones((2, 2, 2))), "shape"),
        "flipped data": (patched(NPZ, NPZ.index(NPY[-32:]), b"\x7f"), "CRC"),
        "unknown compression": (patched(NPZ, directory(NPZ) + 10, b"\x63\x00"), None),
        "encrypted": (patched(NPZ, directory(NPZ) + 8, b"\x01\x00"), None),
        "broken stream": (compressed_noise(), None),
    },
    ".csv": {
        "words": (b"x,y,z\n1,0,0\n0,1,0\n", "line 1 is not made of numbers: 'x,y,z'"),
        "word later": (b"1,0\n0,1\n0,one\n", "line 3 is not made of numbers: '0,one'"),
        "semicolons": (b"1;0\n0;1\n", "line 1 is not made of numbers"),
        "trailing comma": (b"1,0,\n0,1,\n", "line 1 is not made of numbers"),
        "ragged": (b"1,0\n\n0,1,0\n", "line 3 has 3 numbers, the first has 2"),
        "NaN": (b"1,0\n0,nan\n", r"finite. Got row 1: \[0, nan\]"),
        "infinite": (b"1,0\n-inf,1\n", r"finite. Got row 1: \[-inf, 1\]"),
        "too large": (b"1,0\n1e999,0\n", "finite. Got row 1"),
        "one column": (b"1\n1\n1\n", r"shape \(3, 1\)"),
        "one point": (b"1,0,0\n", r"shape \(1, 3\)"),
        "comments alone": (b"# nothing\n\n", "shape"),
        "binary": (b"\xff\xfe1\x00,\x000\x00", "decode"),
    },
    ".txt": {
        "words": (b"1\n0\n0\none\n0\n0\n", "line 4 is not made of numbers: 'one'"),
        "wrong count": (b"1\n0\n0\n0\n1\n0\n0\n", "7 coordinates do not make points in d = 3"),
        "rows": (b"1 0 0\n0 1 0\n", "line 1 is not made of numbers"),
        "commas": (b"1\n0,0\n", "line 2 must hold one coordinate"),
        "NaN": (b"1\n0\n0\n0\nnan\n0\n", "finite. Got row 1"),
        "infinite": (b"inf\n0\n0\n0\n1\n0\n", "finite. Got row 0"),
        "one point": (b"1\n0\n0\n", "shape"),
        "blank": (b"\n\n", "shape"),
        "binary": (b"\x80\x81", "decode"),
    },
    ".json": {
        "words": (b"points: none", "Expecting value"),
        "cut": (b'{"points": [[1, 0], [0, 1', None),
        "two documents": (points_json("[[1,0],[0,1]]") * 2, "Extra data"),
        "list": (b"[[1, 0], [0, 1]]", "no `points` in this JSON"),
        "number": (b"3", "no `points` in this JSON"),
        "null": (b"null", "no `points` in this JSON"),
        "string": (b'"points"', "no `points` in this JSON"),
        "no points": (b'{"n": 2, "d": 2}', "no `points` in this JSON"),
        "points null": (points_json("null"), "real numbers"),
        "points empty": (points_json("[]"), "shape"),
        "points object": (points_json('{"0": [1, 0]}'), "real numbers"),
        "ragged": (points_json("[[1, 0], [0, 1, 0]]"), "inhomogeneous"),
        "strings": (points_json('[["1", "0"], ["0", "1"]]'), "real numbers. Got dtype <U"),
        "booleans": (points_json("[[true, false], [false, true]]"), "real numbers. Got dtype bool"),
        "hole": (points_json("[[1, null], [0, 1]]"), "real numbers"),
        "NaN": (points_json("[[1, 0], [NaN, 1]]"), "finite. Got row 1"),
        "infinite": (points_json("[[1, 0], [-Infinity, 1]]"), "finite. Got row 1"),
        "too large": (points_json("[[1, 0], [1e999, 1]]"), "finite. Got row 1"),
        "huge integer": (points_json(f"[[1, 0], [1{'0' * 400}, 0]]"), "real numbers"),
        "endless integer": (points_json(f"[[1, 0], [1{'0' * 9000}, 0]]"), "digits"),
        "deep": (points_json(DEEP), None),
        "deep for an array": (points_json("[" * 70 + "]" * 70), "dimension"),
        "too flat": (points_json("[1, 0, 0, 1]"), "shape"),
        "too deep": (points_json("[[[1, 0], [0, 1]], [[1, 0], [0, 1]]]"), "shape"),
        "binary": (b"\xff\xfe\x00", "decode"),
    },
    ".off": {
        "words": (b"hello", "the first word is not OFF"),
        "header alone": (b"OFF\n", "fewer coordinates"),
        "short header": (b"OFF\n4 0\n", "fewer coordinates"),
        "no header": (b"1 0 0\n0 1 0\n", "the first word is not OFF"),
        "fewer coordinates": (b"OFF\n3 0 0\n1 0 0\n0 1 0\n0 0\n", "fewer coordinates than the header promises"),
        "more promised": (b"OFF\n1000000000000 0 0\n1 0 0\n", "fewer coordinates"),
        "negative": (b"OFF\n-1 0 0\n1 0 0\n0 1 0\n", "shape"),
        "very negative": (b"OFF\n-2 0 0\n1 0 0\n0 1 0\n", None),
        "none": (b"OFF\n0 0 0\n", "shape"),
        "fraction": (b"OFF\n2.0 0 0\n1 0 0\n0 1 0\n", "invalid literal"),
        "word": (b"OFF\n2 0 0\n1 0 0\n0 x 0\n", "could not convert string to float: 'x'"),
        "NaN": (b"OFF\n2 0 0\n1 0 0\n0 nan 0\n", "finite. Got row 1"),
        "infinite": (b"OFF\n2 0 0\ninf 0 0\n0 1 0\n", "finite. Got row 0"),
        "binary": (b"OFF\xff\xfe", "decode"),
    },
}


def hostile():
    for suffix, cases in HOSTILE.items():
        for name, case in {"empty": (b"", "the file is empty"), **cases}.items():
            label = f"{suffix}-{name}"
            yield pytest.param(suffix, *case, id=label)


def refused(path, reason=None):
    """The file is refused with one line that begins with its path and tells the reason."""
    with pytest.raises(FileFormatError, match=reason) as caught:
        formats.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message) > len(f"{path}: .")
    assert len(message.splitlines()) == 1


def test_hostile_files_cover_every_format():
    assert set(HOSTILE) == set(formats.FORMATS)


@pytest.mark.parametrize(("suffix", "content", "reason"), list(hostile()))
def test_hostile_files_are_refused_in_one_line(suffix, content, reason, tmp_path):
    path = tmp_path / f"a_d3_n2{suffix}"
    path.write_bytes(content)
    refused(path, reason)


@pytest.mark.parametrize("length", [1, 5, 6, 8, 9, 10, 60, 127, 128, 129, len(NPY) - 8, len(NPY) - 1])
def test_truncated_npy(length, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(NPY[:length])
    refused(path)


@pytest.mark.parametrize("length", [1, 4, 30, 100, len(NPZ) // 2, len(NPZ) - 22, len(NPZ) - 1])
def test_truncated_npz(length, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(NPZ[:length])
    refused(path)


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("suffix", [".npy", ".npz", "pickle.npy", "pickle.npz"])
def test_nothing_is_ever_unpickled(suffix, tmp_path):
    marker, path = tmp_path / "marker", tmp_path / f"a{suffix}"
    array = np.array([[Touch(marker)] * 3] * 2, dtype=object)
    content = {
        ".npy": lambda: packed(np.save, array, allow_pickle=True),
        ".npz": lambda: packed(np.savez, points=array),
    }
    path.write_bytes(content.get(suffix, lambda: pickle.dumps(Touch(marker)))())
    refused(path)
    assert not marker.exists()
    with contextlib.ExitStack() as stack:
        loaded = np.load(path, allow_pickle=True)
        if suffix == ".npz":
            stack.enter_context(loaded)["points"]
    assert marker.exists()  # the trap was live


# --- fuzz -----------------------------------------------------------------------------------------


def damaged(content, rng):
    """A file cut short, or with one to three bytes replaced."""
    if rng.random() < 0.25:
        return content[: rng.integers(len(content))]
    spoiled = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        spoiled[rng.integers(len(spoiled))] = rng.integers(256)
    return bytes(spoiled)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        *[pytest.param(suffix, form.write, id=suffix) for suffix, form in formats.FORMATS.items()],
        pytest.param(".npz", lambda points: packed(np.savez_compressed, points=points), id="compressed"),
    ],
)
def test_damaged_files_load_or_are_refused(suffix, write, tmp_path):
    rng = np.random.default_rng(0)
    content = write(oracles.random_code(6, 3))
    path = tmp_path / f"a_d3_n6{suffix}"
    refusals = []
    for _ in range(200):
        path.write_bytes(damaged(content, rng))
        try:
            points = formats.load(path).points
        except FileFormatError as error:
            refusals.append(str(error))
        else:
            assert points.dtype == np.float64
            assert (np.abs(np.sqrt((points**2).sum(axis=1)) - 1.0) <= 1.1e-9).all()
    assert len(refusals) > 100
    assert all(line.startswith(f"{path}: ") and len(line.splitlines()) == 1 for line in refusals)
