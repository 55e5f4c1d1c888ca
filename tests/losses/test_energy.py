"""Losses over all pairs: against the naive form, tile by tile, close pairs and close antipodes."""

import numpy as np
import oracles
import pytest
import torch
from loss_inputs import grad_of, rows

from tammes import losses

ENERGIES = [losses.RieszFisher(), losses.RieszFisher(1.0), losses.Logarithmic(), losses.Orthogonal()]
every_energy = pytest.mark.parametrize("loss", ENERGIES, ids=repr)
POTENTIAL = {
    "riesz-fisher": lambda q, s: q ** (-s / 2),
    "logarithmic": lambda q, s: -0.5 * torch.log(q),
    "orthogonal": lambda q, s: (1 - q / 2) ** 2,
}


def naive(weight, loss):
    """The form with all squared chords in autograd."""
    unit = torch.nn.functional.normalize(weight, dim=-1)
    n = len(weight)
    q = (2.0 - 2.0 * unit @ unit.mT)[~torch.eye(n, dtype=torch.bool)]
    return POTENTIAL[loss.name](q, getattr(loss, "s", 0.0)).mean()


@every_energy
@pytest.mark.parametrize("shape", [(30, 3), (64, 576), (300, 500)])
@pytest.mark.parametrize("block_size", [None, 1000])
def test_gradients_are_those_of_the_naive_form(loss, shape, block_size):
    weight = rows(*shape)
    tiled = losses.get(loss.name, getattr(loss, "s", 2.0), block_size=block_size)
    found, expected = grad_of(tiled, weight), grad_of(lambda w: naive(w, loss), weight)
    largest = expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-12 * largest)
    single = grad_of(tiled, weight.float()).double()
    torch.testing.assert_close(single, expected, rtol=0.0, atol=1e-5 * largest)


@every_energy
@pytest.mark.parametrize("antipodal", [False, True])
def test_close_pairs_within_and_across_tiles(loss, antipodal):
    """Copies and antipodes closer than 2 - 2 cos resolves."""
    points = oracles.random_code(40, 3)
    for k, sign in ((1, 1.0), (20, -1.0), (39, 1.0)):
        points[k] = sign * oracles.normalized(points[[0]] + 1e-5 * k * points[[k]])[0]
    whole = losses.get(loss.name, getattr(loss, "s", 2.0), antipodal=antipodal)
    tiled = losses.get(loss.name, getattr(loss, "s", 2.0), antipodal=antipodal, block_size=100)
    weight = torch.from_numpy(points)
    expected = oracles.loss_with_options(loss.name, points, getattr(loss, "s", 2.0), antipodal=antipodal)
    values, grads = zip(whole.value_and_grad(weight), tiled.value_and_grad(weight), strict=True)
    for value in values:
        assert value.item() == pytest.approx(float(expected), rel=1e-10)  # coordinates end at 1e-16 / 1e-5
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-9, atol=1e-12 * grads[0].abs().max().item())


def test_orthogonality_is_the_squared_frobenius_norm():
    weight = rows(9, 5)
    unit = torch.nn.functional.normalize(weight, dim=-1)
    expected = torch.linalg.matrix_norm(unit @ unit.mT - torch.eye(9)) ** 2
    assert losses.orthogonal(weight, reduction="sum").item() == pytest.approx(expected.item(), rel=1e-13)


def test_orthogonality_is_least_at_right_angles():
    value, grad = losses.Orthogonal().value_and_grad(torch.eye(6, dtype=torch.float64))
    assert value == 0.0
    assert not grad.any()


@pytest.mark.slow
def test_a_layer_of_copies_has_a_finite_loss_and_gradient():
    weight = rows(1, 70, dtype=torch.float32).expand(300, 70).clone()
    for loss in ENERGIES:
        value, grad = loss.value_and_grad(weight)
        assert value.isfinite()
        assert grad.isfinite().all()


@pytest.mark.parametrize("s", [2, np.float64(2.0), np.float32(2.0)])
def test_numbers_of_numpy_are_exponents(s):
    assert losses.riesz_fisher(rows(5, 3), s).item() == losses.riesz_fisher(rows(5, 3), 2.0).item()
