"""Subsets of larger codes: which codes there are, their cosine, and the choice by the seed."""

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions.subcodes import larger_codes


@pytest.mark.parametrize(("n", "d"), [(20, 4), (100, 8), (50, 7), (60, 22), (40, 17), (300, 12), (9, 4)])
def test_every_subcode_has_the_size_and_at_most_the_cosine_of_the_code(n, d):
    wholes = larger_codes(n, d)
    assert wholes
    assert [whole.max_cosine for whole in wholes] == sorted(whole.max_cosine for whole in wholes)
    for whole in wholes:
        points = whole.subcode(n, seed=3)
        assert points.shape == (n, d)
        assert np.allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-12)
        assert (points @ points.T - 2.0 * np.eye(n)).max() <= whole.max_cosine + 1e-9
        assert whole.n >= n


def test_the_best_comes_first_for_sizes_of_networks():
    assert [whole.name for whole in larger_codes(10_000, 128)][:2] == ["Gold's words", "chirps of length 61"]
    assert larger_codes(1_000, 64)[0].name == "kerdock"
    assert larger_codes(1_000, 100)[0].name == "kerdock"  # of 64 dimensions
    assert larger_codes(200, 8)[0].name == "E8"


def test_there_are_none_for_too_many_points():
    assert larger_codes(10_000, 5) == []


def test_codes_that_take_too_much_memory_are_left_out():
    assert all("hypercube" not in whole.name for whole in larger_codes(2**24, 24))


def test_a_subcode_of_all_points_is_the_code():
    whole = larger_codes(240, 8)[0]
    points = whole.subcode(240, seed=0)
    assert float(oracles.min_angle(points[:40])) == pytest.approx(np.pi / 3, abs=1e-12)
    assert np.array_equal(points, whole.subcode(240, seed=1))


def test_the_subcode_depends_on_the_seed_alone():
    whole = larger_codes(60, 8)[0]
    assert np.array_equal(whole.subcode(60, 1), whole.subcode(60, 1))
    assert not np.array_equal(whole.subcode(60, 1), whole.subcode(60, 2))
    assert len(np.unique(whole.subcode(60, 1), axis=0)) == 60


def test_bad_sizes_are_refused():
    with pytest.raises(InvalidParameterError):
        larger_codes(1, 8)
