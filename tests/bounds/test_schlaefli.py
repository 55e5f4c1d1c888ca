"""The simplex bound of one cap more or less; test_best holds it to the literature and to orthant probabilities."""

import itertools
import math

import numpy as np
import pytest

from tammes.bounds.schlaefli import BOROCZKY_MAX_DIMENSION, boroczky


@pytest.mark.parametrize(
    ("n", "d", "name"),
    [(7, 2, "polygon"), (7, 3, "fejes-toth"), (24, 4, "boroczky"), (200, BOROCZKY_MAX_DIMENSION, "boroczky")],
)
def test_names(n, d, name):
    assert boroczky(n, d).name == name


@pytest.mark.parametrize("d", [4, 5, 8, 16])
def test_the_orthoplex_is_its_limit(d):
    """2d caps at a right angle fill their simplices: the bound falls below 90 degrees just after."""
    assert boroczky(2 * d, d) is None
    assert 0.4 * math.pi < boroczky(2 * d + 1, d).angle < 0.5 * math.pi


@pytest.mark.parametrize("n", [10**6, 10**9, 10**12])
def test_many_points_in_space_are_the_hexagonal_lattice(n):
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
