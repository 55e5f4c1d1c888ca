"""Levenshtein's bound against its definition, the literature, and the sharp codes that attain it."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import eval_gegenbauer, roots_jacobi

from tammes.bounds.levenshtein_bound import LEVENSHTEIN_MAX_DEGREE, half_degree, levenshtein

PUBLISHED = [  # n, d, degrees
    (30, 3, 40.088086),
    (30, 4, 57.453344),
    (130, 4, 35.209089),
    (600, 4, 21.161493),
    (30, 5, 67.792346),
    (130, 5, 46.787322),
]

SHARP = [  # n, d, max cosine of a code that attains Levenshtein's bound
    (12, 3, 1 / math.sqrt(5)),
    (16, 5, 1 / 5),
    (27, 6, 1 / 4),
    (56, 7, 1 / 3),
    (240, 8, 1 / 2),
    (112, 21, 1 / 9),
    (162, 21, 1 / 7),
    (100, 22, 1 / 11),
    (275, 22, 1 / 6),
    (891, 22, 1 / 4),
    (552, 23, 1 / 5),
    (4600, 23, 1 / 3),
    (196560, 24, 1 / 2),
    (325, 52, 1 / 16),
    *((d + 1, d, -1 / d) for d in (2, 3, 7, 32, 1024)),
    *((2 * d, d, 0.0) for d in (2, 3, 7, 32, 1024)),
]


def levenshtein_points(s, d):
    """Return L_m(d, s) by its definition: m from zeros of Jacobi polynomials, P_k by scipy."""
    alpha = (d - 3) / 2

    def zero(k, a, b):
        return roots_jacobi(k, alpha + a, alpha + b)[0][-1] if k else -1.0

    def p(k):
        if d == 2:
            return math.cos(k * math.acos(s))
        return eval_gegenbauer(k, d / 2 - 1, s) / eval_gegenbauer(k, d / 2 - 1, 1.0)

    k = 1
    while s > zero(k, 1, 1):
        k += 1
    if s <= zero(k, 1, 0):
        odd = (2 * k + d - 3) / (d - 1) - (p(k - 1) - p(k)) / ((1 - s) * p(k))
        return math.comb(k + d - 3, k - 1) * odd
    even = (1 + s) * (p(k) - p(k + 1)) / ((1 - s) * (p(k) + p(k + 1)))
    return math.comb(k + d - 2, k) * ((2 * k + d - 1) / (d - 1) - even)


@pytest.mark.parametrize(("n", "d", "degrees"), PUBLISHED)
def test_published_values(n, d, degrees):
    assert round(levenshtein(n, d).degrees, 6) == degrees


@pytest.mark.parametrize(("n", "d", "cosine"), SHARP)
def test_it_is_attained_by_sharp_codes(n, d, cosine):
    assert abs(levenshtein(n, d).angle - math.acos(cosine)) < 1e-13


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 24, 32, 100])
def test_against_its_definition(d):
    for n in {2, d, d + 2, 2 * d + 1, 3 * d + 2, d * d // 2 + 3, d * d + 7, 1000, 20_000}:
        s = math.cos(levenshtein(n, d).angle)
        if d > 2 or n < 100:
            assert math.isclose(levenshtein_points(s, d), n, rel_tol=1e-8)


def test_the_polynomial_of_degree_three_in_high_dimension():
    """By L_3(d, s) = d (1 - s)(2 + (d + 1) s) / (1 - d s^2), which holds up to D(d, 4)."""
    n, d = 500_000, 1024
    s = math.cos(levenshtein(n, d).angle)
    assert 0 < s < (math.sqrt(d + 3) - 1) / (d + 2)
    assert math.isclose(d * (1 - s) * (2 + (d + 1) * s) / (1 - d * s * s), n, rel_tol=1e-9)


@pytest.mark.parametrize("d", [3, 4, 8, 24])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_tight_designs_separate_the_degrees(d, k):
    """D(d, 2k + 1) = 2 C(k + d - 1, k) points are the first of the next degree."""
    size = 2 * math.comb(k + d - 1, k)
    assert half_degree(size - 1, d) == k
    assert half_degree(size, d) == k + 1


@pytest.mark.parametrize("d", [2, 3, 4, 7, 32, 64, 10**6])
def test_more_points_never_have_a_larger_bound(d):
    sizes = sorted({*range(2, 200), *np.geomspace(200, 10**15, 40).astype(int).tolist()})
    found = [levenshtein(n, d) for n in sizes]
    angles = [bound.angle for bound in found if bound is not None]
    assert found[0].angle == math.pi
    assert all(0 < angle <= math.pi for angle in angles)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(angles))
    assert all(bound is None for bound in found[len(angles) :])  # from some size on there is none


def test_there_is_none_where_the_degree_is_too_high():
    assert half_degree(10**15, 3) == LEVENSHTEIN_MAX_DEGREE + 1
    assert levenshtein(10**15, 3) is None
    assert levenshtein(1_000_000, 3).degrees < 360 / math.sqrt(1_000_000)
    assert levenshtein(10**15, 30).degrees < 60.0
    assert levenshtein(10**15, 2).angle == 2 * math.pi / 10**15
