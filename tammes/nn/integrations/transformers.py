"""The regulariser in the Trainer of Hugging Face: `Trainer(..., callbacks=[RegularizerCallback(coef=0.07)])`.

The gradient of the term joins that of the loss in `on_pre_optimizer_step`: once a step, whatever the number of
accumulated batches, and *after* the gradients are clipped, so that the term is not clipped with them, and is no part
of `grad_norm` (transformers 5.24). By then the Trainer has unscaled the gradients in fp16; should another version not
have, the gradient of the term is scaled too.

Needs the package `transformers`, with `accelerate`: `pip install 'tammes[transformers]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError, MissingPackageError
from tammes.nn.integrations.callbacks import AtWork, Source
from tammes.nn.regularizer import Regularizer

try:
    from transformers.trainer_callback import TrainerCallback
except ImportError:
    raise MissingPackageError("tammes.nn.integrations.transformers", "transformers", "transformers") from None

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

__all__ = ["RegularizerCallback"]

_REFUSED = {
    "DEEPSPEED": "DeepSpeed, which keeps the gradients to itself",
    "MEGATRON_LM": "Megatron-LM, which splits the weights",
    "XLA": "XLA",
}
_LAYERWISE = {"Lomo", "AdaLomo", "LayerWiseDummyOptimizer"}  # they step within the backward pass


class RegularizerCallback(TrainerCallback):
    """Spreads the rows of the layers of the model that is trained.

    Adds to the training logs the mean of the term since the last log as `reg/term`, and the minimal angle of each
    layer, in degrees, as `reg/min_angle_degrees/LAYER`. Callbacks later in the Trainer's list (progress, printer) see
    them too; for those before, such as TensorBoard's or W&B's, call `callback.add_to(trainer)` instead of passing it.

    A resumed run goes on at the step of the checkpoint; stale neighbours (`refresh_every`) are looked up anew.

    Args:
        regularizer: a `Regularizer`, or a function that makes one from the model; in place of settings.
        name: what the names of the figures begin with.
        report_every: steps between measurements of the angles, which then are in the next log; the end of each epoch
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
        self._work = AtWork(regularizer, settings, name=name, report_every=report_every, max_rows=max_rows)
        self._terms: list[Tensor] = []  # since the last log
        self._due = False
        self._reported = 0

    @property
    def regularizer(self) -> Regularizer:
        """That of the model that is or was trained: `print(callback.regularizer.report())`."""
        return self._work.regularizer

    def add_to(self, trainer: Trainer) -> None:
        """Join a Trainer ahead of all callbacks that report somewhere, so that they see the figures."""
        handler = trainer.callback_handler
        if self in handler.callbacks:
            handler.callbacks.remove(self)
        handler.callbacks.insert(1, self)  # the first one is the Trainer's own flow

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Find the layers."""
        _refuse(kwargs["optimizer"])
        self._work.begin(kwargs["model"])
        # One call a step: the number of the step is all there is to know.
        self._work.load_state_dict({0: {"calls": state.global_step, "nearest": {}}})
        self._terms, self._due, self._reported = [], False, state.global_step

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Add the gradient of the term."""
        optimizer = kwargs["optimizer"]
        term = self._work.add(_inner(optimizer), getattr(optimizer, "scaler", None))
        if term is not None:
            self._terms.append(term)

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Have the angles measured for the next log."""
        self._due |= self._work.report_every is None

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Add the figures to a log of the training, and to its entry in `log_history`."""
        logs: dict[str, float] = kwargs["logs"]
        if not {"loss", "train_loss"} & logs.keys():
            return
        figures: dict[str, float] = {}
        if self._terms:
            figures[f"{self._work.name}/term"] = float(torch.stack(self._terms).mean())
            self._terms = []
        every = self._work.report_every
        if self._due or (every and state.global_step // every > self._reported // every):
            self._due, self._reported = False, state.global_step
            figures |= self._work.angles()
        logs |= figures
        if state.log_history:
            state.log_history[-1] |= figures


def _inner(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser inside the wrappers of accelerate."""
    while isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = optimizer.optimizer  # type: ignore[attr-defined]
    return optimizer


def _refuse(optimizer: torch.optim.Optimizer) -> None:
    """Refuse ways of training that let nobody at the weights and gradients."""
    how = getattr(optimizer, "accelerator_state", None)
    kind = str(getattr(getattr(how, "distributed_type", None), "value", "NO"))
    found = _REFUSED.get(kind)
    if kind == "FSDP" and getattr(how.fsdp_plugin, "fsdp_version", 1) == 1:  # type: ignore[union-attr]
        found = "FSDP1, which flattens the weights"
    if found is not None:
        remedy = "Use DDP, or FSDP with `fsdp_version: 2`."
        raise InvalidParameterError("args", "those of a training that leaves weights in shape", found, remedy)
    inner = type(_inner(optimizer)).__name__
    if inner in _LAYERWISE:
        raise InvalidParameterError("optim", "an optimiser that steps after the backward pass", inner)
