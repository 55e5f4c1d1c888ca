"""What a bound is, and which numbers of points and dimensions have one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tammes.base.errors import InvalidParameterError

__all__ = ["LARGEST", "Bound", "angle_of", "check_integer", "check_size"]

LARGEST = 10**15
"""No bound is computed for more points or dimensions: below, n is a float64, and every bound takes milliseconds."""


@dataclass(frozen=True)
class Bound:
    """A proven upper bound: no n points have a minimal angle above `angle` (radians)."""

    name: str
    angle: float
    reference: str
    formula: str = ""
    """What the bound says, as a formula."""
    attained: str = ""
    """Which codes attain it."""

    @property
    def degrees(self) -> float:
        """The bound in degrees."""
        return math.degrees(self.angle)

    @property
    def max_cosine(self) -> float:
        """The same bound as a cosine: no n points have a largest cosine below."""
        return math.cos(self.angle)


def angle_of(versine: float) -> float:
    """The angle with `1 - cos phi = versine`, to full relative precision."""
    return 2.0 * math.asin(math.sqrt(min(1.0, 0.5 * versine)))


def check_integer(name: str, value: object, *, least: int = 2, most: int = LARGEST) -> int:
    """The value as an int, after checking that it is an integer of that range.

    Raises:
        InvalidParameterError: otherwise, naming the parameter.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidParameterError(name, f"an integer of at least {least}", value)
    if value > most:
        # Python prints no integer of more than 4,300 digits.
        shown = value if value < 10**30 else f"about 10^{round(int(value).bit_length() * math.log10(2))}"
        raise InvalidParameterError(name, f"at most {_printed(most)}", shown)
    return int(value)


def check_size(n: object, d: object) -> tuple[int, int]:
    """Both as int, after checking that they are integers from 2 to `LARGEST`.

    Raises:
        InvalidParameterError: otherwise, naming the wrong one.
    """
    return check_integer("n", n), check_integer("d", d)


def _printed(limit: int) -> str:
    return "10^15" if limit == LARGEST else str(limit)
