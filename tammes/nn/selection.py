"""The layers of a model that take part: found by their kind, chosen by name or predicate, each weight once."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.validation import check_flag
from tammes.nn.rows import RowSet, View, row_sets

__all__ = ["Choice", "Layer", "Layers", "check_present", "find_layers", "parts_of"]

Choice = str | Callable[[str, nn.Module], bool] | Sequence[str | Callable[[str, nn.Module], bool]] | None
"""A choice of layers: names with wildcards (`"layer4.*"`), predicates of (name, module), or several of either."""

_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


@dataclass(frozen=True)
class Layer:
    """The rows of one parameter of a model, with their name."""

    name: str
    """Name of the module in the model without wrappers, followed by that of the parameter unless it is `weight`."""
    rows: RowSet


@dataclass(frozen=True)
class Layers:
    """The layers found in a model."""

    chosen: tuple[Layer, ...]
    """The layers that take part, in the order of the model."""
    output: frozenset[str]
    """Names of the chosen layers that are output layers."""
    skipped: Mapping[str, str]
    """Weights that are left out, by name, with the reason."""


def find_layers(
    model: nn.Module,
    *,
    include: Choice = None,
    exclude: Choice = None,
    output: Choice = None,
    first_layer: bool = True,
    embeddings: bool = False,
    views: Mapping[str, View] | None = None,
) -> Layers:
    """Return the layers of a model whose rows have angles.

    Args:
        model: any module; the names that wrappers (compiled, DDP, FSDP2) add are not seen.
        include: only these layers; embeddings and unknown kinds of layers need it.
        exclude: layers to leave out.
        output: the output layers; the last one of the model by default.
        first_layer: whether the first layer takes part.
        embeddings: whether embeddings take part.
        views: by name or pattern, how the parameter becomes rows `(n, d)` or `(B, n, d)`.

    Raises:
        InvalidParameterError: if `model` is no module, or no layer is left.
        UnknownNameError: if a name matches no layer.
    """
    if not isinstance(model, nn.Module):
        raise InvalidParameterError("model", "a torch module", type(model).__name__)
    for switch, value in (("first_layer", first_layer), ("embeddings", embeddings)):
        check_flag(switch, value)
    if views is not None and not (isinstance(views, Mapping) and all(map(callable, views.values()))):
        raise InvalidParameterError("views", "functions by the names of layers", views)
    found, skipped = _all_layers(model, views or {})
    candidates = [layer.name for layer in found]
    for option, choice in (("include", include), ("exclude", exclude), ("output", output)):
        _check_names(option, choice, candidates)
    if include is None:
        found = _without_unrequested(found, skipped, embeddings=embeddings)
    chosen = _chosen(found, include, exclude, skipped)
    taken = {layer.name for layer in chosen}
    if not first_layer and chosen and found and chosen[0].name == found[0].name:
        skipped[chosen.pop(0).name] = "the first layer"
    if not chosen:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items()) or "no weights at all"
        raise InvalidParameterError("model", "a module with a layer of two or more rows", f"none ({reasons})")
    last = next(layer.name for layer in reversed(found) if layer.name in taken or not layer.rows.on_request)
    outputs = [layer for layer in chosen if (layer.name == last if output is None else _matches(output, layer))]
    return Layers(tuple(chosen), frozenset(layer.name for layer in outputs), skipped)


def _without_unrequested(found: list[Layer], skipped: dict[str, str], *, embeddings: bool) -> list[Layer]:
    """Return the layers that take part without being named; reasons for the others go to `skipped`."""
    kept = []
    for layer in found:
        is_embedding = isinstance(layer.rows.module, _EMBEDDINGS)
        if not layer.rows.on_request or (embeddings and is_embedding):
            kept.append(layer)
        else:
            kind = "embedding" if is_embedding else "unknown kind of layer"
            skipped[layer.name] = f"{kind}: taken when it is asked for"
    return kept


def _chosen(found: list[Layer], include: Choice, exclude: Choice, skipped: dict[str, str]) -> list[Layer]:
    """Return the layers that are included and not excluded, tied weights once; reasons go to `skipped`."""
    chosen = []
    seen: dict[tuple[int, ...], str] = {}  # names of layers, by the parameters behind their rows
    for layer in found:
        identity = tuple(id(leaf) for leaf in layer.rows.leaves())
        if include is not None and not _matches(include, layer):
            continue
        if exclude is not None and _matches(exclude, layer):
            skipped[layer.name] = "excluded"
        elif identity in seen:
            skipped[layer.name] = f"tied to {seen[identity]}"
        else:
            seen[identity] = layer.name
            chosen.append(layer)
    return chosen


def _all_layers(model: nn.Module, views: Mapping[str, View]) -> tuple[list[Layer], dict[str, str]]:
    """Return every set of rows of a model in order, and the weights that have none, with the reason."""
    found: list[Layer] = []
    skipped: dict[str, str] = {}
    used = set()
    for path, module in model.named_modules():
        if type(module).__name__ == "FullyShardedDataParallel":
            raise InvalidParameterError(
                "model", "sharded by FSDP2 (`fully_shard`), whose parameters keep their shapes", "FSDP1"
            )
        if type(module).__name__ in ("ParametrizationList", "_SpectralNorm", "_WeightNorm"):
            continue
        name = ".".join(part for part in path.split(".") if part not in _WRAPPERS)
        for rows in row_sets(module, name):
            full = _name_of(name, rows.parameter)
            pattern = next((key for key in views if fnmatch.fnmatchcase(full, key)), None)
            if pattern is not None:
                used.add(pattern)
                found.append(Layer(full, RowSet(module, rows.parameter, views[pattern])))
            elif isinstance(rows, RowSet):
                found.append(Layer(full, rows))
            elif rows.reason:
                skipped[full] = rows.reason
    for pattern in views:
        if pattern not in used:
            raise UnknownNameError("views", pattern, [layer.name for layer in found])
    return found, skipped


def _name_of(module: str, parameter: str) -> str:
    """Return the name of a layer: that of its module, and of the parameter unless it is `weight`."""
    if not module:
        return parameter
    return module if parameter == "weight" else f"{module}.{parameter}"


def _check_names(option: str, choice: Choice, known: Sequence[str]) -> None:
    """Refuse a name or pattern that matches nothing."""
    for part in _parts(choice):
        if isinstance(part, str):
            if not any(_named(part, name) for name in known):
                raise UnknownNameError(option, part, known)
        elif not callable(part):
            raise InvalidParameterError(option, "a name, a predicate of (name, module), or several of them", part)


def _parts(choice: Choice) -> Iterator[str | Callable[[str, nn.Module], bool]]:
    """Iterate over the names and predicates of a choice."""
    if choice is None:
        return
    if isinstance(choice, str) or callable(choice):
        yield choice
    elif isinstance(choice, Sequence):
        yield from choice
    else:
        raise InvalidParameterError("include, exclude, output", "names or predicates, one or several", choice)


def _named(pattern: str, name: str) -> bool:
    """Return True if a pattern matches a layer or a module that holds it."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"{pattern}.*")


