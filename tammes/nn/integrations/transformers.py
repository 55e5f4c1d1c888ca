"""The regulariser in the Trainer of Hugging Face: `Trainer(..., callbacks=[RegularizerCallback(coef=0.07)])`.

The gradient of the term joins that of the loss in `on_pre_optimizer_step`: once a step, whatever the number of
accumulated batches, and *after* the gradients are clipped, so that the term is not clipped with them, and is no part
of `grad_norm` (transformers 5.24). By then the Trainer has unscaled the gradients in fp16; if another version has not,
the gradient of the term is scaled too.

Needs the package `transformers`, with `accelerate`: `pip install 'tammes[transformers]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError, MissingPackageError
from tammes.nn.integrations.callbacks import RegularizedTraining, Source
from tammes.nn.regularizer import Regularizer

try:
    from transformers.trainer_callback import TrainerCallback
except ImportError:
    raise MissingPackageError("tammes.nn.integrations.transformers", "transformers", "transformers") from None

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

__all__ = ["RegularizerCallback"]

_REFUSED = {
    "DEEPSPEED": "DeepSpeed, which gives no access to the gradients",
    "MEGATRON_LM": "Megatron-LM, which splits the weights",
    "XLA": "XLA",
}
_LAYERWISE = {"Lomo", "AdaLomo", "LayerWiseDummyOptimizer"}  # they step within the backward pass


class RegularizerCallback(TrainerCallback):
    """Callback that regularises the model that is trained: spreads the rows of its layers.

    Adds to the training logs the mean of the term since the last log as `reg/term`, and the minimal angle of each
    layer, in degrees, as `reg/min_angle_degrees/LAYER`. Callbacks later in the Trainer's list (progress, printer) see
    these values too; for those before, such as TensorBoard's or W&B's, call `callback.add_to(trainer)` instead of
    passing it.

    A resumed run continues at the step of the checkpoint; the nearest rows (`refresh_every`) are searched anew.

    Args:
        regularizer: a `Regularizer`, or a function that makes one from the model; in place of settings.
        name: prefix of the names of the logged values.
        report_every: steps between measurements of the angles, which are added to the next log; the end of each epoch
            if None, never if 0.
        max_rows: layers of more rows are not measured, since that costs O(n^2 d); all are if None.
        settings: arguments of `Regularizer`, or `preset="mma_paper"` and what differs from it.

    Raises:
        MissingPackageError: on import, if transformers is not installed.
        InvalidParameterError: if an argument is out of range; when training begins, if it is by DeepSpeed, FSDP1,
            Megatron-LM or XLA, or by an optimiser that steps within the backward pass, or no layer is found.
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
        self._terms: list[Tensor] = []  # since the last log
        self._due = False  # whether an epoch has ended since the last measurement of the angles
        self._reported = 0  # step of the last measurement

    @property
    def regularizer(self) -> Regularizer:
        """Regulariser of the model that is or was trained: `print(callback.regularizer.report())`."""
        return self._training.regularizer

    def add_to(self, trainer: Trainer) -> None:
        """Add this callback to a Trainer before all callbacks that report, so that they see the logged values."""
        handler = trainer.callback_handler
        if self in handler.callbacks:
            handler.callbacks.remove(self)
        handler.callbacks.insert(1, self)  # after the first one, which controls the Trainer

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Find the layers."""
        _refuse(kwargs["optimizer"])
        self._training.begin(kwargs["model"])
        # There is one call a step, so that the number of the step is the number of calls.
        self._training.load_state_dict({0: {"calls": state.global_step, "nearest": {}}})
        self._terms = []
        self._due = False
        self._reported = state.global_step

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Add the gradient of the term."""
        optimizer = kwargs["optimizer"]
        term = self._training.add(_inner(optimizer), getattr(optimizer, "scaler", None))
        if term is not None:
            self._terms.append(term)

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Request a measurement of the angles for the next log, if it is due at the end of each epoch."""
        self._due |= self._training.report_every is None

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Add the term and the angles to a log of the training, and to its entry in `log_history`."""
        logs: dict[str, float] = kwargs["logs"]
        if not {"loss", "train_loss"} & logs.keys():
            return
        values: dict[str, float] = {}
        if self._terms:
            values[f"{self._training.name}/term"] = float(torch.stack(self._terms).mean())
            self._terms = []
        every = self._training.report_every
        if self._due or (every and state.global_step // every > self._reported // every):
            self._due = False
            self._reported = state.global_step
            values |= self._training.angles()
        logs |= values
        if state.log_history:
            state.log_history[-1] |= values


def _inner(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return the optimiser inside the wrappers of accelerate."""
    while isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = optimizer.optimizer  # type: ignore[attr-defined]
    return optimizer


def _refuse(optimizer: torch.optim.Optimizer) -> None:
    """Refuse ways of training that give no access to the weights or gradients."""
    accelerator = getattr(optimizer, "accelerator_state", None)
    kind = str(getattr(getattr(accelerator, "distributed_type", None), "value", "NO"))
    found = _REFUSED.get(kind)
    if kind == "FSDP" and getattr(accelerator.fsdp_plugin, "fsdp_version", 1) == 1:  # type: ignore[union-attr]
        found = "FSDP1, which flattens the weights"
    if found is not None:
        remedy = "Use DDP, or FSDP with `fsdp_version: 2`."
        raise InvalidParameterError("args", "those of a training that keeps the shapes of the weights", found, remedy)
    inner = type(_inner(optimizer)).__name__
    if inner in _LAYERWISE:
        raise InvalidParameterError("optim", "an optimiser that steps after the backward pass", inner)
