"""Shares of the arms of a portfolio: which of them gets the next task.

Stride scheduling: the arm whose work divided by its weight is least goes next. An arm that improves
the best code gains weight, one that brings nothing loses what it gained; none falls below its base,
so that every arm has its turn, and most work goes to what pays for this (n, d).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Arm", "Shares"]

_GAIN = 1.5  # base weights for an improvement
_HIT = 0.15  # for the best code found once more
_MOST = 6.0  # base weights
_DECAY = 0.97  # of what was gained, for a task without success


@dataclass
class Arm:
    """One kind of task, and how it has paid."""

    name: str
    base: float
    """Its weight when nothing is known."""
    gained: float = 0.0
    work: float = 0.0
    """Evaluations of the soft-min that its tasks have cost."""
    rounds: int = 0
    """Tasks that have ended."""
    planned: int = 0
    improvements: int = 0
    hits: int = 0
    """How often it found the best code of the time again."""

    @property
    def weight(self) -> float:
        """Its share of the work, relative to the other arms."""
        return self.base * (1.0 + min(self.gained, _MOST))


class Shares:
    """The arms of a search.

    Args:
        arms: in the order of a tie.
    """

    def __init__(self, arms: list[Arm]) -> None:
        self.arms = arms
        self._mean = 1.0  # work of a task, to charge tasks that are under way

    def __getitem__(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def next(self, ready: list[str]) -> Arm:
        """Return the arm whose turn it is, among those whose names are in `ready`."""
        charged = [(self._charged(arm), k) for k, arm in enumerate(self.arms) if arm.name in ready]
        arm = self.arms[min(charged)[1]]
        arm.planned += 1
        return arm

    def _charged(self, arm: Arm) -> float:
        return (arm.work + (arm.planned - arm.rounds + 0.5) * self._mean) / arm.weight  # half: the heavy begin

    def record(self, name: str, work: float, *, improved: bool, hit: bool) -> None:
        """Take in the outcome of a task."""
        arm = self[name]
        arm.rounds += 1
        arm.work += work
        total = sum(each.rounds for each in self.arms)
        self._mean += (work - self._mean) / total
        if improved:
            arm.gained = min(arm.gained + _GAIN, _MOST)
            arm.improvements += 1
        elif hit:
            arm.gained = min(arm.gained + _HIT, _MOST)
        else:
            arm.gained *= _DECAY
        arm.hits += hit or improved

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, for a search that is to go on later."""
        return {"mean": self._mean, "arms": [asdict(arm) for arm in self.arms]}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what `to_dict` returned; arms that it does not know start anew."""
        known = {arm["name"]: Arm(**arm) for arm in saved["arms"]}
        self._mean = float(saved["mean"])
        self.arms = [known.get(arm.name, arm) for arm in self.arms]
        for arm in self.arms:
            arm.planned = arm.rounds
