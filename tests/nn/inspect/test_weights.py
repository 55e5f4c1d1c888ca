"""Measures of rows against closed forms and double loops; rows without an angle give the reason."""

import json
import math

import numpy as np
import oracles
import pytest

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError
from tammes.nn.inspect import weights


def scaled(points, seed=0):
    """Return rows of the same directions, with lengths from 1e-30 to 1e30."""
    lengths = 10.0 ** np.random.default_rng(seed).uniform(-30.0, 30.0, size=(len(points), 1))
    return points * lengths


# --- measure --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "degrees", "bound"),
    [
        pytest.param(oracles.orthoplex(5), 90.0, 90.0, id="orthoplex"),
        pytest.param(oracles.simplex(7), *[math.degrees(math.acos(-1.0 / 7.0))] * 2, id="simplex"),
        pytest.param(oracles.icosahedron(), *[math.degrees(math.atan(2.0))] * 2, id="icosahedron"),
        pytest.param(oracles.cell24(), 60.0, None, id="24-cell"),  # attains no bound in closed form
        pytest.param(oracles.polygon(9), 40.0, 40.0, id="polygon"),
    ],
)
def test_codes_in_closed_form_at_any_length(points, degrees, bound):
    found = weights.measure(scaled(points))
    assert (found.n, found.d) == points.shape
    assert found.min_angle_degrees == pytest.approx(degrees, abs=1e-12)
    assert found.mean_nearest_angle_degrees == pytest.approx(degrees, abs=1e-12)
    assert found.max_cosine == pytest.approx(math.cos(math.radians(degrees)), abs=1e-14)
    if bound is None:
        assert found.bound.degrees > degrees
    else:
        assert found.bound.degrees == pytest.approx(bound, abs=1e-9)
    assert (found.zero_rows, found.non_finite_rows, found.duplicates, found.reason) == ((), 0, 0, "")


def test_against_fifty_digits():
    rows = scaled(oracles.random_code(40, 5))
    found = weights.measure(rows)
    nearest = oracles.nearest_angles(rows)
    assert found.min_angle == pytest.approx(float(min(nearest)), rel=1e-14)
    assert found.mean_nearest_angle == pytest.approx(float(sum(nearest) / 40), rel=1e-14)
    i, j = found.closest_pair
    assert i < j
    assert float(oracles.angle(rows[i], rows[j])) == pytest.approx(found.min_angle, rel=1e-14)


def test_rows_are_numbered_as_in_the_weight():
    rows = np.insert(oracles.polygon(5), [0, 2], 0.0, axis=0)  # zero rows first and fourth
    rows[6] = [math.cos(0.1), math.sin(0.1)]  # the closest to row 1, which is (1, 0)
    found = weights.measure(rows)
    assert found.zero_rows == (0, 3)
    assert found.closest_pair == (1, 6)
    assert found.min_angle == pytest.approx(0.1, abs=1e-15)
    assert found.bound.degrees == 72.0  # of five points on a circle, not of seven


def test_exact_copies_and_near_ones():
    rows = np.concatenate([np.eye(6), 3.0 * np.eye(6)[:2], -np.eye(6)[5:]])
    rows[4] = rows[3] + [0, 0, 0, 0, 1e-7, 0]
    found = weights.measure(rows)
    assert found.duplicates == 6  # 0 and 6, 1 and 7, 3 and 4
    assert found.min_angle == 0.0
    assert found.closest_pair == (0, 6)
    # 0, 1, 6, 7 at 0; 3, 4 at 1e-7; 2, 5, 8 at 90 degrees.
    assert found.mean_nearest_angle == pytest.approx((2e-7 + 3 * math.pi / 2) / 9, abs=1e-15)


def test_copies_that_differ_in_the_sign_of_zero_are_copies():
    found = weights.measure([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [2.0, -0.0, 0.0]])
    assert (found.closest_pair, found.duplicates) == ((0, 2), 2)


def test_copies_do_not_change_the_angles_of_other_rows():
    code = oracles.random_code(60, 4)
    rows = np.concatenate([code, code[10:30], code[10:20]])
    found = weights.measure(rows)
    nearest = oracles.nearest_angles_by_rows(rows)
    assert found.mean_nearest_angle == pytest.approx(nearest.mean(), rel=1e-12)
    assert found.duplicates == 10 * 3 + 10 * 2


def test_a_constant_layer_takes_no_pairwise_angles(monkeypatch):
    monkeypatch.setattr(geometry, "angle", lambda x, y: pytest.fail("of nine million pairs this takes minutes"))
    found = weights.measure(np.ones((3000, 500), dtype=np.float32))
    assert (found.min_angle, found.mean_nearest_angle, found.duplicates) == (0.0, 0.0, 3000)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.longdouble])
