"""What can be measured on a code: named codes by their invariants, and what must never change."""

import math

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidPointsError
from tammes.codes.spherical_code import SphericalCode

ICOSAHEDRAL = 63.43494882292201  # degrees: arctan 2

POLES_AND_TRIANGLE = np.concatenate([[[0, 0, 1], [0, 0, -1]], oracles.polygon(3, d=3)])
POLE_OVER_DECAGON = np.concatenate([oracles.polygon(10, d=3), [[0, 0, 1]]])


@pytest.mark.parametrize(
    ("points", "degrees", "contacts", "rattlers"),
    [
        pytest.param(oracles.icosahedron(), ICOSAHEDRAL, 30, [], id="icosahedron"),
        pytest.param(oracles.cell24(), 60.0, 96, [], id="24-cell"),
        pytest.param(oracles.orthoplex(3), 90.0, 12, [], id="octahedron"),
        pytest.param(oracles.orthoplex(6), 90.0, 60, [], id="orthoplex-6"),
        pytest.param(oracles.simplex(3), math.degrees(math.acos(-1 / 3)), 6, [], id="tetrahedron"),
        pytest.param(oracles.simplex(7), math.degrees(math.acos(-1 / 7)), 28, [], id="simplex-7"),
        pytest.param(oracles.polygon(9), 40.0, 9, [], id="9-gon"),
        # Five points: the triangle may turn about the axis, yet each of its points is held by both poles.
        pytest.param(POLES_AND_TRIANGLE, 90.0, 6, [], id="poles-and-triangle"),
        # Eleven points keep the angle of twelve. Each of the five rim points loses one contact and is
        # held by the other four, stronger along the rim (Boroczky 1983; Danzer 1986).
        pytest.param(oracles.icosahedron()[1:], ICOSAHEDRAL, 25, [], id="icosahedron-less-one"),
        # Five of the six of the octahedron: +e_3 touches four points, but all of them from one side.
        pytest.param(np.delete(oracles.orthoplex(3), 5, axis=0), 90.0, 8, [2], id="octahedron-less-one"),
        # The pole is 90 degrees from a ring of 36.
        pytest.param(POLE_OVER_DECAGON, 36.0, 10, [10], id="free-pole"),
        pytest.param(np.array([[0.6, 0.8], [-0.6, -0.8]]), 180.0, 1, [], id="antipodes"),
    ],
)
def test_named_codes(points, degrees, contacts, rattlers):
    code = SphericalCode(points)
    assert (code.n, code.d) == points.shape
    assert code.min_angle_degrees == pytest.approx(degrees, abs=1e-13)
    assert code.min_angle == pytest.approx(math.radians(degrees), abs=2e-15)
    assert code.max_cosine == pytest.approx(math.cos(math.radians(degrees)), abs=2e-15)
    assert code.contacts().tolist() == [list(pair) for pair in oracles.contacts(points)]
    assert len(code.contacts()) == contacts
    assert code.rattlers().tolist() == rattlers


def test_every_point_of_a_nudged_icosahedron_is_free():
    points = oracles.icosahedron() + 1e-3 * np.random.default_rng(0).normal(size=(12, 3))
    code = SphericalCode(points, normalize=True)
    assert code.contacts().tolist() == [list(code.closest_pair)]
    assert code.rattlers().tolist() == list(range(12))


def test_contacts_and_rattlers_obey_their_tolerance():
    points = oracles.icosahedron() + 1e-6 * np.random.default_rng(0).normal(size=(12, 3))
    code = SphericalCode(points, normalize=True)
    assert len(code.contacts()) < 30 == len(code.contacts(tolerance=1e-4))
    assert len(SphericalCode(oracles.icosahedron()).contacts(tolerance=math.pi)) == 66
    jitter = 1e-10 * oracles.random_code(12, 3)
    assert len(SphericalCode(oracles.icosahedron() + jitter, normalize=True).contacts()) == 30


