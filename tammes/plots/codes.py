"""Figure of a code: the sphere with its contact graph for d = 3, and two histograms of its angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tammes.base import geometry
from tammes.base.geometry import Floats
from tammes.codes.spherical_code import SphericalCode
from tammes.plots.style import CONTACT, MARK, NEUTRAL, POINT, RATTLER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tammes.bounds.bound import Bound
    from tammes.storage.tables import KnownValue

__all__ = ["plot_code"]

MOST_POINTS_FOR_RATTLERS = 3_000
"""Largest number of points for which rattlers are computed: the stress takes a linear program."""

MOST_POINTS_FOR_PAIRS = 20_000
"""Largest number of points whose pairwise angles are all counted; above, a sample of this size is drawn."""


def plot_code(
    code: SphericalCode,
    known: KnownValue | None = None,
    bound: Bound | None = None,
    *,
    most_for_rattlers: int = MOST_POINTS_FOR_RATTLERS,
    most_for_pairs: int = MOST_POINTS_FOR_PAIRS,
) -> Figure:
    """Draw a code: histograms of its angles, and for d = 3 the sphere with its contact graph.

    Args:
        code: the code to draw.
        known: best known angle, marked in the histogram of nearest angles; named "optimum" where it is proved.
        bound: upper bound, marked in the same histogram.
        most_for_rattlers: largest number of points for which rattlers are computed.
        most_for_pairs: largest number of points of which all pairs are counted; of a larger code, the histogram is
            that of a fixed random sample of this many points.

    Returns:
        A figure; rattlers are red.
    """
    from matplotlib.figure import Figure

    sphere = code.d == 3
    figure = Figure(figsize=(11.0, 5.6) if sphere else (10.0, 4.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0)) if sphere else figure.add_gridspec(1, 2)
    if sphere:
        _draw_sphere(figure.add_subplot(grid[:, 0]), code, most_for_rattlers)
    _draw_pairwise(figure.add_subplot(grid[0, 1] if sphere else grid[0, 0]), code, most_for_pairs)
    _draw_nearest(figure.add_subplot(grid[1, 1] if sphere else grid[0, 1]), code, known, bound)
    figure.suptitle(f"{code.n} points in $R^{{{code.d}}}$, minimal angle {code.min_angle_degrees:.9f}°")
    return figure


def _draw_sphere(axes: Axes, code: SphericalCode, most_for_rattlers: int) -> None:
    """Draw an orthographic view: the near side dark, the far side faint."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    view = _view()
    seen = code.points @ view.T  # (n, 3): right, up, towards the viewer
    axes.add_patch(Circle((0.0, 0.0), 1.0, facecolor="#f4f7f8", edgecolor="#9db2bd", linewidth=1.0))
    contacts = code.contacts()
    if len(contacts):
        share = np.linspace(0.0, 1.0, 17)[None, :, None]  # along each arc
        ends = seen[contacts]  # (m, 2, 3)
        arcs = (1.0 - share) * ends[:, :1] + share * ends[:, 1:]
        arcs /= np.maximum(np.linalg.norm(arcs, axis=-1, keepdims=True), 1e-12)
        pieces = np.stack([arcs[:, :-1], arcs[:, 1:]], axis=2).reshape(-1, 2, 3)
        near = pieces[..., 2].mean(axis=1) > 0.0
        axes.add_collection(LineCollection(list(pieces[~near][..., :2]), colors="#d3dee3", linewidths=0.8))
        axes.add_collection(LineCollection(list(pieces[near][..., :2]), colors=CONTACT, linewidths=1.4))
    free = np.zeros(code.n, dtype=np.bool_)
    rattlers = "rattlers not computed"
    if code.n <= most_for_rattlers:
        free[code.rattlers()] = True
        rattlers = f"{int(free.sum())} rattlers" + (" (red)" if free.any() else "")
    front = seen[:, 2] > 0.0
    size = max(4.0, min(60.0, 6000.0 / code.n))
    for side, alpha, order in ((~front, 0.25, 2), (front, 1.0, 4)):
        for mask, color in ((side & ~free, POINT), (side & free, RATTLER)):
            axes.scatter(seen[mask, 0], seen[mask, 1], s=size, color=color, alpha=alpha, linewidths=0.0, zorder=order)
    axes.set_title(f"{len(contacts)} contacts, {rattlers}", fontsize=10)
    axes.set_xlim(-1.04, 1.04)
    axes.set_ylim(-1.04, 1.04)
    axes.set_aspect("equal")
    axes.axis("off")


def _view() -> Floats:
    """Return a fixed rotation, chosen so that the points of a symmetric code do not cover each other."""
    turn, tilt = np.radians([25.0, 20.0])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), np.sin(tilt)]])
    return np.asarray(about_x @ about_z)


def _draw_pairwise(axes: Axes, code: SphericalCode, most_points: int) -> None:
    """Draw the histogram of all pairwise angles."""
    edges = np.linspace(0.0, np.pi, 181)
    points = code.points
    label = "pairs"
    if code.n > most_points:  # all pairs would take hours, and the histogram would look the same
        points = points[np.random.default_rng(0).choice(code.n, most_points, replace=False)]
        label = f"pairs among {most_points:,} of the points"
    counts = geometry.angle_histogram(points, np.r_[edges[:-1], np.pi + 1e-9])
    axes.stairs(counts, np.degrees(edges), fill=True, color=CONTACT, alpha=0.75)
    axes.axvline(code.min_angle_degrees, color=RATTLER, linewidth=1.0)
    axes.set(xlabel="angle between two points (degrees)", ylabel=label, xlim=(0.0, 180.0))


def _draw_nearest(axes: Axes, code: SphericalCode, known: KnownValue | None, bound: Bound | None) -> None:
    """Draw the histogram of nearest angles, with the best known angle and the upper bound."""
    nearest = np.degrees(code.nearest_angles)
    marks = [(code.min_angle_degrees, "this code", RATTLER, "-")]
    if known is not None:
        marks.append((known.angle_degrees, "optimum" if known.optimal else "best known", MARK, "--"))
    if bound is not None:
        marks.append((bound.degrees, f"upper bound ({bound.name})", NEUTRAL, ":"))
    low = min(float(nearest.min()), *(mark[0] for mark in marks))
    high = max(float(nearest.max()), *(mark[0] for mark in marks))
    pad = max(0.05 * (high - low), 1e-3)
    axes.hist(nearest, bins=np.linspace(low - pad, high + pad, 61).tolist(), color=CONTACT, alpha=0.75)
    for at, label, color, style in marks:
        axes.axvline(at, color=color, linestyle=style, linewidth=1.4, label=f"{label} {at:.6g}°")
    axes.set(xlabel="angle to the nearest point (degrees)", ylabel="points", xlim=(low - pad, high + pad))
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(axis="x", useOffset=False)  # "36.0005", not "0.0005" with "+3.6e1" at the margin
    axes.legend(fontsize=8, frameon=False)
