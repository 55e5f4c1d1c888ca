"""The smallest of the closed bounds, and the bounds on antipodal codes."""

import math
import subprocess
import sys

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds import BOROCZKY_MAX_DIMENSION, boroczky, levenshtein, lines, rankin, upper_bound


@pytest.mark.parametrize(("n", "d"), [(30, 3), (30, 4), (130, 4), (600, 4), (30, 5), (130, 5), (240, 8), (5000, 24)])
def test_it_is_the_smaller_of_the_simplex_bound_and_levenshteins(n, d):
    assert upper_bound(n, d).angle == min(boroczky(n, d).angle, levenshtein(n, d).angle)


@pytest.mark.parametrize(("n", "d"), [(2, 2), (4, 3), (5, 3), (6, 3), (1001, 1000), (2000, 1000)])
def test_it_is_rankins_up_to_2d_points(n, d):
    assert upper_bound(n, d) == rankin(n, d)


def test_it_is_levenshteins_in_high_dimension():
    assert upper_bound(1_000_000, 1024) == levenshtein(1_000_000, 1024)


@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [
        (12, 3, 1 / math.sqrt(5)),
        (120, 4, (1 + math.sqrt(5)) / 4),
        (27, 6, 1 / 4),
        (240, 8, 1 / 2),
        (196560, 24, 1 / 2),
        (7, 32, -1 / 6),
        (64, 32, 0.0),
    ],
)
def test_it_is_attained_by_optimal_codes(n, d, cosine):
    assert abs(upper_bound(n, d).angle - math.acos(cosine)) < 1e-13


@pytest.mark.parametrize("n", [2, 3, 4, 5, 17, 200_000])
def test_the_regular_polygon_is_optimal_on_the_circle(n):
    assert math.isclose(upper_bound(n, 2).degrees, 360 / n, rel_tol=1e-14)


@pytest.mark.parametrize("d", [2, 3, 4, 5, BOROCZKY_MAX_DIMENSION, BOROCZKY_MAX_DIMENSION + 1, 10**6, 10**14])
def test_the_largest_sizes_have_a_bound(d):
    bound = upper_bound(10**15, d)
    assert 0 < bound.angle < math.pi
    if d <= 5:
        assert bound.name in {"polygon", "fejes-toth", "boroczky"}


def test_numpy_integers_are_taken():
    assert upper_bound(np.int64(120), np.uint8(4)) == upper_bound(120, 4)


def test_import_does_not_load_scipy():
    """`tammes table` must start fast."""
    code = "import sys, tammes.bounds; tammes.bounds.upper_bound(130, 4); sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [
        (12, 3, 1 / math.sqrt(5)),  # six lines through the vertices of the icosahedron
        (32, 6, 1 / 3),  # sixteen equiangular lines
        (24, 4, 1 / 2),  # the 24-cell: three mutually unbiased bases
        (4, 2, 0.0),
    ],
)
def test_lines_of_known_optima(n, d, cosine):
    assert lines(n, d).angle == pytest.approx(math.acos(cosine), abs=1e-14)


def test_which_bound_of_lines_is_the_smallest():
    assert lines(12, 4).name == "simplex bound of lines"
    assert lines(12, 4).max_cosine == pytest.approx(math.sqrt(2 / 20), abs=1e-14)  # (N - d) / (d (N - 1)), N = 6
    assert lines(24, 4).name == "orthoplex bound of lines"


@pytest.mark.parametrize(("n", "d"), [(4, 2), (12, 3), (40, 3), (100, 5), (2000, 4), (50, 40)])
def test_lines_have_no_larger_bound_than_all_codes(n, d):
    assert lines(n, d).angle <= upper_bound(n, d).angle


@pytest.mark.parametrize("bad", [2, 3, 7])
def test_odd_numbers_and_single_pairs_are_refused(bad):
    with pytest.raises(InvalidParameterError, match=rf"^`n` must be even and at least 4 for pairs x, -x\. Got {bad}\."):
        lines(bad, 3)
