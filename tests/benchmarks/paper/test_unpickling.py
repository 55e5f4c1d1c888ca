import builtins
import collections
import copyreg
import functools
import operator
import os
import pickle
import struct
import subprocess

import numpy as np
import pytest

from benchmarks.paper.readers import unpickling
from benchmarks.paper.readers.unpickling import loads
from tammes.base.errors import FileFormatError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
DATA = {
    b"data": np.arange(24, dtype=np.uint8).reshape(2, 12),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">i4"),
    "truth": np.array([True, False]),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "point": np.array(3.5),
    "scalar": np.float32(3.0),
    "numbers": [0, 255, 256, -1, 70_000, 10**30, True, False, None, -1.5],
    "text": ["", "é\n", b"", b"x\xff" * 300, "x" * 300],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    7: {"nested": [[[]], {}]},
}


class Call:
    """Pickled, it is a call of a function; with a state, it is changed afterwards."""

    def __init__(self, function, *arguments, state=None):
        self.made = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.made


class Own(np.ndarray):
    pass


def same(found, true):
    assert type(found) is type(true)
    if isinstance(true, dict):
        assert list(found) == list(true)
        found, true = list(found.values()), list(true.values())
    if isinstance(true, list | tuple):
        assert len(found) == len(true)
        for one, other in zip(found, true, strict=True):
            same(one, other)
    elif isinstance(true, np.ndarray):
        assert (found.dtype, found.shape) == (true.dtype, true.shape)
        np.testing.assert_array_equal(found, true)
    else:
        assert found == true


def refused(content, message, **options):
    with pytest.raises(FileFormatError) as caught:
        loads(content, "x.bin", **options)
    said = str(caught.value)
    assert said.startswith("x.bin: not a ")
    assert message in said
    assert "\n" not in said
    assert len(said) < 220


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_comes_out_as_it_went_in(protocol):
    same(loads(pickle.dumps(DATA, protocol), "x.bin"), DATA)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_older_and_newer_numpy_are_the_same(protocol):
    content = pickle.dumps(DATA[b"data"], protocol)
    for module in (b"numpy.core", b"numpy._core"):
        other = content.replace(b"numpy._core", module)
        if protocol >= 4:  # lengths stand in front of names, and of the whole
            old, new = b"numpy._core.multiarray", module + b".multiarray"
            numeric = b"numpy._core.numeric", module + b".numeric"
            other = content
            for before, after in ((old, new), numeric):
                other = other.replace(bytes([len(before)]) + before, bytes([len(after)]) + after)
            other = other.replace(content[2:11], b"\x95" + struct.pack("<Q", len(other) - 11))
        same(loads(other, "x.bin"), DATA[b"data"])


def test_an_array_that_is_referenced_twice_is_one():
    array = np.arange(3)
    first, (second,) = loads(pickle.dumps([array, [array]], 2), "x.bin")
    assert first is second


def test_a_list_within_itself_is_read():
    ring = []
    ring.append(ring)
    found = loads(pickle.dumps(ring), "x.bin")
    assert found[0] is found


def test_text_of_python_2_is_bytes():
    content = b"\x80\x02}q\x01(U\x04dataq\x02U\x03a\xffbq\x03U\x04listq\x04]q\x05(U\x01xT\x02\x00\x00\x00yzee."
    content = content.replace(b"ee.", b"eu.")
    found = loads(content, "x.bin")
    assert found == {b"data": b"a\xffb", b"list": [b"x", b"yz"]}
    assert found == pickle.loads(content, encoding="bytes")


