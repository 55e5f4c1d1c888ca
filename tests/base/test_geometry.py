"""Angles against 50-digit arithmetic; searches against double loops; geometry by its laws."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import mpmath
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tammes.base import geometry
from tammes.base.errors import InvalidPointsError, TammesError

DIMENSIONS = [2, 3, 8]
ANGLES = [1e-8, 1e-5, 1e-2, 0.5, 1.0, np.pi / 2, 2.0, 3.0, np.pi - 1e-3, np.pi - 1e-8]


def pair_at(theta, d, seed=0, norms=(1.0, 1.0)):
    """Two rows about theta apart in a random plane of R^d."""
    frame = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, 2)))[0].T
    return norms[0] * frame[0], norms[1] * (np.cos(theta) * frame[0] + np.sin(theta) * frame[1])


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


# --- angle --------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("theta", ANGLES)
@pytest.mark.parametrize("norms", [(1.0, 1.0), (1.0 + 1e-10, 1.0 - 1e-10), (1.0 - 1e-10, 1.0)])
def test_angle_has_all_digits(theta, d, norms):
    for seed in range(10):
        x, y = pair_at(theta, d, seed, norms)
        exact = oracles.angle(x, y)
        tolerance = 2e-15 * exact if theta < 3.1 else 1e-15  # near pi it is pi - theta that counts
        assert abs(mpmath.mpf(float(geometry.angle(x, y))) - exact) <= tolerance


@pytest.mark.parametrize("theta", ANGLES)
def test_angle_of_rows_of_any_length(theta):
    x, y = pair_at(theta, 3, norms=(0.5, 3.0))
    assert float(geometry.angle(x, y) - oracles.angle(x, y)) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("theta", [1e-150, 1e-100, 1e-16, 1e-8])
def test_tiny_angles(theta):
    assert geometry.angle([1.0, 0.0], [1.0, theta]) == pytest.approx(theta, rel=4e-16)
    assert geometry.angle([0.0, 3.0], [0.0, 3.0]) == 0.0


def test_antipodes_and_shapes():
    assert geometry.angle([0.6, 0.8], [-0.6, -0.8]) == np.pi
    points = oracles.random_code(5, 3)
    assert geometry.angle(points[:, None], points).shape == (5, 5)
    assert geometry.angle(points[0], points[1]).shape == ()
    assert geometry.angle([1, 0], [0, 1]).dtype == np.float64


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.sampled_from(DIMENSIONS), st.integers(0, 10**6), st.floats(1e-9, np.pi))
def test_angle_laws(d, seed, theta):
    x, y = pair_at(theta, d, seed)
    turned = np.stack([x, y]) @ rotation(d, seed)
    measured = geometry.angle(x, y)
    assert measured == pytest.approx(geometry.angle(y, x), rel=1e-15)
    assert measured == pytest.approx(geometry.angle(x[::-1], y[::-1]), rel=2e-15)  # permuted coordinates
    assert measured == pytest.approx(geometry.angle(*turned), rel=1e-15, abs=1e-14)  # a rotation rounds
    assert measured == pytest.approx(geometry.angle(4.0 * x, 0.5 * y), rel=1e-15, abs=1e-15)
    assert float(measured + geometry.angle(-x, y)) == pytest.approx(np.pi, abs=1e-15)


# --- tangents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("theta", ANGLES)
def test_pair_tangents(theta, d):
    x, y = (row[None] for row in pair_at(theta, d))
    tolerance = 1e-15 + 5e-16 / min(theta, np.pi - theta)  # the rows themselves are rounded
    for tangent, base, goal in zip(geometry.pair_tangents(x, y), (x, y), (y, x), strict=True):
        assert np.linalg.norm(tangent) == pytest.approx(1.0, abs=tolerance)
        assert (tangent * base).sum() == pytest.approx(0.0, abs=tolerance)
        exact = [float(value) for value in oracles.tangent(base[0], goal[0])]
        np.testing.assert_allclose(tangent[0], exact, atol=tolerance)


def test_pair_tangents_vanish_where_the_circle_is_not_unique():
    x = np.array([[0.6, 0.8], [0.6, 0.8]])
    for tangent in geometry.pair_tangents(x, x * [[1.0], [-1.0]]):
        np.testing.assert_array_equal(tangent, 0.0)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_tangent_bases_are_orthonormal(d):
    points = np.concatenate([oracles.random_code(20, d), oracles.orthoplex(d)])
    bases = geometry.tangent_bases(points)
    assert bases.shape == (len(points), d, d - 1)
    whole = np.concatenate([points[:, :, None], bases], axis=2)  # (n, d, d), orthogonal
    np.testing.assert_allclose(whole.swapaxes(-1, -2) @ whole, np.broadcast_to(np.eye(d), whole.shape), atol=2e-15)


# --- searches -----------------------------------------------------------------------------------


def hostile(n, d, seed=0):
    """Random points with copies far apart in index, near-copies, and a cluster of 15 near-copies."""
    rng = np.random.default_rng(seed)
    points = oracles.random_code(n, d, seed)
    points[n - 3] = points[2]
    points[n // 2] = points[5] + 1e-9 * rng.normal(size=d)
    cluster = rng.choice(np.arange(10, n // 2), size=15, replace=False)
    points[cluster] = points[cluster[0]] + 1e-9 * rng.normal(size=(15, d))
    return oracles.normalized(points)


@pytest.fixture(params=["whole", "blocks"])
def blocks(request, monkeypatch):
    """One block, and many of them, none of which holds a whole number of rows."""
    if request.param == "blocks":
        monkeypatch.setattr(geometry, "_BLOCK", 5_003)
        monkeypatch.setattr(geometry, "_PAIRS", 11)


CODES = [
    *((oracles.random_code, n, d) for n, d in [(2, 2), (3, 3), (61, 2), (300, 12), (2100, 8)]),
    *((hostile, n, d) for n, d in [(61, 2), (61, 3), (300, 12), (2100, 3)]),
]


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("make", "n", "d"), CODES)
def test_nearest_neighbours(make, n, d):
    points = make(n, d)
    before = points.copy()
    angles, indices = geometry.nearest_neighbours(points)
    assert geometry.min_angle(points) == angles.min()
    np.testing.assert_allclose(angles, oracles.nearest_angles_by_rows(points), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(angles, geometry.angle(points, points[indices]))
    assert (indices != np.arange(n)).all()
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize("size", [1e-7, 1e-10, 1e-15])
def test_the_nearest_of_very_many_near_copies(size, monkeypatch):
    """Three clusters, one of them with a closer cluster and two exact copies inside; the last bit counts."""
    rng = np.random.default_rng(2)
    points = oracles.random_code(3, 30)[rng.integers(0, 3, 240)] + size * rng.normal(size=(240, 30))
    points[100:150] = points[7] + 1e-5 * size * rng.normal(size=(50, 30))
    points[5] = points[6]
    points = oracles.normalized(points)
    angles = geometry.angle(points[:, None], points)
    np.fill_diagonal(angles, np.inf)
    taken = []
    monkeypatch.setattr(geometry, "angle", lambda x, y, of=geometry.angle: taken.append(len(x)) or of(x, y))
    found, indices = geometry.nearest_neighbours(points)
    np.testing.assert_array_equal(found, angles.min(axis=1))
    np.testing.assert_array_equal(indices, angles.argmin(axis=1))
    if size > 1e-15:  # there all distances are a few units of rounding, and ties are many
        assert sum(taken) < 3_000  # the closer cluster's 50 * 49; all near-ties are 3,399 and 20,606


def test_progress_counts_the_points_that_are_done(monkeypatch):
    monkeypatch.setattr(geometry, "_BLOCK", 1_000)
    done = []
    geometry.nearest_neighbours(oracles.random_code(70, 3), progress=done.append)
    assert done == [14, 28, 42, 56, 70]


def test_memory_of_many_copies_in_many_dimensions():
    points = np.tile(oracles.random_code(1, 4000), (70, 1))  # 4,830 pairs: 147 MiB for each array of all their rows
    tracemalloc.start()
    try:
        angles, _ = geometry.nearest_neighbours(points)
        assert len(geometry.pairs_within(points, 0.0)[0]) == 70 * 69 // 2
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()
    assert (angles == 0.0).all()


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("make", "n", "d"), CODES)
def test_pairs_within(make, n, d):
    points = make(n, d)
    widest = np.sort(oracles.nearest_angles_by_rows(points))[n // 2]
    for bound in (1e-9, widest * (1.0 + 1e-9)):
        i, j, theta = geometry.pairs_within(points, bound)
        assert list(zip(i.tolist(), j.tolist(), strict=True)) == oracles.pairs_within_by_rows(points, bound)
        np.testing.assert_array_equal(theta, geometry.angle(points[i], points[j]))


@pytest.mark.parametrize(("n", "d"), [(61, 3), (2100, 3), (2100, 9)])
def test_exact_copies_are_at_angle_zero(n, d):
    points = hostile(n, d)
    angles, indices = geometry.nearest_neighbours(points)
    assert (indices[2], indices[n - 3]) == (n - 3, 2)
    assert angles[2] == angles[n - 3] == 0.0
    i, j, theta = geometry.pairs_within(points, 0.0)
    assert (2, n - 3, 0.0) in list(zip(i, j, theta, strict=True))


@pytest.mark.parametrize(("n", "d"), [(61, 3), (2100, 3)])
def test_many_exact_copies(n, d):
    points = oracles.random_code(n, d)
    points[20:40] = points[0]
    angles, indices = geometry.nearest_neighbours(points)
    copies = np.r_[0, 20:40]
    assert (angles[copies] == 0.0).all()
    assert np.isin(indices[copies], copies).all()
    assert (indices != np.arange(n)).all()
    assert len(geometry.pairs_within(points, 0.0)[0]) == 21 * 20 // 2


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("n", [301, 2100])
def test_near_ties_are_decided_by_angles_to_the_last_bit(n):
    points = oracles.polygon(n, d=3)  # two neighbours each, alike up to rounding
    expected = np.minimum(*(geometry.angle(points, np.roll(points, step, axis=0)) for step in (1, -1)))
    angles, _ = geometry.nearest_neighbours(points)
    np.testing.assert_array_equal(angles, expected)


def test_searches_agree_with_fifty_digits():
    points = hostile(61, 3)
    angles, _ = geometry.nearest_neighbours(points)
    np.testing.assert_allclose(angles, np.array(oracles.nearest_angles(points), dtype=float), rtol=2e-15)


def test_pairs_within_bounds_are_inclusive_and_may_exceed_pi():
    points = oracles.random_code(61, 3)
    smallest = geometry.nearest_neighbours(points)[0].min()
    assert len(geometry.pairs_within(points, smallest)[0]) == 1
    assert len(geometry.pairs_within(points, np.nextafter(smallest, 0.0))[0]) == 0
    for bound in (np.pi, 4.0, np.inf):
        assert len(geometry.pairs_within(points, bound)[0]) == 61 * 60 // 2


@pytest.mark.parametrize(("n", "d"), [(61, 3), (300, 12), (2100, 3)])
def test_searches_follow_permutations_and_rotations(n, d):
    points = oracles.random_code(n, d)
    order = np.random.default_rng(1).permutation(n)
    angles, indices = geometry.nearest_neighbours(points)
    moved_angles, moved_indices = geometry.nearest_neighbours(points[order])
    np.testing.assert_allclose(moved_angles, angles[order], rtol=1e-15)
    np.testing.assert_array_equal(order[moved_indices], indices[order])
    turned = geometry.nearest_neighbours(points @ rotation(d))[0]
    np.testing.assert_allclose(turned, angles, atol=1e-14)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("n", "d"), [(2, 2), (40, 3), (200, 9)])
def test_angle_histogram(n, d):
    points = oracles.random_code(n, d)
    edges = np.linspace(0.0, np.pi, 19)
    counts = geometry.angle_histogram(points, edges)
    assert counts.sum() == n * (n - 1) // 2
    if n <= 40:
        angles = [float(oracles.angle(points[i], points[j])) for i in range(n) for j in range(i)]
        np.testing.assert_array_equal(counts, np.histogram(angles, edges)[0])


def test_angle_histogram_counts_copies_and_antipodes():
    points = np.array([[0.6, 0.8], [0.6, 0.8], [-0.6, -0.8]])
    np.testing.assert_array_equal(geometry.angle_histogram(points, np.linspace(0.0, np.pi, 4)), [1, 0, 2])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_of_a_hundred_thousand_points():
    # Not ru_maxrss: a child process inherits that peak from the test runner.
    script = """
