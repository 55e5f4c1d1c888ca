"""Extended precision: cosines against closed forms and minimal polynomials, and what is refused."""

import itertools
import json
import math
import sys
from fractions import Fraction

import mpmath
import numpy as np
import oracles
import pytest
from ladders import relaxed

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.codes import extended_precision
from tammes.codes.extended_precision import check_digits
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex, regular_polygon, simplex
from tammes.solvers.polish.polish import polish

DIGITS = 100
LADDER = tuple(2.0**k for k in range(6, 15))


def found(n, d, degrees, seeds=range(12)):
    """A polished code with this angle, from a random start."""
    for seed in seeds:
        start = geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)
        end = polish(relaxed(start, LADDER).points)
        if abs(math.degrees(end.after) - degrees) < 1e-6:
            return end.points
    raise AssertionError(f"no seed reaches {degrees}")


def icosahedron():
    return np.array([np.roll([0.0, a, b * oracles.PHI], k) for a in (1, -1) for b in (1, -1) for k in range(3)])


def cell_24():
    rows = [a * np.eye(4)[i] + b * np.eye(4)[j] for i in range(4) for j in range(i) for a in (1, -1) for b in (1, -1)]
    return np.array(rows)


def e8():
    rows = [a * np.eye(8)[i] + b * np.eye(8)[j] for i in range(8) for j in range(i) for a in (1, -1) for b in (1, -1)]
    halves = [signs for signs in itertools.product((0.5, -0.5), repeat=8) if np.prod(signs) > 0]
    return np.concatenate([rows, halves])


def unit(rows):
    return geometry.as_points(rows, normalize=True)


def exact(refined):
    """The rows as fractions: what the strings say, no more and no less."""
    return [[Fraction(value) for value in row] for row in refined.points]


def check_laws(refined, digits):
    """Unit rows, no cosine above the largest, the angle that cosine's: to the digits, from the strings alone."""
    rows, top, slack = exact(refined), Fraction(refined.max_cosine), Fraction(10, 10**digits)
    for row in rows:
        assert abs(sum(x * x for x in row) - 1) < slack
        assert len(row) == len(rows[0])
    cosines = [sum(x * y for x, y in zip(a, b, strict=True)) for a, b in itertools.combinations(rows, 2)]
    assert max(cosines) - top < slack
    assert sum(abs(cosine - top) < slack for cosine in cosines) == refined.contacts
    assert mpmath.mpf(refined.residual) < mpmath.mpf(10) ** -digits
    with mpmath.workdps(digits + 10):
        angle = mpmath.degrees(mpmath.acos(mpmath.mpf(refined.max_cosine)))
        assert abs(angle - mpmath.mpf(refined.min_angle_degrees)) < mpmath.mpf(10) ** (5 - digits)
    assert len(refined.min_angle_degrees.replace(".", "")) == digits


def to_text(value, digits):
    """Rounded to so many places after the point, from a number that has more digits."""
    scaled = str(int(mpmath.nint(abs(value) * mpmath.mpf(10) ** digits))).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{scaled[:-digits]}.{scaled[-digits:]}"


# Name, points, cosine as a function evaluated in the test's own precision, number of contacts.
CODES = {
    "icosahedron": (lambda: unit(icosahedron()), lambda: 1 / mpmath.sqrt(5), 30),
    "24-cell": (lambda: unit(cell_24()), lambda: mpmath.mpf(1) / 2, 96),
    "heptagon": (lambda: regular_polygon(7), lambda: mpmath.cos(2 * mpmath.pi / 7), 7),
    "triangle": (lambda: simplex(3, 2), lambda: -mpmath.mpf(1) / 2, 3),
    "tetrahedron": (lambda: simplex(4, 3), lambda: -mpmath.mpf(1) / 3, 6),
    "triangle in R^5": (lambda: simplex(3, 5), lambda: -mpmath.mpf(1) / 2, 3),
    "octahedron": (lambda: orthoplex(3), lambda: mpmath.mpf(0), 12),
    "octahedron without a corner": (lambda: orthoplex(3)[:5], lambda: mpmath.mpf(0), 8),
    "8 points: antiprism": (lambda: found(8, 3, 74.8584922), lambda: (2 * mpmath.sqrt(2) - 1) / 7, 16),
    "9 points": (lambda: found(9, 3, 70.5287794), lambda: mpmath.mpf(1) / 3, 18),
    "11 points": (lambda: found(11, 3, 63.4349488), lambda: 1 / mpmath.sqrt(5), 25),
    "10 in R^4": (lambda: found(10, 4, 80.4059318), lambda: mpmath.mpf(1) / 6, 30),
    "16 in R^5": (lambda: found(16, 5, 78.4630410), lambda: mpmath.mpf(1) / 5, 80),
}


