"""Figure 2 against the closed forms of the paper."""

import math

import numpy as np
import pytest

from tammes.bench.figure2 import gradient_curves


def test_gradient_lengths_are_the_closed_forms():
    """Eqs. 7, 8, 10 and 12 of the paper, for a pair of unit vectors."""
    theta, curves = gradient_curves(50)
    half = theta / 2
    expected = {
        "mma": np.ones_like(theta),
        "cosine": np.sin(theta),
        "riesz-fisher, s = 2": 2 * np.cos(half) / (2 * np.sin(half)) ** 3,
        "riesz-fisher, s = 1": np.cos(half) / (2 * np.sin(half)) ** 2,
        "logarithmic": 0.5 / np.tan(half),
    }
    assert theta[0] > 0
    assert theta[-1] < math.pi
    assert set(curves) == set(expected)
    for name, values in curves.items():
        assert values == pytest.approx(expected[name], rel=1e-9)
