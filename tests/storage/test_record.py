"""Fields of a record are read in their types, and claims compared with what the points measure."""

import math

import oracles
import pytest
from command_line import RECORD_SCHEMA

from tammes.codes.spherical_code import SphericalCode
from tammes.storage.record import CLAIMS, FIELDS, Counted, false_claims, field_of

POINTS = oracles.icosahedron()
CODE = SphericalCode(POINTS)
ANGLE = math.atan(2.0)  # of the icosahedron
HONEST = {
    "n": 12,
    "d": 3,
    "digest": CODE.digest,
    "min_angle": ANGLE,
    "min_angle_degrees": math.degrees(ANGLE),
    "max_cosine": math.cos(ANGLE),
    "contacts": {"tolerance": 1e-9, "count": 30},
    "rattlers": {"count": 0},
}


def test_the_honest_record_makes_every_claim():
    assert HONEST.keys() == CLAIMS.keys()
    assert false_claims(HONEST, CODE) == []
    assert false_claims({}, CODE) == []


def test_every_claim_is_described_in_the_schema():
    """The schema is for readers elsewhere, the types are for this package: they speak of the same fields."""
    assert CLAIMS.keys() <= set(RECORD_SCHEMA["required"])
    assert (FIELDS.keys() - {"archived"}) <= RECORD_SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("n", 12, 12),
        ("n", 12.5, None),
        ("n", "12", None),
        ("n", True, None),
        ("min_angle", 1, 1.0),
        ("min_angle", "1.0", None),
        ("min_angle", 10**400, None),
        ("digest", 7, None),
        ("contacts", 30, 30),
        ("contacts", {"count": 30, "tolerance": 1e-6, "more": 1}, Counted(30, 1e-6)),
        ("contacts", {"count": 30}, Counted(30, 1e-9)),
        ("contacts", {"count": 30, "tolerance": -1e-6}, None),
        ("method", ["sgd", "polish"], ["sgd", "polish"]),
        ("method", ["sgd", 1], None),
        ("method", {"no": "list"}, None),
        ("archived", 7, None),
        ("file", None, None),
    ],
)
def test_a_field_is_read_in_its_type_or_not_at_all(name, value, read):
    assert field_of({name: value}, name) == read


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_none(name):
    assert field_of({}, name) is None


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("value", [True, [1], "text", math.nan, 10**400], ids=repr)
def test_a_claim_of_any_wrong_kind_is_named(name, value):
    (line,) = false_claims(HONEST | {name: value}, CODE)
    assert line.startswith(f"{name}: claimed ")
    assert ", measured " in line


def test_the_expected_type_is_told():
    (line,) = false_claims({"n": "12"}, CODE)
    assert line == "n: claimed '12' (expected `int`, got `str`), measured 12"
    (line,) = false_claims({"contacts": {"count": "30"}}, CODE)
    assert line == "contacts: claimed {'count': '30'} (expected `int`, got `str` - at `$.count`), measured 30"


def test_what_is_not_asked_for_is_not_compared():
    false = HONEST | {"digest": "0" * 64, "contacts": 7, "rattlers": 7}
    assert len(false_claims(false, CODE)) == 3
    assert false_claims(false, CODE, digest=False, counts=False) == []


def test_numbers_of_many_digits_are_strings():
    digits = {"min_angle_degrees": "63.4349488229220106484278", "max_cosine": "0.447213595499957939281834733746"}
    assert false_claims(digits, CODE, strings=True) == []
    assert len(false_claims(digits, CODE)) == 2
    (line,) = false_claims({"max_cosine": "0.5"}, CODE, strings=True)
    assert line.startswith("max_cosine: claimed 0.5, measured 0.447")


@pytest.mark.parametrize(("off", "count"), [(0.9e-12, 0), (-0.9e-12, 0), (1.1e-12, 1), (-1.1e-12, 1)])
def test_angles_agree_within_1e_12(off, count):
    assert len(false_claims({"min_angle": ANGLE + off}, CODE)) == count
    assert len(false_claims({"min_angle_degrees": math.degrees(ANGLE + off)}, CODE)) == count
