"""Every bound at once: monotone, above all known codes, with checked arguments; and numbers of points for an angle."""

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds import boroczky, cap_area, delsarte_lp, levenshtein, rankin, upper_bound
from tammes.bounds.comparison import all_bounds, most_points

TABLES = Path(__file__).resolve().parents[2] / "sloane_tables"
CLOSED = {
    "rankin": rankin,
    "boroczky": boroczky,
    "levenshtein": levenshtein,
    "cap_area": cap_area,
    "upper_bound": upper_bound,
}


def tabulated():
    """Yield every code of the bundled tables as (n, d, degrees)."""
    for name in ("best_known_d3.csv", "exact_codes.csv"):
        with (TABLES / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield int(row["n"]), int(row["d"]), float(row["angle_degrees"])


def test_every_closed_bound_is_tested_here():
    found = {key for n, d in ((6, 3), (130, 4)) for key in all_bounds(n, d, lp=False)}
    assert found | {"upper_bound"} == set(CLOSED)


@pytest.mark.parametrize("bound", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("d", [2, 3, 4, 7, 32, 64])
def test_more_points_never_have_a_larger_bound(bound, d):
    sizes = sorted({*range(2, 4 * d + 20, 1 + d // 8), *np.geomspace(4 * d + 20, 200_000, 25).astype(int).tolist()})
    angles = [found.angle for n in sizes if (found := bound(n, d)) is not None]
    assert angles
    assert all(0 < angle <= math.pi + 1e-15 for angle in angles)
    assert all(later <= earlier + 1e-15 for earlier, later in itertools.pairwise(angles))


def test_no_tabulated_code_is_above_a_bound():
    codes = list(tabulated())
    assert len(codes) > 100
    for n, d, degrees in codes:
        for key, found in all_bounds(n, d, lp=False).items():
            assert degrees <= found.degrees + 1e-9, (n, d, key)


@pytest.mark.parametrize("bound", [*CLOSED.values(), delsarte_lp], ids=[*CLOSED, "delsarte_lp"])
@pytest.mark.parametrize("bad", [1, 0, -3, 2.0, 2.5, True, "12", None, math.nan])
def test_bad_sizes_are_refused(bound, bad):
    with pytest.raises(InvalidParameterError, match=r"^`n` must be an integer of at least 2\. Got "):
        bound(bad, 3)
    with pytest.raises(InvalidParameterError, match=r"^`d` must be an integer of at least 2\. Got "):
        bound(12, bad)


@pytest.mark.slow
def test_every_bound_has_formula_and_source():
    assert list(all_bounds(120, 4)) == ["boroczky", "levenshtein", "cap_area", "delsarte_lp"]
    assert next(iter(all_bounds(6, 3, lp=False))) == "rankin"
    for bound in all_bounds(120, 4).values():
        assert bound.formula
        assert bound.attained
        assert bound.reference


@pytest.mark.parametrize(("n", "d"), [(30, 3), (130, 4), (1000, 9), (200_000, 32), (200_000, 2), (200_000, 24)])
def test_the_areas_of_the_caps_are_never_the_smallest(n, d):
    found = all_bounds(n, d, lp=False)
    assert min(found.values(), key=lambda bound: bound.angle).angle == pytest.approx(upper_bound(n, d).angle)
    assert found["cap_area"].angle >= upper_bound(n, d).angle - 1e-12


@pytest.mark.parametrize(
    ("degrees", "d", "most"),
    [
        (60.0, 8, 240),
        (60.0, 24, 196560),
        (90.0, 7, 14),
        (72.0, 2, 5),
        (63.434948822922, 3, 12),
        (36.0, 4, 120),
        (109.4712206345, 3, 4),
        (120.0, 9, 3),
        (180.0, 5, 2),
    ],
)
def test_angles_of_optimal_codes_allow_their_points_and_no_more(degrees, d, most):
    assert min(most_points(math.radians(degrees), d).values()) == most


def test_the_kissing_bound_of_the_linear_program_in_five_dimensions():
    assert most_points(math.pi / 3, 5, lp=True)["delsarte_lp"] == 46


def test_wider_angles_allow_fewer_points():
    for d in (3, 4, 8):
        found = [min(most_points(math.radians(a), d).values()) for a in range(5, 181, 7)]
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("bad", [0.0, -1.0, 4.0, math.nan, math.inf, "1", None, True, 1e-300])
def test_bad_angles_are_refused(bad):
    with pytest.raises(InvalidParameterError, match="`angle` must be"):
        most_points(bad, 3)
