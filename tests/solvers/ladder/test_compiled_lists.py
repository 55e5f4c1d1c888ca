"""Forces over lists: the ladder's own where nothing fades, and the slope of the value where it does."""

import numpy as np
import pytest

from tammes.constructions.spread import fibonacci
from tammes.solvers.ladder import cell_lists as cells
from tammes.solvers.ladder import compiled, compiled_lists
from tammes.solvers.ladder import many_points as large


def random(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("p", [64.0, 512.0, 8192.0])
@pytest.mark.parametrize("d", [3, 4, 6])
def test_where_nothing_fades_value_and_gradient_are_the_ladders(p, d):
    points = random(150, d)
    spacing = 2.5 * 150 ** (-1 / (d - 1))
    value, gradient = large.forces(points, p, chord_bound=spacing)
    dense, dense_gradient = compiled.soft_min(points, p)
    assert value == pytest.approx(dense, rel=1e-13)
    np.testing.assert_allclose(gradient, dense_gradient, rtol=0, atol=1e-12 * np.abs(dense_gradient).max())


@pytest.mark.slow
@pytest.mark.parametrize("p", [2.0, 4.0, 16.0])
def test_where_weights_fade_the_gradient_is_the_slope_of_the_value(p):
    points = fibonacci(120)
    spacing = 3.8 / np.sqrt(120)
    rng = np.random.default_rng(1)
    _, gradient = large.forces(points, p, chord_bound=spacing)
    assert np.abs(np.einsum("nd,nd->n", gradient, points)).max() < 1e-14  # tangent
    for _ in range(3):
        move = rng.normal(size=points.shape)
        move -= np.einsum("nd,nd->n", move, points)[:, None] * points
        step = 1e-6
        values = []
        for sign in (1.0, -1.0):
            moved = points + sign * step * move
            values.append(large.forces(moved / np.linalg.norm(moved, axis=1, keepdims=True), p, chord_bound=spacing)[0])
        slope = (values[0] - values[1]) / (2 * step)
        assert slope == pytest.approx((gradient * move).sum(), rel=1e-6, abs=1e-9)


@pytest.mark.slow
def test_weights_fade_to_nothing_smoothly():
    """The pair's weight as a function of its chord: whole up to the fade, zero at the end, without a jump."""
    totals = []
    chords = np.linspace(0.10, 0.35, 251)
    for chord in chords:
        angle = 2 * np.arcsin(chord / 2)
        x = np.array([[1.0, np.cos(angle)], [0.0, np.sin(angle)], [0.0, 0.0]])
        first, neighbours = cells.neighbours_within(x, 0.5)
        g = np.empty((3, 2))
        totals.append(compiled_lists.evaluate(x, g, np.ones(2), first, neighbours, 0, 1.0, 0.2**2, 0.3**2, 1)[0])
    totals = np.array(totals)
    near = chords <= 0.2
    np.testing.assert_allclose(totals[near], chords[near] ** -2.0, rtol=1e-12)
    assert (totals[chords >= 0.3 + 1e-12] == 0.0).all()
    assert (np.diff(totals[chords < 0.3]) < 0).all()
    bends = np.abs(np.diff(totals, 2))
    assert bends[100:].max() < 3 * bends[:100].max()


def test_loads_are_the_rows_of_the_sum():
    points = random(60, 3)
    part = large.pressed(points, 64.0, chord_bound=1.0)
    chord_sq = ((points[:, None] - points) ** 2).sum(axis=2)
    np.fill_diagonal(chord_sq, np.inf)
    weights = (chord_sq.min() / chord_sq) ** 32
    np.testing.assert_allclose(part, weights.sum(axis=1) / weights.sum(), rtol=1e-9)


def test_images_are_placed():
    x = np.zeros((3, 5))
    x[:, :2] = random(2, 3).T
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    compiled_lists.place_images(x, 2, np.array([1, 0, 1], np.int32), np.array([turn, turn, turn @ turn]))
    np.testing.assert_allclose(x[:, 2:], np.stack([turn @ x[:, 1], turn @ x[:, 0], turn @ turn @ x[:, 1]], axis=1))
