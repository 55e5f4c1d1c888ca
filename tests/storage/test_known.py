"""One lookup joins tables, proofs, constructions, the archive and bounds."""

import json

import oracles
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage.archive import Archive
from tammes.storage.known import lookup


@pytest.fixture
def empty(tmp_path):
    return Archive(tmp_path)


def test_the_600_cell(empty):
    known = lookup(120, 4, empty)
    assert (known.best.degrees, known.best.exact_max_cosine) == ("36.000000000000", "(1+sqrt(5))/4")
    assert known.best.proved_by.startswith("Boroczky")
    assert known.optimal
    assert known.met
    assert [code.name for code in known.constructions] == ["600-cell"]
    assert known.bound.name == "boroczky"
    assert known.archived is None
    assert json.loads(json.dumps(known.to_dict()))["optimal"] is True


@pytest.mark.parametrize(
    ("n", "d", "name"),
    [
        (240, 8, "E8"),
        (27, 6, "schlaefli"),
        (56, 7, "gosset"),
        (12, 3, "icosahedron"),
        (24, 4, "24-cell"),
        (5, 4, "simplex"),
    ],
)
def test_codes_that_attain_the_best_value(n, d, name, empty):
    known = lookup(n, d, empty)
    assert name in [code.name for code in known.constructions]
    assert known.optimal


def test_a_construction_that_falls_short_is_not_named(empty):
    """A cube has eight points, and so has the square antiprism, which is better."""
    assert [code.name for code in lookup(8, 3, empty).constructions] == ["square-antiprism"]


def test_a_proof_without_a_met_bound(empty):
    known = lookup(13, 3, empty)
    assert known.optimal
    assert known.bound.name == "proved optimum"


def test_what_is_only_best_known(empty):
    known = lookup(30, 3, empty)
    assert not known.optimal
    assert known.constructions == ()


def test_nothing_stored(empty):
    known = lookup(7000, 100, empty)
    assert (known.best, known.values, known.optimal) == (None, (), False)
    assert known.to_dict()["best"] is None
    assert known.bound.degrees > 0


def test_the_archive_is_read(empty):
    empty.offer(SphericalCode(oracles.icosahedron()))
    known = lookup(12, 3, empty)
    assert known.archived.code.min_angle_degrees == pytest.approx(63.434948822922)
    assert known.to_dict()["archive"]["degrees"] == known.archived.code.min_angle_degrees


@pytest.mark.parametrize(("n", "d"), [(1, 3), (3, 1), (2.5, 3), ("3", 3)])
def test_bad_sizes(n, d, empty):
    with pytest.raises(InvalidParameterError):
        lookup(n, d, empty)
