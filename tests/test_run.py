"""Statuses and budgets."""

import math

import pytest

from tammes.errors import InvalidParameterError
from tammes.solvers.run import Budget, Progress, Status, silent


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


def test_no_limit_is_never_spent():
    assert not Budget(None).spent()


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_must_be_positive(seconds):
    with pytest.raises(InvalidParameterError, match="`time_limit` must be a positive number of seconds"):
        Budget(seconds)


def test_silent_says_nothing(capsys):
    silent(Progress("sgd", 1, 2, 0.5))
    assert capsys.readouterr() == ("", "")
