"""Binary codes by their weights and designs, spherical codes of their words by their distances."""

import itertools

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, exact_cosine

from tammes.base.errors import InvalidParameterError
from tammes.constructions.binary_codes import (
    golay_code,
    golay_octads,
    kerdock,
    kerdock_forms,
    kerdock_signs,
    shortened_64,
)


def kerdock_distribution(d):
    """Return the cosines from one point: 2d within its frame, and +-1/sqrt(d) to the d/2 other frames of 2d points."""
    root = d**0.5
    return {1: 1, -1: 1, 0: 2 * d - 2, 1 / root: d * d // 2, -1 / root: d * d // 2}


def test_golay_weights_and_linearity():
    words = golay_code()
    assert words.shape == (4096, 24)
    weights, counts = np.unique(words.sum(axis=1), return_counts=True)
    assert dict(zip(weights.tolist(), counts.tolist(), strict=True)) == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}
    known = {tuple(word) for word in words.tolist()}
    generator = np.random.default_rng(1)
    for i, j in generator.integers(0, 4096, (200, 2)):
        assert tuple((words[i] ^ words[j]).tolist()) in known
    assert not (words[::17].astype(int) @ words.T & 1).any()  # self-dual
    with pytest.raises(ValueError, match="read-only"):
        words[0, 0] = 1


def test_octads_are_the_steiner_system():
    octads = golay_octads()
    assert octads.shape == (759, 24)
    seen = {five for octad in octads for five in itertools.combinations(np.flatnonzero(octad).tolist(), 5)}
    assert len(seen) == 42504  # every five points, and 759 * 56 = 42504: each once


@pytest.mark.parametrize("m", [2, 4, 6, 8])
def test_kerdock_sets(m):
    forms = kerdock_forms(m)
    assert forms.shape == (2 ** (m - 1), m, m)
    assert not forms[0].any()
    assert (forms == forms.transpose(0, 2, 1)).all()
    assert not np.diagonal(forms, axis1=1, axis2=2).any()  # alternating
    for a, b in itertools.combinations(forms, 2):
        assert round(np.linalg.det((a ^ b).astype(float))) % 2 == 1  # nonsingular over GF(2)


def test_kerdock_sets_of_odd_dimension_are_refused():
    with pytest.raises(InvalidParameterError, match=r"`m` must be 2, 4, 6 or 8. Got 5"):
        kerdock_forms(5)


@pytest.mark.parametrize("d", [4, 16, 64])
def test_kerdock_codes(d):
    points = kerdock(d)
    assert_code(points, d * (d + 2), d, 1 / d**0.5)
    assert_seen_alike(points, kerdock_distribution(d), range(0, len(points), 1 if d < 64 else 37))
    assert_design(points)
    for k in range(0, len(points), 2 * d):  # the frames, one after the other
        frame = points[k : k + 2 * d]
        assert set(np.unique(frame @ frame.T)) == {-1.0, 0.0, 1.0}


@pytest.mark.slow
def test_kerdock_256():
    points = kerdock(256)
    assert points.shape == (66048, 256)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=0)
    assert_seen_alike(points, kerdock_distribution(256), [0, 511, 512, 30000, 66047])
    assert_design(points)


def test_the_kerdock_code_of_length_16_is_the_nordstrom_robinson_code():
    words = (1 - kerdock_signs(4)) // 2
    assert words.shape == (256, 16)
    distances = (words[:, None, :] != words[None, :, :]).sum(axis=2)
    for row in distances:  # MacWilliams and Sloane, chapter 15
        values, counts = np.unique(row, return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {0: 1, 6: 112, 8: 30, 10: 112, 16: 1}


@pytest.mark.parametrize("d", [2, 8, 32, 12, 3])
def test_dimensions_of_kerdock_codes_that_are_not_powers_of_4_are_refused(d):
    with pytest.raises(InvalidParameterError, match="`d` must be a power of 4: 4, 16, 64 or 256"):
        kerdock(d)


def test_kerdock_1024_is_refused_for_its_memory():
    with pytest.raises(InvalidParameterError, match=r"1050624 points in R\^1024 would take 8.0 GiB"):
        kerdock(1024)


def test_shortened_64():
    points = shortened_64()
    assert_code(points, 64, 14, exact_cosine(64, 14))
    # Ballinger et al. 2009: cosines 1/7, -1/7, -3/7
    assert_seen_alike(points, {1: 1, 1 / 7: 42, -1 / 7: 7, -3 / 7: 14})
    assert_design(points)
