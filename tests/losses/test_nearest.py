"""Losses over the nearest row: large float32 weights, given nearest rows, near-copies that separate."""

import math

import numpy as np
import oracles
import pytest
import torch
from loss_inputs import grad_of, padded, rows

from tammes import losses
from tammes.base import geometry
from tammes.losses.nearest import are_row_numbers

nearest_losses = pytest.mark.parametrize("loss", [losses.MMA(), losses.Cosine()], ids=lambda loss: loss.name)


def naive(weight, phi):
    """The form with the whole cosine matrix in autograd, as it is usually written, without its clamp."""
    unit = torch.nn.functional.normalize(weight, dim=-1)
    cosines = (unit @ unit.mT).fill_diagonal_(-2.0)
    return phi(cosines.amax(dim=-1)).mean()


NAIVE = {"mma": lambda c: -torch.acos(c), "cosine": lambda c: c}


@pytest.mark.slow
@nearest_losses
@pytest.mark.parametrize("shape", [(30, 3), (64, 576), (200, 70)])
@pytest.mark.parametrize("block_size", [None, 1000])
def test_gradients_are_those_of_the_naive_form(loss, shape, block_size):
    weight = rows(*shape)
    found = grad_of(type(loss)(block_size=block_size), weight)
    expected = grad_of(lambda w: naive(w, NAIVE[loss.name]), weight)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-12 * expected.abs().max().item())
    single = grad_of(type(loss)(block_size=block_size), weight.float()).double()
    torch.testing.assert_close(single, expected, rtol=0.0, atol=3e-6 * expected.abs().max().item())


@pytest.mark.parametrize("d", [64, 500])
@pytest.mark.parametrize("theta", [1e-6, 1e-4, 0.01, 0.13, 0.15, 1.0, 2.9, 3.0, 3.05, math.pi - 1e-5])
def test_one_pair_in_many_dimensions_in_single_precision(d, theta):
    """|g| |w| = 1 along the great circle (Eq. 8), on both sides of where the half-angle form takes over."""
    frame = torch.linalg.qr(rows(d, 2, seed=d))[0].mT
    weight = torch.stack([0.5 * frame[0], 3.0 * (math.cos(theta) * frame[0] + math.sin(theta) * frame[1])]).float()
    grad = grad_of(losses.mma, padded(weight)).double().numpy()
    assert not grad[:, d:].any()
    x, y = weight.double().numpy()
    for got, exact in zip(
        grad[:, :d], (oracles.pair_gradient("mma", x, y), oracles.pair_gradient("mma", y, x)), strict=True
    ):
        assert np.linalg.norm(got - exact) <= 1e-3 * np.linalg.norm(exact)


@nearest_losses
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("antipodal", [False, True])
def test_nearest_rows_are_those_of_the_oracle(loss, dtype, antipodal):
    weight = rows(20, 5, dtype=dtype)
    found = type(loss)(antipodal=antipodal).nearest(weight)
    theta = oracles.angle_matrix(weight.double().numpy())
    for i in range(20):
        others = [j for j in range(20) if j != i]
        distance = {j: min(theta[i][j], oracles.mpmath.pi - theta[i][j]) if antipodal else theta[i][j] for j in others}
        assert found[i] == min(others, key=distance.get)


@nearest_losses
@pytest.mark.parametrize("d", [4, 70])
def test_with_given_nearest_rows_the_loss_is_that_of_those_pairs(loss, d):
    weight = rows(30, d)
    nearest = loss.nearest(weight)
    torch.testing.assert_close(
        loss.value_and_grad(weight, nearest=nearest), loss.value_and_grad(weight), rtol=1e-14, atol=1e-16
    )
    other = nearest.roll(1)
    other[other == torch.arange(30)] = -1  # none
    some = (other >= 0).nonzero()[:, 0].tolist()
    angles = [oracles.angle(weight[i].numpy(), weight[other[i]].numpy()) for i in some]
    expected = {"mma": -sum(angles), "cosine": sum(oracles.mpmath.cos(a) for a in angles)}[loss.name] / len(some)
    assert loss(weight, nearest=other).item() == pytest.approx(float(expected), rel=1e-14)


@nearest_losses
def test_nearest_rows_that_take_no_part_count_as_none(loss):
    weight = rows(6, 3)
    weight[2] = 0.0
    nearest = torch.tensor([2, 0, 0, 1, 3, 2])
    # The same pairs among rows 0, 1, 3, 4, 5, without those of rows 0 and 5, whose nearest row is the zero row.
    expected = loss(weight[[0, 1, 3, 4, 5]], nearest=torch.tensor([-1, 0, 1, 2, -1]))
    assert torch.equal(loss(weight, nearest=nearest), expected)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [1e-3, 0.0])
def test_near_copies_and_exact_copies_separate(noise):
    """64 rows of which 32 are copies: a clamped arccos leaves them at 0.03 degrees."""
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 64, generator=random)
    weight[32:] = weight[:32] + noise * torch.randn(32, 64, generator=random)
    weight.requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 1.0 if step < 1000 else 0.1
        optimizer.zero_grad()
        losses.mma(weight).backward()
        optimizer.step()
    points = geometry.as_points(weight.detach().double().numpy(), normalize=True)
    assert math.degrees(geometry.min_angle(points)) > 86.0


@pytest.mark.slow
def test_a_layer_of_copies_has_a_finite_gradient_without_zero_rows():
    weight = rows(1, 70, dtype=torch.float32).expand(1500, 70).clone()
    value, grad = losses.MMA().value_and_grad(weight)
    assert value == 0.0
    assert grad.isfinite().all()
    assert grad.norm(dim=-1).min() > 0.0


@pytest.mark.parametrize(
    ("nearest", "expected"),
    [
        (torch.tensor([1, 0, -1]), True),
        (torch.tensor([-2, -2]), True),
        (torch.zeros(2, 0, dtype=torch.long), True),
        (torch.tensor([1, 2]), False),
        (torch.tensor([-3, 0]), False),
        (torch.tensor([1.0, 0.0]), False),
        (torch.tensor(0), False),
        ([1, 0], False),
    ],
)
def test_which_tensors_may_be_nearest_rows(nearest, expected):
    assert are_row_numbers(nearest) is expected
