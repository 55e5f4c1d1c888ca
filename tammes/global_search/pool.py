"""The pool of a search: its best distinct codes, each once however it is turned."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tammes.base.geometry import Floats

__all__ = ["SAME_ANGLE", "Member", "Pool", "fingerprint"]

SAME_ANGLE = 1e-10
"""Polished codes whose minimal angles are nearer than this count as one code, if their fingerprints agree; radians."""

_SAME_MOMENTS = 1e-6
_POWERS = (3, 4, 5, 6)


def fingerprint(points: Floats) -> Floats:
    """Return numbers that no isometry changes: means of powers of the cosines.

    Rattlers count, since the polish centres them. Cost: O(n^2 d) time, O(n^2) memory.

    Args:
        points: unit rows, shape `(n, d)`.

    Returns:
        Shape `(4,)`, each of order 1.
    """
    gram = points @ points.T
    np.fill_diagonal(gram, 0.0)
    return np.array([float((gram**power).mean()) * len(points) for power in _POWERS])


@dataclass(eq=False)
class Member:
    """A code of the pool."""

    points: Floats
    angle: float
    """Measured minimal angle, radians."""
    status: str
    arm: str
    """What found it first."""
    group: str | None = None
    mark: Floats = field(default_factory=lambda: np.zeros(0))
    """Its fingerprint."""
    hops: int = 0
    """Chains of moves that have begun from it."""


class Pool:
    """At most `size` distinct codes, the best first.

    Args:
        size: codes kept. A pool of one compares angles alone, and costs no fingerprints.
    """

    def __init__(self, size: int = 12) -> None:
        self.size = size
        self.members: list[Member] = []

    @property
    def best(self) -> Member | None:
        """The code with the largest measured minimal angle."""
        return self.members[0] if self.members else None

    def add(self, member: Member, parent: Member | None = None) -> bool:
        """Take a code in unless it is there or is worse than all; return True if it is the new best.

        A child takes the place of its parent if it is better, so that the pool does not fill with one family; the
        best code is never thrown out.
        """
        best = self.best
        if self.size == 1:
            if best is None or member.angle > best.angle:
                self.members = [member]
                return True
            return False
        member.mark = fingerprint(member.points)
        for old in self.members:
            if abs(old.angle - member.angle) <= SAME_ANGLE and np.abs(old.mark - member.mark).max() <= _SAME_MOMENTS:
                return False
        if parent is not None and member.angle > parent.angle and any(parent is old for old in self.members):
            self.members = [old for old in self.members if old is not parent or old is best]
        self.members.append(member)
        self.members.sort(key=lambda old: -old.angle)
        del self.members[self.size :]
        return best is None or member.angle > best.angle + SAME_ANGLE

    def choose(self, rng: np.random.Generator) -> Member:
        """Return a code to move from: the better and the less worked on, the likelier."""
        weights = np.array([1.0 / ((1 + rank) ** 2 * (1.0 + 0.1 * old.hops)) for rank, old in enumerate(self.members)])
        chosen = self.members[int(rng.choice(len(weights), p=weights / weights.sum()))]
        chosen.hops += 1
        return chosen
