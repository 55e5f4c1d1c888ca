"""Rankin's bound and the area of caps."""

import math

import mpmath
import pytest

from tammes.bounds.classical import cap_area, rankin
from tammes.bounds.schlaefli import boroczky


def cap_fraction(angle, d):
    """Part of the sphere in R^d within `angle` of a point, by quadrature."""
    density = lambda t: mpmath.sin(t) ** (d - 2)  # noqa: E731
    return mpmath.quad(density, [0, angle]) / mpmath.quad(density, [0, mpmath.pi])


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 2), (30, 3), (130, 4), (1000, 8), (200_000, 24), (50, 32)])
def test_the_caps_fill_the_sphere(n, d):
    assert float(n * cap_fraction(mpmath.mpf(cap_area(n, d).angle) / 2, d)) == pytest.approx(1.0, rel=1e-11)


@pytest.mark.parametrize("n", [2, 3, 10, 999])
def test_on_the_circle_it_is_attained(n):
    assert cap_area(n, 2).angle == pytest.approx(2 * math.pi / n, rel=1e-14)


def test_it_reaches_the_ends_without_overflow():
    assert cap_area(10**15, 32).angle > 0.0
    assert cap_area(10**15, 2).angle == pytest.approx(2e-15 * math.pi)
    assert cap_area(2, 1000).angle == pytest.approx(math.pi)


@pytest.mark.parametrize(("n", "d", "cosine"), [(4, 3, -1 / 3), (2, 9, -1.0), (5, 3, 0.0), (6, 3, 0.0), (11, 10, -0.1)])
def test_rankin(n, d, cosine):
    assert math.cos(rankin(n, d).angle) == pytest.approx(cosine, abs=1e-15)


def test_rankin_says_nothing_beyond_2d():
    assert rankin(7, 3) is None


def covered(angle, d, digits=40):
    """The part of the sphere that a cap of half that angle covers: the integral of sin^(d-2)."""
    with mpmath.workdps(digits):
        half = mpmath.mpf(angle) / 2
        power = mpmath.mpf(d - 1) / 2
        part = mpmath.betainc(power, 0.5, 0, mpmath.sin(half) ** 2, regularized=True) / 2
        return part if half <= mpmath.pi / 2 else 1 - part


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 24, 32, 64, 300])
@pytest.mark.parametrize("n", [2, 3, 5, 30, 1000, 200_000, 10**9, 10**15])
def test_the_caps_cover_the_sphere(n, d):
    """Relative error of the angle below 1e-14: of the area below d - 1 times that, and more in a great cap."""
    assert math.isclose(n * covered(cap_area(n, d).angle, d), 1, rel_tol=1e-14 * (d - 1) + 1e-14)


@pytest.mark.parametrize("d", [100_000, 10**8, 10**15])
def test_caps_in_very_high_dimension(d):
    """cos^2 of half the angle is d times smaller than some moderate number, and keeps its digits."""
    angles = [cap_area(n, d).angle for n in (3, 5, 30, 10**6, 10**15)]
    assert angles == sorted(angles, reverse=True)
    assert all(0 < math.cos(angle / 2) * math.sqrt(d) < 10 for angle in angles)


@pytest.mark.parametrize("d", [3, 4, 8, 24])
@pytest.mark.parametrize("n", [50, 1000, 10**6])
def test_caps_leave_gaps(n, d):
    assert cap_area(n, d).angle > boroczky(n, d).angle
