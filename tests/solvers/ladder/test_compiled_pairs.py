"""The compiled loops: neighbour lists against all pairs, descent against what it promises."""

import math

import numpy as np
import pytest

from tammes.solvers.ladder import compiled_pairs


def axes(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(d, n))
    return x / np.linalg.norm(x, axis=0)


def evaluate(x, squarings, reach_sq=None):
    d, n = x.shape
    g = np.empty((d, n))
    first, neighbours = np.empty(0, np.int64), np.empty(0, np.int64)
    if reach_sq is not None:
        first, neighbours = np.empty(n + 1, np.int64), np.empty(n * n, np.int64)
        assert compiled_pairs._list_pairs(x, reach_sq, first, neighbours) >= 0
    least = min(float(((x[:, :i] - x[:, i : i + 1]) ** 2).sum(axis=0).min()) for i in range(1, n))
    pairs = compiled_pairs.Pairs(first, neighbours, squarings, np.empty(n), np.empty(n))
    total, near = compiled_pairs.evaluate(pairs, x, g, least)
    assert near == pytest.approx(least, rel=1e-15)
    return math.log(total) / 2.0 ** (squarings + 1) - 0.5 * math.log(least), g / total


def test_a_list_that_reaches_far_enough_gives_the_same_value_and_gradient():
    x = axes(80, 4)
    value, grad = evaluate(x, 5)  # p = 64: pairs beyond twice the smallest chord weigh 2^-64
    listed, listed_grad = evaluate(x, 5, reach_sq=4.0)
    assert value == pytest.approx(listed, rel=1e-14)
    assert np.abs(grad - listed_grad).max() < 1e-13 * np.abs(grad).max()


def test_the_list_holds_each_pair_within_reach_once():
    x = axes(40, 3)
    first, neighbours = np.empty(41, np.int64), np.empty(1600, np.int64)
    count = compiled_pairs._list_pairs(x, 0.5, first, neighbours)
    listed = {(i, int(j)) for i in range(40) for j in neighbours[first[i] : first[i + 1]]}
    expected = {(i, j) for i in range(40) for j in range(i) if math.dist(x[:, i], x[:, j]) ** 2 <= 0.5}
    assert listed == expected
    assert count == len(expected)
    assert compiled_pairs._list_pairs(x, 0.5, first, np.empty(3, np.int64)) == -1  # too small to hold them


@pytest.mark.parametrize("n", [20, 90])  # all pairs, and lists
def test_the_descent_ends_lower_on_the_sphere_and_flat(n):
    x = axes(n, 3)
    before = evaluate(x, 3)[0]
    evaluations, value, slope = compiled_pairs.minimise(x, 3, 500, 2.0 / math.sqrt(n), 1e-7)
    assert value < before
    assert evaluate(x, 3)[0] == pytest.approx(value, rel=1e-9)  # a list ends at four smallest chords
    assert np.abs(np.linalg.norm(x, axis=0) - 1.0).max() < 1e-14
    assert slope < 1e-5
    assert evaluations < 3_000


def test_the_prediction_of_a_symmetric_code_is_its_cosine():
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    x = np.array([np.roll(corner, k) for corner in corners for k in range(3)]).T
    x /= np.linalg.norm(x, axis=0)
    assert compiled_pairs.predict(np.ascontiguousarray(x), 8) == pytest.approx(1 / math.sqrt(5), abs=1e-15)
