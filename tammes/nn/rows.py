"""The rows of the weights of a layer: one row for each output, the numbers that this output is computed with.

| layer | rows |
|---|---|
| Linear, Bilinear | axis 0 |
| Conv | axis 0; of a grouped convolution within each group |
| ConvTranspose | axis 1, within each group |
| MultiheadAttention | query, key and value of `in_proj_weight` are separate sets |
| RNN, GRU, LSTM and their cells | each gate is a set |
| Embedding | axis 0, without the padding row; only when asked for |
| Conv1D of `transformers` | axis 1; query, key and value of `c_attn` are separate sets |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tammes.base.errors import InvalidParameterError

__all__ = ["LeftOut", "RowSet", "View", "row_sets"]

View = Callable[[Tensor], Tensor]
"""From a parameter to its rows `(n, d)`, or `(B, n, d)` for B sets of rows that do not repel each other."""

_GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n")}
_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.PReLU,
)


@dataclass(frozen=True)
class RowSet:
    """The rows of one parameter of a module.

    The weight is looked up by module and name at every call: wrappers that shard or recompute parameters put
    other tensors there.
    """

    module: nn.Module
    parameter: str
    view: View
    """From the parameter to its rows, `(n, d)` or `(B, n, d)`."""
    parts: tuple[str, ...] = ()
    """Names of the B sets if each counts as a layer of its own; empty if they are groups of one layer."""
    padding: int | None = None
    """Index of a row that takes no part: the padding of an embedding."""
    on_request: bool = False
    """The rows take part only if the layer is included by name or predicate, or by `embeddings=True`."""

    def weight(self) -> Tensor:
        """Return the current rows, `(n, d)` or `(B, n, d)`, connected to the parameters behind them.

        Raises:
            InvalidParameterError: if the view returns anything else.
        """
        weight = _current(self.module, self.parameter)
        if hasattr(weight, "full_tensor"):  # sharded: FSDP2 and other DTensors
            weight = weight.full_tensor()
        rows: object = self.view(weight)
        if not isinstance(rows, Tensor) or rows.ndim not in (2, 3):
            got = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise InvalidParameterError("views", "functions that return rows (n, d) or (B, n, d)", got)
        return rows

    def leaves(self) -> list[nn.Parameter]:
        """Return the parameters behind the weight: itself, or those that it is computed from."""
        module, name = self.module, self.parameter
        if parametrize.is_parametrized(module, name):
            return list(_chain(module, name).parameters())
        hooked = [getattr(module, f"{name}_{end}", None) for end in ("g", "v", "orig")]
        found = [leaf for leaf in hooked if isinstance(leaf, nn.Parameter)]
        return found or [getattr(module, name)]

    @property
    def frozen(self) -> bool:
        """True if no parameter behind the weight requires a gradient."""
        return not any(leaf.requires_grad for leaf in self.leaves())


class LeftOut(NamedTuple):
    """A parameter of a module that has no rows."""

    parameter: str
    reason: str
    """Empty for parameters without rows by nature, such as those of normalisation layers."""


def _chain(module: nn.Module, name: str) -> parametrize.ParametrizationList:
    """Return the parametrisations of a weight, with their parameters."""
    chains = cast("nn.ModuleDict", module.parametrizations)
    return cast("parametrize.ParametrizationList", chains[name])


def _current(module: nn.Module, name: str) -> Tensor:
    """Return the weight of that name, without the side effects that a forward pass may have."""
    if parametrize.is_parametrized(module, name):
        chain = _chain(module, name)
        training = [part.training for part in chain]
        for part in chain:
            part.training = False  # spectral_norm would do a step of its power iteration
        try:
            return getattr(module, name)  # type: ignore[no-any-return]
        finally:
            for part, was in zip(chain, training, strict=True):
                part.training = was
    for hook in module._forward_pre_hooks.values():  # the hooks of torch before parametrisations
        if getattr(hook, "_tensor_name", None) == name and hasattr(hook, "apply_mask"):
            # Pruning: the attribute belongs to the graph of a forward pass, which may be gone.
            return hook.apply_mask(module)  # type: ignore[no-any-return]
        if getattr(hook, "name", None) == name and hasattr(hook, "compute_weight"):
            if hasattr(hook, "n_power_iterations"):
                return hook.compute_weight(module, do_power_iteration=False)  # type: ignore[no-any-return]
            return hook.compute_weight(module)  # type: ignore[no-any-return]
    return getattr(module, name)  # type: ignore[no-any-return]


def row_sets(module: nn.Module, name: str = "") -> Iterator[RowSet | LeftOut]:
    """Iterate over the sets of rows of one module, without those of its children.

    Args:
        module: any module.
        name: its name in the model, by which the attention weights of `Conv1D` are recognised.

    Yields:
        A `RowSet`, or a `LeftOut` for a parameter without rows.
    """
    for parameter in _weights(module):
        weight = _stored(module, parameter)
        reason = _unfit(weight)
        if reason:
            yield LeftOut(parameter, reason)
            continue
        found = _of_kind(module, parameter, weight, name)
        if isinstance(found, str):
            yield LeftOut(parameter, found)
            continue
        reason = _without_angles(found, _shape_of(found, weight))
        yield LeftOut(parameter, reason) if reason else found


def _without_angles(found: RowSet, shape: torch.Size) -> str:
    """Return the reason why rows of this shape have no angles; empty if they have."""
    n, d = shape[-2:]
    if n >= 2 and d >= 2:
        return ""
    each = " in each group" if math.prod(shape[:-2]) > 1 and not found.parts else ""
    rows = f"{n} row{'' if n == 1 else 's'}" if n < 2 else f"rows of {d} number"
    return f"no angles: {rows}{each}"


def _weights(module: nn.Module) -> list[str]:
    """Return the names of the parameters of a module that may be weights, in order."""
    names = [name for name, _ in module.named_parameters(recurse=False)]
    if hasattr(module, "parametrizations"):
        names += list(module.parametrizations)  # type: ignore[arg-type]
    found = []
    for name in names:
        plain = name
        stem = name.rpartition("_")[0]
        if name.endswith(("_g", "_v", "_orig")) and hasattr(module, stem):
            plain = stem
        if plain not in found and ("weight" in plain or _is_table(module, plain)):
            found.append(plain)
    if "quantized" in type(module).__module__ and callable(getattr(module, "weight", None)):
        found.append("weight")
    return found


def _is_table(module: nn.Module, parameter: str) -> bool:
    """Return True for a parameter of two axes or more, as in custom layers and losses that hold class vectors."""
    value = _stored(module, parameter)
    return isinstance(value, nn.Parameter) and not isinstance(value, nn.UninitializedParameter) and value.ndim > 1


def _stored(module: nn.Module, parameter: str) -> object:
    """Return the stored tensor of a weight; of a computed weight, one of its shape that it is computed from."""
    if parametrize.is_parametrized(module, parameter):
        leaves = list(_chain(module, parameter).parameters())
        return max(leaves, key=lambda leaf: leaf.numel())
    hooked = [getattr(module, f"{parameter}_{end}", None) for end in ("v", "orig")]
    return next((leaf for leaf in hooked if isinstance(leaf, nn.Parameter)), getattr(module, parameter))


def _unfit(weight: object) -> str:
    """Return the reason why a stored value cannot be measured in angles; empty if it can."""
    if not isinstance(weight, Tensor):
        return "quantised"
    if isinstance(weight, (nn.UninitializedParameter, nn.UninitializedBuffer)):
        return "not initialised yet: run the model once"
    if weight.is_quantized:
        return "quantised"
    if weight.is_complex():
        return "complex"
    if weight.is_floating_point() and weight.dtype.itemsize < 2:
        return f"{str(weight.dtype).removeprefix('torch.')}, whose scales are kept apart"
    if not weight.is_floating_point():
        return f"whole numbers ({weight.dtype})"
    if weight.layout != torch.strided:
        return f"sparse ({weight.layout})"
    return ""


def _shape_of(rows: RowSet, weight: object) -> torch.Size:
    """Return the shape of the rows, without computing them."""
    assert isinstance(weight, Tensor)
    return rows.view(torch.empty(weight.shape, device="meta")).shape


def _flat(weight: Tensor) -> Tensor:
    """Return the rows along axis 0, `(n, d)`."""
    return weight.flatten(1)


def _in_groups(count: int) -> View:
    """Return a view of rows along axis 0 in `count` groups: `(count, n / count, d)`."""
    return lambda weight: weight.reshape(count, weight.shape[0] // count, -1)


def _of_kind(module: nn.Module, parameter: str, weight: object, name: str) -> RowSet | str:
    """Return the rows of a weight by the kind of its module, or the reason why there are none."""
    assert isinstance(weight, Tensor)
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return RowSet(module, parameter, _transposed(module.groups))
    if isinstance(module, nn.modules.conv._ConvNd):
        return RowSet(module, parameter, _flat if module.groups == 1 else _in_groups(module.groups))
    if isinstance(module, nn.MultiheadAttention) and parameter == "in_proj_weight":
        return RowSet(module, parameter, _in_groups(3), parts=("q", "k", "v"))
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
        gates = _GATES.get(type(module).__name__.removesuffix("Cell"), ())
        if gates and "weight_hr" not in parameter:
            return RowSet(module, parameter, _in_groups(len(gates)), parts=gates)
        return RowSet(module, parameter, _flat)
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return RowSet(module, parameter, _flat, padding=module.padding_idx, on_request=True)
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):  # of transformers: a Linear, transposed
        parts = {3: ("q", "k", "v"), 2: ("k", "v")}.get(weight.shape[1] // weight.shape[0], ())
        if name.endswith("c_attn") and parts:
            return RowSet(module, parameter, lambda w: w.mT.reshape(len(parts), -1, w.shape[0]), parts=parts)
        return RowSet(module, parameter, lambda w: w.mT)
    if weight.ndim < 2:
        return "" if isinstance(module, _NORMS) else "one number an output"
    known = isinstance(module, (nn.Linear, nn.Bilinear, nn.MultiheadAttention))
    return RowSet(module, parameter, _flat, on_request=not known)


def _transposed(groups: int) -> View:
    """Return a view of rows along axis 1 of `(in, out / groups, ...)`, each group with its own inputs."""

    def view(weight: Tensor) -> Tensor:
        split = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
        rows = split.transpose(1, 2).reshape(groups, weight.shape[1], -1)
        return rows[0] if groups == 1 else rows

    return view
