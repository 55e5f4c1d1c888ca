"""Figures of layers and cosines, by the curves and texts that are drawn."""

import math

import numpy as np
import oracles
import pytest

from tammes import plots
from tammes.base.errors import InvalidParameterError
from tammes.nn.inspect import figures, weights

SQUARE, TRIANGLE = oracles.orthoplex(2), oracles.simplex(2)  # 90 and 120 degrees


def measured(**layers):
    return {name: weights.measure(rows) for name, rows in layers.items()}


def drawn(figure):
    """Return the axes, and its curves by their names in the legend."""
    (axes,) = figure.axes
    return axes, dict(zip(legend(figure), axes.lines, strict=True))


def legend(figure):
    (box,) = figure.legends
    return [text.get_text() for text in box.get_texts()]


# --- layers ---------------------------------------------------------------------------------------


def test_a_curve_and_the_bounds():
    pair = [*np.eye(3), [1.0, 1.0, 0.0]]  # four points, of which the best make a tetrahedron
    figure = figures.plot_layers([("a.pt", measured(one=SQUARE, two=pair, three=TRIANGLE))])
    axes, lines = drawn(figure)
    np.testing.assert_allclose(lines["a.pt"].get_ydata(), [90.0, 45.0, 120.0])
    assert list(lines["a.pt"].get_xdata()) == [1, 2, 3]
    tetrahedron = math.degrees(math.acos(-1.0 / 3.0))
    np.testing.assert_allclose(lines["upper bound"].get_ydata(), [90.0, tetrahedron, 120.0])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["one", "two", "three"]
    assert axes.get_ylim()[0] == 40.0  # the curve begins at 45
    assert legend(figure) == ["a.pt", "upper bound"]


def test_two_checkpoints_meet_by_name():
    first, second = measured(a=SQUARE, b=TRIANGLE), measured(b=SQUARE, c=TRIANGLE)
    figure = figures.plot_layers([("x.pt", first), ("y.pt", second)])
    axes, lines = drawn(figure)
    np.testing.assert_allclose(lines["x.pt"].get_ydata(), [90.0, 120.0, np.nan])
    np.testing.assert_allclose(lines["y.pt"].get_ydata(), [np.nan, 90.0, 120.0])
    assert lines["x.pt"].get_color() != lines["y.pt"].get_color()
    assert lines["x.pt"].get_marker() != lines["y.pt"].get_marker()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]
    places = list(zip(lines["upper bound"].get_xdata(), np.round(lines["upper bound"].get_ydata(), 9), strict=True))
    assert places == [(1, 90.0), (2, 90.0), (2, 120.0), (3, 120.0)]


def test_layers_without_an_angle_leave_a_gap():
    layers = measured(a=SQUARE, b=[[1.0, 0.0]], c=[[math.nan, 0.0], [1.0, 0.0]], d=[[1.0, 0.0], [1.0, 0.0]])
    axes, lines = drawn(figures.plot_layers([("a.pt", layers)]))
    np.testing.assert_allclose(lines["a.pt"].get_ydata(), [90.0, np.nan, np.nan, 0.0])
    assert axes.get_ylim()[0] == 0.0
    nothing, _ = drawn(figures.plot_layers([("a.pt", measured(b=[[1.0, 0.0]]))]))
    assert nothing.get_ylabel() == "minimal angle (degrees)"


def test_names_on_the_axis_are_short_and_distinct():
    names = ["features.0.weight", "encoder.layers.11.self_attention.linear_projection.weight", ".weight"]
    axes, _ = drawn(figures.plot_layers([("a", dict.fromkeys(names, weights.measure(SQUARE)))]))
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert shown == ["features.0", "encoder.layers.1…linear_projection", ".weight"]
    names = ["a.weight", "a"]
    axes, _ = drawn(figures.plot_layers([("a", dict.fromkeys(names, weights.measure(SQUARE)))]))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == names


def test_many_layers_go_by_number():
    many = {f"layer{k}": weights.measure(SQUARE) for k in range(figures.MOST_NAMES + 1)}
    axes, lines = drawn(figures.plot_layers([("a", many)]))
    assert axes.get_xlabel() == "layer, by its number in order"
    assert not any("layer" in tick.get_text() for tick in axes.get_xticklabels())
    assert len(lines["a"].get_xdata()) == 41


