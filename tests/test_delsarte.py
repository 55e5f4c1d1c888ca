"""The proved linear programming bound: against the literature, sharp codes, tables, and false polynomials."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from tammes.bounds.delsarte import default_degree, delsarte_lp, delsarte_points, proved_points
from tammes.bounds.universal import levenshtein
from tammes.errors import InvalidParameterError

TABLES = Path(__file__).resolve().parent.parent / "sloane_tables"


@pytest.mark.parametrize(
    ("n", "d", "degrees"),
    [(30, 3, 39.872612), (30, 4, 56.959097), (130, 4, 34.947390), (600, 4, 20.975353), (130, 5, 46.469580)],
)
def test_no_more_than_known_values(n, d, degrees):
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
def test_it_is_attained_and_never_below(n, d, degrees):
    assert 0.0 <= delsarte_lp(n, d).degrees - degrees + 1e-13 < 1e-8


@pytest.mark.parametrize(
    ("d", "most"), [(3, 13), (4, 25), (5, 46), (6, 82), (7, 140), (8, 240), (9, 380), (16, 8313), (24, 196560)]
)
def test_kissing_numbers_of_odlyzko_and_sloane(d, most):
    """Table 1 of Odlyzko and Sloane 1979: the bounds by linear programming alone."""
    degree = default_degree(most, d)
    assert math.floor(delsarte_points(math.nextafter(0.5, 1.0), d, degree) + 1e-9) == most


def test_no_tabulated_code_is_above_it():
    names = ("exact_codes.csv", "tammes_records.csv")
    rows = [row for name in names for row in csv.DictReader((TABLES / name).read_text().splitlines())]
    chosen = [row for k, row in enumerate(rows) if k % 9 == 0 and int(row["d"]) <= 24]
    assert len(chosen) > 25
    for row in chosen:
        bound = delsarte_lp(int(row["n"]), int(row["d"]))
        assert bound is None or float(row["angle_degrees"]) <= bound.degrees + 1e-9, row


@pytest.mark.parametrize(("n", "d"), [(25, 3), (40, 6), (500, 8), (1000, 12)])
def test_it_is_not_above_levenshteins(n, d):
    assert delsarte_lp(n, d).degrees <= levenshtein(n, d).degrees + 1e-7


def test_a_violation_hidden_between_grid_points_is_paid_for():
    """A polynomial that a coarse grid takes for feasible proves less than it seems to."""
    weights = np.array([1.0, 3.0])  # 1 + 3x: the tetrahedron, at t = -1/3
    assert float(proved_points(weights, -1 / 3, 3)) == pytest.approx(4.0)
    bumped = np.concatenate([weights, np.zeros(37), [0.2]])
    honest = proved_points(bumped, -1 / 3, 3)
    assert float(honest) > weights.sum() + 0.2 + 0.05


@pytest.mark.parametrize("weights", [[1.0, -0.1], [1.0, math.nan], [1.0, math.inf], [1.0, 0.0]])
def test_weights_that_prove_nothing(weights):
    assert proved_points(np.array(weights), 0.5, 3) is None


def test_where_it_gives_up():
    assert delsarte_lp(200_000, 3) is None
    assert default_degree(200_000, 3) is None


@pytest.mark.parametrize("bad", [0, 201, 2.0, True])
def test_degrees_out_of_range(bad):
    with pytest.raises(InvalidParameterError, match="`degree` must be"):
        delsarte_lp(30, 3, bad)


@pytest.mark.parametrize(("n", "d"), [(1, 3), (30, 1), (10**400, 3)])
def test_sizes_out_of_range(n, d):
    with pytest.raises(InvalidParameterError):
        delsarte_lp(n, d)
