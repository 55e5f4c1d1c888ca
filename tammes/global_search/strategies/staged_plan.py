"""Plan of a staged search: how much of each stage, by the size of the problem alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Plan", "work_of"]

_FULL = 60.0  # whole ladders that are due at the smallest sizes
_OVERHEAD = 0.06  # of a ladder with all points free, for placing images
_FEWEST = 2.0  # whole ladders below which symmetric starts alone, a part of the work each, climb from the bottom


@dataclass(frozen=True)
class Plan:
    """How much of each stage one generation of the staged search has."""

    copies: float
    """Work of all symmetric starts, in ladders with all points free."""
    changes: float
    """Work of all changes to the best of them, likewise."""
    broken: int
    """Symmetric codes that climb once more with all points free."""
    repairs: int
    """Rounds of repairs of the best code."""
    spread: bool = True
    """True if well-spread points climb the whole ladder, though there are symmetric starts."""
    finish: bool = True
    """True if the best code climbs the highest exponents at the end."""

    @classmethod
    def of(cls, n: int, d: int) -> Plan:
        """Return the plan for n points in R^d."""
        ladders = _ladders(n, d)
        if ladders < _FEWEST:
            return cls(0.3, 0.0, 1, 0, spread=False)
        if d > 3:  # layers do better than copies there, and slow healing better than both
            return cls(0.05 * ladders, 0.0, 1, max(1, round(0.5 * ladders)))
        changes = max(0.0, 1.4 * ladders - 3.0)
        return cls(0.25 * ladders, changes, max(1, round(0.15 * ladders)), max(1, round(0.07 * ladders)))

    @classmethod
    def symmetric(cls, n: int, d: int) -> Plan:
        """Return the plan where a symmetry is prescribed: starts, and changes to the best of them."""
        ladders = _ladders(n, d)
        changes = max(0.0, 1.4 * ladders - 3.0)
        return cls(max(0.3, 0.25 * ladders), changes, max(1, round(0.15 * ladders)), 0, spread=False)

    @classmethod
    def repairs_only(cls, repairs: int) -> Plan:
        """Return the plan without symmetric starts: one ladder from well-spread points, and repairs."""
        return cls(0.0, 0.0, 0, repairs, finish=False)

    def starts(self, orders: list[int]) -> int:
        """Return how many symmetric starts do the planned work, taken in turn from groups of these orders."""
        count, work = 0, 0.0
        while work < self.copies:
            work += work_of(orders[count % len(orders)])
            count += 1
        return count


def work_of(order: int) -> float:
    """Return the work of a descent with a symmetry of that order, in ladders with all points free."""
    return 1.0 / order + _OVERHEAD


def _ladders(n: int, d: int) -> float:
    """Return the number of whole ladders that are due."""
    return float(_FULL * (3_000.0 / (n * max(1, d - 3))) ** 0.85)
