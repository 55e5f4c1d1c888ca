"""What is searched for: refused where it cannot be, and the groups that may be tried."""

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.global_search.problem import Problem
from tammes.groups.catalogue import parse
from tammes.groups.orbits import fits


def test_pairs_are_a_symmetry():
    assert Problem(12, 3).prescribed is None
    assert Problem(12, 3, symmetry="none").prescribed is None
    assert Problem(12, 3, antipodal=True).prescribed.order == 2
    assert Problem(12, 3, symmetry="none", antipodal=True).prescribed.order == 2
    assert Problem(12, 3, symmetry="I").prescribed.order == 60
    assert Problem(12, 3, symmetry="I", antipodal=True).prescribed.order == 120


@pytest.mark.parametrize(("n", "d"), [(12, 3), (100, 4), (72, 6), (126, 7), (240, 8)])
def test_every_group_tried_for_pairs_holds_them_and_fits(n, d):
    names = Problem(n, d, antipodal=True).groups()
    assert names[0] == "antipodal"
    assert len(names) == len(set(names)) > 3
    for name in names[:12]:
        group = parse(name, d)
        assert fits(group, n)
        assert np.isclose(group.matrices, -np.eye(d)).all(axis=(1, 2)).any()


def test_a_named_group_is_the_only_one_and_none_is_none():
    assert Problem(12, 3, symmetry="none").groups() == []
    assert Problem(12, 3, symmetry="C5").groups() == ["C5"]
    assert "I" in Problem(12, 3).groups()


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ((1, 3), InvalidParameterError, "`n` must be"),
        ((5, 1), InvalidParameterError, "`d` must be"),
        ((5, 3, -1), InvalidParameterError, "`seed` must be an integer of at least 0. Got -1"),
        ((5, 3, True), InvalidParameterError, "`seed` must be"),
        ((5, 3, 0, "auto", True), InvalidParameterError, "`n` must be even and at least 4"),
        (
            (7, 3, 0, "I"),
            InvalidParameterError,
            r"`symmetry` must be a group whose .* add up to n = 7 \(of I: ",
        ),
        ((7, 3, 0, "nonsense"), UnknownNameError, "nonsense"),
        ((7, 3, 0, 5), InvalidParameterError, "`symmetry` must be auto, none or the name of a group. Got 5"),
    ],
)
def test_what_cannot_be_is_refused(wanted, error, message):
    with pytest.raises(error, match=message):
        Problem(*wanted)
