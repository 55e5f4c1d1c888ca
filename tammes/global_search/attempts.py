"""What a ladder climbs from: changed codes, and symmetric ones that may be changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tammes.base.geometry import Floats
from tammes.global_search.repair import transplant

__all__ = ["ALIKE", "Attempt", "Symmetric", "admitted", "shaken"]

ALIKE = 1e-6
"""Smallest chords over the spacing: codes nearer than this are the same."""


@dataclass(frozen=True)
class Attempt:
    """A ladder to be climbed from a changed code."""

    points: Floats
    exponents: tuple[float, ...]
    seed: tuple[int, ...]
    kick: float = 0.0
    """Spacings by which every point is shaken."""
    moves: int = 0
    """Points that go from the tightest places into the deepest holes."""

    def start(self, spacing: float) -> Floats:
        """The points to climb from."""
        points = self.points
        if self.moves:
            points, _ = transplant(points, spacing, self.moves, np.random.default_rng(self.seed))
        return shaken(points, self.kick * spacing, self.seed) if self.kick else points


@dataclass(frozen=True)
class Symmetric:
    """A symmetric code."""

    score: float
    """Its smallest chord over the spacing."""
    points: Floats
    """The free ones first."""
    group: str
    index: int
    """Of its start, which says what follows what."""


def admitted(pool: list[Symmetric], new: Symmetric, most: int, of_a_group: int) -> list[Symmetric]:
    """The best of the pool and a new code, best first, unless it is there: `most` in all, and so many of a group."""
    if any(abs(new.score - member.score) < ALIKE for member in pool):
        return pool
    mine = sorted([*(member for member in pool if member.group == new.group), new], key=lambda member: -member.score)
    others = [member for member in pool if member.group != new.group]
    return sorted([*mine[:of_a_group], *others], key=lambda member: -member.score)[:most]


def shaken(points: Floats, amplitude: float, seed: tuple[int, ...]) -> Floats:
    """The points moved at random and put back on the sphere."""
    rows = points + amplitude * np.random.default_rng(seed).standard_normal(points.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
