"""The regularised layers of a model, each with its loss and its coefficient (Eq. 13)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from tammes.losses.loss import Loss
from tammes.losses.registry import get
from tammes.nn.selection import Layer, Layers

__all__ = ["DEAD", "LayerTerm", "layer_terms"]

DEAD = 1e-4
"""Rows not longer than this share of the longest row of their layer take no part."""


class LayerTerm(NamedTuple):
    """One summand of Eq. 13: `coef * loss(rows of the layer)`."""

    layer: Layer
    loss: Loss
    coef: float


def layer_terms(
    found: Layers,
    *,
    loss: str | Loss,
    output_loss: str | Loss | None,
    coef: float,
    output_coef: float | None,
    dead: float,
    options: Mapping[str, Any],
) -> tuple[LayerTerm, ...]:
    """Return the summands of Eq. 13, in the order of the layers; layers with the coefficient 0 are left out.

    Args:
        found: the chosen layers, and which of them are output layers.
        loss: name or loss of the hidden layers.
        output_loss: name or loss of the output layers; `loss` if None.
        coef: coefficient of the hidden layers.
        output_coef: coefficient of the output layers; `coef` if None.
        dead: see `DEAD`; a loss with a share of its own keeps it.
        options: arguments of a loss given by name.

    Raises:
        InvalidParameterError: if an option does not fit, or options are given and no loss by name.
        UnknownNameError: if the name of a loss is not known.
    """
    if output_loss is None:
        output_loss = loss
    if output_coef is None:
        output_coef = coef
    some_by_name = isinstance(loss, str) or isinstance(output_loss, str)

    def made(choice: str | Loss) -> Loss:
        # The options belong to the loss given by name. Where there is none, `get` refuses them.
        own_options = {} if some_by_name and isinstance(choice, Loss) else options
        return _with_dead(get(choice, **own_options), dead)

    hidden_term = made(loss), float(coef)
    output_term = made(output_loss), float(output_coef)
    terms = [LayerTerm(layer, *(output_term if layer.name in found.output else hidden_term)) for layer in found.chosen]
    return tuple(term for term in terms if term.coef)


def _with_dead(loss: Loss, dead: float) -> Loss:
    """Return the loss with this share for dead rows, unless it has its own."""
    return loss if loss.dead else dataclasses.replace(loss, dead=dead)
