"""All bounds side by side, and the inverse question."""

import math

import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds.best import upper_bound
from tammes.bounds.comparison import all_bounds, most_points


@pytest.mark.slow
def test_keys():
    assert list(all_bounds(120, 4)) == ["boroczky", "levenshtein", "cap_area", "delsarte_lp"]
    assert next(iter(all_bounds(6, 3, lp=False))) == "rankin"
    for bound in all_bounds(120, 4).values():
        assert bound.formula
        assert bound.attained
        assert bound.reference


@pytest.mark.parametrize(("n", "d"), [(30, 3), (130, 4), (1000, 9), (200_000, 32), (200_000, 2), (200_000, 24)])
def test_the_caps_are_never_the_best(n, d):
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
def test_attained_angles(degrees, d, most):
    assert min(most_points(math.radians(degrees), d).values()) == most


def test_with_the_program():
    assert most_points(math.pi / 3, 5, lp=True)["delsarte_lp"] == 46


def test_wider_angles_allow_fewer_points():
    for d in (3, 4, 8):
        found = [min(most_points(math.radians(a), d).values()) for a in range(5, 181, 7)]
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("bad", [0.0, -1.0, 4.0, math.nan, math.inf, "1", None, True, 1e-300])
def test_what_is_no_angle(bad):
    with pytest.raises(InvalidParameterError, match="`angle` must be"):
        most_points(bad, 3)
