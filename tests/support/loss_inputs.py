"""Random weights, and gradients by autograd, for the tests of losses."""

import torch


def rows(*shape, dtype=torch.float64, seed=0):
    """Random rows of lengths between 1/2 and 3."""
    random = torch.Generator().manual_seed(seed)
    normal = torch.randn(*shape, dtype=torch.float64, generator=random)
    length = 0.5 + 2.5 * torch.rand(*shape[:-1], 1, dtype=torch.float64, generator=random)
    return (length * torch.nn.functional.normalize(normal, dim=-1)).to(dtype)


def grad_of(loss, weight):
    """Gradient by autograd, summed over the batch."""
    weight = weight.detach().clone().requires_grad_()
    loss(weight).sum().backward()
    return weight.grad