@pytest.mark.parametrize("name", CODES)
def test_cosines_in_closed_form(name):
    make, cosine, contacts = CODES[name]
    points = make()
    refined = extended_precision.refine(points, DIGITS)
    with mpmath.workdps(DIGITS + 20):
        assert refined.max_cosine == to_text(cosine(), DIGITS)
    assert refined.contacts == contacts
    assert refined.digits == DIGITS
    assert np.abs(refined.rounded() - points).max() < 1e-8
    check_laws(refined, DIGITS)


# Minimal polynomials, highest power first; the snub cube's is classical, the other was found by PSLQ elsewhere.
@pytest.mark.parametrize(
    ("n", "degrees", "polynomial"), [(15, 53.6578501, [13, -1, 6, 2, -3, -1]), (24, 43.6907671, [7, 1, -3, -1])]
)
def test_cosines_that_are_roots(n, degrees, polynomial):
    refined = extended_precision.refine(found(n, 3, degrees, range(60)), DIGITS)
    check_laws(refined, DIGITS)
    with mpmath.workdps(DIGITS + 20):
        cosine = min(mpmath.polyroots(polynomial, maxsteps=500, extraprec=500), key=lambda c: abs(c - _cos(degrees)))
        assert refined.max_cosine == to_text(mpmath.re(cosine), DIGITS)


def _cos(degrees):
    return mpmath.cos(mpmath.radians(degrees))


def test_seven_points():
    """Equilateral triangles with corners of 80 degrees: their side has cos A = c / (1 + c)."""
    refined = extended_precision.refine(found(7, 3, 77.8695422), DIGITS)
    with mpmath.workdps(DIGITS + 20):
        assert refined.max_cosine == to_text(_cos(80) / (1 - _cos(80)), DIGITS)
    check_laws(refined, DIGITS)


@pytest.mark.parametrize("digits", [17, 50, 500])
@pytest.mark.parametrize("seed", range(2))
def test_a_generic_code_with_rattlers(seed, digits):
    start = unit(np.random.default_rng(seed).normal(size=(30, 3)))
    points = polish(relaxed(start, LADDER).points).points
    refined = extended_precision.refine(points, digits)
    check_laws(refined, digits)
    rattlers = SphericalCode(points).rattlers()
    if len(rattlers):
        assert np.abs(refined.rounded()[rattlers] - points[rattlers]).max() < 1e-15
    assert float(refined.min_angle_degrees) == pytest.approx(math.degrees(SphericalCode(points).min_angle), abs=1e-12)
    again = extended_precision.refine(refined.rounded(), digits)  # the same solution, up to what rounding moved
    assert again.min_angle_degrees == refined.min_angle_degrees


def test_more_digits_extend_fewer():
    points = found(30, 3, 38.5971159, range(40))
    short, long = (extended_precision.refine(points, digits) for digits in (30, 60))
    difference = abs(Fraction(short.max_cosine) - Fraction(long.max_cosine))
    assert difference <= Fraction(1, 2 * 10**30)
    assert len(short.points[0][0].lstrip("-")) == 32