def _matches(choice: Choice, layer: Layer) -> bool:
    """Return True if any part of a choice matches the layer."""
    return any(
        _named(part, layer.name) if isinstance(part, str) else bool(part(layer.name, layer.rows.module))
        for part in _parts(choice)
    )


def check_present(model: nn.Module, layers: Sequence[Layer]) -> None:
    """Refuse layers that have left their model since they were found: no optimiser trains them.

    Raises:
        InvalidParameterError: if the module of a layer was replaced, or its parameter deleted.
    """
    present = {id(module) for module in model.modules()}
    for layer in layers:
        module, name = layer.rows.module, layer.rows.parameter
        known = name in module._parameters or name in module.__dict__ or parametrize.is_parametrized(module, name)
        if id(module) not in present or not known:
            what = "replaced or deleted since the regulariser was made"
            raise InvalidParameterError(layer.name, "a layer of the model", what, "Make the regulariser anew.")


def parts_of(layer: Layer, rows: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Iterate over the sets of rows of a layer, each with its name.

    Args:
        layer: the layer.
        rows: its rows, `(n, d)` or `(B, n, d)`.

    Yields:
        Name and rows `(n, d)`; the name ends in that of the part, or in the number of the group.
    """
    if rows.ndim == 2:
        yield layer.name, rows
        return
    names = layer.rows.parts or [f"group {k}" for k in range(len(rows))]
    for name, part in zip(names, rows, strict=True):
        yield f"{layer.name}[{name}]", part
