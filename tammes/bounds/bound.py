"""The result type of the bounds, and the check of n and d that they share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tammes.base import validation

__all__ = ["LARGEST", "Bound", "angle_of", "check_size"]

LARGEST = 10**15
"""Largest n and d of the bounds: up to it, integers are exact in float64 and closed bounds take milliseconds."""


@dataclass(frozen=True)
class Bound:
    """A proven upper bound: no n points in R^d have a minimal angle above `angle`."""

    name: str
    angle: float
    """Radians."""
    reference: str
    formula: str = ""
    """The theorem as a formula, phi the minimal angle."""
    attained: str = ""
    """The codes that attain it."""

    @property
    def degrees(self) -> float:
        """The angle in degrees."""
        return math.degrees(self.angle)

    @property
    def max_cosine(self) -> float:
        """Cosine of the angle: no n points have a smaller maximal cosine."""
        return math.cos(self.angle)


def angle_of(versine: float) -> float:
    """Return the angle phi with `1 - cos phi = versine`, to full relative precision."""
    return 2.0 * math.asin(math.sqrt(min(1.0, 0.5 * versine)))


def check_size(n: object, d: object) -> tuple[int, int]:
    """Return n and d as ints, after checking that they are integers from 2 to `LARGEST`.

    Raises:
        InvalidParameterError: if one is not; the message names it.
    """
    return validation.check_size(n, d, most=LARGEST)
