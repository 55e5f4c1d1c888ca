"""Figures of the history of a run, by the lines drawn in them."""

import pytest

from tammes.base.errors import InvalidParameterError
from tammes.plots.history import plot_history

HISTORY = {
    "step": [10, 20, 30],
    "min_angle_degrees": [50.0, 60.0, 61.5],
    "loss": [-0.5, -0.7, -0.75],
    "learning_rate": [1e-1, 1e-1, 1e-2],
}


def test_history_draws_angle_loss_and_rate():
    figure = plot_history(HISTORY, "a run")
    drawn = {axes.get_ylabel(): axes for axes in figure.axes}
    expected = {
        "best angle (degrees)": "min_angle_degrees",
        "loss": "loss",
        "learning rate": "learning_rate",
    }
    assert set(drawn) == set(expected)
    for label, key in expected.items():
        (line,) = drawn[label].lines
        assert list(line.get_xdata()) == HISTORY["step"]
        assert list(line.get_ydata()) == HISTORY[key]
    assert drawn["learning rate"].get_yscale() == "log"
    assert figure.get_suptitle() == "a run"


def test_history_draws_the_polish_beside_it():
    angles = [61.5, 63.0, 63.4, 63.43494882292]
    figure = plot_history({**HISTORY, "polish_min_angle_degrees": angles})
    (polish,) = [axes for axes in figure.axes if axes.get_title() == "polish"]
    (line,) = polish.lines
    assert list(line.get_xdata()) == [1, 2, 3, 4]
    assert list(line.get_ydata()) == angles


@pytest.mark.parametrize("history", [{}, {"step": []}, {"step": [], "polish_min_angle_degrees": [1.0]}], ids=str)
def test_an_empty_history_is_refused(history):
    with pytest.raises(InvalidParameterError, match=r"^`history` must be of at least one step; closed forms have none"):
        plot_history(history)
