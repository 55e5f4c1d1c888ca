"""The bound by areas, against the areas of caps in 40 digits."""

import math

import mpmath
import pytest

from tammes.bounds.cap_area_bound import cap_area
from tammes.bounds.simplex_bound import boroczky


def cap_fraction(angle, d):
    """Return the part of the sphere in R^d within `angle` of a point, by quadrature."""
    density = lambda t: mpmath.sin(t) ** (d - 2)  # noqa: E731
    return mpmath.quad(density, [0, angle]) / mpmath.quad(density, [0, mpmath.pi])


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 2), (30, 3), (130, 4), (1000, 8), (200_000, 24), (50, 32)])
def test_the_areas_by_quadrature_add_up_to_the_sphere(n, d):
    assert float(n * cap_fraction(mpmath.mpf(cap_area(n, d).angle) / 2, d)) == pytest.approx(1.0, rel=1e-11)


def cap_share(angle, d, digits=40):
    """Return the part of the sphere that a cap of half that angle covers, by the incomplete beta function."""
    with mpmath.workdps(digits):
        half = mpmath.mpf(angle) / 2
        power = mpmath.mpf(d - 1) / 2
        part = mpmath.betainc(power, 0.5, 0, mpmath.sin(half) ** 2, regularized=True) / 2
        return part if half <= mpmath.pi / 2 else 1 - part


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 24, 32, 64, 300])
@pytest.mark.parametrize("n", [2, 3, 5, 30, 1000, 200_000, 10**9, 10**15])
def test_the_areas_in_40_digits_add_up_to_the_sphere(n, d):
    """A relative error of 1e-14 in the angle is one of at most (d - 1) 1e-14 in the area, and more in a large cap."""
    assert math.isclose(n * cap_share(cap_area(n, d).angle, d), 1, rel_tol=1e-14 * (d - 1) + 1e-14)


@pytest.mark.parametrize("n", [2, 3, 10, 999])
def test_on_the_circle_it_is_the_regular_polygon(n):
    assert cap_area(n, 2).angle == pytest.approx(2 * math.pi / n, rel=1e-14)


def test_the_largest_and_the_smallest_sizes():
    assert cap_area(10**15, 2).angle == pytest.approx(2e-15 * math.pi, rel=1e-14)
    assert cap_area(2, 1000).angle == pytest.approx(math.pi)


@pytest.mark.parametrize("d", [100_000, 10**8, 10**15])
def test_caps_in_very_high_dimension(d):
    """The cosine of half the angle is of the order of 1 / sqrt(d), and keeps its digits."""
    angles = [cap_area(n, d).angle for n in (3, 5, 30, 10**6, 10**15)]
    assert angles == sorted(angles, reverse=True)
    assert all(0 < math.cos(angle / 2) * math.sqrt(d) < 10 for angle in angles)


@pytest.mark.parametrize("d", [3, 4, 8, 24])
@pytest.mark.parametrize("n", [50, 1000, 10**6])
def test_it_is_larger_than_the_simplex_bound(n, d):
    assert cap_area(n, d).angle > boroczky(n, d).angle
