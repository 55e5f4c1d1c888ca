"""Spirals and equal-area partitions: unit rows, even spread, Leopardi's published partitions."""

import math

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import min_angle
from tammes.constructions.spread import equal_area, fibonacci, zones

SIZES = [2, 3, 4, 5, 10, 23, 24, 60, 200, 1000, 5000]


@pytest.mark.parametrize("n", SIZES)
def test_fibonacci_is_even(n):
    points = fibonacci(n)
    assert points.shape == (n, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=1e-15)
    heights = points[:, 2]
    np.testing.assert_allclose(np.diff(heights), heights[1] - heights[0], rtol=1e-9)
    np.testing.assert_allclose(heights, -heights[::-1], atol=1e-14)
    assert min_angle(points) * math.sqrt(n) > 3.13  # the best codes tend to 3.81, the canonical lattice to 3.09


@pytest.mark.parametrize(("n", "factor"), [(25, 1.01), (100, 1.05), (500, 1.06), (3000, 1.07)])
def test_fibonacci_beats_the_canonical_lattice(n, factor):
    i = np.arange(n)
    z = 1 - (2 * i + 1) / n
    azimuth = 2 * np.pi * i * (math.sqrt(5) - 1) / 2
    radius = np.sqrt(1 - z * z)
    canonical = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
    assert min_angle(fibonacci(n)) > factor * min_angle(canonical)


def test_fibonacci_turns_by_the_golden_angle():
    points = fibonacci(200)
    azimuth = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
    golden = math.pi * (3 - math.sqrt(5))
    turn = np.diff(azimuth) % (2 * math.pi)
    np.testing.assert_allclose(np.minimum(turn, 2 * math.pi - turn), golden, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 30])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 17, 100, 2000])
def test_equal_area_is_even_in_every_dimension(n, d):
    points = equal_area(n, d)
    assert points.shape == (n, d)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=1e-14)
    # Leopardi 2006, Theorem 2.8: the diameters of regions, and so the distances, go as n^(-1/(d - 1)).
    assert min_angle(points) * n ** (1 / (d - 1)) > (2.2 if d <= 4 else 0.4)
    assert np.linalg.norm(points.sum(axis=0)) < max(1 + 1e-12, 0.02 * n)  # a lone region of a collar has no opposite


# P. Leopardi, EQ sphere partitioning toolbox, the examples of eq_caps.
@pytest.mark.parametrize(
    ("n", "d", "colatitudes", "counts"),
    [
        (10, 3, [0.6435, 1.5708, 2.4981, 3.1416], [1, 4, 4, 1]),
        (6, 4, [0.9845, 2.1571, 3.1416], [1, 4, 1]),
        (2, 5, [1.5708, 3.1416], [1, 1]),
    ],
)
def test_zones_are_those_published_by_leopardi(n, d, colatitudes, counts):
    found, regions = zones(n, d)
    np.testing.assert_allclose(found, colatitudes, atol=5e-5)
    assert regions == counts


@pytest.mark.parametrize("d", [3, 4, 7])
@pytest.mark.parametrize("n", [3, 11, 33, 500])
def test_zones_hold_as_many_regions_as_their_area_says(n, d):
    colatitudes, counts = zones(n, d)
    assert sum(counts) == n
    assert counts[0] == counts[-1] == 1
    assert (np.diff(colatitudes) > 0).all()
    steps = np.linspace(0, math.pi, 200_001)
    area = np.concatenate([[0], np.cumsum(np.sin((steps[1:] + steps[:-1]) / 2) ** (d - 2))])  # midpoint rule
    share = np.interp(colatitudes, steps, area / area[-1])
    np.testing.assert_allclose(share * n, np.cumsum(counts), atol=1e-5 * n)


def test_equal_area_centres_lie_in_their_zones():
    points = equal_area(100, 4)
    colatitudes, counts = zones(100, 4)
    zone = np.searchsorted(colatitudes, np.arccos(points[:, -1]))
    assert np.bincount(zone).tolist() == counts


def test_equal_area_on_the_circle_is_a_polygon():
    points = equal_area(7, 2)
    np.testing.assert_allclose(np.sort(points @ points[0])[-2], math.cos(2 * math.pi / 7), atol=1e-14)
    assert min_angle(points) == pytest.approx(2 * math.pi / 7, abs=1e-14)


@pytest.mark.parametrize("n", [1, 0, 2.5, None, True])
def test_bad_sizes_are_refused(n):
    for build in (fibonacci, lambda n: equal_area(n, 4)):
        with pytest.raises(InvalidParameterError, match="`n` must be an integer of at least 2"):
            build(n)
    with pytest.raises(InvalidParameterError, match="`d` must be an integer of at least 2"):
        equal_area(5, 1)


def test_sizes_that_take_too_much_memory_are_refused():
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: .* GiB"):
        fibonacci(10**9)
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: .* GiB"):
        equal_area(10**6, 1000)
