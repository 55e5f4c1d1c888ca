"""The figures: cosines between rows (1), the coefficient (3, 4), every layer (Supplement D), and how training went."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.paper.config import Arm, Experiment
from benchmarks.paper.jobs import Job
from benchmarks.paper.measurements import BINS
from benchmarks.paper.runs import SMOKE, Result
from benchmarks.paper.tables import mean_of
from tammes.plots.style import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_angles", "draw_coefficients", "draw_cosines", "draw_layers", "draw_training"]

Runs = Mapping[str, Sequence[Result]]
"""Runs that did not diverge, by the name of the arm."""
Measure = tuple[str, Callable[[Result], Any]]
"""What an axis says, and what is read of a result."""

_COLORS = {"none": "#222222", "orthogonal": "#7a5195", "mhe-0": COLORS["logarithmic"], "mhe-2": COLORS["riesz-fisher"]}
_COLORS |= {"mma": COLORS["mma"], "cosine": COLORS["cosine"]}
_MARKERS = {"none": "x", "orthogonal": "v", "mhe-0": "D", "mhe-2": "^", "mma": "o", "cosine": "s"}
_FAINT, _GRID = "#9aa7ad", "#e6ebee"
_PRETTY = {"accuracy": "accuracy on the test images (%)"}


def draw_cosines(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> Figure:
    """Figure 1: cosines of all pairs of rows at the end of training, a panel a layer, and how many are above 0.2.

    Of the first seed that is done; a pair of rows that point the same way has cosine 1.
    """
    network = next(iter(experiment.recipes))
    runs = _runs(experiment, jobs, results, network)
    firsts = {name: min(found, key=lambda one: one.seed) for name, found in runs.items()}
    layers = [layer for layer in experiment.layers if any(layer in one.cosines for one in firsts.values())]
    figure, panels = _sheet(len(layers), 2, _title(f"Figure 1: {network}, one seed", experiment), 3.9, jobs)
    edges = np.linspace(-1.0, 1.0, BINS + 1)
    for axes, layer in zip(panels, layers, strict=True):
        low, high, threshold = 1.0, -1.0, 0.2
        for arm in experiment.arms_of(network):
            found = firsts[arm.name].cosines.get(layer) if arm.name in firsts else None
            if found is None or not found["pairs"]:
                continue
            threshold, start, counts = found["threshold"], found["start"], np.array(found["counts"])
            own = edges[start : start + len(counts) + 1]
            share = f"{100.0 * found['above'] / found['pairs']:.3g} %"
            label = f"{arm.title}: {found['above']:,} of {found['pairs']:,} above {threshold:g} ({share})"
            axes.stairs(counts, own, color=_COLORS[arm.loss], linewidth=1.5, label=label)
            if arm.loss in {"none", "mma"}:
                axes.stairs(counts, own, fill=True, color=_COLORS[arm.loss], alpha=0.16)
            low, high = min(low, own[0]), max(high, own[-1])
        axes.axvline(threshold, color=_COLORS["none"], linestyle="--", linewidth=1.0)
        axes.set(xlim=(max(-1.0, low - 0.05), min(1.0, max(high, threshold) + 0.05)), ylabel="pairs of rows")
        axes.set_title(layer, fontsize=11, loc="left")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, fontsize=8)
        axes.set_xlabel("cosine between two rows")
    return figure


def draw_training(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> Figure:
    """Loss, accuracy and minimal angles during training; means over seeds, bands of a standard error."""
    network = next(iter(experiment.recipes))
    runs = _runs(experiment, jobs, results, network)
    measured = {name for found in runs.values() for one in found for name in one.measures}
    curves: list[tuple[str, Callable[[Mapping[str, Any]], Any]]] = [
        ("cross-entropy on the training images", lambda line: line["loss"])
    ]
    curves += [
        (_PRETTY.get(name, name), lambda line, name=name: line["measures"].get(name)) for name in sorted(measured)
    ]
    layers = [one for one in experiment.layers if any(one in each.history[0]["angles"] for each in _all(runs))]
    curves += [
        (f"minimal angle of {layer} (degrees)", lambda line, layer=layer: line["angles"].get(layer)) for layer in layers
    ]
    figure, panels = _sheet(len(curves), 2, _title(f"training of {network}", experiment), 3.0, jobs)
    for axes, (label, read) in zip(panels, curves, strict=True):
        for arm in experiment.arms_of(network):
            x, y, error = _curve([one.history for one in runs.get(arm.name, ())], read)
            if x:
                axes.plot(
                    x, y, color=_COLORS[arm.loss], linewidth=1.5, label=arm.title, marker="." if len(x) < 9 else ""
                )
                low, high = (np.array(y) + sign * np.array(error) for sign in (-1.0, 1.0))
                axes.fill_between(x, low, high, color=_COLORS[arm.loss], alpha=0.15, linewidth=0.0)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _dress(axes)
    _legend(figure, panels[0])
    return figure


def draw_coefficients(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> Figure:
    """Figure 3: accuracy against the coefficient, a panel a network, beside the baseline."""
    measures: list[Measure] = [(_PRETTY["accuracy"], lambda one: one.measures.get("accuracy"))]
    return _swept(experiment, jobs, results, "Figure 3: accuracy and the coefficient", measures)


def draw_angles(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> Figure:
    """Figure 4: minimal angles at the end against the coefficient, a column a network, beside the baseline."""
    found = [one for one in results.values() if not one.diverged]
    layers = [layer for layer in experiment.layers if any(layer in one.angles for one in found)]
    measures: list[Measure] = [
        (
            f"minimal angle of {layer} (degrees)",
            lambda one, layer=layer: one.angles.get(layer, {}).get("min_angle_degrees"),
        )
        for layer in layers
    ]
    return _swept(experiment, jobs, results, "Figure 4: minimal angles and the coefficient", measures)


def _swept(
    experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result], title: str, measures: Sequence[Measure]
) -> Figure:
    """A row a measure, a column a network: means over seeds and standard errors at each coefficient."""
    networks = list(experiment.recipes)
    runs = {network: _runs(experiment, jobs, results, network) for network in networks}
    figure, panels = _sheet(len(measures) * len(networks), len(networks), _title(title, experiment), 3.1, jobs)
    for k, axes in enumerate(panels):
        (label, read), network = measures[k // len(networks)], networks[k % len(networks)]
        plain = _mean(runs[network].get(experiment.baseline(network).name, ()), read)
        swept = [arm for arm in experiment.arms_of(network) if arm.loss != "none"]
        points = [(arm.coef, _mean(runs[network].get(arm.name, ()), read)) for arm in swept]
        there = [(coef, mean) for coef, mean in points if mean is not None]
        axes.set_title(network if k < len(networks) else "", fontsize=11)
        if plain is None and not there:
            axes.text(0.5, 0.5, "no such layer", ha="center", va="center", color=_FAINT, transform=axes.transAxes)
            axes.set_axis_off()
            continue
        if plain is not None:
            axes.axhline(plain.value, color=_COLORS["none"], linestyle="--", linewidth=1.2, label="baseline")
        if there:
            errors = [0.0 if math.isnan(mean.error) else mean.error for _, mean in there]
            values = [mean.value for _, mean in there]
            axes.errorbar([coef for coef, _ in there], values, errors, color=COLORS["mma"], marker="o", label="MMA")
        axes.set(xscale="log", xlabel="coefficient" if k >= len(panels) - len(networks) else "")
        axes.set_ylabel(label, fontsize=9)
        axes.set_xticks([coef for coef, _ in points], [f"{coef:g}" for coef, _ in points])
        axes.minorticks_off()
        _dress(axes)
    _legend(figure, *panels)
    return figure


def draw_layers(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> Figure:
    """Supplement D: the minimal angle of every layer at the end of training, a panel a network, with its bound."""
    networks = [one for one in experiment.recipes if any(_runs(experiment, jobs, results, one).values())]
    figure, panels = _sheet(len(networks), 1, _title("Supplement D", experiment), 3.6, jobs)
    for axes, network in zip(panels, networks, strict=True):
        runs = _runs(experiment, jobs, results, network)
        names = list(dict.fromkeys(layer for one in _all(runs) for layer in one.angles))
        place = np.arange(len(names))
        bounds = {k: v["bound_degrees"] for one in _all(runs) for k, v in one.angles.items()}
        shown = [math.nan if bounds[name] is None else bounds[name] for name in names]
        lowest = 180.0
        axes.plot(place, shown, linestyle="", marker="_", markersize=9, color=_FAINT, label="upper bound")
        for arm in experiment.arms_of(network):
            means = [
                _mean(runs.get(arm.name, ()), lambda one, name=name: one.angles.get(name, {}).get("min_angle_degrees"))
                for name in names
            ]
            if any(means):
                lowest = min(lowest, *(mean.value for mean in means if mean is not None))
                y = [math.nan if mean is None else mean.value for mean in means]
                axes.plot(place, y, label=arm.title, **_style(arm, experiment.arms_of(network)))
        many = len(names) > 45
        kept = [(k, name) for k, name in enumerate(names) if not many or k % 4 == 0 or k == len(names) - 1]
        axes.set_xticks(
            [k for k, _ in kept], [name for _, name in kept], rotation=90 if len(kept) > 12 else 0, fontsize=8
        )
        axes.set(ylabel="minimal angle (degrees)", xlim=(-0.6, len(names) - 0.4), ylim=(min(lowest, 80.0) - 5.0, None))
        axes.set_title(network, fontsize=11, loc="left")
        _dress(axes)
    if panels:
        _legend(figure, *panels)
    return figure


# --- what they share ----------------------------------------------------------------------------------------


def _runs(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result], network: str) -> Runs:
    found: dict[str, list[Result]] = {arm.name: [] for arm in experiment.arms_of(network)}
    for job in jobs:
        result = results.get(job.name)
        if job.network == network and result is not None and not result.diverged:
            found[job.arm.name].append(result)
    return {name: some for name, some in found.items() if some}


def _all(runs: Runs) -> list[Result]:
    return [one for found in runs.values() for one in found]


def _mean(found: Sequence[Result], read: Callable[[Result], Any]) -> Any:
    return mean_of([float(value) for value in map(read, found) if value is not None])


def _curve(
    histories: Sequence[Sequence[Mapping[str, Any]]], read: Callable[[Mapping[str, Any]], Any]
) -> tuple[list[int], list[float], list[float]]:
    """Epochs from 1, means and standard errors over seeds, of the epochs that all seeds have."""
    x, y, error = [], [], []
    for lines in zip(*histories, strict=False):
        values = [value for value in map(read, lines) if value is not None]
        if len(values) == len(histories):
            x.append(lines[0]["epoch"] + 1)
            y.append(statistics.fmean(values))
            error.append(statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0)
    return x, y, error


def _title(what: str, experiment: Experiment) -> str:
    return f"{what}, {experiment.data.name}"


def _sheet(count: int, columns: int, title: str, height: float, jobs: Sequence[Job]) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels; that of a smoke run says so in its title."""
    from matplotlib.figure import Figure

    rows = max(1, -(-count // columns))
    width = 10.5 if columns > 1 or count else 6.0
    figure = Figure(figsize=(width, height * rows + 0.9), layout="constrained")
    smoke = any(job.smoke for job in jobs)
    figure.suptitle(f"{title}\n{SMOKE}" if smoke else title, fontsize=11, color="#d1495b" if smoke else "#222222")
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def _style(arm: Arm, arms: Sequence[Arm]) -> dict[str, Any]:
    """Return the style of an arm: colour and marker by loss, dashes by place, opacity by coefficient."""
    coefs = sorted({one.coef for one in arms if one.loss == arm.loss})
    strength = 1.0 if len(coefs) < 2 else 0.3 + 0.7 * coefs.index(arm.coef) / (len(coefs) - 1)
    dashes = {"hidden": "--", "output": ":"}.get(arm.place if arm.loss != "none" else "", "-")
    style = {"color": _COLORS[arm.loss], "marker": _MARKERS[arm.loss], "linestyle": dashes, "alpha": strength}
    return style | {"markersize": 4.5, "linewidth": 1.3, "markerfacecolor": "none"}


def _legend(figure: Figure, *panels: Axes) -> None:
    """Draw one legend for all panels."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=6, frameon=False, fontsize=9)


def _dress(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
