"""The guaranteed cosine against 50 digits; its angle."""

import itertools

import mpmath
import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidPointsError
from tammes.codes.cosine_bounds import angle_at_least, cosine_at_most


def exact(rows):
    """The largest cosine of the rows as stored, normalised in 50 digits."""
    units = [oracles.unit(oracles.vector(row)) for row in rows]
    return max(oracles.dot(x, y) for x, y in itertools.combinations(units, 2))


@pytest.mark.parametrize(("n", "d"), [(2, 2), (5, 3), (12, 40), (6, 700)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_never_below_the_cosine_and_close_to_it(n, d, dtype):
    rows = np.random.default_rng([n, d]).standard_normal((n, d)).astype(dtype)
    found, largest = cosine_at_most(rows), exact(rows)
    assert largest <= found <= largest + (4 * d + 64) * 2.0**-53


@pytest.mark.parametrize("seed", range(30))
def test_holds_where_rounding_is_all_there_is(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(9)
    rows = np.array([x, x * rng.uniform(0.1, 10.0), -x])
    assert exact(rows) <= cosine_at_most(rows) == 1.0
    across = rows[:2] @ np.linalg.qr(rng.standard_normal((9, 9)))[0]
    across[1] = rng.standard_normal(9)
    across[1] -= across[0] * (across[0] @ across[1]) / (across[0] @ across[0])  # right angles, but for rounding
    assert exact(across) <= cosine_at_most(across) < 1e-13


def test_scales_from_tiny_to_huge_do_not_matter():
    rows = np.array([[3e-200, 4e-200, 0.0], [0.0, 1e200, 1e200], [-1.0, 1e-300, 5.0]])
    assert exact(rows) <= cosine_at_most(rows) <= exact(rows) + 1e-14


def test_a_pair_in_far_blocks_is_seen(monkeypatch):
    monkeypatch.setattr("tammes.codes.cosine_bounds._BLOCK", 40)
    rows = oracles.orthoplex(10)
    rows[-1] = rows[0] + 0.5 * rows[1]  # close to the first row, and of another block
    assert cosine_at_most(rows) == pytest.approx(float(exact(rows)), abs=1e-13)
    assert cosine_at_most(rows[::-1]) == pytest.approx(float(exact(rows)), abs=1e-13)


def test_the_rows_are_not_changed():
    rows = np.random.default_rng(0).standard_normal((4, 3))
    kept = rows.copy()
    cosine_at_most(rows)
    assert np.array_equal(rows, kept)


@pytest.mark.parametrize("rows", [[[1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]], [[np.nan, 1.0], [1.0, 0.0]], [1.0, 2.0]])
def test_bad_rows_are_refused(rows):
    with pytest.raises(InvalidPointsError):
        cosine_at_most(rows)


@pytest.mark.parametrize("cosine", [-1.0, -0.5, 0.0, 0.125, 0.9, 1.0 - 1e-12, 1.0])
def test_the_angle_is_not_above_the_arccosine(cosine):
    true = mpmath.degrees(mpmath.acos(mpmath.mpf(cosine)))
    assert angle_at_least(cosine) <= true
    assert angle_at_least(cosine) == pytest.approx(float(true), rel=1e-14)
