"""A result judges itself: what it reports is measured, compared and bounded."""

import math

import pytest

from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex, simplex
from tammes.storage.result import Result, versions


def result(points, **more):
    return Result(SphericalCode(points), ("sgd",), Status.STEP_LIMIT, 1.0, **more)


def test_a_proved_optimum_has_no_gap():
    made = result(simplex(4, 3))
    assert made.best_known.optimal
    assert made.gap_degrees == pytest.approx(0.0, abs=1e-12)
    assert made.contacts == 6
    assert made.rattlers == []


def test_nothing_known_is_none():
    made = result(orthoplex(9)[:17].repeat(5, axis=0)[:77])
    record = made.to_dict()
    assert made.best_known is None
    assert record["best_known"] is None
    assert record["min_angle"] == 0.0
    assert record["bound"]["gap_degrees"] > 70.0


def test_the_record_says_how_it_was_made():
    made = result(orthoplex(3), settings={"seed": 3}, before_polish=1.5, phases=({"phase": "sgd"},))
    record = made.to_dict()
    assert record["settings"] == {"seed": 3}
    assert record["before_polish_degrees"] == math.degrees(1.5)
    assert record["status"] == {"code": "step-limit", "sentence": Status.STEP_LIMIT.sentence}
    assert not made.interrupted


def test_versions_name_what_computes():
    assert {"tammes", "python", "numpy"} <= set(versions())
