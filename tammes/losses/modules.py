"""The losses as modules: `losses.MMALoss()(weight)`, or a `weight_regularizer` of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from tammes.losses.energy import Logarithmic, Orthogonal, RieszFisher
from tammes.losses.loss import Loss
from tammes.losses.nearest import MMA, Cosine

__all__ = ["CosineLoss", "LogarithmicLoss", "MMALoss", "OrthogonalLoss", "RieszFisherLoss"]


class _LossModule(torch.nn.Module):
    """A module without parameters whose `forward` takes rows `(..., n, d)` and returns the loss, shape `(...)`.

    `options` are `antipodal`, `reduction`, `sample`, `dead`, `block_size`: see `losses.Loss`.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, weight: Tensor, labels: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Return the loss of the rows of `weight`; `labels` and `mask` as for `losses.mma`."""
        return self.loss(weight, labels=labels, mask=mask)

    def extra_repr(self) -> str:
        """Return the loss and its options, for `print(module)`."""
        return repr(self.loss)


@final
class MMALoss(_LossModule):
    """Module form of `mma`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(MMA(**options))


@final
class CosineLoss(_LossModule):
    """Module form of `cosine`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Cosine(**options))


@final
class RieszFisherLoss(_LossModule):
    """Module form of `riesz_fisher`."""

    def __init__(self, s: float = 2.0, **options: Any) -> None:
        super().__init__(RieszFisher(s, **options))


@final
class LogarithmicLoss(_LossModule):
    """Module form of `logarithmic`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Logarithmic(**options))


@final
class OrthogonalLoss(_LossModule):
    """Module form of `orthogonal`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Orthogonal(**options))
