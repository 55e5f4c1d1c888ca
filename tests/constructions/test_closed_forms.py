"""Closed forms by their invariants: size, Gram matrix and its eigenvalues, cosine, angle, limits."""

import math

import numpy as np
import oracles
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_size
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import closed_form, orthoplex, regular_polygon, simplex

SIMPLEX_SIZES = [(2, 2), (2, 3), (2, 9), (3, 2), (3, 3), (4, 3), (4, 7), (5, 4), (9, 8), (20, 40), (34, 33), (65, 64)]
CLOSED_SIZES = [
    *[(n, d) for d in (2, 3, 4, 5, 8) for n in range(2, 2 * d + 1)],
    *[(n, 2) for n in (5, 6, 7, 12, 100, 999)],
    *[(n, d) for d in (24, 64) for n in (2, d, d + 1, d + 2, 2 * d - 1, 2 * d)],
]


@pytest.mark.parametrize(("n", "d"), SIMPLEX_SIZES)
def test_simplex_has_the_gram_matrix_of_eq_4(n, d):
    points = simplex(n, d)
    assert points.dtype == np.float64
    assert points.shape == (n, d)
    gram = points @ points.T
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_allclose(np.diag(gram), 1.0, rtol=0, atol=1e-15)
    np.testing.assert_allclose(gram[off], -1.0 / (n - 1), rtol=0, atol=1e-15)
    eigenvalues = np.linalg.eigvalsh(gram)
    np.testing.assert_allclose(eigenvalues, [0.0] + [n / (n - 1)] * (n - 1), rtol=0, atol=1e-14)
    assert not points[:, n - 1 :].any()  # it spans n - 1 dimensions
    np.testing.assert_allclose(points.sum(axis=0), 0.0, atol=1e-14)


@pytest.mark.parametrize(("n", "d"), [(4, 2), (66, 64), (5, 3)])
def test_no_simplex_has_more_than_d_plus_1_points(n, d):
    with pytest.raises(InvalidParameterError, match=rf"`n` must be at most d \+ 1 = {d + 1} for a simplex. Got {n}."):
        simplex(n, d)


@pytest.mark.parametrize("d", [2, 3, 7, 64])
def test_orthoplex_is_every_axis_both_ways(d):
    points = orthoplex(d)
    assert {tuple(row) for row in points.tolist()} == {
        tuple(sign * float(i == k) for i in range(d)) for k in range(d) for sign in (1, -1)
    }
    gram = points @ points.T
    assert len(points) == 2 * d
    assert sorted(set(gram.ravel().tolist())) == [-1.0, 0.0, 1.0]
    assert (gram == -1.0).sum() == 2 * d


@pytest.mark.parametrize("n", [2, 3, 4, 5, 12, 1001])
def test_polygon_has_equal_steps_all_the_way_round(n):
    points = regular_polygon(n)
    assert points.shape == (n, 2)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-15)
    z = points[:, 0] + 1j * points[:, 1]
    np.testing.assert_allclose(np.roll(z, -1) / z, np.exp(2j * np.pi / n), atol=1e-14)


@pytest.mark.parametrize(("n", "d"), CLOSED_SIZES)
def test_claimed_angle_is_that_of_the_points(n, d):
    form = closed_form(n, d)
    code = SphericalCode(form.points())
    assert (code.n, code.d) == (form.n, form.d) == (n, d)
    assert code.min_angle == pytest.approx(form.angle, abs=1e-14)
    assert form.reference


@pytest.mark.parametrize(
    ("n", "d", "name", "cosine", "degrees"),
    [
        (2, 2, "simplex", "-1", 180.0),
        (2, 64, "simplex", "-1", 180.0),
        (3, 2, "simplex", "-1/2", 120.0),
        (3, 64, "simplex", "-1/2", 120.0),
        (4, 2, "regular polygon", "cos(2 pi/4)", 90.0),
        (5, 2, "regular polygon", "cos(2 pi/5)", 72.0),
        (360, 2, "regular polygon", "cos(2 pi/360)", 1.0),
        (4, 3, "simplex", "-1/3", 109.47122063449069),
        (5, 3, "part of the orthoplex", "0", 90.0),
        (6, 3, "orthoplex", "0", 90.0),
        (5, 4, "simplex", "-1/4", 104.47751218592992),
        (6, 4, "part of the orthoplex", "0", 90.0),
        (8, 4, "orthoplex", "0", 90.0),
        (65, 64, "simplex", "-1/64", 90.89528298657013),
        (66, 64, "part of the orthoplex", "0", 90.0),
        (128, 64, "orthoplex", "0", 90.0),
    ],
)
def test_which_form_applies(n, d, name, cosine, degrees):
    form = closed_form(n, d)
    assert (form.name, form.exact_max_cosine) == (name, cosine)
    assert math.degrees(form.angle) == pytest.approx(degrees, abs=1e-13)


@pytest.mark.parametrize(("n", "d"), [(7, 3), (8, 3), (12, 3), (9, 4), (24, 4), (11, 5), (129, 64), (240, 8)])
def test_no_closed_form_beyond_the_orthoplex(n, d):
    assert closed_form(n, d) is None


@pytest.mark.parametrize(("n", "d"), [(6, 5), (4, 3), (7, 6)])
def test_simplex_agrees_with_the_helmert_matrix(n, d):
    theirs = oracles.simplex(d)
    np.testing.assert_allclose(simplex(n, d) @ simplex(n, d).T, theirs @ theirs.T, atol=1e-15)


# --- sizes ----------------------------------------------------------------------------------------

BAD = [True, False, np.True_, 1, 0, -3, 2.0, "3", None, math.nan, 3 + 0j, [3], np.array([3]), np.float64(3.0)]


@pytest.mark.parametrize("function", [check_size, closed_form, simplex])
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_bad_sizes_are_refused_by_name(function, bad):
    for name, arguments in (("n", (bad, 3)), ("d", (3, bad))):
        with pytest.raises(InvalidParameterError) as caught:
            function(*arguments)
        assert str(caught.value) == f"`{name}` must be an integer of at least 2. Got {bad!r}."


@pytest.mark.parametrize("kind", [int, np.int8, np.int64, np.uint32])
def test_integers_of_numpy_are_sizes(kind):
    n, d = check_size(kind(4), kind(3))
    assert (n, d, type(n), type(d)) == (4, 3, int, int)
    assert simplex(kind(4), kind(3)).shape == (4, 3)
    assert closed_form(kind(4), kind(3)) == closed_form(4, 3)


@pytest.mark.parametrize("function", [orthoplex, regular_polygon])
@pytest.mark.parametrize("bad", [True, 1, 0, -1, 2.0, "3", None], ids=repr)
def test_bad_arguments_of_the_named_codes(function, bad):
    with pytest.raises(InvalidParameterError, match=r"must be an integer of at least 2\. Got "):
        function(bad)
