"""Delsarte's bound against the literature, sharp codes and tables; polynomials that are not feasible prove less."""

import csv
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds.best import upper_bound
from tammes.bounds.delsarte_bound import default_degree, delsarte_lp, delsarte_points, proved_points
from tammes.bounds.levenshtein_bound import levenshtein

TABLES = Path(__file__).resolve().parents[2] / "sloane_tables"


@pytest.mark.parametrize(
    ("n", "d", "degrees"),
    [(30, 3, 39.872612), (30, 4, 56.959097), (130, 4, 34.947390), (600, 4, 20.975353), (130, 5, 46.469580)],
)
def test_published_values(n, d, degrees):
    assert degrees - 1e-3 < delsarte_lp(n, d).degrees <= degrees


def test_at_thirty_points_in_five_dimensions_it_is_levenshteins():
    assert delsarte_lp(30, 5).degrees == pytest.approx(levenshtein(30, 5).degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "d", "degrees"),
    [
        (5, 4, math.degrees(math.acos(-1 / 4))),
        (8, 4, 90.0),
        (12, 3, math.degrees(math.atan(2.0))),
        (120, 4, 36.0),
        (16, 5, math.degrees(math.acos(1 / 5))),
        (27, 6, math.degrees(math.acos(1 / 4))),
        (56, 7, math.degrees(math.acos(1 / 3))),
        (240, 8, 60.0),
        (100, 22, math.degrees(math.acos(1 / 11))),
        (196560, 24, 60.0),
    ],
)
def test_it_is_attained_by_sharp_codes_and_never_below_them(n, d, degrees):
    assert 0.0 <= delsarte_lp(n, d).degrees - degrees + 1e-13 < 1e-8


MOST = (13, 25, 46, 82, 140, 240, 380, 595, 915, 1416, 2233, 3492, 5431, 8313)  # from d = 3 on
KISSING = dict(enumerate(MOST, 3)) | {18: 17877, 19: 25901, 20: 37974, 21: 56852, 22: 86537, 23: 128096, 24: 196560}


@pytest.mark.parametrize("d", KISSING)
def test_kissing_numbers_of_odlyzko_and_sloane(d):
    """Table 1 of Odlyzko and Sloane 1979; three of its last digits are rounded up, not down."""
    points = delsarte_points(math.nextafter(0.5, 1.0), d, default_degree(KISSING[d], d))
    rounded = math.ceil if d in {19, 21, 23} else math.floor
    assert rounded(points + Fraction(1, 10**6) * (1 if rounded is math.floor else -1)) == KISSING[d]


@pytest.mark.parametrize("n", [3, 5, 7, 12, 30])
def test_the_regular_polygon_is_proved_optimal(n):
    assert 0.0 <= delsarte_lp(n, 2).degrees - 360 / n < 1e-9


def test_a_program_of_low_degree_proves_less():
    """By f = 1 - x / t alone, of degree 1, cos phi >= -1 / (n - 1), however many points there are."""
    assert delsarte_lp(12, 3, 1).max_cosine == pytest.approx(-1 / 11, abs=1e-9)
    angles = [delsarte_lp(120, 4, degree).angle for degree in (5, 11, 14, 17)]
    assert angles == sorted(angles, reverse=True)
    assert angles[-1] == pytest.approx(math.pi / 5, abs=1e-9)  # Andreev's polynomial
    assert angles[-2] > math.pi / 5 + 1e-4


def test_more_points_never_have_a_larger_bound():
    for d in (3, 5, 9):
        angles = [delsarte_lp(n, d).angle for n in (2, 3, d + 1, 2 * d, 2 * d + 1, 30, 31, 50)]
        assert angles[0] == math.pi
        assert angles == sorted(angles, reverse=True)


@pytest.mark.parametrize(("n", "d"), [(200_000, 32), (200_000, 12), (10**6, 24), (2 * 10**6 + 5, 10**6), (65, 64)])
def test_large_numbers_neither_overflow_nor_warn(n, d):
    bound = delsarte_lp(n, d)
    assert bound is None or 0 < bound.angle <= levenshtein(n, d).angle + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(500, 3), (3000, 4), (200_000, 6)])
def test_high_degrees_are_below_the_closed_bounds(n, d):
    assert delsarte_lp(n, d).angle < upper_bound(n, d).angle


@pytest.mark.parametrize(("step", "most"), [(20, 60), pytest.param(7, 10**6, marks=pytest.mark.slow)])
def test_no_tabulated_code_is_above_it(step, most):
    names = ("exact_codes.csv", "tammes_records.csv", "best_known_d3.csv")
    rows = [row for name in names for row in csv.DictReader((TABLES / name).read_text().splitlines())]
    chosen = [row for row in rows if int(row["d"]) <= 32 and int(row["n"]) <= most][::step]
    assert len(chosen) > 200 / step
    for row in chosen:
        bound = delsarte_lp(int(row["n"]), int(row["d"]))
        assert bound is None or float(row["angle_degrees"]) <= bound.degrees + 1e-9, row


@pytest.mark.parametrize(("n", "d"), [(25, 3), (40, 6), (500, 8), (1000, 12)])
def test_it_is_not_above_levenshteins(n, d):
    assert delsarte_lp(n, d).degrees <= levenshtein(n, d).degrees + 1e-7


def test_a_violation_between_grid_points_weakens_the_proof():
    """A polynomial that is feasible on a coarse grid only proves less than f(1) / f_0."""
    weights = np.array([1.0, 3.0])  # 1 + 3x: the tetrahedron, at t = -1/3
    assert float(proved_points(weights, -1 / 3, 3)) == pytest.approx(4.0)
    bumped = np.concatenate([weights, np.zeros(37), [0.2]])
    honest = proved_points(bumped, -1 / 3, 3)
    assert float(honest) > weights.sum() + 0.2 + 0.05


@pytest.mark.parametrize("weights", [[1.0, -0.1], [1.0, math.nan], [1.0, math.inf], [1.0, 0.0]])
def test_weights_that_prove_nothing(weights):
    assert proved_points(np.array(weights), 0.5, 3) is None


def test_there_is_none_where_the_degree_is_too_high():
    assert delsarte_lp(200_000, 3) is None
    assert default_degree(200_000, 3) is None


@pytest.mark.parametrize("bad", [0, 201, 2.0, True])
def test_degrees_out_of_range(bad):
    with pytest.raises(InvalidParameterError, match="`degree` must be"):
        delsarte_lp(30, 3, bad)
