"""Levenshtein's bound at its ends; test_best holds it to its definition and to sharp codes."""

import math

import pytest

from tammes.bounds.universal import half_degree, levenshtein


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
