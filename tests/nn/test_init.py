"""tammes_ as one of torch.nn.init: shapes, lengths, dtypes, small cases, refusals."""

import math

import oracles
import pytest
import torch
from torch import nn

import tammes
from tammes.base.errors import InvalidParameterError
from tammes.nn.init import tammes_


@pytest.mark.parametrize("shape", [(4, 9), (10, 9), (12, 9), (18, 9), (4, 1, 3, 3), (5, 2, 2), (16, 4, 3, 3)])
@pytest.mark.parametrize("gain", [1.0, 0.5, 3])
def test_rows_are_far_apart_and_of_one_length(shape, gain):
    weight = torch.empty(shape)
    assert tammes_(weight, gain) is weight
    rows = weight.flatten(1).double()
    n, d = rows.shape
    assert torch.allclose(rows.norm(dim=1), torch.full((n,), float(gain), dtype=torch.float64), rtol=1e-6)
    cosine = -1.0 / (n - 1) if n <= d + 1 else 0.0  # simplex, orthoplex
    assert float(oracles.mpmath.cos(oracles.min_angle(rows.numpy()))) == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_every_dtype(dtype):
    weight = tammes_(torch.empty(5, 4, dtype=dtype))
    gram = weight.double() @ weight.double().T
    expected = torch.full((5, 5), -0.25, dtype=torch.float64).fill_diagonal_(1.0)
    assert torch.allclose(gram, expected, atol=4.0 * torch.finfo(dtype).eps)


def test_beyond_the_orthoplex():
    weight = tammes_(torch.empty(12, 3))
    assert float(oracles.min_angle(weight.double().numpy())) == pytest.approx(math.atan(2.0), abs=1e-6)


def test_the_same_seed_gives_the_same_bits():
    state = torch.get_rng_state()
    first, again, other = (tammes_(torch.empty(6, 8), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_layers_and_views_in_place():
    layer = torch.nn.Conv2d(3, 8, 3)
    tammes_(layer.weight)
    assert layer.weight.is_leaf
    assert layer.weight.requires_grad
    assert layer.weight.grad_fn is None
    storage = torch.zeros(9, 4)
    tammes_(storage.T)  # not contiguous
    assert torch.equal(storage.T, tammes_(torch.empty(4, 9)))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_rows_of_one_entry(n):
    assert tammes_(torch.empty(n, 1), 2.0).flatten().tolist() == [2.0, -2.0, 2.0, -2.0, 2.0][:n]


def test_one_row_is_a_direction():
    row = tammes_(torch.empty(1, 5), 2.0)
    assert row.norm().item() == pytest.approx(2.0)
    assert (row != 0.0).all()
    assert tammes_(torch.empty(1, 1)).item() == 1.0


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(4),
        torch.tensor(1.0),
        torch.empty(0, 3),
        torch.empty(3, 0),
        torch.ones(3, 4, dtype=torch.int64),
        torch.ones(3, 4, dtype=torch.complex64),
        torch.ones(3, 4, dtype=torch.float8_e5m2),
        torch.empty(3, 4, device="meta"),
        [[1.0, 2.0]],
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'shape', value)} {getattr(value, 'dtype', None)}",
)
def test_what_cannot_be_filled(tensor):
    with pytest.raises(InvalidParameterError, match="`tensor` must be"):
        tammes_(tensor)


@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf, True, "relu", 1e6])
def test_bad_gains(gain):
    with pytest.raises(InvalidParameterError, match="`gain` must be"):
        tammes_(torch.empty(3, 4, dtype=torch.float16), gain)


def test_bad_seeds_leave_the_tensor_alone():
    weight = torch.ones(1, 4)
    for seed in (-1, 0.5, True):
        with pytest.raises(InvalidParameterError, match="`seed` must be"):
            tammes_(weight, seed=seed)
    assert torch.equal(weight, torch.ones(1, 4))


def test_more_steps_give_a_larger_angle():
    few, more = (tammes_(torch.empty(80, 20, dtype=torch.float64), steps=steps) for steps in (1, 10))
    largest = [(weight @ weight.T - 2.0 * torch.eye(80)).max().item() for weight in (few, more)]
    assert largest[1] < largest[0] < 0.5


def test_without_steps_only_known_codes_are_used():
    weight = tammes_(torch.empty(600, 32, dtype=torch.float64), steps=0)
    assert (weight @ weight.T - 2.0 * torch.eye(600)).max().item() == pytest.approx(0.25, abs=1e-12)  # Gold's words
    assert torch.equal(tammes_(torch.empty(600, 32), steps=0), tammes_(torch.empty(600, 32), steps=0))
    with pytest.raises(InvalidParameterError, match="no code is at hand"):
        tammes_(torch.empty(2_000, 5), steps=0)


def test_the_package_offers_it():
    assert tammes.nn.init.tammes_ is tammes_
    assert "tammes_" in tammes.nn.init.__all__
    assert dir(tammes.nn) == list(tammes.nn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tammes.nn.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(3, 3).to_sparse(), "dense"),
        (torch.zeros(1, 3).expand(4, 3), "expanded view"),
        (nn.UninitializedParameter(), "uninitialised"),
    ],
    ids=["sparse", "expanded", "uninitialised"],
)
def test_tensors_that_cannot_be_filled(tensor, said):
    with pytest.raises(InvalidParameterError, match=said):
        tammes_(tensor)


def test_a_gain_that_would_round_to_zero():
    with pytest.raises(InvalidParameterError, match=r"gain.*float16"):
        tammes_(torch.empty(4, 3, dtype=torch.float16), gain=1e-8)
