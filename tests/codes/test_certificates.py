"""Exact certificates: made of random, symmetric and degenerate codes, and checked by two implementations."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.codes import certificates, checker
from tammes.codes.certificates import certificate, check, lattice_vectors, rounded_vectors
from tammes.codes.checker import RefusedError
from tammes.codes.spherical_code import SphericalCode

D8 = [
    [a if k == i else b if k == j else 0 for k in range(8)]
    for i in range(8)
    for j in range(i)
    for a in (1, -1)
    for b in (1, -1)
]
NAMED = {
    "icosahedron": oracles.icosahedron(),
    "24-cell": oracles.cell24(),
    "orthoplex": oracles.orthoplex(5),
    "simplex": oracles.simplex(6),
    "antipodes": oracles.orthoplex(3)[[0, 3]],
    "polygon": oracles.polygon(9),
    "polygon in R^4": oracles.polygon(5, 4),
    "D8 roots": oracles.normalized(D8),
    "three points": oracles.polygon(3),
    "nearly equal": oracles.normalized([[1.0, 0.0, 0.0], [1.0, 1e-7, 0.0], [0.0, 1.0, 0.0]]),
    "a narrow cone": oracles.normalized(np.c_[np.ones(20), 1e-4 * oracles.random_code(20, 3)]),
}


def codes():
    for name, points in NAMED.items():
        yield pytest.param(points, id=name)
    for seed in range(200):
        rng = np.random.default_rng([7, seed])
        n, d = int(rng.integers(2, 40)), int(rng.integers(2, 9))
        points = oracles.random_code(n, d, seed)
        if seed % 4 == 1:
            points = np.concatenate([points, -points])  # antipodal pairs
        if seed % 4 == 2:
            points = oracles.simplex(d)[: max(2, min(n, d))]  # all cosines negative
            points = points @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        if seed % 4 == 3:
            points = np.round(points, 1)  # many ties, rows of other lengths
            points = np.unique(oracles.normalized(points[np.abs(points).sum(axis=1) > 0]), axis=0)
        if len(points) > 1:
            yield pytest.param(points, id=f"seed {seed}")


def largest_cosine(vectors):
    """Over all pairs, in 80 digits."""
    with mpmath.workdps(80):
        norms = [mpmath.sqrt(sum(v * v for v in row)) for row in vectors]
        return max(
            mpmath.mpf(sum(a * b for a, b in zip(vectors[i], vectors[j], strict=True))) / (norms[i] * norms[j])
            for i in range(len(vectors))
            for j in range(i)
        )


@pytest.mark.parametrize("points", list(codes()))
def test_two_implementations_agree_and_the_bound_is_right(points):
    vectors = rounded_vectors(points)
    try:
        document = certificate(vectors, "10^15")
    except InvalidPointsError:
        assert SphericalCode(points).min_angle < 1e-8
        return
    assert check(document) == checker.check(document)
    assert checker.read(certificates.to_json(document)) == document
    with mpmath.workdps(80):
        exact = largest_cosine(vectors)
        bound = mpmath.mpf(document["max_cosine"])
        assert exact - mpmath.mpf(10) ** -75 <= bound < exact + mpmath.mpf(10) ** -18 * 1.0001
        angle = mpmath.mpf(document["min_angle_degrees"])
        assert angle <= mpmath.degrees(mpmath.acos(bound)) + mpmath.mpf(10) ** -75
        assert angle > mpmath.degrees(mpmath.acos(bound)) - mpmath.mpf(10) ** -14
    assert float(angle) == pytest.approx(math.degrees(SphericalCode(points).min_angle), abs=1e-11)


@pytest.mark.parametrize("points", [oracles.icosahedron(), oracles.random_code(40, 5)])
def test_both_refuse_a_forged_pair(points):
    """One point moved next to another, the digest put right."""
    document = certificate(rounded_vectors(points), "10^15")
    vectors = [list(row) for row in document["points"]]
    vectors[5] = [a + b // 50 for a, b in zip(vectors[2], vectors[7], strict=True)]
    forged = document | {"points": vectors}
    forged["digest"] = checker.digest_of(forged)
    for implementation in (check, checker.check):
        with pytest.raises(RefusedError):
            implementation(forged)


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 6), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_vectors_of_any_length_and_size(seed, n, d, bits):
    rng = np.random.default_rng(seed)
    vectors = [
        [int(value) * 3**k % (1 << bits) - (1 << bits - 1) for k in range(d)] for value in rng.integers(1, 2**62, n)
    ]
    vectors = [row for row in vectors if any(row)]
    if len(vectors) < 2:
        return
    try:
        document = certificate(vectors, "none")
    except InvalidPointsError:
        return
    assert check(document) == checker.check(document)
    with mpmath.workdps(80):
        unit = mpmath.mpf(10) ** -len(document["max_cosine"].partition(".")[2])
        excess = mpmath.mpf(document["max_cosine"]) - largest_cosine(vectors)
        assert -(mpmath.mpf(10) ** -75) <= excess < 1.0001 * unit


def test_rounding_costs_less_than_1e_12_degrees():
    for d in (2, 3, 8, 24):
        points = oracles.random_code(30, d, d)
        angle = float(certificate(rounded_vectors(points), "10^15")["min_angle_degrees"])
        assert abs(angle - SphericalCode(points).min_angle_degrees) < 1e-12 + 1e-13


def test_floats_are_rounded_as_the_rationals_they_are():
    assert rounded_vectors(np.array([[0.1, -0.3]]), 20) == [
        [round(Fraction(0.1) * 10**20), round(Fraction(-0.3) * 10**20)]
    ]
    assert rounded_vectors([["0.123456789012345678", "-1"]], 18) == [[123456789012345678, -(10**18)]]


@pytest.mark.parametrize("bad", [5, 1001, 15.0, True, "15"])
def test_decimals_out_of_range(bad):
    with pytest.raises(InvalidParameterError, match="`decimals` must be an integer from 6 to 1000"):
        rounded_vectors(oracles.icosahedron(), bad)


def test_coinciding_points_have_nothing_to_certify():
    twins = np.concatenate([oracles.icosahedron(), oracles.icosahedron()[3:4]])
    with pytest.raises(InvalidPointsError, match="rows 3 and 12"):
        certificate(rounded_vectors(twins), "10^15")


@pytest.mark.parametrize(
    ("points", "norm", "cosine", "angle"),
    [
        (oracles.normalized(D8), 2, "0.500000000000000000", "60.000000000000000"),
        (oracles.cell24(), 2, "0.500000000000000000", "60.000000000000000"),
        (oracles.orthoplex(4), 1, "0.000000000000000000", "90.000000000000000"),
        (oracles.normalized([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]), 3, None, None),
    ],
)
def test_lattice_vectors_lose_nothing(points, norm, cosine, angle):
    vectors, found = lattice_vectors(points)
    assert found == norm
    assert {sum(v * v for v in row) for row in vectors} == {norm}
    np.testing.assert_allclose(np.array(vectors) / math.sqrt(norm), points, atol=1e-15)
    document = certificate(vectors, f"sqrt({norm})")
    assert check(document) == checker.check(document)
    if cosine is not None:
        assert (document["max_cosine"], document["min_angle_degrees"]) == (cosine, angle)


def test_points_that_are_no_lattice_vectors():
    assert lattice_vectors(oracles.icosahedron()) is None
    nudged = oracles.cell24()
    nudged[23] = oracles.normalized([nudged[23] + 1e-9])[0]
    assert lattice_vectors(nudged) is None


def test_a_thousand_points():
    points = oracles.random_code(1000, 4)
    document = certificate(rounded_vectors(points), "10^15")
    assert check(document) == checker.check(document)


def test_blocks_and_leading_digits_hide_nothing(monkeypatch):
    points = oracles.random_code(60, 4)
    expected = certificate(rounded_vectors(points), "10^15")
    monkeypatch.setattr(certificates, "_BLOCK", 64)
    assert certificate(rounded_vectors(points), "10^15")["max_cosine"] == expected["max_cosine"]
    assert check(expected)
