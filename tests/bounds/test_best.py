"""Closed bounds against the literature, the codes that attain them, and slow independent formulas."""

import csv
import itertools
import math
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.special import eval_gegenbauer, roots_jacobi

from tammes.base.errors import InvalidParameterError
from tammes.bounds import BOROCZKY_MAX_DIMENSION, Bound, boroczky, levenshtein, lines, rankin, upper_bound

TABLES = Path(__file__).resolve().parents[2] / "sloane_tables"
GOLDEN = (1 + math.sqrt(5)) / 2

PUBLISHED = [  # n, d, simplex bound, Levenshtein's bound in degrees
    (30, 3, 39.966368, 40.088086),
    (30, 4, 57.481643, 57.453344),
    (130, 4, 35.044711, 35.209089),
    (600, 4, 20.995079, 21.161493),
    (30, 5, 67.952099, 67.792346),
    (130, 5, 46.694036, 46.787322),
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


def tabulated():
    """Every code of the bundled tables: (n, d, degrees)."""
    for name in ("best_known_d3.csv", "exact_codes.csv"):
        with (TABLES / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield int(row["n"]), int(row["d"]), float(row["angle_degrees"])


def simplex_bound_points(angle, d, digits=40):
    """2 F_{d-1} / F_d, from volumes of spherical simplices as Gaussian orthant probabilities.

    F_k = 2^k / k! times the probability that k standard normals with all correlations -1/u,
    u = sec phi + d - 2, are positive: the mean of ((1 + i erfi(a z)) / 2)^k with 2 a^2 = 1 / (u + 1).
    Its terms cancel, hence `digits`.
    """
    with mpmath.workdps(digits):
        u = 1 / mpmath.cos(mpmath.mpf(angle)) + d - 2
        a = 1 / mpmath.sqrt(2 * (u + 1))

        def schlaefli(k):
            reach = mpmath.sqrt(2 * digits * mpmath.log(10) / (1 - k / (u + 1)))
            count = int(10 * reach)  # the trapezoidal rule converges faster than any power
            step = reach / count
            values = [
                mpmath.exp(-z * z / 2) * mpmath.re((1 + 1j * mpmath.erfi(a * z)) ** k)
                for z in (i * step for i in range(count + 1))
            ]
            return (mpmath.fsum(values) - values[0] / 2) * step / mpmath.factorial(k)

        return float(2 * schlaefli(d - 1) / schlaefli(d))


def levenshtein_points(s, d):
    """L_m(d, s) by its definition: m from zeros of Jacobi polynomials, P_k by scipy."""
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


@pytest.mark.parametrize(("n", "d", "simplex", "levenshteins"), PUBLISHED)
def test_published_values(n, d, simplex, levenshteins):
    assert round(boroczky(n, d).degrees, 6) == simplex
    assert round(levenshtein(n, d).degrees, 6) == levenshteins
    assert upper_bound(n, d).degrees == min(boroczky(n, d).degrees, levenshtein(n, d).degrees)


@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [(3, 3, -1 / 2), (4, 3, -1 / 3), (6, 3, 0.0), (12, 3, 1 / math.sqrt(5)), (120, 4, GOLDEN / 2)],
)
def test_simplex_bound_is_attained_by_regular_polytopes(n, d, cosine):
    assert abs(boroczky(n, d).angle - math.acos(cosine)) < 1e-13


@pytest.mark.parametrize(("n", "d", "cosine"), SHARP)
def test_levenshtein_is_attained_by_sharp_codes(n, d, cosine):
    assert abs(levenshtein(n, d).angle - math.acos(cosine)) < 1e-13
    assert abs(upper_bound(n, d).angle - math.acos(cosine)) < 1e-13


@pytest.mark.parametrize("d", [2, 3, 5, 32, 1000])
def test_rankin(d):
    for n in {2, 3, d, d + 1}:
        assert math.isclose(math.cos(rankin(n, d).angle), -1 / (n - 1), abs_tol=1e-15)
    for n in {d + 2, 2 * d}:
        assert rankin(n, d).degrees == 90.0
        assert upper_bound(n, d) == rankin(n, d)
    assert rankin(2 * d + 1, d) is None


@pytest.mark.parametrize("n", [2, 3, 4, 5, 17, 200_000])
def test_the_regular_polygon_is_optimal_on_the_circle(n):
    assert math.isclose(upper_bound(n, 2).degrees, 360 / n, rel_tol=1e-14)
    assert boroczky(n, 2).name == "polygon"


@pytest.mark.parametrize(("n", "d"), [(10, 4), (3000, 5), (13, 6), (500, 9), (200_000, 12), (41, 20)])
def test_simplex_bound_against_orthant_probabilities(n, d):
    assert math.isclose(simplex_bound_points(boroczky(n, d).angle, d), n, rel_tol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", [129, 640, 200_000, 10**9])
def test_simplex_bound_in_the_highest_dimension(n):
    d = BOROCZKY_MAX_DIMENSION
    assert math.isclose(simplex_bound_points(boroczky(n, d).angle, d, digits=100), n, rel_tol=1e-11)


@pytest.mark.parametrize("n", [7, 13, 130, 200_000, 10**15])
def test_fejes_toth_is_the_area_of_equilateral_triangles(n):
    """The caps' centres triangulate the sphere into 2n - 4 triangles; regular ones have side phi."""
    with mpmath.workdps(40):
        corner = (mpmath.pi + 4 * mpmath.pi / (2 * n - 4)) / 3  # by Girard
        cosine = mpmath.cos(corner) / (1 - mpmath.cos(corner))
        exact = float(mpmath.acos(cosine))
    assert boroczky(n, 3).name == "fejes-toth"
    assert math.isclose(boroczky(n, 3).angle, exact, rel_tol=1e-14)


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 24, 32, 100])
def test_levenshtein_against_its_definition(d):
    for n in {2, d, d + 2, 2 * d + 1, 3 * d + 2, d * d // 2 + 3, d * d + 7, 1000, 20_000}:
        s = math.cos(levenshtein(n, d).angle)
        if d > 2 or n < 100:
            assert math.isclose(levenshtein_points(s, d), n, rel_tol=1e-8)


def test_levenshtein_in_high_dimension():
    """By L_3(d, s) = d (1 - s)(2 + (d + 1) s) / (1 - d s^2), which holds up to D(d, 4)."""
    n, d = 500_000, 1024
    s = math.cos(levenshtein(n, d).angle)
    assert 0 < s < (math.sqrt(d + 3) - 1) / (d + 2)
    assert math.isclose(d * (1 - s) * (2 + (d + 1) * s) / (1 - d * s * s), n, rel_tol=1e-9)


@pytest.mark.parametrize("bound", [boroczky, levenshtein, upper_bound])
@pytest.mark.parametrize("d", [2, 3, 4, 7, 32, 64])
def test_more_points_never_have_a_larger_bound(bound, d):
    sizes = sorted({*range(2, 4 * d + 20, 1 + d // 8), *np.geomspace(4 * d + 20, 200_000, 25).astype(int).tolist()})
    bounds = [bound(n, d) for n in sizes]
    angles = [entry.angle for entry in bounds if entry is not None]
    assert angles
    assert all(math.isfinite(angle) and 0 < angle <= math.pi + 1e-15 for angle in angles)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(angles))


def test_no_tabulated_code_exceeds_a_bound():
    codes = list(tabulated())
    assert len(codes) > 100
    for n, d, degrees in codes:
        for bound in (rankin, boroczky, levenshtein, upper_bound):
            entry = bound(n, d)
            if entry is not None:
                assert degrees <= entry.degrees + 1e-9, (n, d, entry)


def test_where_the_simplex_bound_is_not_computed():
    assert boroczky(2, 3) is None
    assert boroczky(8, 4) is None
    assert boroczky(1000, BOROCZKY_MAX_DIMENSION + 1) is None
    assert upper_bound(1_000_000, 1024) == levenshtein(1_000_000, 1024)


@pytest.mark.parametrize("bound", [rankin, boroczky, levenshtein, upper_bound])
@pytest.mark.parametrize("bad", [1, 0, -3, 2.0, 2.5, True, "12", None, math.nan])
def test_bad_input_is_refused(bound, bad):
    with pytest.raises(InvalidParameterError, match=r"^`n` must be an integer of at least 2\. Got "):
        bound(bad, 3)
    with pytest.raises(InvalidParameterError, match=r"^`d` must be an integer of at least 2\. Got "):
        bound(12, bad)


def test_numpy_integers_are_integers():
    assert upper_bound(np.int64(120), np.uint8(4)) == upper_bound(120, 4)


def test_bound_in_degrees():
    assert Bound("any", math.pi / 5, "none").degrees == pytest.approx(36.0, abs=1e-13)


def test_import_does_not_load_scipy():
    """`tammes table` must start fast."""
    code = "import sys, tammes.bounds; tammes.bounds.upper_bound(130, 4); sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("d", [2, 3, 4, 5, BOROCZKY_MAX_DIMENSION, BOROCZKY_MAX_DIMENSION + 1, 10**6, 10**14])
def test_the_largest_numbers_have_a_bound_at_once(d):
    bound = upper_bound(10**15, d)
    assert 0 < bound.angle < math.pi
    if d <= 5:
        assert bound.name in {"polygon", "fejes-toth", "boroczky"}


def test_lines():
    assert lines(12, 3).angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-14)  # six lines of an icosahedron
    assert lines(32, 6).angle == pytest.approx(math.acos(1 / 3), abs=1e-14)
    mutual = lines(12, 4)  # up to d (d + 2) / 2 lines of unbiased bases
    assert mutual.angle == pytest.approx(math.acos(math.sqrt(2 / 20)), abs=1e-14)
    assert lines(24, 4).name == "orthoplex bound of lines"
    assert lines(24, 4).degrees == pytest.approx(60.0, abs=1e-12)  # attained by the 24-cell
    assert lines(4, 2).degrees == pytest.approx(90.0, abs=1e-12)
    for n, d in [(40, 3), (100, 5), (2000, 4)]:
        assert lines(n, d).angle <= upper_bound(n, d).angle


@pytest.mark.parametrize("bad", [2, 3, 7])
def test_lines_come_in_pairs(bad):
    with pytest.raises(InvalidParameterError, match=rf"^`n` must be even and at least 4 for pairs x, -x\. Got {bad}\."):
        lines(bad, 3)
