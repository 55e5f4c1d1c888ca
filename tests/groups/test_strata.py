"""Strata against the theorems on orbits and stabilisers, and against known groups."""

import numpy as np
import pytest
from group_actions import actions, orbit, same_sets

from tammes.groups.catalogue import parse
from tammes.groups.finite_groups import Group


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
