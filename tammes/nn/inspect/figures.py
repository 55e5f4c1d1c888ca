"""Pictures of networks: the minimal angle of every layer, the cosines between the rows of one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.nn.inspect.weights import CosineHistogram, RowMeasure
from tammes.plots.style import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_NAMES", "plot_cosines", "plot_layers"]

MOST_NAMES = 40
"""Largest number of layers that are named on the axis; more layers are numbered."""

_STYLES = [(COLORS["mma"], "o"), (COLORS["cosine"], "s"), (COLORS["riesz-fisher"], "^"), (COLORS["logarithmic"], "D")]
_FAINT = "#9aa7ad"
_NAME = 34  # characters of a name that are shown
_BARS = 80  # largest number of bins over the range of the cosines


def plot_layers(checkpoints: Sequence[tuple[str, Mapping[str, RowMeasure]]]) -> Figure:
    """Draw the minimal angle of every layer, one curve for each checkpoint, with upper bounds: Supplement D.

    Args:
        checkpoints: label and measures, by the name of the layer, of each checkpoint. Layers are in the order of the
            first checkpoint; those of others follow. A missing angle leaves a gap.

    Returns:
        A figure of matplotlib, in degrees.

    Raises:
        InvalidParameterError: if there is no layer.

    References: Z. Wang, C. Xiang, W. Zou, C. Xu, MMA Regularization, NeurIPS 2020, Supplement D.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for _, measures in checkpoints for name in measures))
    if not names:
        raise InvalidParameterError("checkpoints", "of at least one layer", "none")
    place = np.arange(1, len(names) + 1)
    figure = Figure(figsize=(float(np.clip(2.5 + 0.3 * len(names), 6.4, 13.0)), 4.8), layout="constrained")
    axes = figure.subplots()
    limits: set[tuple[int, float]] = set()  # position and upper bound
    seen = [90.0]  # angles that the axis must show
    curves, labels = [], []
    for k, (label, measures) in enumerate(checkpoints):
        color, marker = _STYLES[k % len(_STYLES)]
        found = [measures.get(name) for name in names]
        degrees = [np.nan if measure is None else measure.min_angle_degrees for measure in found]
        angles = np.array(degrees, dtype=np.float64)  # None becomes nan
        seen += angles[np.isfinite(angles)].tolist()
        limits |= {
            (position, measure.bound.degrees)
            for position, measure in enumerate(found, 1)
            if measure is not None and measure.bound
        }
        size = 5.5 if len(names) <= MOST_NAMES else 3.0
        curves += axes.plot(place, angles, color=color, marker=marker, markersize=size, linewidth=1.5, zorder=3)
        labels.append(_literal(label))
    if limits:
        at, height = zip(*sorted(limits), strict=True)
        width = float(np.clip(320.0 / len(names), 3.0, 14.0))
        curves += axes.plot(at, height, "_", color=_FAINT, markersize=width, markeredgewidth=1.6, zorder=2)
        labels.append("upper bound")
    if len(names) <= MOST_NAMES:
        axes.set_xticks(place.tolist(), _shown(names), rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xlabel("layer, by its number in order")
    axes.set(ylabel="minimal angle (degrees)", xlim=(0.4, len(names) + 0.6))
    axes.set_ylim(bottom=max(0.0, 10.0 * math.floor((min(seen) - 5.0) / 10.0)))
    axes.grid(axis="y", color="#e6ebee", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(curves, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def plot_cosines(histograms: Sequence[tuple[str, CosineHistogram]], title: str = "") -> Figure:
    """Draw histograms of the cosines between the rows of one layer, with the threshold: the paper's Figure 1.

    Args:
        histograms: label and histogram of each network, drawn over each other; all with the same bins and threshold.
            Many narrow bins (2,000, say) are joined to at most 80 over the range of the cosines.
        title: title of the figure, not read as a formula.

    Returns:
        A figure of matplotlib.

    Raises:
        InvalidParameterError: if no histogram has a pair, or their bins or thresholds differ.

    References: Z. Wang, C. Xiang, W. Zou, C. Xu, MMA Regularization, NeurIPS 2020, Figure 1.
    """
    from matplotlib.figure import Figure

    alike = {(len(histogram.counts), histogram.threshold) for _, histogram in histograms}
    if len(alike) > 1:
        raise InvalidParameterError("histograms", "of the same bins and threshold", f"{sorted(alike)}")
    if not any(histogram.pairs for _, histogram in histograms):
        raise InvalidParameterError("histograms", "of at least one pair of rows", "none")
    threshold = histograms[0][1].threshold
    edges, joined = _joined(histograms)
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    outlines, labels = [], []
    for k, ((label, histogram), counts) in enumerate(zip(histograms, joined, strict=True)):
        color = _STYLES[k % len(_STYLES)][0]
        axes.stairs(counts, edges, fill=True, color=color, alpha=0.3)
        outlines.append(axes.stairs(counts, edges, color=color, linewidth=1.4))
        labels.append(f"{_literal(label)}: {histogram.sentence}" if label else histogram.sentence)
    low, high = min(float(edges[0]), threshold), max(float(edges[-1]), threshold)
    pad = 0.04 * (high - low)
    axes.axvline(threshold, color="#222222", linestyle="--", linewidth=1.1)
    axes.axvspan(threshold, high + pad, color="#222222", alpha=0.05, linewidth=0.0)
    axes.set(xlabel="cosine between two rows", ylabel="pairs", xlim=(low - pad, high + pad), title=_literal(title))
    axes.set_ylim(bottom=0.0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(outlines, labels, loc="outside lower center", frameon=False, fontsize=9)
    return figure


def _shown(names: Sequence[str]) -> list[str]:
    """Return names for an axis: without `.weight` at the end, and without the middle if they are long."""
    short = [name.removesuffix(".weight") or name for name in names]
    short = short if len(set(short)) == len(names) else list(names)
    head, tail = _NAME // 2 - 1, _NAME // 2
    return [_literal(name if len(name) <= _NAME else f"{name[:head]}…{name[-tail:]}") for name in short]


def _literal(text: str) -> str:
    """Return text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")


def _joined(histograms: Sequence[tuple[str, CosineHistogram]]) -> tuple[Floats, list[NDArray[np.int64]]]:
    """Join bins to at most `_BARS` over the range that holds pairs; return edges, and counts of each histogram."""
    total = np.sum([histogram.counts for _, histogram in histograms], axis=0)
    filled = np.flatnonzero(total)
    width = -(-int(filled[-1] - filled[0] + 1) // _BARS)
    starts = np.arange(filled[0] - filled[0] % width, filled[-1] + 1, width)
    edges = histograms[0][1].edges
    stops = np.minimum(starts + width, len(total))
    sums = [np.r_[0, np.cumsum(histogram.counts)] for _, histogram in histograms]
    return edges[np.r_[starts, stops[-1]]], [running[stops] - running[starts] for running in sums]
