"""Groups that are tried for a size: all of them fit, none twice, those of known codes among them."""

import math

import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.groups.candidates import candidates, greedy_angle
from tammes.groups.orbits import fits, random_orbits


class TestCandidates:
    @pytest.mark.slow
    @pytest.mark.parametrize(("n", "d"), [(7, 2), (12, 3), (57, 3), (120, 3), (10, 4), (24, 4), (40, 5), (27, 6)])
    def test_all_fit_and_none_twice(self, n, d):
        groups = candidates(n, d)
        assert 2 <= len(groups) <= 60
        assert all(group.order >= 2 and fits(group, n) for group in groups)
        assert len({group.name for group in groups}) == len(groups)
        assert [group.name for group in groups] == [group.name for group in candidates(n, d)]
        for group in groups[:10]:
            assert random_orbits(group, n, np.random.default_rng(0))[1].shape == (n, d)

    @pytest.mark.parametrize(
        ("n", "d", "wanted"),
        [
            (12, 3, {"I", "Ih", "T", "D5d", "D3d", "S6", "Ci"}),
            (120, 3, {"I", "T", "D3", "C2"}),
            (24, 3, {"O"}),
            (8, 3, {"D4d", "S8"}),
            (16, 3, {"D4d", "T"}),
            (32, 3, {"I", "Ih", "D5"}),
            (10, 4, {"simplex", "simplex-alternating"}),
            (24, 4, {"2T", "hyperoctahedral"}),
            (120, 4, {"2T", "2I"}),
            (16, 5, {"cyclic-even-signs"}),
            (40, 5, {"cyclic-even-signs"}),
            (27, 6, {"cyclic-even-signs@5"}),
        ],
    )
    def test_symmetries_of_known_codes_are_tried(self, n, d, wanted):
        assert wanted <= {group.name for group in candidates(n, d)}

    def test_prime_sizes_have_some_too(self):
        assert {"C2", "C3", "Cs"} <= {group.name for group in candidates(61, 3)}

    def test_a_limit(self):
        assert [group.name for group in candidates(60, 3, limit=3)] == [group.name for group in candidates(60, 3)[:3]]
        assert candidates(60, 3, limit=0) == []

    @pytest.mark.parametrize(("n", "d"), [(24, 3), (100, 3), (24, 4), (100, 4)])
    def test_no_ring_is_fuller_than_a_great_circle(self, n, d):
        """An element that moves nothing far would put its points too close: no rotation by 2 pi / n is tried."""
        assert {"C2", "screw-2:0,1"} & {group.name for group in candidates(n, d)}
        for group in candidates(n, d):
            moves = np.linalg.norm(group.matrices[1:] - np.eye(d), ord=2, axis=(1, 2))
            assert 2 * math.asin(min(1.0, moves.min() / 2)) > 2 * math.pi / n

    def test_a_screw_of_n_points_is_a_lattice_on_the_torus(self):
        """The first screw of order 24 that is tried turns some plane by 4/24 or more, at every power."""
        name = next(group.name for group in candidates(24, 4) if group.name.startswith("screw-24:"))
        turns = np.array([int(m) for m in name.partition(":")[2].split(",")])
        powers = np.arange(1, 24)[:, None] * turns % 24
        assert np.minimum(powers, 24 - powers).max(axis=1).min() >= 4

    def test_greedy_angle(self):
        """In space a cap of radius t has the share (1 - cos t) / 2 of the sphere; in the plane t / pi."""
        assert greedy_angle(12, 3) == pytest.approx(math.acos(1 - 2 / 12), abs=2e-3)
        assert greedy_angle(12, 2) == pytest.approx(math.pi / 12, abs=2e-3)

    @pytest.mark.parametrize(("n", "d", "name"), [(1, 3, "n"), (5, 1, "d"), (2.5, 3, "n")])
    def test_no_size(self, n, d, name):
        with pytest.raises(InvalidParameterError, match=f"`{name}` must be"):
            candidates(n, d)
