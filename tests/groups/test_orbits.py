"""Codes of whole orbits: recognised, drawn at random, projected; which numbers of points fit."""

import math

import numpy as np
import oracles
import pytest
from group_actions import actions, same_sets
from hypothesis import given, settings
from hypothesis import strategies as st

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.groups.catalogue import parse
from tammes.groups.finite_groups import Group
from tammes.groups.orbits import fits, orbits_of, random_orbits
from tammes.groups.strata import Stratum


@pytest.mark.parametrize(("name", "n", "d"), [("T", 22, 3), ("C5", 17, 3), ("D3d", 20, 3), ("antipodal", 12, 4)])
def test_a_symmetric_code_is_taken_apart_and_put_together(name, n, d):
    group = parse(name, d)
    known, points = random_orbits(group, n, np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(points)
    found = orbits_of(group, shuffled)
    assert np.abs(found.symmetrize(shuffled) - shuffled).max() < 1e-12
    assert len(found.bases) == len(known.bases)
    assert sorted(basis.shape[1] for basis in found.bases) == sorted(basis.shape[1] for basis in known.bases)
    # A kicked copy comes back to the family.
    kicked = geometry.as_points(shuffled + 1e-3 * np.random.default_rng(2).normal(size=(n, d)), normalize=True)
    again = orbits_of(group, found.symmetrize(kicked))
    assert len(again.bases) == len(known.bases)


def test_a_code_without_the_symmetry_is_refused():
    with pytest.raises(InvalidPointsError, match="symmetric under T"):
        orbits_of(parse("T", 3), np.asarray(oracles.random_code(12, 3)))


class TestFits:
    @pytest.mark.parametrize("n", [12, 20, 30, 32, 42, 50, 60, 62, 72, 92, 122])
    def test_icosahedral(self, n):
        assert fits(parse("I", 3), n)

    @pytest.mark.parametrize("n", [1, 2, 11, 13, 24, 40, 52, 84, 100])
    def test_not_icosahedral(self, n):
        assert not fits(parse("I", 3), n)

    @given(
        st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1, 2, None])), min_size=1, max_size=4),
        st.integers(1, 40),
    )
    def test_against_all_sums(self, kinds, n):
        group = Group("made up", np.eye(2)[None])
        strata = tuple(Stratum(size, np.eye(2), left, 1, np.arange(size)) for size, left in kinds)
        group.__dict__["strata"] = strata
        sums = {0}
        for size, left in kinds:
            sums = {s + c * size for s in sums for c in range((n if left is None else left) + 1) if s + c * size <= n}
        assert fits(group, n) == (n in sums)


