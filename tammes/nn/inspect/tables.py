"""What was measured of a network, layer by layer: the record, the table, the sentences below it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tammes.nn.inspect.weights import CosineHistogram, RowMeasure

__all__ = ["Inspection", "layer_block", "layers_block"]

_EXPECTED = ("a vector", "a single number", "no real numbers", "lengths of", "mask of", "tied with")  # no remark
_INDICES = 8  # zero rows that are named
_REMARKS = 12  # tensors left out that are named


@dataclass(frozen=True)
class Inspection:
    """The layers of one network: a measurement each, and what should be said of them."""

    label: str
    """How the network is called in tables and pictures."""
    measures: Mapping[str, RowMeasure]
    """By name of layer, in order."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """By name of layer; empty notes are not shown."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Why a tensor is no layer, by its name."""
    cosines: Mapping[str, CosineHistogram] = field(default_factory=dict)
    """Of the layers whose pairs were counted."""

    @property
    def angles(self) -> dict[str, float]:
        """Minimal angles in degrees, of the layers that have one."""
        found = {name: measure.min_angle_degrees for name, measure in self.measures.items() if not measure.reason}
        return {name: angle for name, angle in found.items() if angle is not None}

    @property
    def smallest(self) -> str | None:
        """The layer with the smallest minimal angle."""
        angles = self.angles
        return min(angles, key=lambda name: angles[name]) if angles else None

    @property
    def mean_min_angle_degrees(self) -> float | None:
        """The mean minimal angle of the layers that have one."""
        angles = self.angles
        return math.fsum(angles.values()) / len(angles) if angles else None

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        layers = []
        for name, measure in self.measures.items():
            layer = {"name": name, **measure.to_dict(), "note": self.notes.get(name) or None}
            if name in self.cosines:
                found = self.cosines[name]
                layer["cosines"] = {
                    "range": [float(found.edges[0]), float(found.edges[-1])],
                    "counts": found.counts.tolist(),
                    "pairs": found.pairs,
                    "threshold": found.threshold,
                    "above": found.above,
                }
            layers.append(layer)
        return {
            "label": self.label,
            "layers": layers,
            "skipped": dict(self.skipped),
            "smallest": self.smallest,
            "smallest_min_angle_degrees": None if self.smallest is None else self.angles[self.smallest],
            "mean_min_angle_degrees": self.mean_min_angle_degrees,
        }


def layers_block(networks: Sequence[Inspection]) -> RenderableType:
    """A line a layer, then remarks, then the smallest and the mean minimal angle.

    Args:
        networks: one, with all columns; or two, with their minimal angles side by side and the difference
            (second minus first). Layers are matched by name.
    """
    names = list(dict.fromkeys(name for network in networks for name in network.measures))
    several = len(networks) > 1
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="fold")
    angles = [network.label for network in networks] if several else ["minimal angle"]
    middle = ["difference"] if several else ["mean nearest"]
    for heading in ("rows", "d", *angles, *middle, "bound", "zero rows", "duplicates"):
        table.add_column(heading, justify="right")
    for name in names:
        found = [network.measures.get(name) for network in networks]
        shown = [measure for measure in found if measure is not None]
        between = _difference(found) if several else _degrees(shown[0].mean_nearest_angle_degrees)
        table.add_row(
            name,
            _each(measure.n for measure in shown),
            _each(measure.d for measure in shown),
            *(_degrees(None if measure is None else measure.min_angle_degrees) for measure in found),
            between,
            _each("–" if measure.bound is None else _degrees(measure.bound.degrees) for measure in shown),
            _each(len(measure.zero_rows) for measure in shown),
            _each(measure.duplicates for measure in shown),
        )
    return Group(table, *(_line(*remark) for remark in _remarks(networks)), *_summary(networks))


def layer_block(networks: Sequence[Inspection], name: str) -> RenderableType:
    """All that is known of one layer, a column a network.

    Args:
        networks: each with a layer of that name.
        name: of the layer.
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


def _each(values: Any) -> str:
    """The value that all have, or each one."""
    shown = [str(value) for value in values]
    return shown[0] if len(set(shown)) == 1 else ", ".join(shown)


def _decimals(value: float | None, digits: int, unit: str = "") -> str:
    """A number, `nan`, or a dash where there is none."""
    if value is None:
        return "–"
    return "nan" if math.isnan(value) else f"{value:.{digits}f}{unit}"


def _degrees(value: float | None, digits: int = 4) -> str:
    return _decimals(value, digits, "°")


def _angle(measure: RowMeasure) -> str:
    return f"none: {measure.reason}" if measure.reason else _degrees(measure.min_angle_degrees, 12)


def _pair(measure: RowMeasure) -> str:
    return "–" if measure.closest_pair is None else f"{measure.closest_pair[0]}, {measure.closest_pair[1]}"


def _bound(measure: RowMeasure) -> str:
    return "–" if measure.bound is None else f"{measure.bound.degrees:.6f}°   ({measure.bound.name})"


def _zeros(measure: RowMeasure) -> str:
    """How many, and the first of them."""
    zeros = measure.zero_rows
    named = ", ".join(map(str, zeros[:_INDICES])) + (", ..." if len(zeros) > _INDICES else "")
    return f"{len(zeros)}: {named}" if zeros else "0"


def _difference(found: Sequence[RowMeasure | None]) -> str:
    """Last minus first, with its sign."""
    ends = [None if measure is None else measure.min_angle_degrees for measure in (found[0], found[-1])]
    if ends[0] is None or ends[1] is None:
        return "–"
    change = ends[1] - ends[0]
    return "nan" if math.isnan(change) else f"{change:+.4f}°"


def _line(kind: str, text: str) -> Text:
    return Text.assemble((f"{kind}  ", "dim"), text)


def _remarks(networks: Sequence[Inspection]) -> list[tuple[str, str]]:
    """Notes, reasons why an angle is not there, and tensors left out that one may look for."""
    remarks: list[tuple[str, str]] = []
    for network in networks:
        of = f" of {network.label}" if len(networks) > 1 else ""
        said: dict[str, list[str]] = {}
        for name, measure in network.measures.items():
            for text in filter(None, (measure.reason, network.notes.get(name, ""))):
                said.setdefault(text, []).append(name)
        for text, names in said.items():
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            remarks.append((f"note{of}", f"{names[0]}{others}: {text}"))
        out = [(name, reason) for name, reason in network.skipped.items() if not reason.startswith(_EXPECTED)]
        remarks += [(f"left out{of}", f"{name}: {reason}") for name, reason in out[:_REMARKS]]
        if len(out) > _REMARKS:
            remarks.append((f"left out{of}", f"{len(out) - _REMARKS} more; --json names them all"))
    return remarks


def _summary(networks: Sequence[Inspection]) -> list[Text]:
    """The smallest and the mean minimal angle of each network."""
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
