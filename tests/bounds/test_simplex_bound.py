"""The simplex bound against the literature, the polytopes that attain it, and volumes of spherical simplices."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from tammes.bounds.simplex_bound import BOROCZKY_MAX_DIMENSION, boroczky

GOLDEN = (1 + math.sqrt(5)) / 2

PUBLISHED = [  # n, d, degrees
    (30, 3, 39.966368),
    (30, 4, 57.481643),
    (130, 4, 35.044711),
    (600, 4, 20.995079),
    (30, 5, 67.952099),
    (130, 5, 46.694036),
]


def simplex_bound_points(angle, d, digits=40):
    """Return 2 F_{d-1} / F_d, from volumes of spherical simplices as Gaussian orthant probabilities.

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


@pytest.mark.parametrize(("n", "d", "degrees"), PUBLISHED)
def test_published_values(n, d, degrees):
    assert round(boroczky(n, d).degrees, 6) == degrees


@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [(3, 3, -1 / 2), (4, 3, -1 / 3), (6, 3, 0.0), (12, 3, 1 / math.sqrt(5)), (120, 4, GOLDEN / 2)],
)
def test_it_is_attained_by_regular_polytopes(n, d, cosine):
    assert abs(boroczky(n, d).angle - math.acos(cosine)) < 1e-13


@pytest.mark.parametrize(("n", "d"), [(10, 4), (3000, 5), (13, 6), (500, 9), (200_000, 12), (41, 20)])
def test_against_orthant_probabilities(n, d):
    assert math.isclose(simplex_bound_points(boroczky(n, d).angle, d), n, rel_tol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", [129, 640, 200_000, 10**9])
def test_orthant_probabilities_in_the_highest_dimension(n):
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


def test_where_it_is_not_computed():
    assert boroczky(2, 3) is None
    assert boroczky(8, 4) is None
    assert boroczky(1000, BOROCZKY_MAX_DIMENSION + 1) is None


@pytest.mark.parametrize(
    ("n", "d", "name"),
    [(7, 2, "polygon"), (7, 3, "fejes-toth"), (24, 4, "boroczky"), (200, BOROCZKY_MAX_DIMENSION, "boroczky")],
)
def test_the_name_of_the_bound(n, d, name):
    assert boroczky(n, d).name == name


@pytest.mark.parametrize("d", [4, 5, 8, 16])
def test_beyond_2d_points_it_is_just_below_90_degrees(d):
    """It equals 90 degrees at 2d points, where the orthoplex attains it, and is not computed there."""
    assert boroczky(2 * d, d) is None
    assert 0.4 * math.pi < boroczky(2 * d + 1, d).angle < 0.5 * math.pi


@pytest.mark.parametrize("n", [10**6, 10**9, 10**12])
def test_for_many_points_in_space_it_is_the_hexagonal_lattice(n):
    """The area of n hexagons of inradius phi / 2 tends to that of the sphere."""
    assert boroczky(n, 3).angle == pytest.approx(math.sqrt(8 * math.pi / (math.sqrt(3) * n)), rel=20 / n + 1e-9)


@pytest.mark.parametrize("d", [2, 3, 4, 7, 32, 64])
def test_more_points_never_have_a_larger_bound(d):
    sizes = sorted(
        {*range(2 * d + 1, 4 * d + 20, 1 + d // 8), *np.geomspace(4 * d + 20, 10**15, 40).astype(int).tolist()}
    )
    angles = [boroczky(n, d).angle for n in sizes]
    assert all(0 < angle <= math.pi for angle in angles)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(angles))
