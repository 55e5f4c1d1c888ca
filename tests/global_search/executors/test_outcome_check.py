"""What comes back from other machines is measured before it is believed."""

import dataclasses
import math

import numpy as np
import pytest

from tammes.base import geometry
from tammes.base.budget import Budget, silent
from tammes.global_search.executors.outcome_check import fault
from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish, PortfolioTask
from tammes.global_search.tasks import Found, Outcome
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.polish.polish import Polish

TASK = PortfolioTask(index=3, n=12, d=3, count=2, seed=0, arm="random/4", chord_bound=1.1)


@pytest.fixture(scope="module")
def outcome():
    return TASK.run(LadderAndPolish(CompiledLadder(), Polish()), Budget(None), silent)


def of(points, angle=None, status="stalled", group=None):
    return Found(points, geometry.min_angle(points) if angle is None else angle, status, group)


def test_a_true_outcome_is_accepted(outcome):
    assert outcome.found
    assert fault(TASK, outcome) is None
    assert fault(TASK, Outcome(3, 0, 0.0, ())) is None


def nudged(points, value):
    points = points.copy()
    points[4, 1] = value
    return points


SQUARE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, "a NoneType came back"),
        (lambda o: dataclasses.replace(o, index=2), "the outcome of task 2 came back"),
        (lambda o: dataclasses.replace(o, tried=3), "3 starts are said to have been tried, of 2"),
        (lambda o: dataclasses.replace(o, tried=-1), "-1 starts"),
        (lambda o: dataclasses.replace(o, tried=True), "True starts"),
        (lambda o: dataclasses.replace(o, evaluations=math.nan), "the work done is said to be nan"),
        (lambda o: dataclasses.replace(o, status="done"), "the task is said to have ended as 'done'"),
        (lambda o: dataclasses.replace(o, found=[]), "no tuple"),
        (lambda o: dataclasses.replace(o, found=("x",)), "has no points"),
        (lambda o: dataclasses.replace(o, found=(of(SQUARE),)), r"float64 \(3, 3\)"),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points.astype(np.float32), 1.0),)), "float32"),
        (lambda o: dataclasses.replace(o, found=(of(nudged(o.found[0].points, math.nan), 1.0),)), "a code is none: "),
        (lambda o: dataclasses.replace(o, found=(of(nudged(o.found[0].points, 0.9), 1.0),)), "a code is none: "),
        (
            lambda o: dataclasses.replace(o, found=(of(o.found[0].points, status="proved"),)),
            "ended as 'proved'",
        ),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points, status=None),)), "to have ended as None"),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points, status=[]),)), r"to have ended as \[\]"),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points, group="I"),)), "to come from symmetry 'I', not"),
        (
            lambda o: dataclasses.replace(o, found=(of(o.found[0].points, group=np.ones(2)),)),
            "from symmetry arr",
        ),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points, 1.2),)), "is said to have 1.2 radians"),
        (lambda o: dataclasses.replace(o, found=(of(o.found[0].points, math.nan),)), "is said to have nan radians"),
    ],
)
def test_a_false_one_is_refused_for_its_reason(outcome, change, message):
    import re

    assert re.search(message, fault(TASK, change(outcome)))
