"""The result type of the bounds, and the range of sizes."""

import math

import mpmath
import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds.bound import LARGEST, Bound, angle_of, check_size


def test_degrees_and_cosine_are_those_of_the_angle():
    bound = Bound("any", math.pi / 5, "none")
    assert bound.degrees == pytest.approx(36.0, abs=1e-13)
    assert bound.max_cosine == pytest.approx((1 + math.sqrt(5)) / 4, abs=1e-15)


@pytest.mark.parametrize("versine", [1e-300, 1e-30, 1e-12, 0.5, 1.0, 1.5, 2.0])
def test_the_angle_of_a_versine_keeps_its_digits(versine):
    with mpmath.workdps(700):
        exact = float(mpmath.acos(1 - mpmath.mpf(versine)))
    assert angle_of(versine) == pytest.approx(exact, rel=1e-15)


def test_numpy_integers_become_python_integers():
    n, d = check_size(np.int64(12), np.uint8(3))
    assert (type(n), type(d)) == (int, int)
    assert (n, d) == (12, 3)


@pytest.mark.parametrize(("n", "d"), [(10**400, 3), (LARGEST + 1, 3), (3, LARGEST + 1)])
def test_sizes_above_the_largest_are_refused(n, d):
    with pytest.raises(InvalidParameterError, match=r"at most 10\^15"):
        check_size(n, d)