def test_types_are_measured_in_float64(dtype):
    rows = np.array([[3, 4], [4, 3], [-5, 0]], dtype=dtype)
    before = rows.copy()
    found = weights.measure(rows)
    assert found.min_angle == pytest.approx(math.acos(24 / 25), rel=1e-15)
    np.testing.assert_array_equal(rows, before)


def test_lengths_that_overflow_when_squared():
    huge = np.array([[6e4, 0.0], [6e4, 6e4]], dtype=np.float16)
    assert weights.measure(huge).min_angle_degrees == pytest.approx(45.0, abs=1e-13)
    tiny = np.array([[5e-324, 0.0], [5e-324, 5e-324]])
    assert weights.measure(tiny).min_angle_degrees == pytest.approx(45.0, abs=1e-13)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[1.0, 2.0, 3.0]], "1 row other than zero: no pair"),
        ([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], "1 row other than zero: no pair"),
        (np.zeros((3, 4)), "no rows other than zero: no pair"),
        (np.zeros((0, 4)), "no rows other than zero: no pair"),
        ([[1.0], [2.0], [-1.0]], "rows of fewer than two numbers make no angle but 0° and 180°"),
        (np.zeros((4, 0)), "rows of fewer than two numbers make no angle but 0° and 180°"),
    ],
)
def test_no_angle_is_none_and_says_why(rows, reason):
    found = weights.measure(rows)
    angles = (found.min_angle, found.min_angle_degrees, found.mean_nearest_angle, found.max_cosine)
    assert angles == (None,) * 4
    assert (found.closest_pair, found.bound, found.duplicates) == (None, None, 0)
    assert found.reason == reason
    assert found.to_dict()["no_angle_because"] == reason


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_that_are_not_finite_give_nan(bad):
    rows = np.concatenate([oracles.orthoplex(3), np.zeros((1, 3))])
    rows[4, 1] = rows[5, 0] = bad
    found = weights.measure(rows)
    assert math.isnan(found.min_angle)
    assert math.isnan(found.mean_nearest_angle_degrees)
    assert math.isnan(found.max_cosine)
    assert (found.non_finite_rows, found.zero_rows, found.closest_pair) == (2, (6,), None)
    assert found.reason == "2 rows are not finite"
    single = weights.measure([[bad, 0.0]])
    assert (math.isnan(single.min_angle), single.reason) == (True, "1 row is not finite")


def test_records_are_strict_json():
    for rows in (oracles.icosahedron(), [[math.nan, 1.0], [1.0, 0.0]], [[1.0, 0.0]]):
        found = weights.measure(rows)
        record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        usual = found.min_angle is not None and math.isfinite(found.min_angle)
        assert record["min_angle"] == (found.min_angle if usual else None)
        assert record["min_angle_degrees"] == (found.min_angle_degrees if usual else None)
        assert record["closest_pair"] == (list(found.closest_pair) if usual else None)
    assert weights.measure(oracles.icosahedron()).to_dict()["bound_name"] == "fejes-toth"


def test_the_bound_may_be_left_out():
    assert weights.measure(oracles.orthoplex(3)).bound.name == "rankin"
    found = weights.measure(oracles.orthoplex(3), bound=False)
    assert found.bound is None
    assert found.to_dict()["bound_degrees"] is None


# --- lines ----------------------------------------------------------------------------------------


def test_lines_of_the_icosahedron():
    half = [row for row in oracles.icosahedron() if tuple(row) > (0.0, 0.0, 0.0)]
    assert len(half) == 6
    found = weights.measure(scaled(np.array(half)), antipodal=True)
    assert found.min_angle == pytest.approx(math.atan(2.0), abs=1e-14)
    assert found.mean_nearest_angle == pytest.approx(math.atan(2.0), abs=1e-14)
    assert found.bound.degrees == pytest.approx(math.degrees(math.atan(2.0)), abs=1e-9)  # six lines at best
    assert found.duplicates == 0


def test_a_row_and_its_opposite_are_one_line():
    found = weights.measure(oracles.orthoplex(4), antipodal=True)
    assert (found.min_angle, found.duplicates, found.closest_pair) == (0.0, 8, (0, 4))
    assert found.max_cosine == 1.0


