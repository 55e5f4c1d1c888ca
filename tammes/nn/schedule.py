"""The schedule of the regularisation term: which calls compute it, which search the nearest rows, and the state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer
from tammes.losses.nearest import NearestLoss, are_row_numbers

__all__ = ["Schedule"]


class Schedule:
    """Counter of the calls of a regulariser, with the nearest rows that it keeps between them.

    Args:
        every: the term is computed at one call in `every`.
        refresh_every: the nearest rows are searched at one of so many computed terms.
        seed: of the random subsets of rows, at least 0.
    """

    def __init__(self, every: int, refresh_every: int, seed: int) -> None:
        self.every = every
        self.refresh_every = refresh_every
        self._seed = seed % (1 << 40)  # `loss_seed` multiplies it within int64
        self._clock = torch.zeros((), dtype=torch.long)  # a tensor: compiled graphs must not depend on its value
        self._nearest: dict[str, Tensor] = {}

    @property
    def calls(self) -> int:
        """Number of calls so far."""
        return int(self._clock)

    def restarted(self) -> Schedule:
        """Return a schedule with the same settings, before its first call."""
        return Schedule(self.every, self.refresh_every, self._seed)

    def tick(self) -> Tensor:
        """Return the number of this call, from 0, as a scalar tensor, and count it."""
        now = self._clock.clone()
        self._clock.add_(1)
        return now

    def active(self, now: Tensor) -> Tensor | None:
        """Return whether the term is computed at call `now`, as a boolean scalar; None where it always is."""
        return None if self.every == 1 else now % self.every == 0

    def loss_seed(self, now: Tensor, number: int) -> Tensor:
        """Return the seed of the random subset of layer `number` at call `now`."""
        return (now + self._seed * 1_000_003) * 1_009 + number

    def nearest_rows(self, name: str, loss: NearestLoss, weight: Tensor, now: Tensor, mask: Tensor | None) -> Tensor:
        """Return the index of the nearest row of every row of a layer, searched anew where that is due.

        Args:
            name: of the layer.
            loss: the loss that uses the indices.
            weight: rows, shape `(n, d)` or `(B, n, d)`.
            now: number of the call.
            mask: rows that take part; all if None.
        """
        if name not in self._nearest or self._nearest[name].shape != weight.shape[:-1]:
            self._nearest[name] = loss.unknown(weight)
        due = now % (self.every * self.refresh_every) == 0
        loss.refresh_(self._nearest[name], weight, due, mask)
        return self._nearest[name].clone()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of calls and the nearest rows of each layer."""
        return {"calls": self.calls, "nearest": {name: rows.clone() for name, rows in self._nearest.items()}}

    def load_state_dict(self, state: Mapping[str, Any], layers: Collection[str]) -> None:
        """Restore what `state_dict` returned.

        Args:
            state: not modified.
            layers: names of the layers that may have nearest rows.

        Raises:
            InvalidParameterError: if this is no such state for these layers; then nothing is changed.
        """
        _check_state(state, layers)
        self._clock.fill_(state["calls"])
        self._nearest = {name: rows.clone() for name, rows in state["nearest"].items()}


def _check_state(state: object, layers: Collection[str]) -> None:
    """Refuse what `state_dict` cannot have returned: wrong indices would read outside the weights."""
    if isinstance(state, Mapping) and isinstance(state.get("nearest"), Mapping):
        check_integer("calls", state.get("calls"), 0)
        if all(name in layers and are_row_numbers(rows) for name, rows in state["nearest"].items()):
            return
    raise InvalidParameterError("state", "what `state_dict` of a regulariser of these layers gave", type(state))
