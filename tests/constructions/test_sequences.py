"""Gold's words and chirps: their sizes, and all cosines of small families."""

import math

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions.sequences import GOLD_DIMENSIONS, chirps, gold


@pytest.mark.parametrize("d", [8, 32])
def test_golds_words_have_three_cosines_and_their_antipodes(d):
    points = gold(d).points(np.arange(2 * d * d))
    cosines = points @ points.T
    upper = cosines[np.triu_indices(len(points), 1)]
    side = math.sqrt(2.0 / d)
    assert set(np.unique(np.round(upper, 9))) == {-1.0, round(-side, 9), 0.0, round(side, 9)}
    assert np.allclose(np.diagonal(cosines), 1.0, atol=1e-12)
    assert (np.isclose(cosines, -1.0).sum(axis=1) == 1).all()


@pytest.mark.parametrize("d", [128, 512, 2048])
def test_golds_words_by_samples(d):
    family = gold(d)
    assert family.n == 2 * d * d
    points = family.points(np.random.default_rng(d).choice(family.n, 300, replace=False))
    cosines = points @ points.T - 2.0 * np.eye(300)
    assert cosines.max() <= family.max_cosine + 1e-12 == pytest.approx(math.sqrt(2.0 / d))
    assert np.abs(cosines).max() > 0.9 * family.max_cosine


@pytest.mark.parametrize("d", [6, 7, 10, 22, 23])
def test_chirps_are_mutually_unbiased_bases_in_four_phases(d):
    family = chirps(d)
    p = {6: 3, 7: 3, 10: 5, 22: 11, 23: 11}[d]
    assert family.n == 4 * p * (p + 1)
    points = family.points(np.arange(family.n))
    assert points.shape == (family.n, d)
    assert np.allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-12)
    vectors = (points[:, :p] + 1j * points[:, p : 2 * p])[::4]  # one of each four
    overlaps = np.abs(vectors.conj() @ vectors.T) ** 2
    unbiased = np.kron(1.0 - np.eye(p + 1), np.full((p, p), 1.0 / p)) + np.eye(p * (p + 1))
    assert np.allclose(overlaps, unbiased, atol=1e-9)
    cosines = points @ points.T - 2.0 * np.eye(family.n)
    assert cosines.max() <= p**-0.5 + 1e-12
    assert cosines.max() > 0.9 * p**-0.5
    assert family.max_cosine == p**-0.5


def test_points_are_rows_of_the_whole_family():
    for family in (gold(32), chirps(14)):
        whole = family.points(np.arange(family.n))
        some = np.array([5, 0, family.n - 1])
        assert np.array_equal(family.points(some), whole[some])
        for bad in ([-1], [family.n], [[0]]):
            with pytest.raises(InvalidParameterError, match="indices"):
                family.points(np.array(bad))


@pytest.mark.parametrize("d", [2, 16, 100, 8192])
def test_golds_words_exist_for_some_dimensions_only(d):
    assert d not in GOLD_DIMENSIONS
    with pytest.raises(InvalidParameterError, match="one of: 8, 32, 128"):
        gold(d)


def test_chirps_need_six_dimensions():
    with pytest.raises(InvalidParameterError, match="at least 6"):
        chirps(5)
