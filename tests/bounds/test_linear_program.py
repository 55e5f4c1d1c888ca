"""Delsarte's program at one cosine: polynomials that satisfy it, and values that are known."""

import itertools

import numpy as np
import pytest

from tammes.bounds.gegenbauer import values
from tammes.bounds.linear_program import Program


@pytest.mark.parametrize(
    ("d", "t", "degree", "points"),
    [
        (3, -1 / 3, 6, 4.0),
        (3, 1 / np.sqrt(5), 10, 12.0),
        (8, 0.5, 12, 240.0),
        (24, 0.5, 16, 196560.0),
        (5, 0.2, 9, 16.0),
    ],
)
def test_sharp_codes_meet_their_program(d, t, degree, points):
    solution = Program(d, degree).solve(t)
    assert solution.least == pytest.approx(points, rel=1e-8)
    assert solution.points == pytest.approx(points, rel=1e-8)
    assert solution.weights.min() >= 0.0
    assert solution.weights[0] == 1.0


@pytest.mark.parametrize(("d", "t"), [(3, 0.7), (4, 0.3), (6, 0.6)])
def test_the_polynomial_is_not_positive(d, t):
    solution = Program(d, 20).solve(t)
    f = solution.weights @ values(np.linspace(-1.0, t, 20_001), 20, d)
    assert f.max() <= max(10 * solution.violation, 1e-9)


def test_the_slope_is_the_derivative():
    program = Program(4, 24)
    low, middle, high = (np.log(program.solve(t).least) for t in (0.4999, 0.5, 0.5001))
    assert low < middle < high
    assert program.solve(0.5).slope == pytest.approx((high - low) / 2e-4, rel=1e-3)


def test_a_higher_degree_is_no_worse():
    found = [Program(4, degree).solve(0.6).least for degree in (8, 12, 16, 24)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(found))
