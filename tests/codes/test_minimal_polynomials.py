"""Minimal polynomials: of numbers whose polynomial is known, and of numbers that have none."""

import mpmath
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.codes.extended_precision import refine
from tammes.codes.minimal_polynomials import MinimalPolynomial, minimal_polynomial


def digits_of(expression, places):
    with mpmath.workdps(places + 20):
        return mpmath.nstr(expression(), places, strip_zeros=False)


KNOWN = {
    "1/6": (lambda: mpmath.mpf(1) / 6, (6, -1)),
    "0": (lambda: mpmath.mpf(0) + mpmath.mpf("1e-300") * 0, None),
    "-1/3": (lambda: -mpmath.mpf(1) / 3, (3, 1)),
    "icosahedron": (lambda: 1 / mpmath.sqrt(5), (5, 0, -1)),
    "600-cell": (lambda: (1 + mpmath.sqrt(5)) / 4, (4, -2, -1)),
    "antiprism": (lambda: (2 * mpmath.sqrt(2) - 1) / 7, (7, 2, -1)),
    "polygon of 7": (lambda: mpmath.cos(2 * mpmath.pi / 7), (8, 4, -4, -1)),
    "degree 6": (lambda: mpmath.root(2, 3) - mpmath.sqrt(3) / 2, None),
    "polygon of 17": (lambda: mpmath.cos(2 * mpmath.pi / 17), (256, 128, -448, -192, 240, 80, -40, -8, 1)),
}


@pytest.mark.parametrize("name", [name for name, (_, polynomial) in KNOWN.items() if polynomial])
def test_known_polynomials(name):
    number, coefficients = KNOWN[name]
    found = minimal_polynomial(digits_of(number, 100))
    assert found.coefficients == coefficients
    assert found.matched >= 90
    assert found.spent == sum(len(str(abs(value))) for value in coefficients)


def test_a_polynomial_that_follows_by_hand():
    """x = 2^(1/3) - sqrt(3)/2: (x + sqrt(3)/2)^3 = 2, made rational by its conjugate."""
    found = minimal_polynomial(digits_of(KNOWN["degree 6"][0], 120))
    assert found.degree == 6
    with mpmath.workdps(60):
        assert abs(mpmath.polyval(found.coefficients, KNOWN["degree 6"][0]())) < 1e-50


@pytest.mark.parametrize("number", [lambda: mpmath.pi / 4, lambda: mpmath.exp(-1)], ids=["pi/4", "1/e"])
def test_numbers_without_one_get_none(number):
    assert minimal_polynomial(digits_of(number, 60), 8) is None


def test_a_polynomial_beyond_the_digits_is_not_guessed():
    """Degree 8 with coefficients of six digits: 60 digits do not carry the evidence, 200 do."""
    coefficients = [700001, 13, -5, 100003, 2, -300007, 11, 7, -500009]

    def root():
        return mpmath.findroot(lambda x: mpmath.polyval(coefficients, x), 0.99)

    assert minimal_polynomial(digits_of(root, 60)) is None
    assert minimal_polynomial(digits_of(root, 240)).coefficients == tuple(coefficients)


def test_from_a_code(square_antiprism):
    assert minimal_polynomial(refine(square_antiprism, 80).max_cosine).coefficients == (7, 2, -1)


@pytest.fixture
def square_antiprism():
    import numpy as np

    cosine = (2 * np.sqrt(2) - 1) / 7
    radius = np.sqrt(1 - cosine)  # neighbours in a square have 1 - radius^2 as their cosine
    height = np.sqrt(1 - radius**2)
    turns = np.arange(4) * np.pi / 2
    top = np.stack([radius * np.cos(turns), radius * np.sin(turns), np.full(4, height)], axis=1)
    turns = turns + np.pi / 4
    bottom = np.stack([radius * np.cos(turns), radius * np.sin(turns), np.full(4, -height)], axis=1)
    return np.concatenate([top, bottom])


@pytest.mark.parametrize("bad", ["0.5", "", "0." + "x" * 40, 0.5, None])
def test_too_few_digits_or_no_number(bad):
    with pytest.raises(InvalidParameterError, match="`value` must be"):
        minimal_polynomial(bad)


@pytest.mark.parametrize("bad", [0, 17, 2.0, True])
def test_degrees_out_of_range(bad):
    with pytest.raises(InvalidParameterError, match="`max_degree` must be an integer from 1 to 16"):
        minimal_polynomial("0." + "1" * 40, bad)


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        ((13, -1, 6, 2, -3, -1), "13c^5 - c^4 + 6c^3 + 2c^2 - 3c - 1"),
        ((5, 0, -1), "5c^2 - 1"),
        ((1, 0), "c"),
        ((1, 1), "c + 1"),
    ],
)
def test_as_text(coefficients, text):
    assert str(MinimalPolynomial(coefficients, 50, 5)) == text