def test_lines_against_fifty_digits():
    rows = oracles.random_code(20, 3)
    angles = oracles.angle_matrix(rows)
    lines = [min(min(angles[i][j], oracles.mpmath.pi - angles[i][j]) for j in range(20) if j != i) for i in range(20)]
    found = weights.measure(rows, antipodal=True)
    assert found.min_angle == pytest.approx(float(min(lines)), rel=1e-13)
    assert found.mean_nearest_angle == pytest.approx(float(sum(lines) / 20), rel=1e-13)
    i, j = found.closest_pair
    assert float(min(angles[i][j], oracles.mpmath.pi - angles[i][j])) == pytest.approx(found.min_angle, rel=1e-13)


# --- cosines --------------------------------------------------------------------------------------


one_block_and_many = pytest.mark.parametrize("block_size", [1 << 22, 101])


@one_block_and_many
def test_cosines_against_a_double_loop(block_size):
    rows = scaled(oracles.random_code(40, 3))
    cosines = [float(oracles.mpmath.cos(oracles.angle(rows[i], rows[j]))) for i in range(40) for j in range(i)]
    found = weights.cosine_histogram(rows, bins=13, block_size=block_size)
    counts, edges = np.histogram(cosines, bins=13, range=(-1.0, 1.0))
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.edges, edges, atol=1e-15)
    assert found.pairs == 40 * 39 // 2
    above = sum(cosine > 0.2 for cosine in cosines)
    assert found.above == weights.count_above(rows, block_size=block_size) == above
    assert found.share_above == pytest.approx(above / 780)
    assert weights.count_above(rows, -0.5) == sum(cosine > -0.5 for cosine in cosines)


@one_block_and_many
def test_cosines_at_both_ends_are_counted(block_size):
    rows = np.concatenate([oracles.orthoplex(6), oracles.orthoplex(6), np.zeros((2, 6))])
    found = weights.cosine_histogram(rows, bins=3, block_size=block_size)
    assert found.counts.tolist() == [6 * 4, 24 * 23 // 2 - 6 * 4 - 12, 12]  # opposite, orthogonal, copies
    assert found.above == 12  # signed: opposites do not count
    copies = np.repeat(oracles.random_code(1, 7), 30, axis=0)
    assert weights.cosine_histogram(copies, bins=4, block_size=block_size).counts.tolist() == [0, 0, 0, 30 * 29 // 2]


@pytest.mark.parametrize("rows", [np.zeros((4, 3)), [[1.0, 0.0]], [[1.0], [2.0]], np.zeros((0, 3))], ids=str)
def test_without_pairs_nothing_is_counted(rows):
    found = weights.cosine_histogram(rows, bins=5)
    assert (found.counts.tolist(), found.pairs, found.above, found.share_above) == ([0] * 5, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("work", "options", "total"),
    [
        (weights.cosine_histogram, {"block_size": 1 << 20}, 3_000),
        (weights.measure, {"bound": False}, 3_000),
        (weights.measure, {"bound": False, "antipodal": True}, 6_000),
    ],
    ids=["cosines", "rows", "lines"],
)
def test_progress_increases_to_the_number_of_rows(work, options, total):
    seen = []
    work(oracles.random_code(3_000, 9), progress=seen.append, **options)
    assert len(seen) > 2
    assert seen == sorted(set(seen))
    assert seen[-1] == total


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1.0, 0.0], [1.0]], "rows of different lengths"),
        ([1.0, 0.0], r"shape \(2,\)"),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.ones((2, 2), dtype=complex), "dtype complex128"),
        ([["a", "b"]], "dtype <U1"),
        (None, "dtype object"),
    ],
)
@pytest.mark.parametrize("work", [weights.measure, weights.cosine_histogram, weights.count_above])
def test_rows_that_are_no_real_matrix_are_refused(work, rows, value):
    requirement = "^`rows` must be a two-dimensional array of real numbers. Got "
    with pytest.raises(InvalidParameterError, match=requirement + value):
        work(rows)


def test_settings_out_of_range():
    rows = oracles.orthoplex(2)
    for name in ("bins", "block_size"):
        for value in (0, -1, 2.0, True):
            with pytest.raises(InvalidParameterError, match=f"`{name}` must be an integer of at least 1"):
                weights.cosine_histogram(rows, **{name: value})
    with pytest.raises(InvalidParameterError, match="`block_size` must be an integer of at least 1"):
        weights.count_above(rows, block_size=0)
    for work in (weights.cosine_histogram, weights.count_above):
        with pytest.raises(InvalidParameterError, match="`threshold` must be a number"):
            work(rows, threshold=math.nan)
        with pytest.raises(InvalidParameterError, match=r"^`rows` must be finite\. Got row 1, which is not"):
            work([[1.0, 0.0], [math.inf, 0.0]])
