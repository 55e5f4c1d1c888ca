"""Torch's pair geometry against the judge's: one formula, two realisations."""

import math

import numpy as np
import pytest
import torch

from tammes import geometry, losses, pairs


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


@pytest.mark.parametrize("theta", [1e-8, 1e-3, 1.0, math.pi / 2, 3.0, math.pi - 1e-8])
def test_tangents_are_those_of_the_judge(theta):
    u = np.array([[0.6, 0.8, 0.0]])
    v = math.cos(theta) * u + math.sin(theta) * np.array([[0.0, 0.0, 1.0]])
    angle, toward, back = pairs.pair_tangents(torch.from_numpy(u), torch.from_numpy(v), None, torch.tensor([0]), 1)
    expected = geometry.pair_tangents(u, v)
    assert float(angle[0]) == pytest.approx(float(geometry.angle(u, v)[0]), rel=4e-16)
    assert np.abs(toward.numpy() - expected[0]).max() < 1e-15
    assert np.abs(back.numpy() - expected[1]).max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block_size", [None, 1000, 7])
def test_nearest_rows_are_those_of_the_judge(dtype, block_size):
    points = np.stack([rows(60, 3, seed) for seed in range(2)])
    found = pairs.nearest_rows(torch.from_numpy(points), dtype, block_size)
    for k in range(2):
        assert (found[k].numpy() == geometry.nearest_neighbours(points[k])[1]).all()


def test_copies_part_along_fixed_opposite_tangents():
    u = torch.from_numpy(np.repeat(np.eye(5)[:1], 2, axis=0))
    index = torch.tensor([1, 0])
    theta, toward, back = pairs.pair_tangents(u, u[index], None, index, 2)
    assert theta.tolist() == [0.0, 0.0]
    assert torch.equal(toward, -back)
    assert toward[0].tolist() == pytest.approx((-toward[1]).tolist())
    assert toward.norm(dim=-1).tolist() == pytest.approx([1.0, 1.0])
    assert (toward * u).sum(dim=-1).abs().max() < 1e-15


def test_unit_rows_are_float64_and_batched():
    unit, norm = pairs.unit_rows(torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.float16))
    assert unit.dtype == torch.float64
    assert unit.shape == (1, 2, 2)
    assert unit[0, 0].tolist() == pytest.approx([0.6, 0.8])
    assert norm.flatten().tolist() == [5.0, 2.0]


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_path_of_gpus_gives_the_same_on_a_cpu(name, monkeypatch):
    """Where a GPU would not wait for a test's outcome it does the work unasked: the result is the same."""
    weight = torch.from_numpy(np.stack([rows(40, 3), rows(40, 3, 1)]))
    weight[0, 7] = weight[0, 3]  # copies
    weight[1, 5] = weight[1, 6] + 1e-3  # a close pair
    expected = losses.get(name).value_and_grad(weight)
    for module in (pairs, losses):
        monkeypatch.setattr(module, "on_gpu", lambda _: True)
    found = losses.get(name).value_and_grad(weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "few"), [((8, 30, 3), True), ((1, 5000, 4), False)])
def test_small_weights_are_given_one_thread_and_the_others_back(shape, few):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pairs.few_threads(torch.ones(shape)):
            assert torch.get_num_threads() == (1 if few else 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
