"""The regulariser in Lightning: `Trainer(callbacks=[RegularizerCallback(coef=0.07)])`.

The gradient of the term joins that of the loss in `on_before_optimizer_step`: once a step, whatever the number of
accumulated batches; after AMP has unscaled the gradients, and *before* they are clipped, so that it is clipped
with them, as if the term were part of the loss (lightning 2.6). Fused optimisers unscale within their step; for them
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
from tammes.nn.integrations.callbacks import RegularizedTraining, Source
from tammes.nn.regularizer import Regularizer

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        if "pytorch_lightning" in sys.modules and "lightning" not in sys.modules:
            from pytorch_lightning import Callback  # the older name of the package, where it is in use
        else:
            from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError:
            raise MissingPackageError("tammes.nn.integrations.lightning", "lightning", "lightning") from None

__all__ = ["RegularizerCallback"]

_REFUSED = {
    "DeepSpeedStrategy": "DeepSpeed, which gives no access to the gradients",
    "FSDPStrategy": "FSDP1, which flattens the weights",
}


class RegularizerCallback(Callback):
    """Callback that regularises the module that is trained: spreads the rows of its layers.

    Logs the term as `reg/term` at every step, and the minimal angle of each layer, in degrees, as
    `reg/min_angle_degrees/LAYER`. With several optimisers each one gets the gradient of the layers that it holds, at
    its own steps. The number of calls and the nearest rows are saved in the checkpoint and restored from it.

    Args:
        regularizer: a `Regularizer`, or a function that makes one from the LightningModule; in place of settings.
        name: prefix of the names of the logged values. Two callbacks in one trainer need two names.
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
        self._training = RegularizedTraining(
            regularizer, settings, name=name, report_every=report_every, max_rows=max_rows
        )
        self._terms: dict[int, Tensor] = {}  # of this batch, by the number of the optimiser
        self._reported = 0  # step of the last measurement of the angles

    @property
    def regularizer(self) -> Regularizer:
        """Regulariser of the module that is or was trained: `print(callback.regularizer.report())`."""
        return self._training.regularizer

    @property
    def state_key(self) -> str:
        """Key of the state in a checkpoint."""
        return self._generate_state_key(name=self._training.name)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of calls and the nearest rows of every optimiser."""
        return {"optimizers": self._training.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._training.load_state_dict(state_dict["optimizers"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse strategies that give no access to the weights or gradients."""
        for kind in type(trainer.strategy).__mro__:
            if stage == "fit" and kind.__name__ in _REFUSED:
                remedy = "Use DDPStrategy, or ModelParallelStrategy with `fully_shard`."
                raise InvalidParameterError(
                    "strategy", "one that keeps the shapes of the weights", _REFUSED[kind.__name__], remedy
                )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the layers."""
        self._training.begin(pl_module)
        self._terms = {}
        self._reported = trainer.global_step

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Add the gradient of the term."""
        known = [id(each) for each in trainer.optimizers]
        number = known.index(id(optimizer)) if id(optimizer) in known else -1
        term = self._training.add(optimizer, getattr(trainer.precision_plugin, "scaler", None), number)
        if term is not None:
            self._terms[number] = term

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Log the term, and the angles where they are due."""
        terms = list(self._terms.values())
        self._terms = {}
        if trainer.barebones:
            return
        name = self._training.name
        every = self._training.report_every
        if terms:
            pl_module.log(f"{name}/term", torch.stack([term.float().cpu() for term in terms]).sum(), batch_size=1)
        if every and trainer.global_step // every > self._reported // every:
            self._reported = trainer.global_step
            angles = self._training.angles()
            pl_module.log_dict(angles, logger=False, batch_size=1)
            for logger in trainer.loggers:  # directly: the trainer logs at multiples of `log_every_n_steps` only
                logger.log_metrics(angles, step=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the angles, if they are measured at the end of each epoch."""
        if self._training.report_every is None and not trainer.barebones:
            pl_module.log_dict(self._training.angles(), sync_dist=True, batch_size=1)
