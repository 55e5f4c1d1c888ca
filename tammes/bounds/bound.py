"""The result type of the bounds, and the check of n and d that they share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tammes.base.errors import InvalidParameterError

__all__ = ["LARGEST", "Bound", "angle_of", "check_integer", "check_size"]

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


def check_integer(name: str, value: object, *, least: int = 2, most: int = LARGEST) -> int:
    """Return the value as an int, after checking that it is an integer from `least` to `most`.

    Raises:
        InvalidParameterError: if it is not; the message names the parameter.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidParameterError(name, f"an integer of at least {least}", value)
    if value > most:
        # Python prints no integer of more than 4,300 digits.
        shown = value if value < 10**30 else f"about 10^{round(int(value).bit_length() * math.log10(2))}"
        raise InvalidParameterError(name, f"at most {_printed(most)}", shown)
    return int(value)


def check_size(n: object, d: object) -> tuple[int, int]:
    """Return n and d as ints, after checking that they are integers from 2 to `LARGEST`.

    Raises:
        InvalidParameterError: if one is not; the message names it.
    """
    return check_integer("n", n), check_integer("d", d)


def _printed(limit: int) -> str:
    return "10^15" if limit == LARGEST else str(limit)
