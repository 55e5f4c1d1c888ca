"""The best deletion against all deletions, measured in 50 digits; and what is made of pairs +-x."""

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.codes.antipodal import check_antipodal, is_antipodal
from tammes.codes.deletion import best_deletion
from tammes.codes.spherical_code import SphericalCode


def all_deletions(points, groups):
    """Largest minimal angle without one of the groups of rows."""
    return max(float(oracles.min_angle(np.delete(points, group, axis=0))) for group in groups)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_deletion_is_better(seed):
    points = oracles.random_code(9, 3, seed)
    shorter = best_deletion(SphericalCode(points))
    assert (shorter.n, shorter.d) == (8, 3)
    assert shorter.min_angle == pytest.approx(all_deletions(points, [[k] for k in range(9)]), abs=1e-14)
    assert {row.tobytes() for row in shorter.points} < {row.tobytes() for row in points}


@pytest.mark.parametrize("seed", range(5))
def test_no_other_pair_is_better(seed):
    half = oracles.random_code(5, 3, seed)
    order = np.random.default_rng(seed).permutation(10)
    points = np.concatenate([half, -half])[order]
    shorter = best_deletion(SphericalCode(points), antipodal=True)
    assert shorter.n == 8
    assert is_antipodal(shorter)
    pairs = [[int(np.flatnonzero(order == k)[0]), int(np.flatnonzero(order == k + 5)[0])] for k in range(5)]
    assert shorter.min_angle == pytest.approx(all_deletions(points, pairs), abs=1e-14)


def test_where_no_deletion_helps_any_will_do():
    shorter = best_deletion(SphericalCode(oracles.icosahedron()))
    assert shorter.n == 11
    assert shorter.min_angle == pytest.approx(float(oracles.min_angle(oracles.icosahedron())), abs=1e-14)


@pytest.mark.parametrize(("points", "antipodal"), [(oracles.simplex(2)[:2], False), ([[1, 0], [-1, 0]], True)])
def test_two_points_must_remain(points, antipodal):
    with pytest.raises(InvalidParameterError, match=r"`n` must be at least [34], for two points to remain\. Got 2\."):
        best_deletion(SphericalCode(points), antipodal=antipodal)


@pytest.mark.parametrize("points", [oracles.icosahedron(), oracles.orthoplex(5), oracles.cell24(), oracles.polygon(8)])
def test_named_antipodal_codes(points):
    assert is_antipodal(SphericalCode(points))
    assert not is_antipodal(SphericalCode(points[:-1]))
    assert not is_antipodal(SphericalCode(points[:-2]))  # an even number, without the partners of two


@pytest.mark.parametrize(("turn", "antipodal"), [(0.9e-12, True), (1.1e-12, False)])
def test_antipodal_to_1e_12(turn, antipodal):
    points = oracles.orthoplex(3)
    points[3] = [-1.0, turn, 0.0]
    assert is_antipodal(SphericalCode(points)) is antipodal


def test_a_wrong_claim_is_refused():
    code = SphericalCode(oracles.simplex(3))
    check_antipodal(code, False)
    for refused in (lambda: check_antipodal(code, True), lambda: best_deletion(code, antipodal=True)):
        with pytest.raises(InvalidParameterError, match=r"`code` must be made of pairs \+-x to 1e-12"):
            refused()