import numpy as np
from tammes import geometry
points = np.random.default_rng(0).normal(size=(100_000, 3))
points /= np.linalg.norm(points, axis=1, keepdims=True)
angles, _ = geometry.nearest_neighbours(points)
geometry.pairs_within(points, np.median(angles))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1 << 20  # KiB


# --- as_points ----------------------------------------------------------------------------------

GOOD = [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param([GOOD, GOOD, [np.nan, 1, 0], [np.nan] * 3], r"finite.*row 2: \[nan, 1, 0\]", id="nan"),
        pytest.param([GOOD, [0, np.inf, 0], [-np.inf, 0, 0]], r"finite.*row 1: \[0, inf, 0\]", id="inf"),
        pytest.param([GOOD, [0, 0, 0], [0, 0, 0]], r"non-zero.*row 1: \[0, 0, 0\]", id="zero"),
        pytest.param([GOOD, GOOD, GOOD, [3, 4, 0], [5, 0, 0]], r"unit sphere.*row 3.*off by 4\b", id="long"),
        pytest.param([GOOD, [1 + 2e-9, 0, 0]], r"unit sphere.*row 1.*off by 2e-09.*normalize=True", id="off"),
        pytest.param([GOOD, [1e300, 1e300, 0]], r"unit sphere.*row 1", id="huge"),
        pytest.param([[1e-300, 0, 0], GOOD], r"unit sphere.*row 0", id="tiny"),
        pytest.param([[2.0] * 6, [1.0] * 6], r"row 0", id="wide"),
        pytest.param(GOOD, r"shape \(n, d\).*shape \(3,\)", id="1-D"),
        pytest.param([[GOOD, GOOD]], r"shape \(n, d\).*shape \(1, 2, 3\)", id="3-D"),
        pytest.param([GOOD], r"n >= 2.*shape \(1, 3\)", id="one row"),
        pytest.param([[1.0], [-1.0]], r"d >= 2.*shape \(2, 1\)", id="one column"),
        pytest.param(np.zeros((0, 3)), r"shape \(0, 3\)", id="empty"),
        pytest.param([["a", "b"], ["c", "d"]], "real numbers.*dtype <U1", id="strings"),
        pytest.param([[1 + 0j, 0], [0, 1]], "real numbers.*dtype complex128", id="complex"),
        pytest.param([[True, False], [False, True]], "real numbers.*dtype bool", id="bool"),
        pytest.param([[1.0, None], [0.0, 1.0]], "real numbers.*dtype object", id="object"),
    ],
)
def test_bad_points_are_named(bad, said):
    with pytest.raises(InvalidPointsError, match=said) as caught:
        geometry.as_points(bad)
    assert str(caught.value).startswith("`points` must be ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, TammesError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("bad", [[GOOD, [np.nan, 0, 0]], [GOOD, [0, 0, 0]], [GOOD]])
def test_normalize_mends_no_other_fault(bad):
    with pytest.raises(InvalidPointsError):
        geometry.as_points(bad, normalize=True)


def test_ragged_rows_are_refused_in_our_words():
    with pytest.raises(InvalidPointsError):
        geometry.as_points([[1.0, 0.0], [1.0]])


def test_rows_within_tolerance_are_kept_bit_for_bit():
    points = oracles.random_code(50, 4)
    points *= 1.0 + np.linspace(-9.9e-10, 9.9e-10, 50)[:, None]
    before = points.copy()
    kept = geometry.as_points(points)
    np.testing.assert_array_equal(kept, points)
    kept[:] = 0.0
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda p: p.astype(">f8"), np.ndarray.tolist])
def test_any_layout_gives_contiguous_float64(layout):
    points = oracles.random_code(6, 3)
    kept = geometry.as_points(layout(points))
    assert kept.dtype == np.dtype("=f8")
    assert kept.flags.c_contiguous
    assert kept.flags.writeable
    np.testing.assert_array_equal(kept, points)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.float16, np.float32])
