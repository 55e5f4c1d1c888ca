"""Gegenbauer polynomials, and proved maxima of their sums."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import eval_gegenbauer

from tammes.bounds.gegenbauer import derivative, largest_value, values

X = np.linspace(-1.0, 1.0, 201)


@pytest.mark.parametrize("d", [3, 4, 8, 24])
def test_values_against_scipy(d):
    table = values(X, 30, d)
    for k in range(31):
        expected = eval_gegenbauer(k, 0.5 * d - 1, X) / eval_gegenbauer(k, 0.5 * d - 1, 1.0)
        np.testing.assert_allclose(table[k], expected, atol=1e-12)


def test_on_the_circle_they_are_chebyshev_polynomials():
    np.testing.assert_allclose(values(X, 12, 2), np.cos(np.outer(np.arange(13), np.arccos(X))), atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 7])
def test_derivatives_by_differences(d):
    weights = np.random.default_rng(d).uniform(size=9)
    inner = X[1:-1]
    slope = derivative(weights, d) @ values(inner, 7, d + 2)
    step = 1e-6
    difference = (weights @ values(inner + step, 8, d) - weights @ values(inner - step, 8, d)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_maximum_is_bounded_and_tight(seed):
    rng = np.random.default_rng(seed)
    d, t = int(rng.integers(2, 10)), float(rng.uniform(-0.9, 1.0))
    weights = rng.normal(size=int(rng.integers(2, 25)))
    bound = largest_value([Fraction(w) for w in weights], Fraction(t), d, Fraction(1, 2**40))
    dense = weights @ values(np.linspace(-1.0, t, 200_001), len(weights) - 1, d)
    assert -1e-10 < float(bound) - dense.max() < 1e-6


def test_a_maximum_hidden_between_grid_points_is_found():
    """T_40 has 40 maxima of height 1; on Chebyshev's grid of its zeros it vanishes."""
    weights = [Fraction(0)] * 40 + [Fraction(1)]
    zeros = np.cos((np.arange(40) + 0.5) * np.pi / 40)
    assert np.abs(values(zeros, 40, 2)[40]).max() < 1e-12
    assert 0 <= largest_value(weights, Fraction(9, 10), 2, Fraction(1, 2**40)) - 1 < Fraction(1, 2**39)
