"""Levenshtein's bound at its ends; test_best holds it to its definition and to sharp codes."""

import itertools
import math

import numpy as np
import pytest

from tammes.bounds.universal import LEVENSHTEIN_MAX_DEGREE, half_degree, levenshtein


@pytest.mark.parametrize("d", [3, 4, 8, 24])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_tight_designs_separate_the_degrees(d, k):
    """D(d, 2k + 1) = 2 C(k + d - 1, k) points are the first of the next degree."""
    size = 2 * math.comb(k + d - 1, k)
    assert half_degree(size - 1, d) == k
    assert half_degree(size, d) == k + 1


def test_it_gives_up_where_its_polynomials_are_too_long():
    assert levenshtein(10**15, 3) is None
    assert levenshtein(10**15, 30) is not None


@pytest.mark.parametrize("d", [2, 3, 4, 7, 32, 64, 10**6])
def test_more_points_never_have_a_larger_bound(d):
    sizes = sorted({*range(2, 200), *np.geomspace(200, 10**15, 40).astype(int).tolist()})
    found = [levenshtein(n, d) for n in sizes]
    angles = [bound.angle for bound in found if bound is not None]
    assert found[0].angle == math.pi
    assert all(0 < angle <= math.pi for angle in angles)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(angles))
    assert all(bound is None for bound in found[len(angles) :])  # from some size on


def test_where_polynomials_would_be_too_long():
    assert half_degree(10**15, 3) == LEVENSHTEIN_MAX_DEGREE + 1
    assert levenshtein(10**15, 3) is None
    assert levenshtein(1_000_000, 3) is not None
    assert levenshtein(10**15, 2).angle == 2 * math.pi / 10**15
