"""Pictures, drawn with matplotlib's figures alone: pyplot and its windows are never loaded.

Every function returns a `Figure`; `figure_bytes` turns it into the content of a file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.codes.spherical_code import SphericalCode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tammes.bounds.bound import Bound
    from tammes.storage.tables import KnownValue

__all__ = ["COLORS", "SUFFIXES", "figure_bytes", "plot_code", "plot_gradients", "plot_history", "plot_table1"]

COLORS = {
    "mma": "#0b6e99",
    "cosine": "#d1495b",
    "riesz-fisher": "#e08e1b",
    "logarithmic": "#5f8d4e",
    "polished": "#222222",
}
SUFFIXES = (".png", ".svg", ".pdf")
_TOLD = 3_000  # points above which rattlers are not told
_SAMPLED = 20_000  # points above which the histogram of all pairs is that of so many
_INK, _CONTACT, _RATTLER, _MARK = "#1b3a4b", "#0b6e99", "#d1495b", "#e08e1b"


def figure_bytes(figure: Figure, suffix: str = ".png") -> bytes:
    """The figure as PNG, SVG or PDF.

    Raises:
        InvalidParameterError: if the suffix is none of these.
    """
    if suffix.lower() not in SUFFIXES:
        raise InvalidParameterError("output", "a .png, .svg or .pdf file", suffix)
    stream = io.BytesIO()
    figure.savefig(stream, format=suffix[1:].lower(), dpi=150)
    return stream.getvalue()


def plot_code(code: SphericalCode, known: KnownValue | None = None, bound: Bound | None = None) -> Figure:
    """What fits: for d = 3 the sphere with its contacts; for every d the two angle histograms.

    Args:
        code: what is drawn.
        known: marked in the histograms as best known, or as the optimum where that is proved.
        bound: marked as the upper bound.

    Returns:
        A figure; rattlers are drawn in red.
    """
    from matplotlib.figure import Figure

    sphere = code.d == 3
    figure = Figure(figsize=(11.0, 5.6) if sphere else (10.0, 4.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0)) if sphere else figure.add_gridspec(1, 2)
    if sphere:
        _draw_sphere(figure.add_subplot(grid[:, 0]), code)
    _draw_pairwise(figure.add_subplot(grid[0, 1] if sphere else grid[0, 0]), code)
    _draw_nearest(figure.add_subplot(grid[1, 1] if sphere else grid[0, 1]), code, known, bound)
    figure.suptitle(f"{code.n} points in $R^{{{code.d}}}$, minimal angle {code.min_angle_degrees:.9f}°")
    return figure


def _draw_sphere(axes: Axes, code: SphericalCode) -> None:
    """Orthographic view: the near side in ink, the far side faint."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    view = _view()
    seen = code.points @ view.T  # (n, 3): right, up, towards the viewer
    axes.add_patch(Circle((0.0, 0.0), 1.0, facecolor="#f4f7f8", edgecolor="#9db2bd", linewidth=1.0))
    contacts = code.contacts()
    if len(contacts):
        turn = np.linspace(0.0, 1.0, 17)[None, :, None]
        ends = seen[contacts]  # (m, 2, 3)
        arcs = (1.0 - turn) * ends[:, :1] + turn * ends[:, 1:]
        arcs /= np.maximum(np.linalg.norm(arcs, axis=-1, keepdims=True), 1e-12)
        pieces = np.stack([arcs[:, :-1], arcs[:, 1:]], axis=2).reshape(-1, 2, 3)
        near = pieces[..., 2].mean(axis=1) > 0.0
        axes.add_collection(LineCollection(list(pieces[~near][..., :2]), colors="#d3dee3", linewidths=0.8))
        axes.add_collection(LineCollection(list(pieces[near][..., :2]), colors=_CONTACT, linewidths=1.4))
    free = np.zeros(code.n, dtype=np.bool_)
    told = code.n <= _TOLD
    if told:
        free[code.rattlers()] = True
    front = seen[:, 2] > 0.0
    size = max(4.0, min(60.0, 6000.0 / code.n))
    for side, alpha, order in ((~front, 0.25, 2), (front, 1.0, 4)):
        for mask, color in ((side & ~free, _INK), (side & free, _RATTLER)):
            axes.scatter(seen[mask, 0], seen[mask, 1], s=size, color=color, alpha=alpha, linewidths=0.0, zorder=order)
    rattlers = f"{int(free.sum())} rattlers" + (" (red)" if free.any() else "") if told else "rattlers not told"
    axes.set_title(f"{len(contacts)} contacts, {rattlers}", fontsize=10)
    axes.set_xlim(-1.04, 1.04)
    axes.set_ylim(-1.04, 1.04)
    axes.set_aspect("equal")
    axes.axis("off")


