"""The pool: distinct codes only, however they are turned; the best is never lost."""

import numpy as np
import oracles
from scipy.stats import ortho_group

from tammes.base import geometry
from tammes.global_search.pool import Member, Pool, fingerprint


def member(points, arm="random/4"):
    points = geometry.as_points(points, normalize=True)
    return Member(points, float(geometry.nearest_neighbours(points)[0].min()), "local-maximum", arm)


def test_a_turned_mirrored_renumbered_code_counts_once():
    pool = Pool()
    points = np.asarray(oracles.random_code(17, 4))
    assert pool.add(member(points))
    for seed in range(3):
        turn = ortho_group.rvs(4, random_state=seed)  # determinants of both signs occur
        assert not pool.add(member(np.random.default_rng(seed).permutation(points) @ turn))
    assert len(pool.members) == 1


def test_codes_with_the_same_angle_may_differ():
    # Six points at 90 degrees in two ways: the octahedron, and a square with a cap point removed and put elsewhere.
    first = np.asarray(oracles.orthoplex(4), dtype=float)[:6]
    second = np.asarray(oracles.orthoplex(4), dtype=float)[[0, 1, 2, 3, 4, 5]]
    second[5] = (first[3] + first[5]) / np.sqrt(2.0)
    pool = Pool()
    pool.add(member(first))
    pool.add(member(np.delete(second, 3, axis=0)))
    assert len(pool.members) == 2


def test_the_best_stays_and_the_size_is_kept():
    pool = Pool(size=3)
    codes = sorted((member(oracles.random_code(8, 3, seed)) for seed in range(9)), key=lambda m: m.angle)
    improvements = [pool.add(code) for code in codes]
    assert improvements == [True] * 9
    assert [m.angle for m in pool.members] == sorted((m.angle for m in codes[-3:]), reverse=True)
    assert not pool.add(codes[0])
    assert pool.best is codes[-1]


def test_a_better_child_takes_its_parents_place_but_never_the_bests():
    best, parent, child, last = sorted(
        (member(oracles.random_code(8, 3, seed)) for seed in range(4)), key=lambda m: -m.angle
    )
    pool = Pool()
    pool.add(best)
    pool.add(child)
    pool.add(parent, parent=child)  # better than `child`, whose descendant it is
    assert [m.angle for m in pool.members] == [best.angle, parent.angle]
    pool.add(last, parent=best)
    assert pool.best is best
    assert len(pool.members) == 3


def test_choosing_prefers_the_good_and_reaches_all():
    pool = Pool()
    for seed in range(6):
        pool.add(member(oracles.random_code(8, 3, seed)))
    rng = np.random.default_rng(0)
    chosen = [pool.choose(rng).angle for _ in range(400)]
    assert set(chosen) == {m.angle for m in pool.members}
    assert chosen.count(pool.best.angle) == max(chosen.count(m.angle) for m in pool.members)


def test_the_fingerprint_tells_codes_apart():
    a, b = (np.asarray(oracles.random_code(12, 3, seed)) for seed in (0, 1))
    assert np.abs(fingerprint(a) - fingerprint(b)).max() > 1e-3
