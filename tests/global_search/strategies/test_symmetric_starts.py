"""Symmetric starts: the right number of points, on the sphere, carried onto themselves."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tammes.base.errors import InvalidParameterError
from tammes.global_search.problem import Problem
from tammes.global_search.strategies.symmetric_starts import changed, groups_for, symmetric_start


@pytest.mark.parametrize(("n", "d"), [(3_000, 3), (3_001, 3), (3_602, 3), (4_000, 4), (3_500, 5)])
def test_a_start_is_symmetric(n, d):
    groups = groups_for(Problem(n, d))
    assert 1 <= len(groups) <= 8
    for k, group in enumerate(groups[:4]):
        points, images = symmetric_start(group, n, np.random.default_rng(k))
        assert points.shape == (n, d)
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-13)
        free = n - len(images.representative)
        assert free < 0.45 * n
        assert images.sizes(free).sum() == n
        np.testing.assert_allclose(np.linalg.det(group.matrices), 1.0, atol=1e-9)
        tree = cKDTree(points)
        for element in group.matrices[:: max(1, group.order // 5)]:
            gaps, places = tree.query(points @ element.T)
            assert gaps.max() < 1e-9
            assert len(set(places.tolist())) == n


@pytest.mark.parametrize(("n", "d"), [(3_000, 3), (4_000, 4), (3_500, 5)])
def test_pairs_are_kept_by_every_group(n, d):
    groups = groups_for(Problem(n, d, antipodal=True))
    assert groups[-1].name == "antipodal"
    assert len(groups) > 3
    for group in groups:
        assert np.isclose(group.matrices, -np.eye(d)).all(axis=(1, 2)).any()
        points, _ = symmetric_start(group, n, np.random.default_rng(1))
        assert points.shape == (n, d)
        gaps, _ = cKDTree(points).query(-points)
        assert gaps.max() < 1e-9


def test_what_was_prescribed_is_all_there_is():
    assert groups_for(Problem(3_000, 3, symmetry="none")) == []
    assert [group.name for group in groups_for(Problem(3_000, 3, symmetry="C5"))] == ["C5"]
    with pytest.raises(InvalidParameterError, match="`symmetry` must be a group whose orbits can add up to n = 3004"):
        groups_for(Problem(3_004, 3, symmetry="I"))


def test_the_generator_is_the_only_chance():
    group = groups_for(Problem(3_000, 3))[0]
    one, two, other = (symmetric_start(group, 3_000, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert (one == two).all()
    assert not np.allclose(one, other)


@pytest.mark.slow
def test_a_change_keeps_the_symmetry_and_the_points_on_axes():
    for group in groups_for(Problem(3_002, 3))[:4]:
        points, images = symmetric_start(group, 3_002, np.random.default_rng(0))
        free = 3_002 - len(images.representative)
        regions = []
        for seed in range(12):
            moved = changed(group, points, images, 0.06, np.random.default_rng(seed))
            assert moved.shape == points.shape
            np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-13)
            np.testing.assert_allclose(
                moved[free:], np.einsum("kab,kb->ka", images.transforms, moved[images.representative]), atol=1e-15
            )
            on_axes = images.sizes(free) < group.order
            assert (moved[:free][on_axes] == points[:free][on_axes]).all()
            regions.append((moved[:free] != points[:free]).any(axis=1).sum())
        assert min(regions) < 0.5 * free
        assert max(regions) > 12
