"""What the callbacks of training frameworks share: a regulariser at work in somebody else's loop.

The frameworks differ in where they let one in, and in how they log. What is done there is the same: add the
gradient of the term to the parameters of the optimiser that is about to step, and tell how the layers are.
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

__all__ = ["AtWork", "Source", "scale_of"]

Source = Regularizer | Callable[[nn.Module], Regularizer] | None
"""A regulariser of the model, a function that makes one from it, or None where settings say which."""


class AtWork:
    """A regulariser in a training loop that belongs to a framework.

    Args:
        source: see `Source`.
        settings: arguments of `Regularizer` in place of a source; `preset` starts from one of `nn.presets`.
        name: what the names of all figures begin with.
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
            raise InvalidParameterError(
                "regularizer", "left out where settings are given", ", ".join(map(str, settings)), "Set them there."
            )
        if not isinstance(name, str) or not name:
            raise InvalidParameterError("name", "a word", name)
        for option, value, least in (("report_every", report_every, 0), ("max_rows", max_rows, 2)):
            check_optional_integer(option, value, least)
        self.name, self.report_every, self.max_rows = name, report_every, max_rows
        self._source, self._settings = source, dict(settings)
        self._regularizer: Regularizer | None = None
        self._parts: dict[int, Regularizer] = {}
        self._states: Mapping[int, Mapping[str, Any]] = {}

    @property
    def regularizer(self) -> Regularizer:
        """That of the model that is trained.

        Raises:
            InvalidParameterError: before training begins.
        """
        if self._regularizer is None:
            raise InvalidParameterError("regularizer", "asked for when training has begun", "a callback at rest")
        return self._regularizer

    def begin(self, model: nn.Module) -> None:
        """Find the layers of the model that is about to be trained."""
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
        self._regularizer, self._parts = made, {}

    def add(self, optimizer: torch.optim.Optimizer, scaler: Any = None, number: int = 0) -> Tensor | None:
        """Add the gradient of the term to that of the loss, for the parameters of one optimiser.

        A batch that was skipped, and has left no gradient on any of the layers, is skipped here too.

        Args:
            optimizer: the one that is about to step.
            scaler: the `GradScaler` in use, if there is one.
            number: of the optimiser, by which its state is kept.

        Returns:
            The term of these layers, as it is without `every`; None where none was due.

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
        """Minimal angle of every layer that is not too large, in degrees, under the name that it is logged by."""
        found = self.regularizer.report(self.max_rows).to_dict()
        angles = {layer: line["min_angle_degrees"] for layer, line in found.items()}
        return {f"{self.name}/min_angle_degrees/{layer}": a for layer, a in angles.items() if a is not None}

    def state_dict(self) -> dict[int, dict[str, Any]]:
        """What a resumed run needs, by the number of the optimiser."""
        return {number: part.state_dict() for number, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        """Take up the state of another run, before or after `begin`."""
        self._states = dict(state)
        for number, part in self._parts.items():
            if number in self._states:
                part.load_state_dict(self._states[number])


def scale_of(scaler: Any, optimizer: torch.optim.Optimizer) -> float:
    """What the gradients of an optimiser are multiplied by at this moment: 1, or the scale of the scaler.

    Gradients are scaled from `backward` until `unscale_`; a fused optimiser may unscale them within its step only.
    The scaler keeps that account by the optimiser, in an attribute that it does not show.
    """
    if scaler is None or not scaler.is_enabled():
        return 1.0
    stage = scaler._per_optimizer_states[id(optimizer)]["stage"]
    return float(scaler.get_scale()) if stage.name == "READY" else 1.0