@pytest.mark.parametrize(("n", "d"), [(2, 2), (20, 3), (30, 8)])
def test_measurements_are_those_of_fifty_digits(n, d):
    points = oracles.random_code(n, d)
    code = SphericalCode(points)
    exact = oracles.min_angle(code.points)
    assert abs(code.min_angle - exact) <= 2e-15 * exact
    nearest = [float(theta) for theta in oracles.nearest_angles(points)]
    np.testing.assert_allclose(code.nearest_angles, nearest, rtol=2e-15)
    np.testing.assert_array_equal(code.closest_pair, oracles.contacts(points, 1e-15)[0])
    i, j = code.closest_pair
    assert i < j
    assert (code.nearest_points[i], code.nearest_points[j]) == (j, i)
    assert code.min_angle == code.nearest_angles.min()


@pytest.mark.parametrize("place", [(0, 9), (8, 3)])
def test_copies_give_angle_zero(place):
    points = oracles.random_code(10, 3)
    points[place[1]] = points[place[0]]
    code = SphericalCode(points)
    assert code.min_angle == code.min_angle_degrees == 0.0
    assert code.max_cosine == 1.0
    assert code.closest_pair == tuple(sorted(place))
    assert code.contacts().tolist() == [sorted(place)]


def test_antipodes_give_pi():
    code = SphericalCode([[0.6, 0.8, 0.0], [-0.6, -0.8, 0.0]])
    assert code.min_angle == math.pi
    assert code.min_angle_degrees == 180.0
    assert code.max_cosine == -1.0
    assert code.closest_pair == (0, 1)


def test_points_are_kept_bit_for_bit_and_apart_from_the_caller():
    points = oracles.random_code(10, 3) * (1.0 + 5e-10)
    code = SphericalCode(points)
    np.testing.assert_array_equal(code.points, points)
    before = points.copy()
    points[:] = 0.0
    np.testing.assert_array_equal(code.points, before)


@pytest.mark.parametrize("name", ["points", "nearest_angles", "nearest_points"])
def test_arrays_are_read_only(name):
    array = getattr(SphericalCode(oracles.icosahedron()), name)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


@pytest.mark.parametrize("name", ["points", "n", "d", "min_angle", "max_cosine", "closest_pair"])
def test_properties_cannot_be_set(name):
    code = SphericalCode(oracles.icosahedron())
    with pytest.raises(AttributeError):
        setattr(code, name, 0)


def test_digest_names_the_points():
    points = oracles.icosahedron()
    digest = SphericalCode(points).digest
    assert digest == SphericalCode(points.astype(">f8")).digest
    assert digest == SphericalCode(np.asfortranarray(points)).digest
    assert len(digest) == 64
    digests = {digest, SphericalCode(points[::-1]).digest}
    for place in np.ndindex(points.shape):
        changed = points.copy()
        changed[place] = np.nextafter(changed[place], 2.0)  # the last bit; of a zero, the smallest subnormal
        digests.add(SphericalCode(changed).digest)
    assert len(digests) == 2 + points.size
    assert SphericalCode([[0.0, 1.0], [1.0, 0.0]]).digest != SphericalCode([[-0.0, 1.0], [1.0, 0.0]]).digest


def test_single_precision_needs_normalize():
    points = oracles.icosahedron().astype(np.float32)
    with pytest.raises(InvalidPointsError, match="normalize=True"):
        SphericalCode(points)
    code = SphericalCode(points, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(code.points, axis=1), 1.0, rtol=4e-16)
    assert code.min_angle_degrees == pytest.approx(ICOSAHEDRAL, abs=1e-4)


def test_repr():
    square = SphericalCode(oracles.orthoplex(2))
    assert repr(square) == "SphericalCode(n=4, d=2, min_angle_degrees=90.0)"


@pytest.mark.parametrize("n", [40, 2100])
def test_rotations_and_permutations_change_no_measurement(n):
    points = oracles.random_code(n, 4)
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = SphericalCode((points @ turn)[rng.permutation(n)])
    assert moved.min_angle == pytest.approx(SphericalCode(points).min_angle, abs=1e-14)
    assert len(moved.contacts()) == 1
