"""Neighbour lists: every pair within reach, no other, whatever the number of threads."""

import threading

import numpy as np
import pytest

from tammes.solvers.ladder import cell_lists as cells


def axes(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(d, n))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=0))


def chords_sq(x):
    return ((x[:, :, None] - x[:, None, :]) ** 2).sum(axis=0)


# From one cell for all to cells with a point each; reaches that are a whole number of cells; whole spheres.
@pytest.mark.parametrize(
    ("n", "d", "reach"),
    [(500, 3, 0.3), (700, 3, 0.1), (400, 3, 0.5), (400, 3, 1.9), (50, 3, 2.5), (500, 4, 0.8), (300, 5, 0.7),
     (400, 8, 1.0), (40, 2, 0.3), (300, 3, 1e-9)],
)  # fmt: skip
def test_lists_hold_every_pair_within_reach_and_no_other(n, d, reach):
    x = axes(n, d)
    first, neighbours = cells.neighbours_within(x, reach)
    within = chords_sq(x) <= reach * reach
    np.fill_diagonal(within, val=False)
    assert first[-1] == within.sum()
    for i in range(n):
        assert sorted(neighbours[first[i] : first[i + 1]]) == np.flatnonzero(within[i]).tolist()


def test_pairs_that_lie_across_a_border_of_cells_are_found():
    """Points on both sides of every plane at which cells may end."""
    edges = np.linspace(-0.9, 0.9, 37)
    rows = [(e + s, np.sqrt(1 - (e + s) ** 2), 0.0) for e in edges for s in (-1e-9, 1e-9)]
    x = np.ascontiguousarray(np.array(rows).T)
    for reach in (0.05, 0.1, 0.2):
        first = cells.neighbours_within(x, reach)[0]
        assert first[-1] == (chords_sq(x) <= reach**2).sum() - x.shape[1]


def test_lists_of_the_first_points_alone():
    x = axes(300, 3)
    first, neighbours = cells.neighbours_within(x, 0.4)
    some, theirs = cells.neighbours_within(x, 0.4, 70)
    assert len(some) == 71
    for i in range(70):
        assert sorted(theirs[some[i] : some[i + 1]]) == sorted(neighbours[first[i] : first[i + 1]])


def test_the_number_of_threads_changes_nothing():
    x = axes(5_000, 3)
    found = []
    for count in (1, 2):
        with cells.threads(count):
            found.append(cells.neighbours_within(x, 0.1))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_curve_visits_every_point_and_stays_near():
    x = axes(20_000, 3)
    order = cells.curve_order(x)
    assert sorted(order) == list(range(20_000))
    steps = np.linalg.norm(np.diff(x[:, order]), axis=0)
    assert np.median(steps) < 5 / np.sqrt(20_000)  # a random order: 1.4


def test_runs_with_several_threads_take_turns():
    inside = []

    def enter():
        with cells.threads(2):
            inside.append(1)

    with cells.threads(2):
        other = threading.Thread(target=enter)
        other.start()
        other.join(0.05)
        assert not inside
    other.join()
    assert inside
    assert cells.at_once(3) in (1, 3)
