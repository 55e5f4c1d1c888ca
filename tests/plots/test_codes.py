"""Figures of codes, by what is drawn in them: counts, marks, arcs."""

import math

import numpy as np
import oracles
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tammes.bounds import Bound
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.spread import fibonacci
from tammes.plots.codes import plot_code
from tammes.storage.tables import KnownValue

RED = to_rgba("#d1495b")
ICOSAHEDRON = SphericalCode(oracles.icosahedron())
CODES = {
    "icosahedron": oracles.icosahedron(),
    "octahedron": oracles.orthoplex(3),
    "24-cell": oracles.cell24(),
    "antipodes": np.array([[0.0, 0.6, 0.8], [0.0, -0.6, -0.8]]),
    "polygon": oracles.polygon(7),
    "random": oracles.random_code(40, 3),
}


def panels(figure):
    """Axes by the label below them; the sphere has none."""
    return {axes.get_xlabel(): axes for axes in figure.axes}


def counts(axes):
    """Total of a histogram, drawn as steps or as bars."""
    steps = [patch.get_data() for patch in axes.patches if hasattr(patch, "get_data")]
    return steps[0].values if steps else np.array([bar.get_height() for bar in axes.patches])


def edges(axes):
    steps = [patch.get_data() for patch in axes.patches if hasattr(patch, "get_data")]
    return steps[0].edges if steps else np.array([bar.get_x() for bar in axes.patches])


def verticals(axes):
    return [float(line.get_xdata()[0]) for line in axes.lines]


@pytest.mark.parametrize("points", CODES.values(), ids=CODES)
def test_histograms_hold_every_pair_and_every_point(points):
    n, d = points.shape
    figure = plot_code(SphericalCode(points))
    assert isinstance(figure, Figure)
    assert len(figure.axes) == (3 if d == 3 else 2)
    drawn = panels(figure)
    assert counts(drawn["angle between two points (degrees)"]).sum() == n * (n - 1) // 2
    assert counts(drawn["angle to the nearest point (degrees)"]).sum() == n
    degrees = math.degrees(oracles.min_angle(points))
    assert figure.get_suptitle() == f"{n} points in $R^{{{d}}}$, minimal angle {degrees:.9f}°"


def test_pairs_of_the_icosahedron_lie_at_its_three_angles():
    axes = panels(plot_code(ICOSAHEDRON))["angle between two points (degrees)"]
    filled = {int(edges(axes)[k]): int(count) for k, count in enumerate(counts(axes)) if count}
    assert filled == {63: 30, 116: 30, 179: 6}  # bins of one degree
    assert verticals(axes) == [pytest.approx(63.43494882292201)]


def test_nearest_angles_fall_where_they_are():
    ring = oracles.polygon(10, d=3)
    points = np.concatenate([ring, [[0.0, 0.0, 1.0]]])  # ten at 36 degrees, the pole at 90
    axes = panels(plot_code(SphericalCode(points)))["angle to the nearest point (degrees)"]
    filled = [
        (bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in axes.patches if bar.get_height()
    ]
    assert [height for _, _, height in filled] == [10, 1]
    assert filled[0][0] <= 36.0 <= filled[0][1]
    assert filled[1][0] <= 90.0 <= filled[1][1]


@pytest.mark.parametrize(("proof", "word"), [("L. Fejes Toth 1943", "optimum"), (None, "best known")])
def test_marks_stand_at_the_known_value_and_the_bound(proof, word):
    known = KnownValue(12, 3, "63.25", "a source", proved_by=proof)
    bound = Bound("Levenshtein", math.radians(64.5), "a reference")
    axes = panels(plot_code(ICOSAHEDRON, known, bound))["angle to the nearest point (degrees)"]
    assert verticals(axes) == pytest.approx([63.43494882292201, 63.25, 64.5])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["this code 63.4349°", f"{word} 63.25°", "upper bound (Levenshtein) 64.5°"]
    low, high = axes.get_xlim()
    assert low < 63.25 < 64.5 < high


def test_without_known_value_and_bound_only_the_code_is_marked():
    axes = panels(plot_code(ICOSAHEDRON))["angle to the nearest point (degrees)"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["this code 63.4349°"]


# --- the sphere -----------------------------------------------------------------------------------


def sphere(points):
    axes = panels(plot_code(SphericalCode(points)))[""]
    arcs = [c for c in axes.collections if hasattr(c, "get_segments")]
    dots = [c for c in axes.collections if not hasattr(c, "get_segments")]
    return axes, [np.array(c.get_segments()).reshape(-1, 2, 2) for c in arcs], dots


@pytest.mark.parametrize(
    ("points", "contacts", "rattlers"),
    [
        pytest.param(oracles.icosahedron(), 30, 0, id="icosahedron"),
        pytest.param(oracles.orthoplex(3), 12, 0, id="octahedron"),
        pytest.param(np.delete(oracles.orthoplex(3), 5, axis=0), 8, 1, id="pyramid"),
    ],
)
def test_contacts_are_arcs_and_rattlers_are_red(points, contacts, rattlers):
    axes, arcs, dots = sphere(points)
    assert sum(map(len, arcs)) == contacts * 16
    ends = np.concatenate(arcs)
    assert (np.linalg.norm(ends, axis=-1) <= 1.0 + 1e-12).all()
    red = [
        len(dot.get_offsets())
        for dot in dots
        if np.allclose(dot.get_facecolor()[:, :3], RED[:3]) and len(dot.get_offsets())
    ]
    assert sum(len(dot.get_offsets()) for dot in dots) == len(points)
    assert sum(red) == rattlers
    assert axes.get_title() == f"{contacts} contacts, {rattlers} rattlers" + (" (red)" if rattlers else "")


def test_arcs_are_great_circles_between_the_points_that_are_drawn():
    points = oracles.orthoplex(3)
    _, arcs, dots = sphere(points)
    length = sum(np.linalg.norm(part[:, 1] - part[:, 0], axis=1).sum() for part in arcs)
    seen = np.concatenate([np.asarray(dot.get_offsets()) for dot in dots])
    # An orthographic view: axes seen as columns of two orthonormal rows, and a quarter circle from
    # x to y as cos(t) x + sin(t) y.
    np.testing.assert_allclose(seen.T @ seen, 2.0 * np.eye(2), atol=1e-12)
    t = np.linspace(0.0, np.pi / 2, 2001)[:, None]
    quarters = [
        np.cos(t) * x + np.sin(t) * y for k, x in enumerate(seen) for y in seen[k + 1 :] if np.abs(x + y).max() > 1e-9
    ]
    exact = sum(np.linalg.norm(np.diff(quarter, axis=0), axis=1).sum() for quarter in quarters)
    assert len(quarters) == 12
    assert length == pytest.approx(exact, rel=2e-3)


def test_far_points_are_faint():
    _, _, dots = sphere(oracles.orthoplex(3))
    drawn = {dot.get_alpha(): len(dot.get_offsets()) for dot in dots if len(dot.get_offsets())}
    assert drawn == {0.25: 3, 1.0: 3}  # of two opposite points one is near


def test_a_large_code_is_drawn_from_a_sample_and_without_rattlers():
    """The cost of a picture must not grow faster than the number of points."""
    code = SphericalCode(fibonacci(400))
    sphere, pairs, _ = plot_code(code, most_for_rattlers=50, most_for_pairs=50).axes
    assert sphere.get_title().endswith("rattlers not computed")
    assert pairs.get_ylabel() == "pairs among 50 of the points"
    (stairs,) = pairs.patches
    assert stairs.get_data().values.sum() == 50 * 49 / 2