def test_two_points_become_antipodes():
    row = unit(np.array([[1.0, 2.0, 3.0]]).repeat(2, axis=0) * [[1.0], [-1.0]])
    row[1] += 1e-16
    refined = extended_precision.refine(row, 60)
    assert refined.max_cosine == "-1." + "0" * 60
    assert refined.min_angle_degrees == "180." + "0" * 57
    assert exact(refined)[1] == [-x for x in exact(refined)[0]]
    check_laws(refined, 60)
    with pytest.raises(InvalidPointsError, match=r"two points 3\.14\S* rad apart, not opposite.*tammes polish"):
        extended_precision.refine(unit([[1.0, 0.0], [-1.0, 1e-5]]))


def test_two_points_on_an_axis():
    refined = extended_precision.refine(orthoplex(2)[[0, 2]], 20)
    assert refined.points == (("1." + "0" * 20, "0." + "0" * 20), ("-1." + "0" * 20, "0." + "0" * 20))
    assert refined.residual == "0"


@pytest.mark.parametrize("lift", [1e-9, 2e-8])
def test_held_points_stay_in_their_subspace(lift):
    """Lifted out of its plane by 1e-8, a triangle has the same angle in float64; in 50 digits it has not."""
    triangle = simplex(3, 3) + lift * np.eye(3)[2]
    refined = extended_precision.refine(unit(triangle), 50)
    assert refined.max_cosine == "-0.5" + "0" * 49
    check_laws(refined, 50)


def test_an_angle_that_is_stationary_only_to_float64_is_refused():
    blind = extended_precision.Thresholds(flat=0.0)  # the plane is not recognised
    with pytest.raises(InvalidPointsError, match="a stress out of balance by"):
        extended_precision.refine(unit(simplex(3, 3) + 2e-8 * np.eye(3)[2]), 50, thresholds=blind)


def test_a_rattler_that_leans_on_its_neighbours_is_moved_off():
    """The octahedron without a corner holds a square; the fifth point touches it within rounding."""
    points = orthoplex(3)[[0, 1, 3, 4, 2]]
    points[4] = [1e-16, -3e-16, 1.0]
    refined = extended_precision.refine(points, 50)
    assert refined.max_cosine == "0." + "0" * 50
    check_laws(refined, 50)


def test_a_rattler_is_moved_off_what_was_no_contact():
    """Two corners of the square lie 2e-8 above the others: float64 sees no contact of theirs with the fifth point."""
    square = np.array([[1.0, 0.0, -2e-8], [-1.0, 0.0, 2e-8], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    points = unit(np.concatenate([square - 4e-8 * np.eye(3)[2], np.eye(3)[2:]]))
    refined = extended_precision.refine(points, 50)
    assert refined.max_cosine == "0." + "0" * 50
    check_laws(refined, 50)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8])
def test_a_nudged_code_is_refused(size):
    noise = np.random.default_rng(1).normal(size=(12, 3))
    with pytest.raises(InvalidPointsError, match="must be polished, so that their contact equations close") as refusal:
        extended_precision.refine(unit(unit(icosahedron()) + size * noise))
    assert "differ by" in str(refusal.value)
    assert "tammes polish FILE" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_contacts_that_cannot_all_be_equal_are_refused(monkeypatch):
    """The diagonals of a square, taken for contacts: no place nearby closes them."""

    def all_pairs(points, _):
        i, j = np.triu_indices(len(points), 1)
        return i, j, geometry.angle(points[i], points[j])

    monkeypatch.setattr("tammes.base.geometry.pairs_within", all_pairs)
    monkeypatch.setattr("tammes.codes.stress.largest_support", lambda points, pairs: np.ones(len(pairs), dtype=bool))
    with pytest.raises(InvalidPointsError, match=r"Got cosines that stay 1\.0e\+0 apart\. Polish them first"):
        extended_precision.refine(regular_polygon(4))


def test_contacts_that_would_move_too_far_are_refused(monkeypatch):
    monkeypatch.setattr("tammes.codes.stress.largest_support", lambda points, pairs: np.ones(len(pairs), dtype=bool))
    points = unit(regular_polygon(4) + 1e-5 * np.eye(4)[:, 1:3])
    with pytest.raises(InvalidPointsError, match=r"Got cosines .*e-5 apart, too far from closing"):
        extended_precision.refine(points, tolerance=1e-4)


