"""Checkpoints of networks: reads the state dict in a file without running code that the file holds.

Files of `torch.save` are always read with `weights_only=True`, since a pickle can run any code. The format is
recognised by the content, not by the name of the file.
"""

from __future__ import annotations

import pickle
import re
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.nn.inspect.state_dict import StoredLayer, stored_layers

__all__ = ["STATE_KEYS", "read_checkpoint", "read_layers"]

STATE_KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "ema",
    "ema_state_dict",
    "model_ema",
    "state_dict_ema",
    "params_ema",
)
"""Keys under which trainers keep the state dict of the model; the first one that holds tensors is read."""

_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # anywhere in a name
_DEPTH = 4  # levels of nested mappings that are searched
_REMEDY = "Save the weights alone: `torch.save(model.state_dict(), FILE)`."


def read_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the model in a file of `torch.save` or of safetensors, by name, on the CPU.

    The state dict is the whole document, or lies under one of `STATE_KEYS`. Where it is in several parts under
    other names, as of a generator and a discriminator, all are read, with the name of the part as a prefix. The
    names that wrappers add are removed: `module.` in front, `_orig_mod.`, `_fsdp_wrapped_module.` and
    `_checkpoint_wrapped_module.` anywhere.

    Args:
        path: `.pt`, `.pth`, `.bin`, `.ckpt`, `.safetensors`, or any other name. Mapped into memory where the
            format allows it, so that only the tensors that are used are read.

    Raises:
        FileAccessError: if the file cannot be read, or safetensors is not installed.
        FileFormatError: if it is empty, damaged, of another kind, holds Python objects that could run code,
            or holds no tensors by name.
    """
    path = Path(path)
    head = _head(path)
    if head[8:9] == b"{" or (path.suffix.lower() == ".safetensors" and not head.startswith((b"PK", b"version "))):
        found: Mapping[str, torch.Tensor] = _read_safetensors(path)
    elif head.startswith((b"PK", b"\x80")):
        document = _read_torch(path, mapped=head.startswith(b"PK"))
        found = _state_of(document)
        if not found:
            raise FileFormatError(path, f"no state dict inside: it holds {_described(document)}", _REMEDY)
    elif head.startswith(b"version https://git-lfs"):
        raise FileFormatError(path, "a pointer of Git LFS, not the file itself", "Fetch it: `git lfs pull`.")
    else:
        raise FileFormatError(path, "not a checkpoint: neither of torch.save nor of safetensors")
    return _unwrapped(found)


def read_layers(path: str | Path) -> tuple[list[StoredLayer], dict[str, str]]:
    """Return the weights of the model in a file, and the reason why each of its other tensors is none.

    See `stored_layers` for the rows of each weight.

    Args:
        path: as in `read_checkpoint`.

    Raises:
        FileAccessError: as `read_checkpoint`.
        FileFormatError: as `read_checkpoint`, and if no tensor is a weight of two or more rows.
    """
    found, skipped = stored_layers(read_checkpoint(path))
    if not found:
        name, reason = next(iter(skipped.items()), ("no tensor", "the file holds none"))
        raise FileFormatError(path, f"no weights of two or more rows among {len(skipped)} tensors ({name}: {reason})")
    return found, skipped


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file that is not empty."""
    try:
        mode = path.stat().st_mode
        head = b""
        if stat.S_ISREG(mode):  # opening a pipe would block
            with path.open("rb") as stream:
                head = stream.read(32)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise FileAccessError(path, f"cannot be read ({reason})") from None
    if stat.S_ISDIR(mode):
        raise FileAccessError(path, "this is a folder", "Name a file in it.")
    if not stat.S_ISREG(mode):
        raise FileAccessError(path, "not a regular file")
    if not head:
        raise FileFormatError(path, "the file is empty")
    return head


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file."""
    try:
        from safetensors import safe_open
    except ImportError:
        remedy = "Install it: `pip install 'tammes[safetensors]'`."
        raise FileAccessError(path, "cannot be read without the package safetensors", remedy) from None
    try:
        with safe_open(path, framework="pt", device="cpu") as archive:
            names = archive.keys()
            return {name: archive.get_tensor(name) for name in names}
    except Exception as error:  # every kind of damage has an exception of its own
        raise FileFormatError(path, f"not a whole safetensors file ({_one_line(error)})") from None


def _read_torch(path: Path, *, mapped: bool) -> object:
    """Return the document in a file of `torch.save`, without running code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S*\w)(?=\s|$)", str(error))
        if named is None and ("GLOBAL" in str(error) or "nsupported" not in str(error)):  # cut off, even in a name
            raise FileFormatError(path, f"damaged, or not a file of torch.save ({_one_line(error)})") from None
        such = "" if named is None else f" such as {_printable(named[1][:80])}"
        reason = f"holds Python objects{such}; reading them could run code, and is refused"
        raise FileFormatError(path, reason, _REMEDY) from None
    except Exception as error:  # every kind of damage has an exception of its own
        if "TorchScript" in str(error):
            raise FileFormatError(path, "a TorchScript archive, which holds code", _REMEDY) from None
        raise FileFormatError(path, f"damaged, or not a file of torch.save ({_one_line(error)})") from None
    return loaded


def _one_line(error: Exception) -> str:
    """Return the first sentence of a message of a library, without the advice that may follow."""
    text = re.split(r"\. |\n|: \[enforce|: This is", str(error).strip())[0]
    return _printable(" ".join(text.split())[:120]).rstrip(".") or type(error).__name__


def _state_of(document: object, depth: int = 0) -> dict[str, torch.Tensor]:
    """Return the tensors of the model in what a trainer has saved, by name; empty if there are none."""
    if not isinstance(document, Mapping) or depth > _DEPTH:
        return {}
    for key in STATE_KEYS:
        if found := _state_of(document.get(key), depth + 1):
            return found
    own = {name: value for name, value in document.items() if isinstance(name, str) and torch.is_tensor(value)}
    if any(value.ndim > 1 for value in own.values()):
        return own
    parts = {
        f"{key}.{name}": value
        for key, part in document.items()
        if isinstance(key, str) and not key.startswith(("optim", "sched", "lr_sched"))
        for name, value in _state_of(part, depth + 1).items()
    }
    return parts or own


def _described(document: object) -> str:
    """Return a short description of a document that holds no state dict."""
    if isinstance(document, Mapping):
        if not document:
            return "an empty mapping"
        names = ", ".join(
            f"{_printable(str(key)[:40])} ({type(value).__name__})" for key, value in list(document.items())[:5]
        )
        return f"a mapping with {names}{', ...' if len(document) > 5 else ''}"
    if isinstance(document, torch.Tensor):
        return f"one tensor of shape {tuple(document.shape)}"
    if isinstance(document, list | tuple):
        return f"a {type(document).__name__} of {len(document)}"
    return f"one {type(document).__name__}"


def _unwrapped(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the same tensors without the names of wrappers; names that would coincide are kept."""
    short = {name: _name_inside(name) for name in state}
    taken: dict[str, int] = {}
    for name in short.values():
        taken[name] = taken.get(name, 0) + 1
    return {short[name] if taken[short[name]] == 1 else name: value for name, value in state.items()}


def _name_inside(name: str) -> str:
    """Return a name without the names of wrappers."""
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    while len(parts) > 1 and parts[0] == "module":
        parts = parts[1:]
    return _printable(".".join(parts) or name)


def _printable(text: str) -> str:
    """Return text without control characters of a terminal: a file may hold any name."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
