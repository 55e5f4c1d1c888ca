"""`tammes inspect`: the minimal angles of the layers of a saved network, or of two side by side."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tammes.base.errors import FileFormatError, InvalidParameterError, UnknownNameError
from tammes.cli.options import OUTPUT, Force, Json
from tammes.cli.terminal import (
    announce_long_work,
    console,
    interruptible,
    print_json,
    progress_bar,
    uninterrupted,
)

if TYPE_CHECKING:
    from tammes.nn.inspect.inspection import Inspection
    from tammes.nn.inspect.state_dict import StoredLayer

__all__ = ["inspect"]

_LAYERS = "Layers"
_LONG = 1 << 38  # sum of n^2 d, from which measuring takes more than some ten seconds on one core
_BINS = 2000

Patterns = list[str] | None
Begin = Callable[["StoredLayer"], Callable[[int], None]]


def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A state dict: .pt .pth .bin .ckpt .safetensors")
    ],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="Another one, to compare with layer by layer.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="One layer, in more detail.", rich_help_panel=_LAYERS)
    ] = None,
    include: Annotated[
        Patterns,
        typer.Option(
            metavar="PATTERN", help="Only these layers, as 'features.*'; may be repeated.", rich_help_panel=_LAYERS
        ),
    ] = None,
    exclude: Annotated[
        Patterns,
        typer.Option(metavar="PATTERN", help="Not these layers; may be repeated.", rich_help_panel=_LAYERS),
    ] = None,
    histogram: Annotated[
        bool,
        typer.Option("--histogram", help="Draw the cosines between the rows of that layer.", rich_help_panel=OUTPUT),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PICTURE",
            help="Draw the angles of all layers; with --histogram, where to draw the cosines "
            "(CHECKPOINT_LAYER_cosines.png without it).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Measure the minimal angle between the rows of every weight of a saved network.

    A row lies along axis 0 of a tensor: a neuron, a filter, an embedding.
    Queries, keys and values of attention, and gates, are taken apart.
    A file does not tell transposed convolutions (nor GPT-2's Conv1D) from
    plain layers; their rows are not what makes an output: --exclude them.
    Nothing but tensors is read: a file that holds objects is refused.
    """
    from tammes import plots
    from tammes.nn.inspect import checkpoints, tables
    from tammes.storage import atomic

    if output is not None and output.suffix.lower() not in plots.SUFFIXES:
        raise InvalidParameterError("output", f"a file ending in {', '.join(plots.SUFFIXES)}", str(output))
    if output is not None and layer is not None and not histogram:
        raise InvalidParameterError("output", "given with --histogram for one --layer", str(output))
    paths = [checkpoint] if other is None else [checkpoint, other]
    with interruptible("nothing was written"):
        read = [checkpoints.read_layers(path) for path in paths]
        chosen = [_chosen(layers, include, exclude) for layers, _ in read]
        if not any(chosen):
            asked, names = _asked(include, exclude), ", ".join(each.name for each in read[0][0])
            raise InvalidParameterError("include", "a pattern that leaves some layer", asked, f"There are: {names}.")
        name = layer
        if layer is not None or histogram:
            name = _named(paths[0], chosen[0], layer).name
            chosen = [[_named(path, layers, name)] for path, layers in zip(paths, chosen, strict=True)]
        target = Path(_default_name(checkpoint, name)) if histogram and output is None else output
        if target is not None:
            atomic.check_writable(target, force=force)
        networks = []
        with _progress([each for layers in chosen for each in layers], 2 if histogram else 1) as begin:
            for path, label, layers, (_, skipped) in zip(paths, _labels(paths), chosen, read, strict=True):
                networks.append(_inspection(path, label, layers, skipped, begin, histogram))
    if target is not None:
        with uninterrupted():
            picture = _picture(networks, name if histogram else None, target.suffix)
            atomic.write_atomically(target, picture, force=force)
    if as_json:
        records = [{"file": str(path), **each.to_dict()} for path, each in zip(paths, networks, strict=True)]
        print_json({"checkpoints": records, "files": [] if target is None else [str(target)]})
        return
    out = console()
    out.print(tables.layers_table(networks) if name is None else tables.layer_table(networks, name))
    if target is not None:
        out.print(f"saved  {target}")


