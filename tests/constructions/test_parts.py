"""Parts of larger codes: what is offered, that it holds what it says, that it depends on the seed alone."""

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions import parts


@pytest.mark.parametrize(("n", "d"), [(20, 4), (100, 8), (50, 7), (60, 22), (40, 17), (300, 12), (9, 4)])
def test_every_part_is_a_code_of_the_size_and_keeps_the_cosine(n, d):
    wholes = parts.holding(n, d)
    assert [whole.max_cosine for whole in wholes] == sorted(whole.max_cosine for whole in wholes)
    for whole in wholes:
        points = whole.part(n, seed=3)
        assert points.shape == (n, d)
        assert np.allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-12)
        assert (points @ points.T - 2.0 * np.eye(n)).max() <= whole.max_cosine + 1e-9
        assert whole.n >= n


def test_the_best_comes_first_for_sizes_of_networks():
    assert [whole.name for whole in parts.holding(10_000, 128)][:2] == ["Gold's words", "chirps of length 61"]
    assert parts.holding(1_000, 64)[0].name == "kerdock"
    assert parts.holding(1_000, 100)[0].name == "kerdock"  # of 64 dimensions
    assert parts.holding(200, 8)[0].name == "E8"


def test_nothing_holds_too_many_points():
    assert parts.holding(10_000, 5) == []


def test_nothing_beyond_the_room_is_built():
    assert all("hypercube" not in whole.name for whole in parts.holding(2**24, 24))


def test_the_whole_code_is_its_own_part():
    whole = parts.holding(240, 8)[0]
    gram = whole.part(240, seed=0)
    assert float(oracles.min_angle(gram[:40])) >= np.pi / 3 - 1e-9
    assert np.array_equal(gram, whole.part(240, seed=1))


def test_the_seed_chooses():
    whole = parts.holding(60, 8)[0]
    assert np.array_equal(whole.part(60, 1), whole.part(60, 1))
    assert not np.array_equal(whole.part(60, 1), whole.part(60, 2))
    assert len(np.unique(whole.part(60, 1), axis=0)) == 60


def test_bad_sizes():
    with pytest.raises(InvalidParameterError):
        parts.holding(1, 8)
