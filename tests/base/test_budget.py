"""Statuses and budgets."""

import math

import pytest

from tammes.base.budget import Budget, Progress, silent
from tammes.base.errors import InvalidParameterError
from tammes.base.status import Status


def test_every_status_has_a_code_and_a_sentence():
    assert len({status.code for status in Status}) == len(Status)
    for status in Status:
        assert status.sentence[0].isupper()
        assert status.sentence.endswith(".")


def test_a_budget_counts_from_when_it_is_made():
    now = 100.0
    budget = Budget(5.0, clock=lambda: now)
    assert not budget.spent()
    now = 104.9
    assert not budget.spent()
    now = 105.0
    assert budget.spent()
    assert budget.elapsed() == 5.0


def test_what_is_left_and_a_part_of_it():
    now = 0.0
    budget = Budget(8.0, clock=lambda: now)
    now = 4.0
    half = budget.part(0.5)
    assert (budget.left(), half.left()) == (4.0, 2.0)
    now = 6.5
    assert half.spent()
    assert not budget.spent()
    now = 9.0
    assert budget.left() == 0.0
    assert budget.part(0.5).left() < 2e-9
    assert math.isinf(Budget(None).part(0.5).left())


def test_a_further_reason_ends_a_budget_and_its_parts_alone():
    met = over = False
    now = 0.0
    whole = Budget(8.0, clock=lambda: now, stop=lambda: over)
    until = whole.until(lambda: met)
    part = until.part(0.5)
    assert not until.spent()
    met = True
    assert until.spent()
    assert part.spent()
    assert not whole.spent()
    met, over = False, True
    assert until.spent()
    over, now = False, 3.0
    assert (until.left(), until.elapsed()) == (5.0, 3.0)


def test_a_part_ends_with_the_whole():
    over = False
    part = Budget(None, stop=lambda: over).part(0.5)
    assert not part.spent()
    over = True
    assert part.spent()


def test_no_limit_is_never_spent():
    assert not Budget(None).spent()


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_must_be_positive(seconds):
    with pytest.raises(InvalidParameterError, match="`time_limit` must be a positive number of seconds"):
        Budget(seconds)


def test_silent_says_nothing(capsys):
    silent(Progress("sgd", 1, 2, 0.5))
    assert capsys.readouterr() == ("", "")
