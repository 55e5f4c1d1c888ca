"""The gradient of the regularisation term in optimisers of torch: updates without autograd's `.backward()`, hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_number

__all__ = [
    "accumulate_gradients_",
    "check_learning_rate",
    "check_no_closure",
    "check_optimizer",
    "descend_",
    "gradients",
    "parameters_of",
    "reshard",
]

Gradients = Iterable[tuple[nn.Parameter, Tensor]]


def parameters_of(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    """Return all parameters of an optimiser, group by group."""
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def reshard(model: nn.Module) -> None:
    """Put the sharded parameters of FSDP2 back in place of the gathered copies that a forward pass leaves."""
    for module in model.modules():
        if hasattr(module, "unshard") and callable(getattr(module, "reshard", None)):
            cast("Any", module).reshard()


def gradients(
    term_of: Callable[[], Tensor], leaves: Sequence[nn.Parameter]
) -> tuple[Tensor, list[tuple[nn.Parameter, Tensor]]]:
    """Return a term and its gradient with respect to the parameters that it depends on, without touching `.grad`.

    Args:
        term_of: computes the term, a scalar.
        leaves: parameters.

    Returns:
        The term, detached, and pairs of a parameter and its gradient.
    """
    with torch.inference_mode(False), torch.enable_grad():
        term = term_of()
    if not leaves or not term.requires_grad:
        return term.detach(), []
    found = torch.autograd.grad(term, leaves, allow_unused=True)
    pairs = [(leaf, gradient) for leaf, gradient in zip(leaves, found, strict=True) if gradient is not None]
    return term.detach(), pairs


@torch.no_grad()
def descend_(pairs: Gradients, rate: float) -> None:
    """Subtract `rate` times its gradient from each parameter."""
    for leaf, gradient in pairs:
        leaf.sub_(gradient.to(leaf.dtype), alpha=rate)


@torch.no_grad()
def accumulate_gradients_(pairs: Gradients, scale: float | Tensor) -> None:
    """Add `scale` times its gradient to the `.grad` of each parameter."""
    for leaf, gradient in pairs:
        addition = (gradient * scale).to(leaf.dtype)
        leaf.grad = addition if leaf.grad is None else leaf.grad.add_(addition)


def check_learning_rate(lr: float | Tensor) -> float:
    """Return the learning rate as a float, after checking that it is one finite number."""
    return check_number("lr", lr.item() if isinstance(lr, Tensor) and lr.numel() == 1 else lr)


def check_optimizer(optimizer: object) -> None:
    """Refuse what is no optimiser of torch, and LBFGS, which evaluates the loss by a closure."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InvalidParameterError("optimizer", "an optimiser of torch", type(optimizer).__name__)
    if isinstance(optimizer, torch.optim.LBFGS):
        raise _closure_refused(type(optimizer).__name__)


def check_no_closure(args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Refuse the arguments of a hook before a step (the optimiser first) if one of them is a closure."""
    if any(callable(argument) for argument in (*args[1:], *kwargs.values())):
        raise _closure_refused("a step with a closure")


def _closure_refused(found: str) -> InvalidParameterError:
    """Return the error for an optimiser or a step that evaluates the loss by a closure."""
    return InvalidParameterError(
        "optimizer",
        "one whose steps take no closure",
        found,
        "Add `reg()` to the loss inside the closure; in Lightning use "
        "tammes.nn.integrations.lightning.RegularizerCallback, with transformers' Trainer "
        "tammes.nn.integrations.transformers.RegularizerCallback.",
    )
