"""The limit on the memory of a construction."""

import pytest

from tammes.base.errors import InvalidParameterError
from tammes.constructions.size_limit import LARGEST, check_room


def test_points_of_the_largest_size_are_allowed_and_one_more_is_not():
    assert LARGEST == 8 * 2**27
    check_room(2**27, 1)
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: 134217729 points in R\^1 .* Got 134217729"):
        check_room(2**27 + 1, 1, "n")
    with pytest.raises(
        InvalidParameterError, match=r"`d` must be smaller: 3 points in R\^1000000000 .* Got 1000000000"
    ):
        check_room(3, 10**9)
