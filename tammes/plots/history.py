"""Figure of the history of a run: angle, loss and learning rate by step, then the polish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.plots.style import CONTACT, MARK, POINT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]


def plot_history(history: Mapping[str, Sequence[float | None]], title: str = "") -> Figure:
    """Draw the history of a run: best measured angle, loss and learning rate by step, then the polish.

    Args:
        history: one list a quantity, as stored in the record of a result; `step` must be among them.
        title: above the figure.

    Raises:
        InvalidParameterError: if the history is empty, as for a closed form.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    steps = list(history.get("step", ()))
    if not steps:
        raise InvalidParameterError("history", "of at least one step; closed forms have none", steps)
    series = {name: np.array(values, dtype=np.float64) for name, values in history.items()}  # None becomes nan
    polished = series.get("polish_min_angle_degrees", ())
    columns = 2 if len(polished) else 1
    figure = Figure(figsize=(5.5 * columns, 6.0), layout="constrained")
    grid = figure.add_gridspec(3, columns, height_ratios=(2, 2, 1))
    panels = (
        ("best angle (degrees)", "min_angle_degrees", POINT),
        ("loss", "loss", CONTACT),
        ("learning rate", "learning_rate", MARK),
    )
    for row, (label, name, color) in enumerate(panels):
        axes = figure.add_subplot(grid[row, 0])
        axes.plot(series["step"], series[name], color=color, drawstyle="steps-pre" if row == 2 else "default")
        axes.set(ylabel=label, xlabel="step" if row == 2 else "", yscale="log" if row == 2 else "linear")
    if len(polished):
        polish = figure.add_subplot(grid[:, 1])
        polish.plot(np.arange(1, len(polished) + 1), polished, marker="o", markersize=3, color=POINT)
        polish.ticklabel_format(useOffset=False)
        polish.xaxis.set_major_locator(MaxNLocator(integer=True))
        polish.set(title="polish", xlabel="linear program", ylabel="minimal angle (degrees)")
    figure.suptitle(title)
    return figure
