"""Families of n and d: their members, and parameters that match none."""

import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions import families


@pytest.mark.parametrize(
    ("family", "n", "d", "size", "title", "cosine", "command"),
    [
        ("SIMPLEX", None, 4, (5, 4), "simplex", "-1/4", "simplex --d 4"),
        ("SIMPLEX", 4, None, (4, 3), "simplex", "-1/3", "simplex --d 3"),
        ("SIMPLEX", 2, None, (2, 2), "simplex", "-1", "simplex --n 2 --d 2"),
        ("SIMPLEX", 3, 9, (3, 9), "simplex", "-1/2", "simplex --n 3 --d 9"),
        ("ORTHOPLEX", None, 4, (8, 4), "orthoplex", "0", "orthoplex --d 4"),
        ("ORTHOPLEX", 7, 4, (7, 4), "part of the orthoplex", "0", "orthoplex --n 7 --d 4"),
        ("POLYGON", 5, None, (5, 2), "regular polygon", "cos(2 pi/5)", "polygon --n 5"),
        ("POLYGON", 6, 2, (6, 2), "regular polygon", "1/2", "polygon --n 6"),
        ("FIBONACCI", 50, None, (50, 3), "Fibonacci spiral", None, "fibonacci --n 50"),
        ("EQUAL_AREA", 50, 6, (50, 6), "equal-area partition", None, "equal-area --n 50 --d 6"),
    ],
)
def test_families_of_n_and_d(family, n, d, size, title, cosine, command):
    code = getattr(families, family).member(n, d)
    assert (code.n, code.d) == size
    assert (code.title, code.exact_max_cosine) == (title, cosine)
    assert code.command == f"tammes construct {command}"
    assert code.points().shape == size


@pytest.mark.parametrize(
    ("family", "n", "d", "message"),
    [
        ("SIMPLEX", None, None, "`d` must be given for simplex"),
        ("SIMPLEX", 6, 4, r"`n` must be at most d \+ 1 = 5 for a simplex. Got 6"),
        ("ORTHOPLEX", 8, None, "`d` must be given for orthoplex"),
        ("ORTHOPLEX", 5, 4, r"`n` must be from d \+ 2 = 6 to 2d = 8"),
        ("ORTHOPLEX", 9, 4, r"`n` must be from d \+ 2 = 6 to 2d = 8"),
        ("POLYGON", None, 2, "`n` must be given for polygon"),
        ("POLYGON", 2, None, "`n` must be an integer of at least 3 for a polygon. Got 2"),
        ("POLYGON", 5, 3, "`d` must be 2 for polygon. Got 3"),
        ("FIBONACCI", None, 3, "`n` must be given for fibonacci"),
        ("FIBONACCI", 5, 4, "`d` must be 3 for fibonacci. Got 4"),
        ("EQUAL_AREA", 5, None, "`d` must be given for equal-area"),
        ("EQUAL_AREA", None, 5, "`n` must be given for equal-area"),
    ],
)
def test_parameters_that_match_no_member_are_refused(family, n, d, message):
    with pytest.raises(InvalidParameterError, match=message):
        getattr(families, family).member(n, d)


def test_points_that_take_too_much_memory_are_refused():
    with pytest.raises(
        InvalidParameterError, match=r"`n` must be smaller: 1000000000 points in R\^2 would take 14.9 GiB"
    ):
        families.POLYGON.member(10**9).points()
    with pytest.raises(InvalidParameterError, match=r"`d` must be smaller: 100001 points"):
        families.SIMPLEX.member(d=10**5).points()
