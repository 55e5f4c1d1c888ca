"""Files of torch.save and safetensors, whole, nested, wrapped, damaged and hostile."""

import collections
import os
import pickle
import sys
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.nn.inspect import checkpoints


@pytest.fixture
def state():
    return {"a.weight": torch.randn(4, 3), "a.bias": torch.zeros(4), "b.weight": torch.randn(5, 4)}


@pytest.fixture
def put(tmp_path):
    """Return a function that saves with torch, or writes bytes, and returns the path."""

    def store(content, name="model.pt", **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path, **options)
        return path

    return store


class Net(nn.Module):
    """A module of this file: no unpickler may import it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)


def same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value)


# --- where the state dict is ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "last.ckpt", "model", "model.npy"])
def test_the_content_tells_the_format(put, state, name):
    same(checkpoints.read_checkpoint(put(state, name)), state)


def test_the_format_before_zip(put, state):
    same(checkpoints.read_checkpoint(put(state, _use_new_zipfile_serialization=False)), state)


def test_safetensors(tmp_path, state):
    numbers = pytest.importorskip("safetensors.torch")
    state["a.weight"] = state["a.weight"].to(torch.bfloat16)
    for name in ("model.safetensors", "model.bin"):
        numbers.save_file(state, tmp_path / name, metadata={"format": "pt"})
        found = checkpoints.read_checkpoint(tmp_path / name)
        same({key: found[key] for key in state}, state)
        assert len(found) == 3


@pytest.mark.parametrize("key", checkpoints.STATE_KEYS)
def test_trainers_nest_the_state_dict(put, state, key):
    noise = {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(4, 3)}}}, "lr": [0.1], "step": torch.ones(1)}
    same(checkpoints.read_checkpoint(put(noise | {key: collections.OrderedDict(state)})), state)
    same(checkpoints.read_checkpoint(put({"epoch": 3, "model": {key: state}})), state)


def test_keys_that_hold_something_else_are_passed_over(put, state):
    document = {"model": "resnet18", "state_dict": None, "weights": {}, "net": {"x": 1}, "ema": state}
    same(checkpoints.read_checkpoint(put(document)), state)


def test_the_first_of_several_is_read(put, state):
    other = {"c.weight": torch.ones(2, 2)}
    same(checkpoints.read_checkpoint(put({"ema": other, "model": state})), state)


def test_parts_under_other_names_are_all_taken(put, state):
    other = {"c.weight": torch.ones(2, 2)}
    document = {"generator": state, "critic": other, "optim_g": {"x": torch.ones(3, 3)}, "epoch": 1}
    expected = {f"generator.{name}": value for name, value in state.items()} | {"critic.c.weight": torch.ones(2, 2)}
    same(checkpoints.read_checkpoint(put(document)), expected)


@pytest.mark.parametrize(
    ("stored", "plain"),
    [
        ("module.a.weight", "a.weight"),
        ("_orig_mod.a.weight", "a.weight"),
        ("module._orig_mod.a.weight", "a.weight"),
        ("_orig_mod.module.a.weight", "a.weight"),
        ("_fsdp_wrapped_module.a._fsdp_wrapped_module._checkpoint_wrapped_module.weight", "a.weight"),
        ("model._orig_mod.a.weight", "model.a.weight"),
        ("model.a.weight", "model.a.weight"),
        ("a.module.weight", "a.module.weight"),
        ("module", "module"),
        ("_orig_mod", "_orig_mod"),
    ],
)
def test_names_of_wrappers_are_removed(put, stored, plain):
    assert list(checkpoints.read_checkpoint(put({stored: torch.eye(3)}))) == [plain]


def test_names_that_would_coincide_stay(put):
    state = {"module.a": torch.eye(2), "a": torch.eye(3), "module.b": torch.eye(4)}
    assert list(checkpoints.read_checkpoint(put(state))) == ["module.a", "a", "b"]


def test_ties_survive_the_file(put):
    model = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False))
    model[1].weight = model[0].weight
    found, skipped = checkpoints.read_layers(put(model.state_dict()))
    assert [layer.name for layer in found] == ["0.weight"]
    assert skipped == {"1.weight": "tied with 0.weight"}
    np.testing.assert_array_equal(found[0].rows, model[0].weight.detach().numpy())


def test_odd_tensors_come_through_without_a_warning(put):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = {
            "quantised": torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8),
            "sparse": torch.eye(3).to_sparse(),
            "rows": torch.eye(3).to_sparse_csr(),
            "meta": torch.empty(3, 3, device="meta"),
            "complex": torch.eye(3, dtype=torch.complex64),
            "eight": torch.eye(3).to(torch.float8_e5m2),
            "endless": torch.zeros(1).expand(10**7, 10**7),
        }
    found, skipped = checkpoints.read_layers(put(odd | {"w": torch.eye(3)}))
    assert [layer.name for layer in found] == ["w"]
    assert set(skipped) == set(odd)


# --- what is refused ------------------------------------------------------------------------------


def refused(path, kind, reason):
    with pytest.raises(kind) as caught:
        checkpoints.read_layers(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message
    return message


def test_files_that_cannot_be_read(tmp_path, put):
    refused(tmp_path / "missing.pt", FileAccessError, "cannot be read (no such file or directory)")
    refused(tmp_path, FileAccessError, "this is a folder")
    refused(put(b""), FileFormatError, "the file is empty")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", FileAccessError, "not a regular file")
    with pytest.raises(FileAccessError, match="cannot be read"):
        checkpoints.read_checkpoint("nul\0byte.pt")


def test_files_of_other_kinds(tmp_path, put):
    refused(put(b"hello, world"), FileFormatError, "not a checkpoint: neither of torch.save nor of safetensors")
    np.save(tmp_path / "points.npy", np.eye(3))
    refused(tmp_path / "points.npy", FileFormatError, "not a checkpoint")
    np.savez(tmp_path / "points.npz", np.eye(3))
    refused(tmp_path / "points.npz", FileFormatError, "damaged, or not a file of torch.save")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("folder/note.txt", "x")
    refused(tmp_path / "some.zip", FileFormatError, "damaged, or not a file of torch.save")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
    for name in ("model.bin", "model.safetensors"):
        refused(put(pointer, name), FileFormatError, "a pointer of Git LFS")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("left", [5, 40, 0.3, 0.7, -1])
def test_truncated_files(put, state, zipped, left):
    whole = put(state, _use_new_zipfile_serialization=zipped).read_bytes()
    cut = whole[: int(left * len(whole))] if isinstance(left, float) else whole[:left]
    refused(put(cut), FileFormatError, "damaged, or not a file of torch.save")


@pytest.mark.parametrize("left", [5, 9, 100, -1])
def test_truncated_safetensors(tmp_path, put, state, left):
    numbers = pytest.importorskip("safetensors.torch")
    numbers.save_file(state, tmp_path / "whole.safetensors")
    cut = (tmp_path / "whole.safetensors").read_bytes()[:left]
    refused(put(cut, "cut.safetensors"), FileFormatError, "not a whole safetensors file")


@pytest.mark.parametrize(
    "header", [b"\xff" * 8 + b"{}", (2).to_bytes(8, "little") + b"{}", b"\x40" + b"\0" * 7 + b"{" * 64]
)
def test_hostile_safetensors(put, header):
    pytest.importorskip("safetensors")
    path = put(header, "hostile.safetensors")
    with pytest.raises(FileFormatError):
        checkpoints.read_layers(path)


def test_safetensors_is_an_extra(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    message = refused(
        put(b"\x02" + b"\0" * 7 + b"{}", "x.safetensors"), FileAccessError, "without the package safetensors"
    )
    assert "tammes[safetensors]" in message


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_are_not_unpickled(tmp_path, put, state, zipped):
    trace = tmp_path / "trace"
    path = put({"state_dict": state, "bomb": Bomb(str(trace))}, _use_new_zipfile_serialization=zipped)
    message = refused(path, FileFormatError, "holds Python objects such as ")
    assert "open" in message
    assert (
        "reading them could run code, and is refused. Save the weights alone: `torch.save(model.state_dict()" in message
    )
    assert not trace.exists()
    path.write_bytes(pickle.dumps(Bomb(str(trace))))
    refused(path, FileFormatError, "holds Python objects; reading them could run code")
    assert not trace.exists()


def test_whole_modules_are_refused(put):
    message = refused(put(Net()), FileFormatError, "holds Python objects such as ")
    assert "Net; reading" in message


def test_torchscript_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(3, 4)), tmp_path / "script.pt")
    refused(tmp_path / "script.pt", FileFormatError, "a TorchScript archive, which holds code")


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        ([1, 2], "a list of 2"),
        (torch.ones(3, 2), "one tensor of shape (3, 2)"),
        ({}, "an empty mapping"),
        ({"epoch": 1, "args": "x"}, "a mapping with epoch (int), args (str)"),
        ({k: k for k in range(9)}, "a mapping with 0 (int), 1 (int), 2 (int), 3 (int), 4 (int), ..."),
        ({"optimizer": {"a": torch.eye(3)}}, "a mapping with optimizer (dict)"),
        (7, "one int"),
    ],
)
def test_no_state_dict(put, content, holds):
    refused(put(content), FileFormatError, f"no state dict inside: it holds {holds}. Save the weights alone")


def test_no_weights(put):
    refused(put({"b": torch.ones(3), "w": torch.ones(1, 3)}), FileFormatError, "no weights of two or more rows")


def test_deeply_nested_mappings_are_not_searched(put):
    document = {"x": torch.eye(2)}
    for _ in range(30):
        document = {"model": document}
    refused(put(document), FileFormatError, "no state dict inside")


def test_random_bytes_give_format_errors_only(put):
    rng = np.random.default_rng(0)
    for head in (b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x10" + b"\0" * 7 + b"{", b""):
        for size in (1, 30, 3000):
            path = put(head + rng.bytes(size))
            with pytest.raises(FileFormatError):
                checkpoints.read_layers(path)


def test_flipped_bytes_give_format_errors_only(put, state):
    rng = np.random.default_rng(1)
    for zipped in (True, False):
        whole = put(state, _use_new_zipfile_serialization=zipped).read_bytes()
        for _ in range(60):
            broken = bytearray(whole)
            for at in rng.integers(0, len(whole), size=3):
                broken[at] ^= int(rng.integers(1, 256))
            try:
                found, _ = checkpoints.read_layers(put(bytes(broken)))
                for layer in found:
                    assert layer.rows.shape == (layer.n, layer.d)
            except FileFormatError:
                pass
