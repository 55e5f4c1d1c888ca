"""The regulariser in Lightning: `Trainer(callbacks=[RegularizerCallback(coef=0.07)])`.

The gradient of the term joins that of the loss in `on_before_optimizer_step`: once a step, whatever the number of
accumulated batches; after AMP has unscaled the gradients, and *before* they are clipped, so that it is clipped
with them, as if the term were part of the loss (lightning 2.6). Fused optimisers unscale within their step; there
the gradient of the term is scaled too.

Needs the package `lightning`, or `pytorch_lightning`: `pip install 'tammes[lightning]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError, MissingPackageError
from tammes.nn.integrations.callbacks import AtWork, Source
from tammes.nn.regularizer import Regularizer

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules:
            from pytorch_lightning import Callback  # the older of its two names, where that is in use
        else:
            from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError:
            raise MissingPackageError("tammes.nn.integrations.lightning", "lightning", "lightning") from None

__all__ = ["RegularizerCallback"]

_REFUSED = {
    "DeepSpeedStrategy": "DeepSpeed, which keeps the gradients to itself",
    "FSDPStrategy": "FSDP1, which flattens the weights",
}


class RegularizerCallback(Callback):
    """Spreads the rows of the layers of the module that is trained.

    Logs the term as `reg/term` at every step, and the minimal angle of each layer, in degrees, as
    `reg/min_angle_degrees/LAYER`. With several optimisers each one gets the gradient of the layers that it holds, at
    its own steps. The number of calls and stale neighbours are saved in the checkpoint and taken up again.

    Args:
        regularizer: a `Regularizer`, or a function that makes one from the LightningModule; in place of settings.
        name: what the names of the figures begin with. Two callbacks in one trainer need two names.
        report_every: optimiser steps between measurements of the angles; the end of each epoch if None, never if 0.
        max_rows: layers of more rows are not measured, since that costs O(n^2 d); all are if None.
        settings: arguments of `Regularizer`, or `preset="mma_paper"` and what differs from it. Names of layers
            are those in the LightningModule: `include="backbone.*"`.

    Raises:
        MissingPackageError: on import, if Lightning is not installed.
        InvalidParameterError: if an argument is out of range; when `fit` begins, if the strategy is DeepSpeed or
            FSDP1 (use `ModelParallelStrategy`, which is FSDP2), or no layer is found; at the step of an LBFGS.
    """

    def __init__(
        self,
        regularizer: Source = None,
        *,
        name: str = "reg",
        report_every: int | None = None,
        max_rows: int | None = 1024,
        **settings: Any,
    ) -> None:
        super().__init__()
        self._work = AtWork(regularizer, settings, name=name, report_every=report_every, max_rows=max_rows)
        self._terms: dict[int, Tensor] = {}  # of the optimisers that have stepped in this batch
        self._reported = 0

    @property
    def regularizer(self) -> Regularizer:
        """That of the module that is or was trained: `print(callback.regularizer.report())`."""
        return self._work.regularizer

    @property
    def state_key(self) -> str:
        """Under which the state is in a checkpoint."""
        return self._generate_state_key(name=self._work.name)

    def state_dict(self) -> dict[str, Any]:
        """Number of calls and stale neighbours of every optimiser."""
        return {"optimizers": self._work.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self._work.load_state_dict(state_dict["optimizers"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse strategies that let nobody at the weights and gradients."""
        for kind in type(trainer.strategy).__mro__:
            if stage == "fit" and kind.__name__ in _REFUSED:
                remedy = "Use DDPStrategy, or ModelParallelStrategy with `fully_shard`."
                raise InvalidParameterError(
                    "strategy", "one that leaves weights in shape", _REFUSED[kind.__name__], remedy
                )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the layers."""
        self._work.begin(pl_module)
        self._terms, self._reported = {}, trainer.global_step

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Add the gradient of the term."""
        known = [id(one) for one in trainer.optimizers]
        number = known.index(id(optimizer)) if id(optimizer) in known else -1
        term = self._work.add(optimizer, getattr(trainer.precision_plugin, "scaler", None), number)
        if term is not None:
            self._terms[number] = term

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Log the term, and the angles where they are due."""
        terms, self._terms = list(self._terms.values()), {}
        if trainer.barebones:
            return
        name, every = self._work.name, self._work.report_every
        if terms:
            pl_module.log(f"{name}/term", torch.stack([term.float().cpu() for term in terms]).sum(), batch_size=1)
        if every and trainer.global_step // every > self._reported // every:
            self._reported = trainer.global_step
            angles = self._work.angles()
            pl_module.log_dict(angles, logger=False, batch_size=1)
            for logger in trainer.loggers:  # by hand: theirs may be at other steps
                logger.log_metrics(angles, step=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the angles, if they are logged by the epoch."""
        if self._work.report_every is None and not trainer.barebones:
            pl_module.log_dict(self._work.angles(), sync_dist=True, batch_size=1)