def _view() -> Floats:
    """A fixed rotation, a little from above, so that symmetric codes do not hide behind themselves."""
    turn, tilt = np.radians([25.0, 20.0])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), np.sin(tilt)]])
    return np.asarray(about_x @ about_z)


def _draw_pairwise(axes: Axes, code: SphericalCode) -> None:
    """Histogram of all pairwise angles."""
    edges = np.linspace(0.0, np.pi, 181)
    points, label = code.points, "pairs"
    if code.n > _SAMPLED:  # all pairs would take hours; the shape of the histogram is that of a sample's
        points = points[np.random.default_rng(0).choice(code.n, _SAMPLED, replace=False)]
        label = f"pairs among {_SAMPLED:,} of the points"
    counts = geometry.angle_histogram(points, np.r_[edges[:-1], np.pi + 1e-9])
    axes.stairs(counts, np.degrees(edges), fill=True, color=_CONTACT, alpha=0.75)
    axes.axvline(code.min_angle_degrees, color=_RATTLER, linewidth=1.0)
    axes.set(xlabel="angle between two points (degrees)", ylabel=label, xlim=(0.0, 180.0))


def _draw_nearest(axes: Axes, code: SphericalCode, known: KnownValue | None, bound: Bound | None) -> None:
    """Histogram of the nearest-neighbour angles, with what is known and what is possible."""
    nearest = np.degrees(code.nearest_angles)
    marks = [(code.min_angle_degrees, "this code", _RATTLER, "-")]
    if known is not None:
        marks.append((known.angle_degrees, "optimum" if known.optimal else "best known", _MARK, "--"))
    if bound is not None:
        marks.append((bound.degrees, f"upper bound ({bound.name})", "#777777", ":"))
    low = min(float(nearest.min()), *(mark[0] for mark in marks))
    high = max(float(nearest.max()), *(mark[0] for mark in marks))
    pad = max(0.05 * (high - low), 1e-3)
    axes.hist(nearest, bins=np.linspace(low - pad, high + pad, 61).tolist(), color=_CONTACT, alpha=0.75)
    for at, label, color, style in marks:
        axes.axvline(at, color=color, linestyle=style, linewidth=1.4, label=f"{label} {at:.6g}°")
    axes.set(xlabel="angle to the nearest point (degrees)", ylabel="points", xlim=(low - pad, high + pad))
    axes.legend(fontsize=8, frameon=False)


def plot_history(history: Mapping[str, Sequence[float | None]], title: str = "") -> Figure:
    """The course of a run: best measured angle, loss and learning rate, then the polish.

    Args:
        history: as a result's record holds it.
        title: above the figure.

    Raises:
        InvalidParameterError: if the record has no course (a closed form, for instance).
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not history.get("step"):
        raise InvalidParameterError("history", "a record with a course; closed forms have none", "nothing")
    course = {name: np.array(values, dtype=np.float64) for name, values in history.items()}  # None becomes nan
    climbed = course.get("polish_min_angle_degrees", ())
    columns = 2 if len(climbed) else 1
    figure = Figure(figsize=(5.5 * columns, 6.0), layout="constrained")
    grid = figure.add_gridspec(3, columns, height_ratios=(2, 2, 1))
    panels = (
        ("best angle (degrees)", "min_angle_degrees", _INK),
        ("loss", "loss", _CONTACT),
        ("learning rate", "learning_rate", _MARK),
    )
    for row, (label, name, color) in enumerate(panels):
        axes = figure.add_subplot(grid[row, 0])
        axes.plot(course["step"], course[name], color=color, drawstyle="steps-pre" if row == 2 else "default")
        axes.set(ylabel=label, xlabel="step" if row == 2 else "", yscale="log" if row == 2 else "linear")
    if len(climbed):
        polish = figure.add_subplot(grid[:, 1])
        polish.plot(np.arange(1, len(climbed) + 1), climbed, marker="o", markersize=3, color=_INK)
        polish.ticklabel_format(useOffset=False)
        polish.xaxis.set_major_locator(MaxNLocator(integer=True))
        polish.set(title="polish", xlabel="linear program", ylabel="minimal angle (degrees)")
    figure.suptitle(title)
    return figure


def plot_gradients(theta: Floats, lengths: Mapping[str, Floats]) -> Figure:
    """The paper's Figure 2: gradient length of each loss against the angle of a pair.

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
    """Table 1 as a chart: measured (filled) beside published (hollow), in per cent of the optimum.

    Args:
        rows: `label`, `optimal`, `measured` and `published` (mappings by loss), `polished`.
        losses: the order of the columns.
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