def test_truth_values_and_lists_of_the_first_protocol():
    assert loads(b"(lp0\nI01\naI00\naI7\naS'ab'\na.", "x.bin") == [True, False, 7, b"ab"]


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (Call(os.system, "touch ran"), f"{os.system.__module__}.system"),
        (Call(subprocess.Popen, "touch ran"), ".Popen"),
        (Call(builtins.eval, "open('ran', 'w')"), "eval"),
        (Call(builtins.exec, "open('ran', 'w')"), "exec"),
        (Call(builtins.open, "ran", "w"), "open"),
        (Call(builtins.getattr, Call(builtins.__import__, "os"), "system"), "getattr"),
        (Call(builtins.bytearray, 10**12), "bytearray"),
        (Call(operator.attrgetter, "__class__"), "operator.attrgetter"),
        (Call(functools.partial, print, "ran"), "functools.partial"),
        (Call(np.load, "ran", None, True), "numpy.load"),
        (Call(np.zeros, 10**12), "numpy.zeros"),
        (Call(np.fromfile, "/etc/passwd"), "numpy.fromfile"),
        (Call(copyreg.add_extension, "os", "system", 1), ".add_extension"),
        (Call(copyreg._reconstructor, Own, object, None), "._reconstructor"),
        (Call(collections.OrderedDict), "collections.OrderedDict"),
        (Call(collections.deque, [1], state={"maxlen": 1}), "collections.deque"),
        (np.arange(3).view(Own), "Own"),
        (np.memmap, "numpy.memmap"),
        (slice(3), "slice"),
        (complex(1, 2), "complex"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_names_code_is_refused_and_not_run(thing, named, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(pickle.dumps({"data": [thing]}, protocol), named)
    assert list(tmp_path.iterdir()) == []


def test_that_pickle_would_have_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Call(os.system, "touch ran")))
    assert (tmp_path / "ran").exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
DTYPE = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def an_array(shape, content, dtype=DTYPE, version=b"K\x01"):
    state = b"(" + version + shape + dtype + b"\x89" + content + b"t"
    return b"\x80\x02" + RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85U\x01btR" + state + b"b."