def test_other_real_dtypes(dtype):
    assert geometry.as_points(np.eye(3, dtype=dtype)).dtype == np.float64


@pytest.mark.parametrize("scale", [1e-323, 1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_normalize(scale):
    rows = scale * np.array([[3.0, 4.0], [-5.0, 12.0], [1.0, 0.0]])
    before = rows.copy()
    points = geometry.as_points(rows, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=4e-16)
    expected = np.array([[0.6, 0.8], [-5 / 13, 12 / 13], [1.0, 0.0]])
    np.testing.assert_allclose(points, expected, rtol=1e-15 if scale > 1e-305 else 0.2)
    np.testing.assert_array_equal(rows, before)


def test_normalize_takes_rows_of_mixed_size():
    points = geometry.as_points([[1e300, 1e300], [1e-300, -1e-300], [1e300, 1e-300]], normalize=True)
    half = 0.5**0.5
    np.testing.assert_allclose(points, [[half, half], [half, -half], [1.0, 0.0]], rtol=1e-15)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 7)])
def test_normalised_rows_have_length_1_and_keep_their_directions(shape):
    vectors = np.random.default_rng(0).standard_normal(shape) * 10.0 ** np.arange(shape[-2])[:, None]
    before = vectors.copy()
    unit = geometry.normalize_rows(vectors)
    np.testing.assert_allclose((unit**2).sum(axis=-1), 1.0, rtol=4e-16)
    lengths = (unit * vectors).sum(axis=-1, keepdims=True)
    assert (lengths > 0.0).all()
    np.testing.assert_allclose(lengths * unit, vectors, rtol=2e-15)
    np.testing.assert_array_equal(vectors, before)
