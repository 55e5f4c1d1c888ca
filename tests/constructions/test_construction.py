"""Families of one code and of one code for each dimension: members, and refused parameters."""

from fractions import Fraction

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions.construction import family_by_dimension, power_of_2, single_code

SQUARE = single_code("square", "a square", 4, 2, "0", "Euclid", lambda: np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]]))
PAIRS = family_by_dimension(
    "pairs",
    "two opposite points",
    "2 in R^d",
    "-1",
    "nobody",
    (2, 3),
    count=lambda d: 2,
    cosine=lambda d: Fraction(-1),
    build=lambda d: np.stack([np.eye(d)[0], -np.eye(d)[0]]),
)


def test_a_family_of_one():
    code = SQUARE.member()
    assert SQUARE.member(4, 2) == SQUARE.member(n=4) == SQUARE.member(d=2) == code
    assert (code.name, code.n, code.d, code.max_cosine, code.command) == (
        "square",
        4,
        2,
        0.0,
        "tammes construct square",
    )
    assert code.points().shape == (4, 2)
    with pytest.raises(InvalidParameterError, match=r"`n` must be 4 for square. Got 5. It can be left out."):
        SQUARE.member(n=5)
    with pytest.raises(InvalidParameterError, match=r"`d` must be 2 for square. Got 3."):
        SQUARE.member(d=3)
    with pytest.raises(InvalidParameterError, match=r"`d` must be an integer of at least 2. Got 1."):
        SQUARE.member(d=1)


def test_a_family_of_dimensions():
    code = PAIRS.member(d=7)
    assert (code.n, code.d, code.exact_max_cosine, code.max_cosine) == (2, 7, "-1", -1.0)
    assert code.command == "tammes construct pairs --d 7"
    assert code.points().shape == (2, 7)
    assert PAIRS.examples == ((2, 2), (2, 3))
    with pytest.raises(InvalidParameterError, match="`d` must be given for pairs"):
        PAIRS.member()
    with pytest.raises(InvalidParameterError, match=r"`n` must be 2 for pairs in d = 7. Got 3."):
        PAIRS.member(3, 7)


def test_powers_of_two_are_limited():
    assert power_of_2(10, 9, "demicube", 3) == 512
    for d in (2, 61, 10**18):  # at once, without a number of 10^18 bits
        with pytest.raises(InvalidParameterError, match="`d` must be an integer from 3 to 60 for a demicube"):
            power_of_2(d, d - 1, "demicube", 3)