def test_the_array_that_the_following_tamper_with_is_read():
    same(loads(an_array(b"(K\x02K\x03t", b"U\x06abcdef"), "x.bin"), np.frombuffer(b"abcdef", np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (an_array(b"(K\x02K\x04t", b"U\x06abcdef"), "needs 8 bytes, and has 6"),
        (an_array(b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft", b"U\x06abcdef"), "bytes, and has 6"),
        (an_array(b"(K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ft", b"U\x00"), "whose shape is none"),
        (an_array(b"(J\xff\xff\xff\xffJ\xfa\xff\xff\xfft", b"U\x06abcdef"), "whose shape is none"),
        (an_array(b"(" + b"K\x01" * 17 + b"t", b"U\x01a"), "whose shape is none"),
        (an_array(b"(U\x012t", b"U\x02ab"), "whose shape is none"),
        (an_array(b"K\x06", b"U\x06abcdef"), "whose shape is none"),
        (an_array(b"(K\x01t", b"]K\x01a"), "an array of list objects"),
        (an_array(b"(K\x01t", b"U\x01\x02", DTYPE.replace(b"u1", b"b1")), "truth values that are neither"),
        (an_array(b"(K\x01t", b"U\x08abcdefgh", DTYPE.replace(b"u1", b"O8")), "an array of 'O8', not of numbers"),
        (an_array(b"(K\x01t", b"U\x08abcdefgh", DTYPE.replace(b"u1", b"V8")), "an array of 'V8', not of numbers"),
        (an_array(b"(K\x01t", b"U\x08abcdefgh", DTYPE.replace(b"|N", b"|}")), "an array of records"),
        (an_array(b"(K\x01t", b"U\x01a", DTYPE.replace(b"U\x01|", b"U\x01@")), "an array of records"),
        (an_array(b"(K\x01t", b"U\x01a", b"U\x02u1"), "without a kind of number"),
        (an_array(b"(K\x01t", b"U\x01a", version=b""), "another state than NumPy's"),
        (b"\x80\x02" + RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85U\x01btR.", "an unfinished array"),
        (b"\x80\x02" + RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85tR.", "it makes an array that is none"),
        (b"\x80\x02" + RECONSTRUCT + b"(K\x00K\x00U\x01btR.", "it makes an array that is none"),
        (b"\x80\x02]" + NDARRAY + b"a.", "a name or an unfinished array"),
        (b"\x80\x02" + NDARRAY + b"(K\x0atR.", "it calls ndarray with other arguments"),
        (b"\x80\x02" + NDARRAY + b"}U\x04nameK\x01sb.", "it changes a _Name"),
        (b"\x80\x02}}U\x04nameK\x01sb.", "it changes a dict"),
        (b"\x80\x02]K\x01\x85R.", "it calls a list"),
        (b"\x80\x02c__builtin__\nbytes\nK\x09\x85R.", "it calls bytes with other arguments"),
        (b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.", "it encodes text as something else"),
        (b"Pnumpy\n.", "the instruction PERSID"),
        (b"\x80\x02U\x05numpyQ.", "the instruction BINPERSID"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02" + NDARRAY + b")\x81.", "the instruction NEWOBJ"),
        (b"(S'touch ran'\nios\nsystem\n.", "the instruction INST"),
        (b"(cos\nsystem\nS'touch ran'\no.", "it names os.system"),
        (b"\x80\x05\x97.", "the instruction NEXT_BUFFER"),
        (b"\x80\x04\x8f.", "the instruction EMPTY_SET"),
        (b"\x80\x042K\x01.", "the instruction DUP"),
        (b"\x80\x04K\x01K\x02\x93.", "by no text"),
        (b"\x80\x02}K\x01\x85K\x01s.", "a key is a tuple"),
        (b"\x80\x02}(K\x01u.", "a key has no value"),
        (b"\x80\x02a.", "an instruction finds less than it needs"),
        (b"\x80\x02(a.", "an instruction finds less than it needs"),
        (b"\x80\x02K\x01t.", "an instruction finds no mark"),
        (b"\x80\x02K\x01K\x01a.", "an instruction finds no list"),
        (b"\x80\x02h\x09.", "not a whole pickle"),
        (b"\x80\x02.", "not a whole pickle"),
        (b"\x80\x02q\x01.", "not a whole pickle"),
        (b"\x80\x02K\x01K\x02.", "things left over"),
        (b"\x80\x02K\x01.tail", "4 bytes follow its end"),
        (b"\x80\x02U\x09short.", "not a whole pickle"),
        (b"\x80\x02T\xff\xff\xff\xffx.", "not a whole pickle"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.", "not a whole pickle"),
        (b"I12345x\n.", "not a whole pickle"),
        (b"L" + b"9" * 10_000 + b"L\n.", "not a whole pickle"),
        (b"\xff\xd8\xff\xe0 a JPEG", "not a whole pickle"),
        (b"", "not a whole pickle"),
    ],
)
def test_what_is_tampered_with_is_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(content, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_truncation_is_refused(protocol):
    content = pickle.dumps(DATA, protocol)
    for length in range(0, len(content), 7):
        refused(content[:length], "")


def test_no_flipped_bit_brings_more_than_data_or_a_refusal():
    content = pickle.dumps({"data": np.arange(8, dtype=np.uint8), "labels": [1, 2]}, 2)
    read = 0
    for position in range(len(content)):
        for bit in range(8):
            tampered = bytearray(content)
            tampered[position] ^= 1 << bit
            try:
                unpickling.check_plain(loads(bytes(tampered), "x.bin"))
                read += 1
            except FileFormatError:
                pass
    assert 0 < read < 8 * len(content)


def test_nesting_overflows_no_stack():
    deep = b"\x80\x02" + b"]" * 60_000 + b"a" * 59_999 + b"."
    found = loads(deep, "x.bin")
    assert type(found) is list
    tuples = b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s."  # the hash of this key would overflow it
    refused(tuples, "a key is a tuple")
    refused(b"\x80\x02" + RECONSTRUCT + b"(" + NDARRAY + b")" + b"\x85" * 100_000 + b"U\x01btRK\x01b.", "it changes")


def test_nested_references_are_checked_once():
    content = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (k, k, k + 1) for k in range(100)) + b"."
    refused(content, "things left over")
    doubled = b"\x80\x02]q\x00" + b"".join(b"0](h%ch%ceq%c" % (k, k, k + 1) for k in range(100)) + b"."
    refused(doubled, "the instruction POP")
    nested = b"\x80\x02(" + b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (k, k, k + 1) for k in range(100)) + b"t."
    assert len(loads(nested, "x.bin")) == 101  # the last one has 2^100 leaves


def test_text_is_not_made_into_bytes_again_and_again():
    text = b"X" + struct.pack("<I", 1_000) + b"a" * 1_000
    begin = b"\x80\x02(c_codecs\nencode\nq\x00" + text + b"q\x01X\x06\x00\x00\x00latin1q\x02\x86R"
    assert loads(begin + b"t.", "x.bin") == (b"a" * 1_000,)
    refused(begin + b"h\x00h\x01h\x02\x86R" * 100 + b"t.", "more bytes than it holds")


def test_instructions_are_bounded():
    assert len(loads(b"(" + b"]" * 90 + b"l.", "x.bin", max_instructions=100)) == 90
    refused(b"(" + b"]" * 110 + b"l.", "more than 100 instructions", max_instructions=100)
