"""Rankin's bound at its closed forms."""

import math

import pytest

from tammes.bounds.rankin_bound import rankin


@pytest.mark.parametrize("d", [2, 3, 5, 32, 1000])
def test_it_is_the_angle_of_the_simplex_up_to_d_plus_one_points(d):
    for n in {2, 3, d, d + 1}:
        assert math.cos(rankin(n, d).angle) == pytest.approx(-1 / (n - 1), abs=1e-15)


@pytest.mark.parametrize("d", [3, 5, 32, 1000])
def test_it_is_a_right_angle_up_to_2d_points(d):
    for n in {d + 2, 2 * d}:
        assert rankin(n, d).degrees == 90.0


@pytest.mark.parametrize("d", [2, 3, 5, 32, 1000])
def test_there_is_none_beyond_2d_points(d):
    assert rankin(2 * d + 1, d) is None
