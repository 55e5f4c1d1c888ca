"""Groups, orbits and symmetric sets by their laws: Lagrange, orbit-stabiliser, invariance."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.groups.catalogue import parse
from tammes.groups.equal_matrices import equal_labels
from tammes.groups.finite_groups import Group, generate
from tammes.groups.orbits import fits, random_orbits
from tammes.groups.strata import Stratum

ACTIONS = [
    ("T", 3),
    ("I", 3),
    ("Ih", 3),
    ("Oh", 3),
    ("C3v", 3),
    ("D5d", 3),
    ("S8", 3),
    ("Cs", 3),
    ("antipodal", 4),
    ("2T", 4),
    ("hyperoctahedral", 4),
    ("screw-6:1,2", 4),
    ("screw-12:0,3", 4),
    ("cyclic-even-signs", 5),
    ("screw-5:1,2,-", 5),
    ("simplex", 4),
    ("screw-7:1", 2),
]
actions = pytest.mark.parametrize(("name", "d"), ACTIONS)


def same_sets(a, b, tolerance=1e-9):
    """Whether two sets of distinct points are equal up to their order."""
    distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return len(a) == len(b) and distances.min(axis=0).max() < tolerance and distances.min(axis=1).max() < tolerance


def orbit(group, point):
    """The different images of a point, by brute force."""
    images = []
    for image in group.matrices @ point:
        if all(np.linalg.norm(image - other) > 1e-6 for other in images):
            images.append(image)
    return np.array(images)


def turn(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


class TestGenerate:
    def test_the_symmetries_of_the_square(self):
        matrices = generate([turn(math.pi / 2), np.diag([1.0, -1.0])])
        assert matrices.shape == (8, 2, 2)
        expected = [
            np.diag(signs) @ swap
            for signs in ([1, 1], [1, -1], [-1, 1], [-1, -1])
            for swap in (np.eye(2), np.eye(2)[::-1])
        ]
        assert same_sets(matrices.reshape(8, 4), np.reshape(expected, (8, 4)))

    def test_the_identity_comes_first_and_nobody_can_write(self):
        matrices = generate(turn(2 * math.pi / 5))
        np.testing.assert_allclose(matrices[0], np.eye(2), atol=1e-15)
        with pytest.raises(ValueError, match="read-only"):
            matrices[0, 0, 0] = 2.0

    @pytest.mark.parametrize("k", [2, 3, 7, 360, 1000])
    def test_long_cycles_stay_orthogonal_and_close(self, k):
        matrices = generate(turn(2 * math.pi / k))
        assert len(matrices) == k
        assert np.abs(matrices.transpose(0, 2, 1) @ matrices - np.eye(2)).max() < 1e-15
        angles = np.sort(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]) % (2 * math.pi - 1e-9))
        np.testing.assert_allclose(angles, 2 * math.pi * np.arange(k) / k, atol=1e-11)

    def test_a_subgroup_does_not_change_the_group(self):
        signs = np.array([np.diag([a, b, c]) for a in (1.0, -1) for b in (1.0, -1) for c in (1.0, -1)])
        moves = [np.eye(3)[[1, 2, 0]], np.eye(3)[[1, 0, 2]]]
        a, b = generate(moves, subgroup=signs), generate([*moves, np.diag([-1.0, 1.0, 1.0])])
        assert len(a) == 48
        assert same_sets(a.reshape(-1, 9), b.reshape(-1, 9))

    def test_a_subgroup_that_is_not_normal(self):
        third = np.array([np.eye(4)[[0, 2, 1, 3]], np.eye(4)])[::-1]
        assert len(generate(np.eye(4)[[1, 2, 3, 0]], subgroup=third)) == 24

    def test_an_infinite_group_is_refused(self):
        with pytest.raises(InvalidParameterError, match="at most 4,000 elements"):
            generate([turn(1.0), turn(math.sqrt(2.0)), turn(math.sqrt(3.0)), np.diag([1.0, -1.0])])
        with pytest.raises(InvalidParameterError, match="at most 7 elements"):
            generate([turn(math.pi / 2), np.diag([1.0, -1.0])], cap=7)

    @pytest.mark.parametrize("bad", [2.0 * np.eye(2), np.full((2, 2), np.nan), np.zeros((1, 2, 2))])
    def test_what_is_not_orthogonal_is_refused(self, bad):
        with pytest.raises(InvalidParameterError, match="orthogonal"):
            generate(bad)

    @pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), 1.0])
    def test_what_is_not_square_is_refused(self, bad):
        with pytest.raises(InvalidParameterError, match="shape"):
            generate(bad)


class TestLabels:
    def test_rounding_does_not_part_and_small_steps_do(self):
        a = np.array([[[0.5]], [[0.5 + 1e-15]], [[0.5 - 1e-15]], [[0.6]], [[0.5 + 1e-5]]])
        labels = equal_labels(a)
        assert labels[0] == labels[1] == labels[2]
        assert len(set(labels.tolist())) == 3

    def test_equal_keys_of_different_matrices_are_told_apart(self, monkeypatch):
        real = np.random.default_rng

        class Blind:  # the first keys see nothing
            def standard_normal(self, size):
                return np.zeros(size)

        monkeypatch.setattr(np.random, "default_rng", lambda seed: Blind() if seed == 0 else real(seed))
        assert len(set(equal_labels(np.arange(4.0).reshape(4, 1, 1)).tolist())) == 4

    def test_nothing(self):
        assert equal_labels(np.zeros((0, 2, 2))).shape == (0,)


class TestStrata:
    @actions
    def test_orbit_stabiliser(self, name, d):
        group, rng = parse(name, d), np.random.default_rng(1)
        for kind in group.strata:
            assert group.order % kind.size == 0
            np.testing.assert_allclose(kind.basis.T @ kind.basis, np.eye(kind.basis.shape[1]), atol=1e-14)
            point = kind.basis @ rng.standard_normal(kind.basis.shape[1])
            point /= np.linalg.norm(point)
            images = orbit(group, point)
            assert len(images) == kind.size
            assert same_sets(group.matrices[kind.elements] @ point, images)
            assert kind.elements[0] == 0
            assert len(kind.elements) == kind.size

    @actions
    def test_the_stabiliser_fixes_exactly_the_subspace(self, name, d):
        group = parse(name, d)
        for kind in group.strata:
            fixing = np.abs(group.matrices @ kind.basis - kind.basis).max(axis=(1, 2)) < 1e-9
            assert fixing.sum() * kind.size == group.order
            mean = group.matrices[fixing].mean(axis=0)
            np.testing.assert_allclose(kind.basis @ kind.basis.T, mean, atol=1e-14)

    @actions
    def test_every_fixed_point_of_an_element_lies_in_a_stratum(self, name, d):
        group, rng = parse(name, d), np.random.default_rng(2)
        for g in group.matrices[rng.permutation(group.order)[:30]]:
            values, vectors = np.linalg.eigh(2 * np.eye(d) - g - g.T)
            space = vectors[:, values < 1e-9]
            if space.shape[1] == 0:
                continue
            point = space @ rng.standard_normal(space.shape[1])
            point /= np.linalg.norm(point)
            size = len(orbit(group, point))
            holding = [
                kind
                for kind in group.strata
                if kind.size == size and np.linalg.norm(group.matrices @ point @ kind.basis, axis=1).max() > 1 - 1e-9
            ]
            assert len(holding) == 1

    @actions
    def test_no_kind_counts_twice(self, name, d):
        group = parse(name, d)
        spaces = [kind.basis @ kind.basis.T for kind in group.strata]
        for i, a in enumerate(spaces):
            conjugates = group.matrices @ a @ group.matrices.transpose(0, 2, 1)
            for b in spaces[:i]:
                assert np.abs(conjugates - b).max(axis=(1, 2)).min() > 1e-3

    @actions
    def test_class_equation_of_burnside(self, name, d):
        """The fixed isolated points of all elements, counted twice: sum over g of |Fix g| = |G| times the orbits."""
        group = parse(name, d)
        isolated = [kind for kind in group.strata if kind.basis.shape[1] == 1]
        orbits = sum(kind.available for kind in isolated)
        points = [sign * kind.basis[:, 0] for kind in isolated for sign in ((1, -1) if kind.available == 2 else (1,))]
        everything = [image for point in points for image in group.matrices @ point]
        if not points:
            return
        distinct = np.unique(np.round(everything, 7) + 0.0, axis=0)
        fixed = sum(int((np.linalg.norm(distinct @ g.T - distinct, axis=1) < 1e-5).sum()) for g in group.matrices)
        assert fixed == group.order * orbits
        assert len(distinct) == sum(kind.size * kind.available for kind in isolated)

    @pytest.mark.parametrize(
        ("name", "d", "expected"),
        [
            ("I", 3, [(12, 1), (20, 1), (30, 1), (60, None)]),
            ("Ih", 3, [(12, 1), (20, 1), (30, 1), (60, None), (120, None)]),
            ("O", 3, [(6, 1), (8, 1), (12, 1), (24, None)]),
            ("Oh", 3, [(6, 1), (8, 1), (12, 1), (24, None), (24, None), (48, None)]),
            ("T", 3, [(4, 2), (6, 1), (12, None)]),
            ("Td", 3, [(4, 2), (6, 1), (12, None), (24, None)]),
            ("Th", 3, [(6, 1), (8, 1), (12, None), (24, None)]),
            ("C1", 3, [(1, None)]),
            ("Ci", 3, [(2, None)]),
            ("C4", 3, [(1, 2), (4, None)]),
            ("D3", 3, [(2, 1), (3, 2), (6, None)]),
            ("D4", 3, [(2, 1), (4, 1), (4, 1), (8, None)]),
            ("S4", 3, [(2, 1), (4, None)]),
            ("C3v", 3, [(1, 2), (3, None), (6, None)]),
            ("2I", 4, [(120, None)]),
            ("screw-6:1,2", 4, [(3, None), (6, None)]),
        ],
    )
    def test_known_orbits(self, name, d, expected):
        assert [(kind.size, kind.available) for kind in parse(name, d).strata] == expected

    def test_hyperoctahedral_strata_are_the_partitions(self):
        """A flat of B_d is a set of zeros and a partition of the rest: p(0) + ... + p(d) of them, less the origin."""
        for d, partitions in ((2, 1 + 1 + 2), (3, 7), (4, 12), (5, 19)):
            assert len(parse("hyperoctahedral", d).strata) == partitions - 1

    def test_copies_count_the_subspaces(self):
        """I_h: 6, 10 and 15 axes, 15 mirrors."""
        assert [kind.copies for kind in parse("Ih", 3).strata] == [6, 10, 15, 15, 1]

    def test_a_tilted_group_has_the_same_kinds(self):
        rotation = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0]
        straight = parse("hyperoctahedral", 4)
        tilted = Group("tilted", rotation @ straight.matrices @ rotation.T)
        shape = [(kind.size, kind.basis.shape, kind.available, kind.copies) for kind in straight.strata]
        assert [(kind.size, kind.basis.shape, kind.available, kind.copies) for kind in tilted.strata] == shape

    def test_large_groups_of_long_rotations(self):
        kinds = parse("D1000", 3).strata
        assert [(kind.size, kind.available) for kind in kinds] == [(2, 1), (1000, 1), (1000, 1), (2000, None)]


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
