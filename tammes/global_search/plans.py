"""Which sizes are searched with neighbour lists, and how much of each stage: by size alone, as the seed demands."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LARGE_FROM", "LISTED", "Plan", "is_large", "neighbours", "work_of"]

LARGE_FROM = 3_000
"""Points from which a search is one for many points."""
LISTED = 3, 8
"""Dimensions of neighbour lists: above, nearly all points are neighbours of all, and lists save nothing."""

_FULL = 60.0  # whole ladders that are due at the smallest sizes
_OVERHEAD = 0.06  # of a ladder with all points free, for placing images
_FEWEST = 2.0  # whole ladders below which symmetric starts alone, a part of the work each, climb from the bottom


@dataclass(frozen=True)
class Plan:
    """The stages of one generation; `hunting.generations` says what they are."""

    copies: float
    """Work of all symmetric starts, in ladders with all points free."""
    changes: float
    """Work of all changes to the best of them, likewise."""
    broken: int
    squeezes: int
    spread: bool = True
    """Whether well-spread points climb the whole ladder, though there are symmetric starts."""

    @classmethod
    def of(cls, n: int, d: int) -> Plan:
        """The plan for n points in R^d."""
        ladders = _ladders(n, d)
        if ladders < _FEWEST:
            return cls(0.3, 0.0, 1, 0, spread=False)
        if d > 3:  # layers do better than copies there, and slow healing better than both
            return cls(0.05 * ladders, 0.0, 1, max(1, round(0.5 * ladders)))
        changes = max(0.0, 1.4 * ladders - 3.0)
        return cls(0.25 * ladders, changes, max(1, round(0.15 * ladders)), max(1, round(0.07 * ladders)))

    @classmethod
    def symmetric(cls, n: int, d: int) -> Plan:
        """The plan where a symmetry is prescribed: starts, and changes to the best of them."""
        ladders = _ladders(n, d)
        changes = max(0.0, 1.4 * ladders - 3.0)
        return cls(max(0.3, 0.25 * ladders), changes, max(1, round(0.15 * ladders)), 0, spread=False)

    def starts(self, orders: list[int]) -> int:
        """How many symmetric starts do the planned work, taken in turn from groups of these orders."""
        count, work = 0, 0.0
        while work < self.copies:
            work += work_of(orders[count % len(orders)])
            count += 1
        return count


def work_of(order: int) -> float:
    """Work of a descent with a symmetry of that order, in ladders with all points free."""
    return 1.0 / order + _OVERHEAD


def _ladders(n: int, d: int) -> float:
    """Whole ladders that are due."""
    return float(_FULL * (3_000.0 / (n * max(1, d - 3))) ** 0.85)


def is_large(n: int, d: int) -> bool:
    """Whether neighbour lists serve at this size, and nothing that grows faster than n does."""
    return n >= LARGE_FROM and LISTED[0] <= d <= LISTED[1]


def neighbours(d: int) -> int:
    """In the longest lists, of each point, about."""
    return {2: 12, 3: 40, 4: 160, 5: 420, 6: 500, 7: 500}.get(d, 700)
