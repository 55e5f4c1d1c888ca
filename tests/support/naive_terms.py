"""The regularisation term from all cosines by autograd, and comparisons of gradients by name."""

import copy

import torch
from torch import nn
from two_processes import COEF


def naive_mma(rows):
    """Return `-(1/n) sum_i min_j theta_ij`, differentiable through the matrix of all cosines."""
    unit = nn.functional.normalize(rows.flatten(1), dim=1)
    cosines = unit @ unit.T - 4.0 * torch.eye(len(unit), dtype=unit.dtype)
    return -cosines.amax(dim=1).acos().mean()


def naive_term(model, coef=COEF):
    return coef * sum(naive_mma(layer.weight) for layer in model.modules() if isinstance(layer, nn.Linear))


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(found, expected, rtol=1e-10, atol=1e-12):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=rtol, atol=atol, msg=lambda text, at=name: f"{at}: {text}")


def of_the_term(model, term):
    """Return the gradients of a term alone, by name, in float64."""
    model.zero_grad()
    term.backward()
    return {name: grad.double() for name, grad in gradients(model).items()}


def naive_gradients(model):
    """Return the gradients of the naive term of a float64 copy of the model, by name."""
    model = copy.deepcopy(model).double()
    return of_the_term(model, naive_term(model))
