"""Kinds of start: unit points, all different, the same for the same generator; spread as they should be."""

import math

import numpy as np
import pytest

from tammes.base import geometry
from tammes.global_search.starts import KINDS, spiral


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("n", "d"), [(2, 2), (5, 2), (4, 3), (30, 3), (24, 4), (40, 5), (27, 6), (20, 9), (15, 12)])
def test_unit_rows_all_different(kind, n, d):
    points = KINDS[kind](n, d, np.random.default_rng(0))
    assert points.shape == (n, d)
    assert np.abs(np.linalg.norm(points, axis=1) - 1.0).max() < 1e-12
    assert geometry.nearest_neighbours(points)[0].min() > 1e-6
    assert np.array_equal(points, KINDS[kind](n, d, np.random.default_rng(0)))
    assert not np.array_equal(points, KINDS[kind](n, d, np.random.default_rng(1)))


@pytest.mark.parametrize("n", [50, 500, 3000])
def test_the_spiral_covers_the_sphere_evenly(n):
    points = spiral(n, 3, np.random.default_rng(2))
    hexagonal = math.sqrt(8.0 * math.pi / (math.sqrt(3.0) * n))  # spacing of the hexagonal lattice of that density
    nearest = geometry.nearest_neighbours(points)[0]
    assert nearest.min() > 0.4 * hexagonal
    assert np.median(nearest) > 0.7 * hexagonal
    assert np.abs(points.mean(axis=0)).max() < 0.05


def test_the_hinge_parts_what_is_too_near():
    rng = np.random.default_rng(3)
    pushed = KINDS["hinge"](60, 3, rng)
    loose = KINDS["random"](60, 3, np.random.default_rng(3))
    assert geometry.nearest_neighbours(pushed)[0].min() > 3.0 * geometry.nearest_neighbours(loose)[0].min()
