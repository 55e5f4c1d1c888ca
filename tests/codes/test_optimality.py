"""Certificates of local optimality: what is rigid is found rigid, what is wrong is refused for the right reason."""

import math

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.codes.optimality import StressError, Verdict, check_stress, improvement, local_optimality
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search.api import solve


def of(points, **options):
    return local_optimality(SphericalCode(points), **options)


def nudged(size, points=None):
    points = oracles.icosahedron() if points is None else points.copy()
    points[4] += size * np.array([0.3, -0.5, 0.2])
    return oracles.normalized(points)


@pytest.mark.parametrize(
    ("points", "contacts", "freedom", "rattlers"),
    [
        pytest.param(oracles.icosahedron(), 30, 12 * 2 - 3, 0, id="icosahedron"),
        pytest.param(oracles.icosahedron()[1:], 25, 11 * 2 - 3, 0, id="icosahedron less one"),
        pytest.param(oracles.cell24(), 96, 24 * 3 - 6, 0, id="24-cell"),
        pytest.param(oracles.orthoplex(4), 24, 8 * 3 - 6, 0, id="orthoplex"),
        pytest.param(oracles.simplex(5), 15, 6 * 4 - 10, 0, id="simplex"),
        pytest.param(oracles.polygon(7), 7, 7 - 1, 0, id="polygon"),
        pytest.param(oracles.orthoplex(4)[[0, 4]], 1, 3, 0, id="antipodes"),
        pytest.param(oracles.orthoplex(2)[[0, 2]], 1, 1, 0, id="antipodes on the circle"),
    ],
)
def test_rigid_codes_are_strict_local_maxima(points, contacts, freedom, rattlers):
    found = of(points)
    assert found.verdict is Verdict.STRICT
    assert len(found.contacts) == contacts
    assert found.rank == found.degrees_of_freedom == freedom
    assert len(found.rattlers) == rattlers
    assert found.residual < 1e-13
    assert found.multipliers.min() >= 0.0
    assert found.multipliers.sum() == pytest.approx(1.0)
    assert check_stress(SphericalCode(points), found.contacts, found.multipliers) < 1e-13
    assert f"rank {freedom} of {freedom}" in found.sentence


def test_a_simplex_in_a_larger_space_is_strict():
    """Few contacts, rigid within its span, and curved against leaving it."""
    found = of(np.pad(oracles.simplex(3), ((0, 0), (0, 2))))
    assert found.verdict in (Verdict.STRICT, Verdict.SECOND_ORDER)


def test_a_polished_code_with_rattlers():
    code = solve(25, 3, "mma", steps=300, seed=1).code
    found = local_optimality(code)
    assert found.verdict is Verdict.STRICT
    held = 25 - len(found.rattlers)
    assert found.rank == 2 * held - 3
    assert np.array_equal(found.rattlers, code.rattlers())


@pytest.mark.parametrize("size", [1e-8, 1e-6, 1e-3, 0.1])
def test_a_nudged_icosahedron_is_refused_with_a_direction_that_improves_it(size):
    points = nudged(size)
    found = of(points)
    assert found.verdict is Verdict.IMPROVABLE
    assert found.rate > 0.1
    assert found.gain > 0.0
    np.testing.assert_allclose(np.einsum("nd,nd->n", found.direction, points), 0.0, atol=1e-12)
    assert np.linalg.norm(found.direction, axis=1).max() == pytest.approx(1.0)
    best = max(
        float(min(oracles.angle(*pair) for pair in zip(*closest(points + step * found.direction), strict=True)))
        for step in [size * 0.5**k for k in range(12)]
    )
    assert best > SphericalCode(points).min_angle
    assert found.sentence.startswith("no local maximum: a displacement widens every contact by ")


def closest(points):
    """The rows of every pair."""
    points = oracles.normalized(points)
    i, j = np.triu_indices(len(points), 1)
    return points[i], points[j]


