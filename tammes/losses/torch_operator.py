"""The operator `tammes::loss` of torch: value and gradient of a loss that is named by a string.

Operators take tensors, numbers and strings, not objects, so a loss is passed by its `key`, and `known_as` finds it
again. Compilers treat the operator as opaque, autocast does not change its precision, and its gradient is the one
that the loss computes. It is differentiable once; a second derivative raises an error.
"""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tammes.losses.loss import Loss

__all__ = ["apply_loss", "known_as", "register_class"]

_CLASSES: dict[str, type[Loss]] = {}


def register_class(kind: type[Loss]) -> None:
    """Make a class of losses known to `known_as` by its name."""
    _CLASSES[kind.__name__] = kind


@torch.library.custom_op("tammes::loss", mutates_args=())
def apply_loss(
    weight: Tensor,
    key: str,
    labels: Tensor | None,
    mask: Tensor | None,
    nearest: Tensor | None,
    seed: Tensor | None,
    active: Tensor | None,
    factor: float,
) -> tuple[Tensor, Tensor]:
    """Return value and gradient of the loss that `key` names; zeros if `active` is false.

    Arguments as for `Loss.value_and_grad`; `seed` and `active` are tensors on the CPU.
    """
    if active is not None and not active.item():
        return weight.new_zeros(weight.shape[:-2]), weight.new_zeros(weight.shape)
    number = None if seed is None else int(seed.item())
    return known_as(key).value_and_grad(weight, labels=labels, mask=mask, nearest=nearest, seed=number, factor=factor)


@functools.lru_cache(maxsize=256)
def known_as(key: str) -> Loss:
    """Return the loss that a `Loss.key` such as `MMA(antipodal=False, reduction='mean')` stands for."""
    call = ast.parse(key, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    return _CLASSES[call.func.id](**{str(option.arg): ast.literal_eval(option.value) for option in call.keywords})


@apply_loss.register_fake
def _shapes(
    weight: Tensor,
    key: str,  # noqa: ARG001
    labels: Tensor | None,  # noqa: ARG001
    mask: Tensor | None,  # noqa: ARG001
    nearest: Tensor | None,  # noqa: ARG001
    seed: Tensor | None,  # noqa: ARG001
    active: Tensor | None,  # noqa: ARG001
    factor: float,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """Return empty outputs of the right shapes, for compilers."""
    return weight.new_empty(weight.shape[:-2]), weight.new_empty(weight.shape)


def _save_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ARG001
    """Save the gradient for the backward pass."""
    ctx.save_for_backward(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, upstream: Tensor | None, second: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients of the arguments: the saved one for the weight, None for all others."""
    if second is not None:
        raise RuntimeError("The losses of tammes are differentiable once; their gradient has no gradient.")
    (grad,) = ctx.saved_tensors
    product = None if upstream is None else _product(upstream, grad)
    return product, None, None, None, None, None, None, None


def _product(upstream: Tensor, grad: Tensor) -> Tensor:
    """Return `upstream * grad`, without a pass over the weight where the factor is one, as in `criterion + reg()`."""
    # Reading the value of a GPU tensor, a subclass or a traced tensor would cost more than the product.
    readable = type(upstream) is Tensor and upstream.device.type == "cpu" and upstream.ndim == 0
    if readable and not torch.is_grad_enabled() and upstream.item() == 1.0:
        return grad
    return upstream[..., None, None] * grad


apply_loss.register_autograd(_backward, setup_context=_save_gradient)
