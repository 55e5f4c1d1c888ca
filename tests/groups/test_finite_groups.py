"""Groups from generators: all elements, closed, orthogonal."""

import math

import numpy as np
import pytest
from group_actions import same_sets

from tammes.base.errors import InvalidParameterError
from tammes.groups.finite_groups import generate


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