# --- choosing ---------------------------------------------------------------------------------


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the names of the files, or their paths where the names are the same."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else list(map(str, paths))


def _chosen(layers: "Sequence[StoredLayer]", include: Patterns, exclude: Patterns) -> "list[StoredLayer]":
    """Return the layers that the patterns leave."""

    def matches(name: str, patterns: Patterns) -> bool:
        return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns or [])

    kept = [layer for layer in layers if not include or matches(layer.name, include)]
    return [layer for layer in kept if not matches(layer.name, exclude)]


def _asked(include: Patterns, exclude: Patterns) -> str:
    """Return the patterns as they were given."""
    asked = [f"--include {pattern}" for pattern in include or []]
    asked += [f"--exclude {pattern}" for pattern in exclude or []]
    return " ".join(asked)


def _named(path: Path, layers: "Sequence[StoredLayer]", name: str | None) -> "StoredLayer":
    """Return the layer of that name; without a name, the only one."""
    names = [layer.name for layer in layers]
    if name is None and len(names) == 1:
        return layers[0]
    if name is None:
        raise InvalidParameterError("layer", "given with --histogram", None, f"{path} has {', '.join(names)}.")
    if name not in names:
        raise UnknownNameError(f"layer of {path}", name, names)
    return layers[names.index(name)]


def _default_name(checkpoint: Path, layer: str | None) -> str:
    """Return the name of the picture of one layer's cosines."""
    name = re.sub(r"[^\w.-]+", "_", layer or "").strip("_")
    return f"{checkpoint.stem}_{name}_cosines.png"


# --- measuring --------------------------------------------------------------------------------


def _inspection(
    path: Path, label: str, layers: "Sequence[StoredLayer]", skipped: dict[str, str], begin: Begin, histogram: bool
) -> "Inspection":
    """Return the measures of one checkpoint; with `histogram`, the counts of its cosines as well."""
    from tammes.nn.inspect import weights
    from tammes.nn.inspect.inspection import Inspection

    measures, cosines = {}, {}
    for layer in layers:
        rows = layer.rows
        measures[layer.name] = weights.measure(rows, progress=begin(layer))
        if histogram:
            reason = measures[layer.name].reason
            if reason:
                raise FileFormatError(path, f"{layer.name} has no cosines to draw: {reason}")
            cosines[layer.name] = weights.cosine_histogram(rows, _BINS, progress=begin(layer))
    return Inspection(label, measures, {layer.name: layer.note for layer in layers}, skipped, cosines)


@contextmanager
def _progress(layers: "Sequence[StoredLayer]", passes: int) -> Iterator[Begin]:
    """Draw a bar over all the work on a terminal; elsewhere print one line if it may take long."""
    total = passes * sum(layer.n**2 * layer.d for layer in layers)
    with progress_bar(("label", "bar", "percent", "elapsed"), transient=True) as bar:
        if not bar.visible:
            pairs = passes * sum(layer.n * (layer.n - 1) // 2 for layer in layers)
            announce_long_work(f"Measuring {pairs:,} pairs of rows", total, least=_LONG)
        before = 0

        def begin(layer: "StoredLayer") -> Callable[[int], None]:
            nonlocal before
            start = before
            before += layer.n**2 * layer.d
            label = f"{layer.name} ({layer.n} x {layer.d})"

            def report(rows_done: int) -> None:
                bar.show("layers", start + rows_done * layer.n * layer.d, total, label=label)

            report(0)
            return report

        yield begin


def _picture(networks: "Sequence[Inspection]", layer: str | None, suffix: str) -> bytes:
    """Return a picture of all layers, or of the cosines of one."""
    from tammes import plots
    from tammes.nn.inspect import figures as layer_figures

    if layer is None:
        figure = layer_figures.plot_layers([(each.label, each.measures) for each in networks])
    else:
        sizes = dict.fromkeys(f"{each.measures[layer].n} rows in R^{each.measures[layer].d}" for each in networks)
        shown = [(each.label, each.cosines[layer]) for each in networks]
        figure = layer_figures.plot_cosines(shown, f"{layer}: {', '.join(sizes)}")
    return plots.figure_bytes(figure, suffix)
