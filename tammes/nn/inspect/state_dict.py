"""The weights in a state dict, as rows: which tensors are weights, and what a row of each is.

A state dict has names and shapes, no modules. So rows lie along axis 0, which is right for linear
layers, convolutions, embeddings. The outputs of a transposed convolution (axis 1 within each group) and of
GPT-2's `Conv1D` (axis 1) are computed by other rows, but nothing in the file distinguishes these layers.
A grouped convolution is measured over all groups at once, a fused `qkv.weight` as one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray

__all__ = ["StoredLayer", "stored_layers"]

_GATES = {1: "", 3: "rzn", 4: "ifgo"}  # of a plain recurrent network, a GRU, an LSTM; in torch's order
_RECURRENT = re.compile(r"weight_(ih|hh)(_l\d+)?(_reverse)?")
_PARAMETRIZED = re.compile(r"(?P<parent>.*\.)?parametrizations\.(?P<weight>[^.]+)\.original(?P<part>[01]?)")


@dataclass(frozen=True)
class StoredLayer:
    """One weight of a saved network; its rows are loaded or computed when they are asked for."""

    name: str
    """Name of the weight in the module, with a label for each part: `attention.in_proj_weight[q]`."""
    n: int
    """Number of rows."""
    d: int
    """Entries of a row."""
    note: str
    """Remark on ties and parametrisations; often empty."""
    load: Callable[[], torch.Tensor]
    """Returns the tensor of the rows."""

    @property
    def rows(self) -> NDArray[Any]:
        """Rows, shape `(n, d)`, in the precision of the file; bfloat16 as float32, which holds it exactly.

        A view of the tensor where that is possible; do not write to it.
        """
        tensor = self.load().detach().resolve_neg().reshape(self.n, self.d)
        array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        return array


@dataclass(frozen=True)
class _Weight:
    """A tensor of the state dict with the name of the weight that it gives."""

    name: str
    source: torch.Tensor
    note: str = ""
    load: Callable[[], torch.Tensor] | None = None
    """Computes the weight; None where the source is the weight."""


def stored_layers(state: Mapping[str, object]) -> tuple[list[StoredLayer], dict[str, str]]:
    """Return the weights of a state dict in its order, and the reason why each other entry is none.

    - Rows lie along axis 0 of every tensor of two or more axes; the other axes make one row.
    - `in_proj_weight` of attention is three weights, named `[q]`, `[k]`, `[v]`.
    - `weight_ih_l0`, `weight_hh_l0` and the like of recurrent layers are one weight for each gate:
      `[i]`, `[f]`, `[g]`, `[o]` of an LSTM, `[r]`, `[z]`, `[n]` of a GRU.
    - Weight norm: the weight is computed from direction and length (a negative length reverses a
      row). Spectral norm: the stored tensor, whose directions the common factor does not change. Pruning: the
      stored tensor times its mask.
    - A tensor stored under two names is measured once; the note says both.

    Args:
        state: names and tensors, as `model.state_dict()`. Not modified; nothing is copied yet.

    Returns:
        The weights of two or more rows of two or more numbers; the reasons for all other entries, by name.
    """
    skipped: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    weights = list(_weights(state, skipped, shapes))
    found: list[StoredLayer] = []
    places: dict[tuple[Any, ...], list[int]] = {}  # indices in `found`, by the memory of the tensor
    for weight in weights:
        tensor = weight.source
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if key in places:
            for k in places[key]:
                note = f"tied with {weight.name}"
                found[k] = replace(found[k], note="; ".join(filter(None, (found[k].note, note))))
            skipped[weight.name] = f"tied with {found[places[key][0]].name.partition('[')[0]}"
            continue
        labels = _parts(weight.name, shapes)
        n, d = tensor.shape[0] // len(labels), tensor.numel() // tensor.shape[0]
        if n < 2:
            skipped[weight.name] = "one row a part"
            continue
        places[key] = list(range(len(found), len(found) + len(labels)))
        for k, label in enumerate(labels):
            part = functools.partial(_part, weight, k * n, (k + 1) * n)
            found.append(StoredLayer(f"{weight.name}{label}", n, d, weight.note, part))
    return found, skipped


def _weights(
    state: Mapping[str, object], skipped: dict[str, str], shapes: dict[str, tuple[int, ...]]
) -> Iterator[_Weight]:
    """Iterate over the tensors that are weights; reasons for the others go to `skipped`, all shapes to `shapes`."""
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            skipped[name] = f"no tensor but {type(value).__name__}"
            continue
        made = _made_from(name, value, state)
        if isinstance(made, str):
            skipped[name] = made
            continue
        if made.name in shapes:  # stored as it is, too
            made = replace(made, name=name)
        shapes[made.name] = tuple(value.shape)
        if reason := _reason(value):
            skipped[name] = reason
        else:
            yield made


def _reason(value: torch.Tensor) -> str:
    """Return the reason why a tensor is no weight; empty if it is one."""
    if value.is_quantized:
        return "quantised"
    if value.is_meta:
        return "without numbers (meta)"
    if value.layout != torch.strided:
        return "sparse"
    if value.is_complex():
        return "complex numbers"
    if not value.is_floating_point():
        return f"no real numbers but {str(value.dtype).removeprefix('torch.')}"
    if value.dtype.itemsize < 2:
        return f"{str(value.dtype).removeprefix('torch.')}, whose scales are stored apart"
    if value.ndim < 2:
        return "a single number" if value.ndim == 0 else "a vector"
    if value.numel() * value.itemsize > value.untyped_storage().nbytes():
        return "repeats of fewer stored numbers"
    if value.shape[0] < 2:
        return "one row" if value.shape[0] else "no rows"
    if value.numel() < 2 * value.shape[0]:
        return "rows of one number" if value.numel() else "rows without numbers"
    return ""


def _plain(value: torch.Tensor) -> bool:
    """Return True for a dense tensor of real numbers, by which others can be multiplied."""
    return value.layout == torch.strided and not (value.is_meta or value.is_complex() or value.is_quantized)


def _made_from(name: str, tensor: torch.Tensor, state: Mapping[str, object]) -> _Weight | str:
    """Return the weight that a stored tensor gives, by the entries with related names; or why it gives none."""
    stem, _, end = name.rpartition("_")
    found = _PARAMETRIZED.fullmatch(name)
    if found:
        inside, base = name.rpartition(".")[0], f"{found['parent'] or ''}{found['weight']}"
        if f"{inside}.original0" in state and f"{inside}.original1" in state and f"{inside}.original2" not in state:
            if found["part"] == "0":
                return f"lengths of {base} (weight norm)"
            return _weight_norm(base, tensor, state[f"{inside}.original0"])
        if f"{inside}.0._u" in state:
            return _Weight(base, tensor, "stored before spectral norm, which turns no row")
        return _Weight(base, tensor, "stored before a parametrisation, which may turn rows")
    if end == "v" and f"{stem}_g" in state:
        return _weight_norm(stem, tensor, state[f"{stem}_g"])
    if end == "g" and f"{stem}_v" in state:
        return f"lengths of {stem} (weight norm)"
    if end == "mask" and f"{stem}_orig" in state:
        return f"mask of {stem} (pruning)"
    if end == "orig" and f"{stem}_mask" in state:
        mask = state[f"{stem}_mask"]
        if not isinstance(mask, torch.Tensor) or mask.shape != tensor.shape or not _plain(mask):
            return f"its mask {stem}_mask does not fit"
        return _Weight(stem, tensor, "pruned", lambda: tensor * mask)
    if end == "orig" and f"{stem}_u" in state:
        return _Weight(stem, tensor, "stored before spectral norm, which turns no row")
    return _Weight(name, tensor)


def _weight_norm(name: str, direction: torch.Tensor, length: object) -> _Weight | str:
    """Return the weight `g v / |v|`, with norms over the axes along which g has one number; or why there is none."""
    if not isinstance(length, torch.Tensor) or not length.is_floating_point() or not _plain(length):
        return "its lengths (weight norm) are no real numbers"
    single = length.numel() == 1
    if not single and (
        length.ndim != direction.ndim
        or any(g not in {1, v} for g, v in zip(length.shape, direction.shape, strict=True))
    ):
        return f"its lengths of shape {tuple(length.shape)} (weight norm) do not fit"
    axes = [k for k in range(direction.ndim) if single or length.shape[k] == 1]

    def load() -> torch.Tensor:
        v = direction.detach().double()
        g = length.detach().double()
        norm: torch.Tensor = torch.linalg.vector_norm(v, dim=axes, keepdim=True)
        return v * (g.reshape([1] * v.ndim if single else g.shape) / norm)

    return _Weight(name, direction, "weight norm", load)


def _parts(name: str, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the labels of the parts of a weight along axis 0, in order; one empty label if it is whole."""
    shape = shapes[name]
    parent, _, last = name.rpartition(".")
    if last == "in_proj_weight" and len(shape) == 2 and shape[0] % 3 == 0:
        return ["[q]", "[k]", "[v]"]
    if len(shape) == 2 and _RECURRENT.fullmatch(last):
        prefix = f"{parent}." if parent else ""
        hidden = shapes.get(prefix + last.replace("_ih", "_hh"), ())
        projection = shapes.get(prefix + last.replace("_ih", "_hr").replace("_hh", "_hr"))
        if len(hidden) == 2:
            width = projection[1] if projection else hidden[1]
            gates, rest = divmod(hidden[0], width) if width else (0, 0)
            if rest == 0 and gates in _GATES and shape[0] == hidden[0]:
                return [f"[{gate}]" for gate in _GATES[gates]] or [""]
    return [""]


def _part(weight: _Weight, start: int, stop: int) -> torch.Tensor:
    """Return rows `start` to `stop` of a weight, which is computed if it is not stored itself."""
    return (weight.source if weight.load is None else weight.load())[start:stop]
