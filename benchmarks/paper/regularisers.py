"""The losses that the paper compares, as regularisation terms of a network's hidden layers, output layer, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from benchmarks.paper.config import Arm
from tammes import losses
from tammes.base.validation import check_name
from tammes.losses import Loss
from tammes.nn import Regularizer, presets

__all__ = ["loss_of", "monitor", "regulariser"]


def loss_of(arm: Arm) -> Loss:
    """Return the loss of an arm, on its share of the rows.

    Of all angles MMA and cosine take those to the nearest row (Eqs. 6, 5), MHE the energies of Eqs. 9 and 11,
    and orthogonal `|X X^T - I|^2` of the unit rows, which is a sum, not a mean; Eq. 14 itself could not be read.
    """
    sample = arm.sample if arm.sample < 1.0 else None
    reduction = presets.preset("orthogonal_paper")["loss"].reduction
    kinds: Mapping[str, Any] = {
        "mma": losses.MMA,
        "cosine": losses.Cosine,
        "mhe-0": losses.Logarithmic,
        "mhe-2": lambda **options: losses.RieszFisher(2.0, **options),
        "orthogonal": lambda **options: losses.Orthogonal(reduction=reduction, **options),
    }
    return kinds[check_name("loss", arm.loss, kinds)](sample=sample)  # type: ignore[no-any-return]


def regulariser(model: nn.Module, arm: Arm, *, seed: int = 0, refresh_every: int = 1) -> Regularizer | None:
    """Return the term of Eq. 13 (of Eq. 15, on the class vectors of a margin head); None for the baseline.

    Args:
        model: the network without wrappers.
        arm: the loss, its coefficient and its place.
        seed: of the sample of rows, for an arm that samples them.
        refresh_every: steps between two searches for the nearest rows, for losses that need them.
    """
    if arm.loss == "none":
        return None
    found = loss_of(arm)
    return Regularizer(
        model,
        found,
        arm.coef if arm.place != "output" else 0.0,
        output_coef=arm.coef if arm.place != "hidden" else 0.0,
        seed=seed,
        refresh_every=refresh_every if arm.loss in {"mma", "cosine"} else 1,
    )


def monitor(model: nn.Module) -> Regularizer:
    """Return a regularizer over all layers that measures their angles; its loss is never used, only its `report`."""
    return Regularizer(model, "mma", 1.0)
