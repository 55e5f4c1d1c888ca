"""Repair: holes are found where they are, and tight points go there."""

import numpy as np

from tammes.bounds import best as bounds
from tammes.constructions.spread import fibonacci
from tammes.global_search.holes import deepest_holes
from tammes.global_search.moves import transplant
from tammes.solvers.ladder import many_points as large

N = 1_000
SPACING = 2 * np.sin(bounds.upper_bound(N, 3).angle / 2)


def relaxed():
    return large.ManyPointsLadder((8.0, 64.0, 512.0), iterations=60).run(fibonacci(N)[None]).points[0]


def test_a_missing_point_is_the_deepest_hole():
    points = relaxed()
    gone = points[[300, 700]]
    holes, depth = deepest_holes(np.delete(points, [300, 700], axis=0), SPACING, 2)
    assert (depth > 0.85 * SPACING).all()
    gaps = np.linalg.norm(holes[:, None] - gone, axis=2)
    assert (gaps.min(axis=1) < 0.35 * SPACING).all()
    assert set(gaps.argmin(axis=1).tolist()) == {0, 1}
    others = np.delete(points, [300, 700], axis=0)
    np.testing.assert_allclose(depth, np.linalg.norm(holes[:, None] - others, axis=2).min(axis=1), rtol=1e-12)


def test_an_intruder_goes_into_the_vacancy():
    points = relaxed()
    crowded = points.copy()
    crowded[42] = points[500] + 0.4 * (points[501] - points[500])
    crowded[42] /= np.linalg.norm(crowded[42])
    kept = crowded.copy()
    repaired = transplant(crowded, SPACING, 1, np.random.default_rng(3))
    assert (crowded == kept).all()
    moved = np.flatnonzero((repaired != crowded).any(axis=1))
    assert len(moved) == 1
    # What is taken is of the tightest pair.
    pairs = np.linalg.norm(crowded[:, None] - crowded, axis=2) + 9 * np.eye(N)
    assert moved[0] in np.unravel_index(pairs.argmin(), pairs.shape)
