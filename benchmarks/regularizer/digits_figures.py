"""The figures of the digits experiment: accuracy and angles against the coefficient, angles by layer."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from digits_study import BASELINE, TEST, TUNING, Arm, Study, compare
from digits_training import LAYERS, METHODS, PLACES, WIDTHS

from tammes.bounds.best import upper_bound
from tammes.plots.style import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bound_degrees", "draw_angles", "draw_sweep"]

PALETTE = COLORS | {"orthogonal": "#7a5195", "baseline": "#222222"}
MARKERS = {"mma": "o", "cosine": "s", "logarithmic": "D", "riesz-fisher": "^", "orthogonal": "v", "baseline": "x"}
TITLES = {"hidden": "on the hidden layers", "output": "on the output layer", "both": "on both kinds of layers"}
DASHED = ("cosine",)  # lies on MMA's curve, which should be seen through it
_FAINT, _GRID = "#9aa7ad", "#e6ebee"
_LONG = {"output": "the output layer"}
_LOWEST = -3.0  # percentage points of accuracy that are shown: beyond, a network falls apart
_DEEPEST = 8.0  # degrees below the baseline that are shown


@functools.cache
def bound_degrees() -> list[float]:
    """Return the upper bound on the minimal angle of each layer, degrees."""
    return [upper_bound(n, d).degrees for d, n in itertools.pairwise(WIDTHS)]


def draw_sweep(study: Study) -> Figure:
    """Draw accuracy against the coefficient, and the minimal angle of each layer: after the paper's Figures 3 and 4.

    Mean and standard error over the tuning seeds; a ring marks the chosen coefficient. A curve ends
    where a run diverged.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 11.0), layout="constrained")
    grid = figure.subplots(1 + len(LAYERS), len(PLACES), sharex=True, sharey="row")
    for column, place in enumerate(PLACES):
        _draw_accuracy(grid[0][column], study, place)
        for layer in range(len(LAYERS)):
            _draw_angle(grid[1 + layer][column], study, place, layer)
        grid[0][column].set_title(TITLES[place], fontsize=11)
        grid[-1][column].set_xlabel("coefficient, in units of the paper's")
    grid[0][0].set_ylabel("accuracy over the baseline\n(percentage points)")
    for layer, name in enumerate(LAYERS):
        size = f"{WIDTHS[layer + 1]} rows in $R^{{{WIDTHS[layer]}}}$"
        grid[1 + layer][0].set_ylabel(f"minimal angle of {_LONG.get(name, name)},\n{size} (degrees)")
    handles, labels = grid[1][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_accuracy(axes: Axes, study: Study, place: str) -> None:
    """Draw paired differences to the baseline; what is below the panel is not drawn."""
    others = study.accuracies(TUNING, BASELINE)
    top = 0.5
    for method in study.settings.methods:
        coefs = study.coefs(method)
        found = [compare(study.accuracies(TUNING, Arm(method, place, coef)), others) for coef in coefs]
        units = [coef / METHODS[method].coef for coef in coefs]
        chosen = coefs.index(study.chosen(method, place).coef)
        values, errors = [one.difference for one in found], [one.difference_se for one in found]
        _curve(axes, method, units, values, errors)
        axes.plot(units[chosen], values[chosen], "o", markersize=11, fillstyle="none", color=PALETTE[method])
        top = max(top, *(value + error for value, error in zip(values, errors, strict=True)))
    axes.axhline(0.0, color=PALETTE["baseline"], linewidth=1.2, linestyle="--")
    axes.set_ylim(_LOWEST, math.ceil(2.0 * top + 0.2) / 2.0)
    _dress(axes)


def _draw_angle(axes: Axes, study: Study, place: str, layer: int) -> None:
    """Draw the minimal angle of one layer, with the baseline's and the bound."""
    for method in study.settings.methods:
        coefs = study.coefs(method)
        found = [study.mean_angle(TUNING, Arm(method, place, coef), layer) for coef in coefs]
        units = [coef / METHODS[method].coef for coef in coefs]
        label = f"{METHODS[method].title} (paper's coefficient: {METHODS[method].coef:g})"
        _curve(axes, method, units, [mean for mean, _ in found], [error for _, error in found], label)
    plain = study.mean_angle(TUNING, BASELINE, layer)[0]
    axes.axhline(plain, color=PALETTE["baseline"], linewidth=1.2, linestyle="--", label="baseline")
    axes.axhline(bound_degrees()[layer], color=_FAINT, linewidth=1.4, linestyle=":", label="upper bound")
    axes.set_ylim(5.0 * math.floor((plain - _DEEPEST) / 5.0), bound_degrees()[layer] + 2.0)
    _dress(axes)


def _curve(
    axes: Axes,
    method: str,
    x: Sequence[float],
    y: Sequence[float],
    error: Sequence[float],
    label: str | None = None,
) -> None:
    """Draw the curve of one method with its standard errors."""
    low, high = ([a + sign * b for a, b in zip(y, error, strict=True)] for sign in (-1.0, 1.0))
    axes.fill_between(x, low, high, color=PALETTE[method], alpha=0.13, linewidth=0.0)
    style = "--" if method in DASHED else "-"
    face = "white" if method in DASHED else PALETTE[method]
    axes.plot(
        x,
        y,
        style,
        color=PALETTE[method],
        marker=MARKERS[method],
        markerfacecolor=face,
        markersize=4.5,
        linewidth=1.5,
        label=label,
    )


def _dress(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw_angles(study: Study) -> Figure:
    """Draw the minimal angle of every layer after training, on both kinds of layers: after the paper's Supplement D.

    Mean over the test seeds; the standard errors are smaller than the marks, or drawn.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    published = [arm for arm in study.published if arm.place == "both"]
    tuned = [arm for arm in study.tuned if arm.place == "both"]
    panels = (("the papers' coefficients", published), ("coefficients of the best accuracy, tuned alike", tuned))
    grid = figure.subplots(1, len(panels), sharey=True)
    for axes, (title, arms) in zip(grid, panels, strict=True):
        shown = [BASELINE, *arms]
        for k, arm in enumerate(shown):
            shift = 0.11 * (k - 0.5 * (len(shown) - 1))
            means, errors = zip(*(study.mean_angle(TEST, arm, layer) for layer in range(len(LAYERS))), strict=True)
            place = [layer + shift for layer in range(len(LAYERS))]
            title_of = METHODS[arm.method].title if arm.method in METHODS else arm.method
            style = {"color": PALETTE[arm.method], "marker": MARKERS[arm.method], "label": title_of}
            axes.errorbar(place, means, errors, markersize=6.5, linewidth=0.0, elinewidth=1.4, zorder=3, **style)
        for layer, bound in enumerate(bound_degrees()):
            label = "upper bound" if layer == 0 else None
            axes.hlines(bound, layer - 0.42, layer + 0.42, color=_FAINT, linewidth=1.6, zorder=2, label=label)
        names = [f"{name}\n{n} in $R^{{{d}}}$" for name, (d, n) in zip(LAYERS, itertools.pairwise(WIDTHS), strict=True)]
        axes.set_xticks(range(len(LAYERS)), names)
        axes.set_title(title, fontsize=11)
        axes.set_xlim(-0.5, len(LAYERS) - 0.5)
        axes.grid(axis="y", color=_GRID, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("minimal angle (degrees)")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
    return figure
