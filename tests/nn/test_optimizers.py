"""Gradients of a term in optimisers: autograd's own gradients, updates in place, refused closures."""

import pytest
import torch
from torch import nn

from tammes.base.errors import InvalidParameterError
from tammes.nn import optimizers


@pytest.fixture
def leaf():
    return nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_gradients_in_every_mode_leave_grad_alone(leaf, mode):
    other = nn.Parameter(torch.ones(2))
    with mode():
        term, pairs = optimizers.gradients(lambda: leaf.square().sum(), [leaf, other])
    assert (term.item(), term.requires_grad) == (14.0, False)
    assert [parameter is leaf for parameter, _ in pairs] == [True]  # the term does not depend on the other
    assert pairs[0][1].tolist() == [2.0, -4.0, 6.0]
    assert leaf.grad is None


def test_a_constant_term_has_no_gradients(leaf):
    term, pairs = optimizers.gradients(lambda: torch.tensor(3.0), [leaf])
    assert (term.item(), pairs) == (3.0, [])


def test_updates_are_in_place(leaf):
    optimizers.descend_([(leaf, torch.ones(3))], 0.5)
    assert leaf.tolist() == [0.5, -2.5, 2.5]
    for _ in range(2):
        optimizers.accumulate_gradients_([(leaf, torch.ones(3))], torch.tensor(2.0))
    assert leaf.grad.tolist() == [4.0] * 3
    assert leaf.grad.dtype == leaf.dtype


def test_parameters_of_all_groups(leaf):
    other = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([{"params": [leaf]}, {"params": [other]}], lr=0.1)
    assert [id(parameter) for parameter in optimizers.parameters_of(optimizer)] == [id(leaf), id(other)]


@pytest.mark.parametrize("lr", [0.5, 1, torch.tensor(0.5), torch.tensor([0.25])])
def test_learning_rates_are_numbers_or_tensors_of_one(lr):
    assert optimizers.check_learning_rate(lr) == float(lr)


@pytest.mark.parametrize("lr", ["a", None, True, float("nan"), torch.ones(2)], ids=str)
def test_other_learning_rates_are_refused(lr):
    with pytest.raises(InvalidParameterError, match="`lr` must be a finite number"):
        optimizers.check_learning_rate(lr)


def test_closures_are_found_among_the_arguments_of_a_step(leaf):
    optimizer = torch.optim.SGD([leaf], lr=0.1)
    optimizers.check_no_closure((optimizer,), {"closure": None})
    for args, kwargs in (((optimizer, float), {}), ((optimizer,), {"closure": float})):
        with pytest.raises(InvalidParameterError, match=r"tammes\.nn\.integrations\.lightning"):
            optimizers.check_no_closure(args, kwargs)


def test_the_error_for_closures_names_modules_that_exist(leaf):
    with pytest.raises(InvalidParameterError) as caught:
        optimizers.check_optimizer(torch.optim.LBFGS([leaf]))
    from importlib.util import find_spec

    for name in ("lightning", "transformers"):
        assert f"tammes.nn.integrations.{name}.RegularizerCallback" in str(caught.value)
        assert find_spec(f"tammes.nn.integrations.{name}") is not None
