"""Neighbour lists in tensors: every neighbour and no other; forces as the compiled ones, while points move."""

import math

import numpy as np
import pytest
import torch

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import min_angle
from tammes.constructions.spread import equal_area, fibonacci
from tammes.solvers.ladder import compiled
from tammes.solvers.ladder import many_points as large
from tammes.solvers.ladder import tensor_lists as neighbourhoods
from tammes.solvers.ladder.fused import Fused
from tammes.solvers.ladder.tensor import descend
from tammes.solvers.ladder.tensor_lists import Neighbourhoods, neighbours_within


def random(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def forces(points, p, spacing, **more):
    found = Neighbourhoods(spacing, **more)(torch.tensor(points)[None], p)
    return found.value.item(), found.grad[0].numpy()


@pytest.mark.parametrize("meetings", [None, 1, 50, 700])
@pytest.mark.parametrize(("n", "d", "reach"), [(2, 3, 0.5), (60, 2, 0.3), (150, 3, 0.4), (90, 5, 0.9), (40, 3, 2.5)])
def test_lists_hold_every_neighbour_once(n, d, reach, meetings):
    points = random(n, d)
    lists = neighbours_within(torch.tensor(points), reach, meetings).numpy()
    assert lists.shape[0] == n
    for i, row in enumerate(lists.tolist()):
        wanted = {j for j in range(n) if j != i and math.dist(points[i], points[j]) <= reach}
        found = [j for j in row if j != i]
        assert len(found) == len(set(found))
        assert set(found) == wanted


@pytest.mark.parametrize(("n", "d", "reach"), [(1_000, 3, 0.02), (1_000, 3, 0.5), (800, 5, 0.4)])
def test_no_block_is_larger_than_was_allowed(n, d, reach):
    sizes = []

    class Sizes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            found = function(*arguments, **(keywords or {}))
            if isinstance(found, torch.Tensor) and found.dtype == torch.bool and found.ndim == 2:
                sizes.append(found.numel())
            return found

    with Sizes():
        neighbours_within(torch.tensor(random(n, d)), reach, 20_000)
    assert sizes
    assert max(sizes) <= 20_000


def test_points_of_one_height_are_told_apart():
    turn = 2.0 * np.pi * np.arange(40) / 40
    points = np.stack([np.zeros(40), np.cos(turn), np.sin(turn)], axis=1)
    lists = neighbours_within(torch.tensor(points), 1.5 * 2.0 * np.sin(np.pi / 40)).numpy()
    assert {frozenset(row) for row in lists.tolist()} == {frozenset([(k - 1) % 40, (k + 1) % 40]) for k in range(40)}


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("p", [2.0, 16.0, 64.0, 4096.0])
def test_value_and_gradient_are_those_of_the_compiled_form(d, p):
    points = random(160, d, seed=d)
    spacing = 2.5 * 160 ** (-1 / (d - 1))
    value, gradient = forces(points, p, spacing, pairs=1_000)
    other, other_gradient = large.forces(points, p, chord_bound=spacing)
    assert value == pytest.approx(other, rel=1e-12)
    np.testing.assert_allclose(gradient, other_gradient, rtol=0, atol=1e-10 * np.abs(other_gradient).max())


def test_where_nothing_fades_they_are_the_forces_of_all_pairs():
    points = random(200, 3)
    value, gradient = forces(points, 256.0, 3.0 / math.sqrt(200))
    dense, dense_gradient = compiled.soft_min(points, 256.0)
    assert value == pytest.approx(dense, rel=1e-13)
    np.testing.assert_allclose(gradient, dense_gradient, rtol=0, atol=1e-12 * np.abs(dense_gradient).max())


@pytest.mark.parametrize("p", [4.0, 64.0])
def test_the_kernel_as_traced_has_the_same_numbers(p, monkeypatch):
    for name, function in (("_FADING", neighbourhoods._listed), ("_FULL", neighbourhoods._listed_in_full)):
        monkeypatch.setattr(neighbourhoods, name, Fused(function, backend="eager"))
    points, spacing = fibonacci(150), 3.8 / math.sqrt(150)
    value, gradient = forces(points, p, spacing, fused=True, pairs=500)
    other, other_gradient = forces(points, p, spacing, fused=False)
    assert neighbourhoods._FADING.failure is neighbourhoods._FULL.failure is None
    assert value == pytest.approx(other, rel=1e-13)
    np.testing.assert_allclose(gradient, other_gradient, rtol=0, atol=1e-12 * np.abs(other_gradient).max())
    torch.compiler.reset()


def test_lists_are_kept_while_points_move_little_and_made_anew_before_they_are_wrong():
    points, spacing, p = fibonacci(300), 3.8 / math.sqrt(300), 8.0
    moving = Neighbourhoods(spacing)
    made = []
    rng = np.random.default_rng(0)
    for _ in range(12):
        points = points + 0.03 * spacing * rng.normal(size=points.shape)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        found = moving(torch.tensor(points)[None], p)
        value, gradient = forces(points, p, spacing)  # with lists of its own
        assert found.value.item() == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(found.grad[0].numpy(), gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
        made.append(moving.made)
    assert 1 < made[-1] < 12
    moving(torch.tensor(points)[None], 16.0)  # another reach
    assert moving.made == made[-1] + 1


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(2_100, 3), (400, 4)])
def test_a_ladder_over_lists_reaches_what_the_compiled_one_does(n, d):
    points = fibonacci(n) if d == 3 else equal_area(n, d)
    spacing = {3: 3.8093 / math.sqrt(n), 4: 2.0 * (3.7 / n) ** (1 / 3)}[d]
    climbed = descend(points, exponents=(8.0, 64.0, 512.0), iterations=40, forces=Neighbourhoods(spacing))
    compiled = large.ManyPointsLadder((8.0, 64.0, 512.0), iterations=40, chord_bound=spacing)
    other = 2.0 * math.sin(0.5 * compiled.run(points[None]).angles[0])
    assert climbed.chords[0] / spacing > other / spacing - 0.015
    assert 2.0 * math.sin(0.5 * min_angle(climbed.points[0])) == pytest.approx(climbed.chords[0], rel=1e-12)
    np.testing.assert_allclose(np.linalg.norm(climbed.points[0], axis=1), 1.0, rtol=0, atol=1e-14)


def test_a_batch_is_refused():
    with pytest.raises(InvalidParameterError, match="one start"):
        Neighbourhoods(0.3)(torch.tensor(np.stack([random(20, 3)] * 2)), 8.0)