def test_random_codes_are_improvable():
    for seed in range(5):
        found = of(oracles.random_code(12, 4, seed))
        assert found.verdict is Verdict.IMPROVABLE
        assert found.gain > 1e-4


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(oracles.normalized([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]), id="cube"),
        pytest.param(oracles.polygon(4, 3), id="square on the equator"),
    ],
)
def test_saddles_are_maxima_to_first_order_only(points):
    """A cube twists into an antiprism, a square on the equator folds."""
    found = of(points)
    assert found.verdict is Verdict.FIRST_ORDER
    assert found.rank < found.degrees_of_freedom
    assert found.curvature < -0.1


def test_duplicated_points_are_refused():
    twins = np.concatenate([oracles.icosahedron(), oracles.icosahedron()[7:8]])
    with pytest.raises(InvalidPointsError, match=r"distinct\. Got rows 7 and 12"):
        of(twins)


def test_codes_beyond_the_dense_matrix_are_refused():
    with pytest.raises(InvalidPointsError, match="at most 6000 degrees of freedom"):
        of(oracles.random_code(3001, 3))


@pytest.mark.parametrize("bad", [0.0, -1e-9, 1e-2, math.nan, math.inf, "1e-9"])
def test_tolerances(bad):
    with pytest.raises(InvalidParameterError, match="`tolerance` must be a positive number of radians"):
        of(oracles.icosahedron(), tolerance=bad)


def test_wrong_stresses_are_refused_each_for_its_reason():
    code = SphericalCode(oracles.icosahedron())
    contacts = code.contacts()
    even = np.ones(30)
    assert check_stress(code, contacts, even) < 1e-14
    uneven = even.copy()
    uneven[3] = 1.01
    with pytest.raises(StressError, match="in balance"):
        check_stress(code, contacts, uneven)
    negative = even.copy()
    negative[3] = -1.0
    with pytest.raises(StressError, match="nonnegative"):
        check_stress(code, contacts, negative)
    for wrong in (np.zeros(30), np.full(30, np.nan)):
        with pytest.raises(StressError, match="nonnegative, finite and not all zero"):
            check_stress(code, contacts, wrong)
    with pytest.raises(StressError, match="one for each"):
        check_stress(code, contacts, np.ones(29))
    far = contacts.copy()
    far[0] = [0, next(j for j in range(12) if np.allclose(code.points[j], -code.points[0]))]
    with pytest.raises(StressError, match="within 1e-09 rad of the minimal angle"):
        check_stress(code, far, even)
    for pair in ([0, 12], [-1, 3], [4, 4]):
        beyond = contacts.copy()
        beyond[0] = pair
        with pytest.raises(StressError, match="pairs of distinct indices"):
            check_stress(code, beyond, even)


@pytest.mark.parametrize("seed", range(6))
def test_rotation_reflection_and_order_change_nothing(seed):
    rng = np.random.default_rng(seed)
    points = [oracles.icosahedron(), oracles.cell24(), nudged(1e-3), oracles.polygon(4, 3), oracles.orthoplex(5)[:7]]
    for code in points:
        turn = np.linalg.qr(rng.normal(size=(code.shape[1],) * 2))[0]
        moved = oracles.normalized(code[rng.permutation(len(code))] @ turn)
        one, other = of(code), of(moved)
        assert one.verdict is other.verdict
        assert (one.rank, one.degrees_of_freedom, len(one.contacts)) == (
            other.rank,
            other.degrees_of_freedom,
            len(other.contacts),
        )


def test_improvement_is_measured():
    points = oracles.polygon(3, 3)
    points[0] = oracles.normalized([points[0] + [0.0, 0.1, 0.0]])[0]
    code = SphericalCode(points)
    back = np.zeros((3, 3))
    back[0] = [0.0, -1.0, 0.0]
    back[0] -= points[0] * (back[0] @ points[0])
    assert improvement(code, back) > 0.0
    assert improvement(code, -back) == 0.0


def test_the_record_holds_no_floats():
    def walk(value):
        assert not isinstance(value, float)
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(child)

    for points in (oracles.icosahedron(), nudged(1e-3)):
        walk(of(points).to_dict())
