"""Weights and gradients by autograd for the tests of losses."""

import torch


def rows(*shape, dtype=torch.float64, seed=0):
    """Return random rows of lengths between 1/2 and 3."""
    random = torch.Generator().manual_seed(seed)
    normal = torch.randn(*shape, dtype=torch.float64, generator=random)
    length = 0.5 + 2.5 * torch.rand(*shape[:-1], 1, dtype=torch.float64, generator=random)
    return (length * torch.nn.functional.normalize(normal, dim=-1)).to(dtype)


def grad_of(loss, weight):
    """Return the gradient by autograd of the sum over the batch."""
    weight = weight.detach().clone().requires_grad_()
    loss(weight).sum().backward()
    return weight.grad


def padded(weight, numbers=1 << 16):
    """Return the rows with so many zero columns that the weight has at least that many numbers.

    Zero columns change no angle. Weights below float64 with at least 2^15 numbers are computed by another path.
    """
    columns = -(-numbers // weight.shape[-2])
    return torch.nn.functional.pad(weight, (0, columns - weight.shape[-1]))
