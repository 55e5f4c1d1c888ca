"""The soft-min ladder: its formula, its gradient, its way up."""

import math

import numpy as np
import pytest
from scipy.optimize import check_grad

from tammes import geometry
from tammes.constructions import orthoplex
from tammes.solvers import continuation
from tammes.solvers.run import Budget, Status


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


def all_pairs(n):
    return np.triu_indices(n, 1)


@pytest.mark.parametrize("p", [2.0, 16.0, 300.0])
def test_value_against_the_double_loop(p):
    points = rows(9, 4)
    chords = [np.linalg.norm(points[a] - points[b]) for a in range(9) for b in range(a)]
    # f_p = (1/p) log sum |x - y|^-p, since the factors m cancel
    expected = math.log(math.fsum(chord**-p for chord in chords)) / p
    assert continuation.soft_min(points, *all_pairs(9), p)[0] == pytest.approx(expected, rel=1e-13)


def test_never_overflows_and_tends_to_the_smallest_chord():
    points = rows(50, 3)
    smallest = 2.0 * math.sin(geometry.nearest_neighbours(points)[0].min() / 2.0)
    value, grad = continuation.soft_min(points, *all_pairs(50), 1e7)
    assert value == pytest.approx(-math.log(smallest), rel=1e-5)
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_gradient_against_differences(scale):
    points = scale * rows(7, 3)
    i, j = all_pairs(7)

    def value(flat):
        return continuation.soft_min(flat.reshape(7, 3), i, j, 12.0)[0]

    def gradient(flat):
        return continuation.soft_min(flat.reshape(7, 3), i, j, 12.0)[1].ravel()

    assert check_grad(value, gradient, points.ravel()) < 1e-6


def test_gradient_is_tangent():
    points = rows(20, 5)
    grad = continuation.soft_min(points, *all_pairs(20), 64.0)[1]
    assert np.abs((grad * points).sum(axis=1)).max() < 1e-15


def test_duplicates_have_an_infinite_value():
    points = rows(5, 3)
    points[3] = points[1]
    assert continuation.soft_min(points, *all_pairs(5), 8.0)[0] == math.inf


def test_climbs_to_the_icosahedron():
    found = continuation.descend(rows(12, 3, seed=1), first=4.0)
    angle = geometry.nearest_neighbours(found.points)[0].min()
    assert found.status is Status.CONVERGED
    assert math.degrees(angle) == pytest.approx(63.43494882292, abs=2e-2)  # O(1/p) below the maximum


def test_a_maximum_stays_one():
    found = continuation.descend(orthoplex(4))
    assert geometry.nearest_neighbours(found.points)[0].min() == pytest.approx(math.pi / 2, abs=1e-9)


def test_input_is_left_alone_and_runs_repeat():
    start = rows(30, 3)
    kept = start.copy()
    first, second = (continuation.descend(start, iterations=20) for _ in range(2))
    assert (start == kept).all()
    assert (first.points == second.points).all()


def test_a_spent_budget_ends_the_ladder():
    clock = iter([0.0, *[100.0] * 1000])
    found = continuation.descend(rows(30, 3), budget=Budget(1.0, clock=lambda: next(clock)))
    assert found.status is Status.TIME_LIMIT


def test_ctrl_c_returns_points():
    def interrupt(_):
        raise KeyboardInterrupt

    found = continuation.descend(rows(30, 3), progress=interrupt)
    assert found.status is Status.INTERRUPTED
    assert np.isfinite(found.points).all()
