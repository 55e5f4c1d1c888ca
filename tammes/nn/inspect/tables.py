"""Tables of the measured layers of one network or two, with the remarks and the summary below them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tammes.nn.inspect.inspection import Inspection
from tammes.nn.inspect.weights import RowMeasure

__all__ = ["layer_table", "layers_table"]

_EXPECTED = ("a vector", "a single number", "no real numbers", "lengths of", "mask of", "tied with")
"""Beginnings of the reasons for which a tensor is left out without a remark."""

_INDICES = 8  # zero rows that are listed
_REMARKS = 12  # tensors left out that are listed


def layers_table(networks: Sequence[Inspection]) -> RenderableType:
    """Return a table with a line for each layer, followed by remarks and the smallest and mean minimal angle.

    Args:
        networks: one network; or two, with their minimal angles side by side and the difference (second minus
            first) in place of the mean angle to the nearest row. Layers are matched by name.
    """
    names = list(dict.fromkeys(name for network in networks for name in network.measures))
    several = len(networks) > 1
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="fold")
    angles = [*(network.label for network in networks), "difference"] if several else ["minimal angle", "mean nearest"]
    for heading in ("rows", "d", *angles, "bound", "zero rows", "duplicates"):
        table.add_column(heading, justify="right")
    for name in names:
        found = [network.measures.get(name) for network in networks]
        shown = [measure for measure in found if measure is not None]
        last_angle = _difference(found) if several else _degrees(shown[0].mean_nearest_angle_degrees)
        table.add_row(
            name,
            _each(measure.n for measure in shown),
            _each(measure.d for measure in shown),
            *(_degrees(None if measure is None else measure.min_angle_degrees) for measure in found),
            last_angle,
            _each("–" if measure.bound is None else _degrees(measure.bound.degrees) for measure in shown),
            _each(len(measure.zero_rows) for measure in shown),
            _each(measure.duplicates for measure in shown),
        )
    return Group(table, *(_line(*remark) for remark in _remarks(networks)), *_summary(networks))


def layer_table(networks: Sequence[Inspection], name: str) -> RenderableType:
    """Return a table of all measures of one layer, with a column for each network.

    Args:
        networks: each with a layer of that name.
        name: name of the layer.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    measures = [network.measures[name] for network in networks]
    if len(networks) > 1:
        table.add_row("", *(network.label for network in networks))
    table.add_row("rows", *(f"{measure.n} in R^{measure.d}" for measure in measures))
    table.add_row("minimal angle", *(Text(_angle(measure), style="bold") for measure in measures))
    table.add_row("closest pair", *map(_pair, measures))
    table.add_row("max cosine", *(_decimals(measure.max_cosine, 16) for measure in measures))
    table.add_row("mean nearest angle", *(_degrees(measure.mean_nearest_angle_degrees, 12) for measure in measures))
    table.add_row("upper bound", *map(_bound, measures))
    table.add_row("zero rows", *map(_zeros, measures))
    table.add_row("duplicates", *(str(measure.duplicates) for measure in measures))
    if any(name in network.cosines for network in networks):
        counted = (network.cosines.get(name) for network in networks)
        table.add_row("cosines", *("–" if found is None else found.sentence for found in counted))
    if any(network.notes.get(name) for network in networks):
        table.add_row("note", *(network.notes.get(name, "") for network in networks))
    return Group(Text(name, style="bold"), table)


def _each(values: Iterable[object]) -> str:
    """Return the common value, or a list of all values if they differ."""
    shown = [str(value) for value in values]
    return shown[0] if len(set(shown)) == 1 else ", ".join(shown)


def _decimals(value: float | None, digits: int, unit: str = "") -> str:
    """Return a number as text, `nan`, or a dash for None."""
    if value is None:
        return "–"
    return "nan" if math.isnan(value) else f"{value:.{digits}f}{unit}"


def _degrees(value: float | None, digits: int = 4) -> str:
    """Return an angle in degrees as text, or a dash."""
    return _decimals(value, digits, "°")


def _angle(measure: RowMeasure) -> str:
    """Return the minimal angle as text, or the reason why there is none."""
    return f"none: {measure.reason}" if measure.reason else _degrees(measure.min_angle_degrees, 12)


def _pair(measure: RowMeasure) -> str:
    """Return the indices of the closest rows, or a dash."""
    return "–" if measure.closest_pair is None else f"{measure.closest_pair[0]}, {measure.closest_pair[1]}"


def _bound(measure: RowMeasure) -> str:
    """Return the upper bound with its name, or a dash."""
    return "–" if measure.bound is None else f"{measure.bound.degrees:.6f}°   ({measure.bound.name})"


def _zeros(measure: RowMeasure) -> str:
    """Return the number of zero rows and the indices of the first ones."""
    zeros = measure.zero_rows
    named = ", ".join(map(str, zeros[:_INDICES])) + (", ..." if len(zeros) > _INDICES else "")
    return f"{len(zeros)}: {named}" if zeros else "0"


def _difference(found: Sequence[RowMeasure | None]) -> str:
    """Return the last minimal angle minus the first, with its sign, or a dash."""
    ends = [None if measure is None else measure.min_angle_degrees for measure in (found[0], found[-1])]
    if ends[0] is None or ends[1] is None:
        return "–"
    change = ends[1] - ends[0]
    return "nan" if math.isnan(change) else f"{change:+.4f}°"


def _line(kind: str, text: str) -> Text:
    """Return a remark, its kind printed faintly."""
    return Text.assemble((f"{kind}  ", "dim"), text)


def _remarks(networks: Sequence[Inspection]) -> list[tuple[str, str]]:
    """Return kind and text of the notes, the reasons why angles are missing, and the unexpected omissions."""
    remarks: list[tuple[str, str]] = []
    for network in networks:
        of = f" of {network.label}" if len(networks) > 1 else ""
        layers_of: dict[str, list[str]] = {}  # by the text of the note
        for name, measure in network.measures.items():
            for text in filter(None, (measure.reason, network.notes.get(name, ""))):
                layers_of.setdefault(text, []).append(name)
        for text, names in layers_of.items():
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            remarks.append((f"note{of}", f"{names[0]}{others}: {text}"))
        omitted = [(name, reason) for name, reason in network.skipped.items() if not reason.startswith(_EXPECTED)]
        remarks += [(f"left out{of}", f"{name}: {reason}") for name, reason in omitted[:_REMARKS]]
        if len(omitted) > _REMARKS:
            remarks.append((f"left out{of}", f"{len(omitted) - _REMARKS} more; --json names them all"))
    return remarks


def _summary(networks: Sequence[Inspection]) -> list[Text]:
    """Return lines with the smallest and the mean minimal angle of each network."""
    lines = []
    for network in networks:
        of = f" of {network.label}" if len(networks) > 1 else ""
        mean = network.mean_min_angle_degrees
        if network.smallest is None or mean is None:
            lines.append(Text(f"minimal angles{of}: none"))
            continue
        count = len(network.angles)
        total = len(network.measures)
        all_of = f"{count}" if count == total else f"{count} of {total}"
        least = f"smallest {network.angles[network.smallest]:.4f}° ({network.smallest})"
        layers = f"{all_of} layer{'' if total == 1 else 's'}"
        lines.append(Text(f"minimal angles{of}: {least}, mean {mean:.4f}° over {layers}", style="bold"))
    return lines
