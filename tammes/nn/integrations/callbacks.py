"""The common part of the callbacks for training frameworks: gradients, angles and state, free of any framework.

The frameworks differ in their hooks and in how they log. In each of them the gradient of the term is added to the
parameters of the optimiser that is about to step, and the angles of the layers are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_optional_integer
from tammes.nn.optimizers import parameters_of
from tammes.nn.regularizer import Regularizer

__all__ = ["RegularizedTraining", "Source", "scale_of"]

Source = Regularizer | Callable[[nn.Module], Regularizer] | None
"""A regulariser of the model, a function that makes one from it, or None where settings are given instead."""


class RegularizedTraining:
    """Regulariser in the training loop of a framework.

    Args:
        source: see `Source`.
        settings: arguments of `Regularizer` in place of a source; `preset` starts from one of `nn.presets`.
        name: prefix of the names of all logged values.
        report_every: steps between measurements of the angles; the end of each epoch if None, never if 0.
        max_rows: layers of more rows are not measured; all are if None.

    Raises:
        InvalidParameterError: if an argument is out of range, or both a source and settings are given.
    """

    def __init__(
        self,
        source: Source,
        settings: Mapping[str, Any],
        *,
        name: str,
        report_every: int | None,
        max_rows: int | None,
    ) -> None:
        given: object = source
        if given is not None and not callable(given):
            requirement = "a Regularizer, or a function that makes one from the model"
            raise InvalidParameterError("regularizer", requirement, given)
        if source is not None and settings:
            given_settings = ", ".join(map(str, settings))
            remedy = "Set them there."
            raise InvalidParameterError("regularizer", "left out where settings are given", given_settings, remedy)
        if not isinstance(name, str) or not name:
            raise InvalidParameterError("name", "a word", name)
        self.name = name
        self.report_every = check_optional_integer("report_every", report_every, 0)
        self.max_rows = check_optional_integer("max_rows", max_rows, 2)
        self._source = source
        self._settings = dict(settings)
        self._regularizer: Regularizer | None = None
        self._parts: dict[int, Regularizer] = {}  # by the number of the optimiser
        self._states: Mapping[int, Mapping[str, Any]] = {}  # of another run, by the number of the optimiser

    @property
    def regularizer(self) -> Regularizer:
        """Regulariser of the model that is trained.

        Raises:
            InvalidParameterError: before training begins.
        """
        if self._regularizer is None:
            raise InvalidParameterError("regularizer", "asked for when training has begun", "one that has not")
        return self._regularizer

    def begin(self, model: nn.Module) -> None:
        """Find the layers of the model that is about to be trained.

        Args:
            model: the model.

        Raises:
            InvalidParameterError: if the settings do not fit, or the source returns no regulariser.
            UnknownNameError: if a name of a preset, loss or layer is not known.
        """
        if self._source is None:
            settings = dict(self._settings)
            preset = settings.pop("preset", None)
            if preset is None:
                made = Regularizer(model, **settings)
            else:
                made = Regularizer.from_preset(model, preset, **settings)
        else:
            made = self._source if isinstance(self._source, Regularizer) else self._source(model)
        found: object = made
        if not isinstance(found, Regularizer):
            raise InvalidParameterError("regularizer", "a function that returns a Regularizer", found)
        self._regularizer = made
        self._parts = {}

    def add(self, optimizer: torch.optim.Optimizer, scaler: Any = None, number: int = 0) -> Tensor | None:
        """Add the gradient of the term to that of the loss, for the parameters of one optimiser.

        A batch that was skipped, and has left no gradient on any of the layers, is skipped here too.

        Args:
            optimizer: the optimiser that is about to step.
            scaler: the `GradScaler` in use, if there is one.
            number: number of the optimiser, by which its state is kept.

        Returns:
            The term of these layers, not multiplied by `every`; None at steps that do not compute it.

        Raises:
            InvalidParameterError: if the optimiser evaluates the loss by itself.
        """
        if isinstance(optimizer, torch.optim.LBFGS):
            raise InvalidParameterError(
                "optimizer",
                "one that steps by the gradient alone",
                type(optimizer).__name__,
                "Its line search would not see the term: add `reg()` to the loss instead.",
            )
        part = self._parts.get(number)
        if part is None:
            part = self._parts[number] = self.regularizer.part(parameters_of(optimizer))
            if number in self._states:
                part.load_state_dict(self._states[number])
        else:
            part.hold_(parameters_of(optimizer))
        leaves = part.leaves()
        if all(leaf.grad is None for leaf in leaves):
            return None
        due = part.calls % part.every == 0
        term = part.accumulate_(scale_of(scaler, optimizer))
        return term / part.every if due else None

    def angles(self) -> dict[str, float]:
        """Return the minimal angle of every layer of at most `max_rows` rows, in degrees, by the name for the log."""
        found = self.regularizer.report(self.max_rows).to_dict()
        return {
            f"{self.name}/min_angle_degrees/{layer}": line["min_angle_degrees"]
            for layer, line in found.items()
            if line["min_angle_degrees"] is not None
        }

    def state_dict(self) -> dict[int, dict[str, Any]]:
        """Return what a resumed run needs, by the number of the optimiser."""
        return {number: part.state_dict() for number, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        """Restore the state of another run, before or after `begin`."""
        self._states = dict(state)
        for number, part in self._parts.items():
            if number in self._states:
                part.load_state_dict(self._states[number])


def scale_of(scaler: Any, optimizer: torch.optim.Optimizer) -> float:
    """Return the factor of the gradients of an optimiser at this moment: 1, or the scale of the scaler.

    Gradients are scaled from `backward` until `unscale_`; a fused optimiser may unscale them within its step only.
    The scaler records it by the optimiser, in a private attribute.
    """
    if scaler is None or not scaler.is_enabled():
        return 1.0
    stage = scaler._per_optimizer_states[id(optimizer)]["stage"]
    return float(scaler.get_scale()) if stage.name == "READY" else 1.0
