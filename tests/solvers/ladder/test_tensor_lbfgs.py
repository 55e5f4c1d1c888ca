"""L-BFGS in tensors: a quadratic of known minimum, in both precisions, each start on its own."""

import math

import numpy as np
import pytest
import torch
from ladders import relaxed

from tammes.solvers.ladder import compiled
from tammes.solvers.ladder.tensor_forces import All, Forces
from tammes.solvers.ladder.tensor_lbfgs import LBFGS, Settings, Steps

SPECTRUM = (0.1, 0.4, 0.9, 1.3)
STEPS = Steps(first=0.05, longest=0.5, gradient_tol=1e-9, least_gain=0.0)


def quadratic(x, p):
    """f = sum of x_i' A x_i / 2 over rows, least at the eigenvector of the least eigenvalue of A."""
    image = x * torch.tensor(SPECTRUM, dtype=x.dtype)
    along = (x * image).sum(dim=-1, keepdim=True)
    one = x.new_ones(len(x))
    return Forces(0.5 * along.sum(dim=(1, 2)), image - along * x, one, one)


def starts(batch, n=9, dtype=torch.float64, seed=0):
    x = torch.randn(batch, n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=-1).to(dtype)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_quadratic_reaches_its_least_eigenvalue(dtype, within):
    climb = LBFGS(starts(3, dtype=dtype), quadratic)
    climb.minimise(1.0, 200, STEPS, None, lambda chord: None)
    assert climb.points.dtype is dtype
    assert quadratic(climb.points, 1.0).value.tolist() == pytest.approx([9 * 0.5 * SPECTRUM[0]] * 3, abs=within)
    assert float((climb.points.norm(dim=-1) - 1.0).abs().max()) < within
    if dtype is torch.float64:
        assert int(climb.taken.max()) < 60


def test_starts_do_not_depend_on_each_other():
    together = LBFGS(starts(4), quadratic)
    together.minimise(1.0, 7, STEPS, None, lambda chord: None)
    assert together.taken.tolist() == [7] * 4
    for k in range(4):
        alone = LBFGS(starts(4)[k : k + 1], quadratic)
        alone.minimise(1.0, 7, STEPS, None, lambda chord: None)
        assert torch.allclose(alone.points[0], together.points[k], rtol=0.0, atol=1e-12)


def test_the_memory_is_a_setting():
    few, many = (LBFGS(starts(1, 60), quadratic, Settings(memory=memory)) for memory in (1, 10))
    for climb in (few, many):
        climb.minimise(1.0, 500, STEPS, None, lambda chord: None)
        assert quadratic(climb.points, 1.0).value.item() == pytest.approx(60 * 0.5 * SPECTRUM[0], abs=1e-12)


def test_both_realisations_end_at_the_same_minimum_of_f_p():
    """From near one of its minima: six points, the octahedron."""
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    points = octahedron + 0.02 * np.random.default_rng(0).normal(size=(6, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    climb = LBFGS(torch.tensor(points)[None], All())
    climb.minimise(64.0, 200, STEPS, None, lambda chord: None)
    other = relaxed(points, (64.0,), chord_bound=math.sqrt(2.0), iterations=200, gradient_tol=1e-9).points
    edges_and_diameters = 12.0 + 3.0 * 2.0**-32  # squared chords 2 and 4
    least = math.log(edges_and_diameters) / 64.0 - 0.5 * math.log(2.0)
    for found in (climb.points[0].numpy(), other):
        assert compiled.soft_min(found, 64.0)[0] == pytest.approx(least, abs=1e-14)