def test_without_layers_there_is_no_picture():
    for checkpoints in ([], [("a", {})]):
        with pytest.raises(InvalidParameterError, match="`checkpoints` must be of at least one layer"):
            figures.plot_layers(checkpoints)


# --- cosines --------------------------------------------------------------------------------------


def bars(figure):
    """Return edges and counts of the filled steps of every histogram."""
    (axes,) = figure.axes
    steps = [patch.get_data() for patch in axes.patches if hasattr(patch, "get_data")]
    return [(step.edges, step.values) for step in steps[::2]]


@pytest.mark.parametrize("bins", [10, 200, 2000])
def test_every_pair_is_drawn(bins):
    rows = oracles.random_code(60, 5)
    found = weights.cosine_histogram(rows, bins)
    figure = figures.plot_cosines([("a.pt", found)], "fc")
    ((edges, counts),) = bars(figure)
    assert counts.sum() == 60 * 59 // 2
    assert len(counts) <= 80
    cosines = [float(x @ y) for k, x in enumerate(rows) for y in rows[:k]]
    np.testing.assert_array_equal(counts, np.histogram(cosines, edges)[0])
    axes = figure.axes[0]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.2]
    above = sum(cosine > 0.2 for cosine in cosines)
    assert legend(figure) == [f"a.pt: {above} of 1,770 pairs above 0.2 ({100 * above / 1770:.3g} %)"]
    assert axes.get_title() == "fc"
    assert axes.get_xlim()[0] < min(cosines) < max(cosines) < axes.get_xlim()[1]


def test_two_histograms_share_their_bins():
    near = oracles.normalized(oracles.random_code(30, 9) + np.eye(9)[0])
    found = [weights.cosine_histogram(rows, 500) for rows in (oracles.random_code(40, 9), near)]
    figure = figures.plot_cosines(list(zip(["a", "b"], found, strict=True)))
    (first, counts), (second, others) = bars(figure)
    np.testing.assert_array_equal(first, second)
    assert (counts.sum(), others.sum()) == (780, 435)
    assert [text.partition(":")[0] for text in legend(figure)] == ["a", "b"]


def test_one_cosine_for_all_pairs():
    figure = figures.plot_cosines([("", weights.cosine_histogram(oracles.simplex(6), 2000))])
    ((_, counts),) = bars(figure)
    assert counts.tolist() == [21]
    assert legend(figure) == ["0 of 21 pairs above 0.2 (0 %)"]


def test_what_cannot_be_drawn():
    square = weights.cosine_histogram(SQUARE, 10)
    for histograms in ([], [("a", weights.cosine_histogram([[1.0, 0.0]], 10))]):
        with pytest.raises(InvalidParameterError, match="`histograms` must be of at least one pair of rows"):
            figures.plot_cosines(histograms)
    for other in (weights.cosine_histogram(SQUARE, 20), weights.cosine_histogram(SQUARE, 10, threshold=0.5)):
        with pytest.raises(InvalidParameterError, match="`histograms` must be of the same bins and threshold"):
            figures.plot_cosines([("a", square), ("b", other)])


def test_names_are_no_formulas():
    name = r"layer $\nonsense{$"
    label = "_$x.pt"  # an underscore in front would hide it from a legend
    figure = figures.plot_layers([(label, {name: weights.measure(SQUARE)})])
    assert plots.figure_bytes(figure)
    assert legend(figure)[0] == r"_\$x.pt"
    figure = figures.plot_cosines([(label, weights.cosine_histogram(SQUARE))], name)
    assert plots.figure_bytes(figure)
    assert legend(figure)[0].startswith(r"_\$x.pt: ")


def test_pictures_become_files():
    figure = figures.plot_layers([("a.pt", measured(one=SQUARE))])
    assert plots.figure_bytes(figure).startswith(b"\x89PNG")
    figure = figures.plot_cosines([("a.pt", weights.cosine_histogram(SQUARE))])
    assert plots.figure_bytes(figure, ".svg").startswith(b"<?xml")
