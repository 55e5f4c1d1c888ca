"""The losses that the paper compares, on a network: `coef` times that of all hidden layers, the output, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from benchmarks.paper.config import Arm
from tammes import losses
from tammes.base.errors import InvalidParameterError
from tammes.losses import Loss
from tammes.nn import Regularizer, presets

__all__ = ["judge", "loss_of", "regulariser"]


def loss_of(arm: Arm) -> Loss:
    """The loss of an arm, on its share of the rows.

    Of all angles MMA and cosine take those to the nearest row (Eqs. 6, 5), MHE the energies of Eqs. 9 and 11,
    and orthogonal `|X X^T - I|^2` of the unit rows, which is a sum, not a mean; Eq. 14 itself could not be read.
    """
    sample = arm.sample if arm.sample < 1.0 else None
    if arm.loss == "orthogonal":
        return losses.Orthogonal(reduction=presets.preset("orthogonal_paper")["loss"].reduction, sample=sample)
    kinds: Mapping[str, Any] = {
        "mma": losses.MMA,
        "cosine": losses.Cosine,
        "mhe-0": losses.Logarithmic,
        "mhe-2": lambda **options: losses.RieszFisher(2.0, **options),
    }
    if arm.loss not in kinds:
        raise InvalidParameterError("loss", f"one of: {', '.join([*kinds, 'orthogonal'])}", arm.loss)
    return kinds[arm.loss](sample=sample)  # type: ignore[no-any-return]


def regulariser(model: nn.Module, arm: Arm, *, seed: int = 0, refresh_every: int = 1) -> Regularizer | None:
    """The term of Eq. 13 (of Eq. 15, on the class vectors of a margin head); None for the baseline.

    Args:
        model: the bare network.
        arm: the loss, its coefficient and its place.
        seed: of the rows that a step takes, where it takes a share of them.
        refresh_every: steps between two looks for the nearest rows; of losses that look for them.
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


def judge(model: nn.Module) -> Regularizer:
    """What measures the angles of all layers, whatever the network is trained with: only its `report` is used."""
    return Regularizer(model, "mma", 1.0)
