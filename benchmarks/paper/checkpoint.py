"""Checkpoints of runs: written atomically, and read without executing code from the file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tammes.base.errors import FileFormatError
from tammes.storage import formats as files

__all__ = ["SCHEMA", "load", "save"]

SCHEMA = "tammes.paper.checkpoint/1"
_REMEDY = "Remove it to begin that run anew."


def save(path: Path, state: Mapping[str, Any], *, digest: str, data: str) -> None:
    """Write the state of a run over that of an earlier epoch.

    Args:
        path: of the file.
        state: tensors, numbers, text, lists and dictionaries.
        digest: of the settings of the run.
        data: of the images.
    """
    stream = io.BytesIO()
    torch.save({"schema": SCHEMA, "digest": digest, "data": data, "state": dict(state)}, stream)
    files.write_atomically(path, stream.getvalue(), force=True)


def load(path: Path, *, digest: str, data: str) -> dict[str, Any]:
    """Return the state that `save` wrote, on the CPU.

    Raises:
        FileAccessError: if the file cannot be read.
        FileFormatError: if it is damaged, holds objects that could run code, or is of another run or other images.
    """
    content = files.read_bytes(path)
    try:
        document = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # every kind of damage has an exception of its own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FileFormatError(path, f"no checkpoint that can be read safely ({reason})", _REMEDY) from None
    known = isinstance(document, dict) and document.get("schema") == SCHEMA
    if not known or not isinstance(document.get("state"), dict):
        raise FileFormatError(path, f"not a {SCHEMA} document", _REMEDY)
    if document.get("digest") != digest:
        raise FileFormatError(path, "the checkpoint of a run with other settings", _REMEDY)
    if document.get("data") != data:
        raise FileFormatError(path, "the checkpoint of a run on other images", _REMEDY)
    return document["state"]
