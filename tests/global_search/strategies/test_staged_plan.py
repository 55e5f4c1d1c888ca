"""Plans of large searches: less work a point as the points grow in number."""

import math

import numpy as np
import pytest

from tammes.bounds import best as bounds
from tammes.constructions.spread import equal_area
from tammes.global_search.methods import list_capacity
from tammes.global_search.strategies.staged_plan import Plan, work_of
from tammes.solvers.ladder.cutoffs import skin, truncation


def test_plans_shrink_with_the_size():
    plans = [Plan.of(n, 3) for n in (3_001, 10_000, 100_000, 1_000_000)]
    for less, more in zip(plans[1:], plans, strict=False):
        assert less.copies <= more.copies
        assert less.changes <= more.changes
        assert less.broken <= more.broken
        assert less.repairs <= more.repairs
    assert plans[-1] == Plan(0.3, 0.0, 1, 0, spread=False)


def test_a_prescribed_symmetry_has_starts_and_changes_at_every_size():
    for n in (3_001, 10_000, 1_000_000):
        for d in (3, 8):
            plan = Plan.symmetric(n, d)
            assert plan.starts([2]) >= 1
            assert plan.broken >= 1
            assert plan.repairs == 0
    assert Plan.symmetric(3_001, 3).changes > Plan.symmetric(10_000, 3).changes > 0.0


def test_starts_do_the_planned_work_in_turn():
    plan = Plan(1.0, 0.0, 1, 0)
    assert plan.starts([1]) == 1
    assert plan.starts([2, 60]) == 3  # 0.56 + 0.08 + 0.56
    assert plan.starts([60]) == math.ceil(1.0 / work_of(60))


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 4, 5])
def test_the_number_of_neighbours_is_about_right(d):
    from tammes.solvers.ladder import cell_lists as cells

    points = equal_area(6_000, d)
    spacing = 2 * math.sin(bounds.upper_bound(6_000, d).angle / 2)
    first, _ = cells.neighbours_within(np.ascontiguousarray(points.T), (truncation(2.0, d)[1] + skin(2.0, d)) * spacing)
    assert list_capacity(d) == pytest.approx(first[-1] / 6_000, rel=0.3)