@pytest.mark.parametrize(("name", "d"), [("I", 3), ("Oh", 3), ("C3v", 3), ("cyclic-even-signs", 5)])
def test_what_fits_far_above_the_order_is_what_repeats_with_it(name, d):
    group = parse(name, d)
    from_here = 8 * group.order * len(group.strata)  # by then every residue that can be reached has been
    for residue in range(min(group.order, 130)):
        near = from_here + residue
        counted = np.arange(near + 1) == 0
        for kind in group.strata:
            for _ in range(near // kind.size if kind.available is None else kind.available):
                more = np.roll(counted, kind.size)
                more[: kind.size] = False
                if (more <= counted).all():
                    break
                counted |= more
        assert fits(group, near) == counted[near]
        assert fits(group, near + group.order * 10**12) == counted[near]


class TestOrbits:
    @actions
    def test_random_orbits_are_symmetric_sets(self, name, d):
        group, rng = parse(name, d), np.random.default_rng(4)
        sizes = [n for n in range(2, 200) if fits(group, n)]
        for n in rng.choice(sizes, 4):
            orbits, points = random_orbits(group, int(n), rng)
            assert points.shape == (n, d)
            np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-14)
            assert geometry.nearest_neighbours(points)[0].min() > 1e-6
            for g in group.matrices[:: max(1, group.order // 10)]:
                assert same_sets(points, points @ g.T)
            np.testing.assert_allclose(orbits.expand(orbits.representatives(points)), points, atol=1e-14)
            counts = np.bincount(orbits.representative)
            assert counts.sum() == n
            assert set(counts.tolist()) <= {kind.size for kind in group.strata}

    def test_chance_comes_from_the_generator_alone(self):
        group = parse("D3", 3)
        a, b, c = (random_orbits(group, 35, np.random.default_rng(seed))[1] for seed in (5, 5, 6))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)

    def test_all_compositions_occur(self):
        """T has orbits of 4 (two), 6 (one) and 12 points, C_3v of 1 (two), 3 and 6: the sums are few."""
        group, rng = parse("T", 3), np.random.default_rng(7)
        seen = {tuple(np.bincount(random_orbits(group, 26, rng)[0].representative).tolist()) for _ in range(200)}
        assert seen == {(4, 4, 6, 12)}
        seen = {tuple(np.bincount(random_orbits(group, 20, rng)[0].representative).tolist()) for _ in range(50)}
        assert seen == {(4, 4, 12)}
        group = parse("C3v", 3)
        seen = {tuple(np.bincount(random_orbits(group, 12, rng)[0].representative).tolist()) for _ in range(300)}
        assert seen == {(6, 6), (3, 3, 6), (3, 3, 3, 3)}

    def test_few_points_on_a_mirror(self):
        """A great circle holds about sqrt(n) of n points that are spread well."""
        group, rng = parse("Cs", 3), np.random.default_rng(8)
        on_mirror = [int((np.bincount(random_orbits(group, 400, rng)[0].representative) == 1).sum()) for _ in range(60)]
        assert 5 < np.mean(on_mirror) < 40
        assert min(on_mirror) == 0

    def test_both_ends_of_an_axis(self):
        orbits, points = random_orbits(parse("C5", 3), 2, np.random.default_rng(9))
        assert len(orbits.bases) == 2
        np.testing.assert_allclose(points[0], -points[1])

    def test_one_end_of_an_axis_is_any(self):
        ends = {float(random_orbits(parse("C5", 3), 6, np.random.default_rng(seed))[1][0, 2]) for seed in range(20)}
        assert ends == {1.0, -1.0}

    def test_representatives_are_uniform_in_their_subspace(self):
        """Under Cs the points off the mirror come from the whole sphere: their mean square height is 1/3."""
        rng = np.random.default_rng(10)
        heights = [random_orbits(parse("Cs", 3), 2, rng)[1][0, 2] for _ in range(600)]
        off = np.array([height for height in heights if abs(height) > 1e-9])
        assert len(off) > 100
        assert abs(np.mean(off**2) - 1 / 3) < 0.08

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(InvalidParameterError, match="orbits can add up to n = 13") as caught:
            random_orbits(parse("I", 3), 13, np.random.default_rng(0))
        assert "'I'" in str(caught.value)

    def test_crowded_draws_end(self):
        """A thousand points on one circle are close whatever is drawn: the best of a few draws is taken."""
        points = random_orbits(parse("screw-500:1", 2), 1000, np.random.default_rng(0))[1]
        assert geometry.nearest_neighbours(points)[0].min() > 1e-5

    def test_many_points_with_few_kinds_do_not_underflow(self):
        assert random_orbits(parse("Cs", 3), 5001, np.random.default_rng(0))[1].shape == (5001, 3)


class TestSymmetrize:
    @actions
    @settings(max_examples=5, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_a_projection(self, name, d, seed):
        rng = np.random.default_rng(seed)
        group = parse(name, d)
        n = max(n for n in range(2, 61) if fits(group, n)) if group.order <= 60 else group.order
        orbits, points = random_orbits(group, n, rng)
        np.testing.assert_allclose(orbits.symmetrize(points), points, atol=1e-13)
        moved = points + 0.01 * rng.standard_normal(points.shape)
        once = orbits.symmetrize(moved)
        np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1.0, atol=1e-14)
        np.testing.assert_allclose(orbits.symmetrize(once), once, atol=1e-13)
        for g in group.matrices[:: max(1, group.order // 5)]:
            assert same_sets(once, once @ g.T)

    def test_nearest(self):
        """No nearby symmetric set is nearer to the points."""
        rng = np.random.default_rng(11)
        orbits, points = random_orbits(parse("C3v", 3), 15, rng)
        moved = points + 0.05 * rng.standard_normal(points.shape)
        nearest = orbits.symmetrize(moved)
        best = np.linalg.norm(nearest - moved)
        for scale in (1e-2, 1e-4):
            for _ in range(20):
                other = orbits.symmetrize(nearest + scale * rng.standard_normal(points.shape))
                assert np.linalg.norm(other - moved) > best

    def test_an_orbit_without_a_mean_is_refused(self):
        orbits, points = random_orbits(parse("Ci", 3), 4, np.random.default_rng(12))
        points[2:] = points[2]  # x and x instead of x and -x: the mean is 0
        with pytest.raises(InvalidPointsError, match=r"near a set with symmetry Ci.*orbit 1"):
            orbits.symmetrize(points)


class TestTangentEmbedding:
    @actions
    def test_moves_stay_symmetric_to_second_order(self, name, d):
        group, rng = parse(name, d), np.random.default_rng(13)
        n = next(n for n in range(group.order + 1, 4 * group.order + 40) if fits(group, n))
        orbits, points = random_orbits(group, n, rng)
        columns = orbits.tangent_embedding(points)
        q = columns.shape[1]
        assert columns.shape == (n * (d - 1), sum(basis.shape[1] - 1 for basis in orbits.bases))
        np.testing.assert_allclose((columns.T @ columns).toarray(), np.eye(q), atol=1e-12)
        frames = geometry.tangent_bases(points)
        for column in rng.permutation(q)[:3]:
            step = columns[:, [column]].toarray().reshape(n, d - 1)
            displacement = np.einsum("nda,na->nd", frames, step)
            for t in (1e-3, 1e-4):
                moved = geometry.as_points(points + t * displacement, normalize=True)
                np.testing.assert_allclose(orbits.symmetrize(moved), moved, atol=t * t)
                assert np.abs(moved - points).max() > 0.1 * t / math.sqrt(n)

    def test_every_symmetric_move_is_in_the_span(self):
        rng = np.random.default_rng(14)
        orbits, points = random_orbits(parse("Oh", 3), 86, rng)
        columns = orbits.tangent_embedding(points).toarray()
        t = 1e-6
        moved = orbits.symmetrize(points + t * rng.standard_normal(points.shape))
        local = np.einsum("nda,nd->na", geometry.tangent_bases(points), (moved - points) / t).ravel()
        np.testing.assert_allclose(columns @ (columns.T @ local), local, atol=1e-5)
        assert np.linalg.norm(local) > 0.1

    def test_isolated_points_do_not_move(self):
        orbits, points = random_orbits(parse("I", 3), 62, np.random.default_rng(15))
        assert orbits.tangent_embedding(points).shape == (124, 0)