def test_equations_that_were_taken_for_dependent_are_checked():
    points = unit(unit(icosahedron()) + 1e-11 * np.random.default_rng(0).normal(size=(12, 3)))
    assert extended_precision.refine(points).contacts == 30  # so near, the contacts are known and close
    with pytest.raises(InvalidPointsError, match=r"cosines that stay \d[.]\de-1\d apart"):
        extended_precision.refine(points, thresholds=extended_precision.Thresholds(rank=0.6))


def test_a_slow_inverse_is_frozen_again_but_not_for_ever():
    demanding = extended_precision.Thresholds(useful_gain=60)  # no step is good enough
    refined = extended_precision.refine(unit(icosahedron()), 17, thresholds=demanding)
    assert refined.max_cosine == "0.44721359549995794"
    assert refined.iterations > 1
    with pytest.raises(InvalidPointsError, match="cosines that stay"):
        extended_precision.refine(unit(icosahedron()), 200, thresholds=demanding)


def test_a_random_code_is_refused():
    with pytest.raises(InvalidPointsError, match="1 contact within 1e-09 rad, no stress in balance"):
        extended_precision.refine(unit(np.random.default_rng(0).normal(size=(20, 4))))


def test_duplicates_are_refused():
    points = unit(icosahedron())
    points[7] = points[2]
    with pytest.raises(InvalidPointsError, match=r"must be distinct. Got row 2, which lies 0 rad from another"):
        extended_precision.refine(points)


def test_too_many_coordinates_are_refused():
    points = unit(np.random.default_rng(0).normal(size=(4001, 3)))
    with pytest.raises(InvalidPointsError, match=r"at most 12000 coordinates.*\(4001, 3\)"):
        extended_precision.refine(points)


@pytest.mark.parametrize("digits", [16, 0, -5, 10_001, 50.0, "50", None, True, math.nan])
def test_digits_are_checked(digits):
    with pytest.raises(InvalidParameterError, match=r"`digits` must be an integer from 17 to 10000\. Got "):
        extended_precision.refine(simplex(4, 3), digits)


def test_digits_of_numpy_are_taken():
    assert check_digits(np.int32(20)) == 20
    assert type(check_digits(np.int64(20))) is int


@pytest.mark.parametrize("tolerance", [0.0, -1e-9, 1.0, math.nan, "1e-9"])
def test_the_tolerance_is_checked(tolerance):
    with pytest.raises(InvalidParameterError, match="`tolerance` must be a positive number of radians"):
        extended_precision.refine(simplex(4, 3), 50, tolerance)


def test_ten_thousand_digits_beyond_what_int_prints():
    """Python refuses to print integers of more than 4,300 digits; the decimals do not pass through it."""
    assert sys.get_int_max_str_digits() < 5000
    refined = extended_precision.refine(orthoplex(2), 5000)
    assert refined.max_cosine == "0." + "0" * 5000
    assert len(extended_precision.refine(regular_polygon(5), 4500).max_cosine) == 4502


def test_the_callers_precision_and_points_are_left_alone():
    points = unit(icosahedron())
    kept, dps = points.copy(), mpmath.mp.dps
    extended_precision.refine(points, 200)
    assert (points == kept).all()
    assert mpmath.mp.dps == dps


def test_the_json_form():
    refined = extended_precision.refine(simplex(4, 3), 30)
    document = json.loads(json.dumps(refined.to_dict()))
    assert document["schema"] == "tammes.refined/1"
    assert (document["n"], document["d"], document["digits"], document["contacts"]) == (4, 3, 30, 6)
    assert document["max_cosine"] == "-0." + "3" * 30
    assert tuple(map(tuple, document["points"])) == refined.points
    assert np.abs(np.array(document["points"], dtype=float) - simplex(4, 3)).max() < 1e-15


@pytest.mark.slow
def test_the_roots_of_e8():
    refined = extended_precision.refine(unit(e8()), 40)
    assert refined.max_cosine == "0.5" + "0" * 39
    assert refined.contacts == 240 * 56 // 2
