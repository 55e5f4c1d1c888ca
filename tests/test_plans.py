"""Plans of large searches: less work a point as the points grow in number."""

import math

import numpy as np
import pytest

from tammes.bounds import best as bounds
from tammes.constructions.spread import equal_area
from tammes.hunting.plans import Plan, neighbours
from tammes.solvers import large


def test_plans_shrink_with_the_size():
    plans = [Plan.of(n, 3) for n in (3_001, 10_000, 100_000, 1_000_000)]
    for less, more in zip(plans[1:], plans, strict=False):
        assert less.copies <= more.copies
        assert less.changes <= more.changes
        assert less.broken <= more.broken
        assert less.squeezes <= more.squeezes
    assert plans[-1] == Plan(0.3, 0.0, 1, 0, spread=False)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 4, 5])
def test_the_number_of_neighbours_is_about_right(d):
    from tammes.solvers import cells

    points = equal_area(6_000, d)
    spacing = 2 * math.sin(bounds.upper_bound(6_000, d).angle / 2)
    first, _ = cells.neighbours_within(
        np.ascontiguousarray(points.T), (large._CUT[d] + (large._WIDE if d == 3 else large._SKIN)) * spacing
    )
    assert neighbours(d) == pytest.approx(first[-1] / 6_000, rel=0.3)
