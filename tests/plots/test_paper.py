"""The paper's figures, by the lines and markers drawn in them."""

import math

import numpy as np

from tammes.plots.paper import plot_gradients, plot_table1
from tammes.plots.style import COLORS


def test_gradients_are_drawn_as_given():
    theta = np.linspace(0.1, 3.0, 7)
    lengths = {"mma": np.ones(7), "riesz-fisher, s = 1": theta, "riesz-fisher, s = 2": theta**2, "mine": -theta}
    (axes,) = plot_gradients(theta, lengths).axes
    assert [line.get_label() for line in axes.lines] == list(lengths)
    for line, values in zip(axes.lines, lengths.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), theta * 180.0 / math.pi)
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "-", "-"]
    assert [line.get_color() for line in axes.lines][:3] == [COLORS["mma"]] + [COLORS["riesz-fisher"]] * 2


def test_table_1_is_drawn_in_per_cent_of_the_optimum():
    rows = [
        {
            "label": "d = 3, n = 4",
            "optimal": "100",
            "measured": {"mma": 99.0},
            "published": {"mma": 98.0},
            "polished": 100.5,
        },
        {
            "label": "d = 4, n = 5",
            "optimal": 50.0,
            "measured": {"mma": 40.0, "cosine": 25.0},
            "published": {"cosine": "0"},
            "polished": None,
        },
    ]
    (axes,) = plot_table1(rows, ["mma", "cosine"]).axes
    color = {value: name for name, value in COLORS.items()}
    drawn = [
        (
            round(float(line.get_ydata()[0])),
            color[line.get_color()],
            line.get_markerfacecolor() != "none",
            float(line.get_xdata()[0]),
        )
        for line in axes.lines
        if line.get_marker() == "o" and len(line.get_xdata())
    ]
    assert sorted(drawn) == [
        (0, "mma", False, 98.0),
        (0, "mma", True, 99.0),
        (0, "polished", True, 100.5),
        (1, "cosine", False, 0.0),
        (1, "cosine", True, 50.0),
        (1, "mma", True, 80.0),
    ]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["d = 3, n = 4", "d = 4, n = 5"]
    assert [line.get_xdata() for line in axes.lines if line.get_marker() != "o"] == [[100.0, 100.0]]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["mma", "cosine", "polished", "published"]
