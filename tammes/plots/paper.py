"""The figures of the paper's results: gradients of a pair (Figure 2), and Table 1 as a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tammes.base.geometry import Floats
from tammes.plots.style import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_gradients", "plot_table1"]


def plot_gradients(theta: Floats, lengths: Mapping[str, Floats]) -> Figure:
    """Draw the paper's Figure 2: gradient length of each loss against the angle of a pair.

    Args:
        theta: radians, shape `(m,)`.
        lengths: `|g| |w|` of each loss by its label, shape `(m,)` each.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for label, values in lengths.items():
        color = next((color for name, color in COLORS.items() if label.startswith(name)), "#888888")
        style = "--" if label.endswith("s = 1") else "-"
        axes.plot(np.degrees(theta), values, label=label, color=color, linestyle=style, linewidth=2.0)
    axes.set(
        xlabel="angle of the pair (degrees)",
        ylabel=r"gradient length $\|g\|\,\|w\|$",
        xlim=(0.0, 180.0),
        ylim=(0.0, 4.0),
    )
    axes.legend(frameon=False)
    return figure


def plot_table1(rows: Sequence[Mapping[str, object]], losses: Sequence[str]) -> Figure:
    """Draw Table 1 as a chart: measured (filled) beside published (hollow) angles, in per cent of the optimum.

    Args:
        rows: `label`, `optimal`, `measured` and `published` (mappings by loss), `polished`.
        losses: names of the losses, in the order in which they are drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 0.5 * len(rows) + 1.8), layout="constrained")
    axes = figure.subplots()
    columns = [*losses, "polished"]
    for y, row in enumerate(rows):
        optimal = float(str(row["optimal"]))
        measured, published = row["measured"], row["published"]
        assert isinstance(measured, Mapping)
        assert isinstance(published, Mapping)
        for k, name in enumerate(columns):
            at = y + 0.12 * (k - 2)
            value = row["polished"] if name == "polished" else measured.get(name)
            if value is not None:
                percent = 100.0 * float(str(value)) / optimal
                axes.plot(percent, at, "o", color=COLORS[name], markersize=5)
            if name in published:
                percent = 100.0 * float(published[name]) / optimal
                axes.plot(percent, at, "o", markerfacecolor="none", color=COLORS[name], markersize=7)
    for name in columns:
        axes.plot([], [], "o", color=COLORS[name], label=name)
    axes.plot([], [], "o", markerfacecolor="none", color="#555555", label="published")
    axes.axvline(100.0, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [str(row["label"]) for row in rows])
    axes.invert_yaxis()
    axes.set(xlabel="minimal angle, per cent of the published optimum", xlim=(-3.0, 104.0))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
