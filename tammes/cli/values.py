"""How the values of options are read from text, and how wrong ones are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NoReturn

from tammes.base.errors import InvalidParameterError
from tammes.cli.terminal import fail

__all__ = ["duration", "integer", "sizes", "target_angle"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def integer(name: str, least: int) -> Callable[[str], int]:
    """Return a parser of integers of at least `least`; anything else ends the program with status 2.

    Args:
        name: the parameter that the message names.
        least: the smallest value.
    """

    def parse(text: str) -> int:
        text = str(text).strip()  # defaults pass through here too, as they are
        value = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text
        if isinstance(value, int) and value >= least:
            return value
        requirement = f"an integer of at least {least}"
        if re.fullmatch(r"\+?[1-9]\d{18,}", text):
            requirement += " and less than 10^18"
        _refuse(InvalidParameterError(name, requirement, value))

    return parse


def duration(text: str) -> float:
    """Return the seconds of `90`, `90s`, `10m` or `2h`; anything else ends the program with status 2."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not (seconds > 0.0 and math.isfinite(seconds)):
        _refuse(InvalidParameterError("time", "a positive duration such as 90s, 10m or 2h", text))
    return seconds


def sizes(text: str) -> list[int]:
    """Return the numbers of points that `130`, `4..130` or `4..130:2` stands for.

    Raises:
        InvalidParameterError: for any other text.
    """
    match = re.fullmatch(r"\s*(\d{1,9})(?:\.\.(\d{1,9})(?::(\d{1,6}))?)?\s*", text)
    if match is None:
        raise InvalidParameterError("n", "a number of points of at least 2, or a range such as 4..130", text)
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    step = 1 if match[3] is None else int(match[3])
    if first < 2 or last < first or step < 1:
        raise InvalidParameterError("n", "a range that grows from at least 2, such as 4..130", text)
    return list(range(first, last + 1, step))


def target_angle(text: str) -> float | str:
    """Return an angle in degrees, or "best-known" as it is.

    Raises:
        InvalidParameterError: for any other text.
    """
    if text == "best-known":
        return text
    try:
        return float(text)
    except ValueError:
        raise InvalidParameterError("target", 'an angle in degrees, or "best-known"', text) from None


def _refuse(error: InvalidParameterError) -> NoReturn:
    """Exit with status 2. Raised instead, the error would reach the user inside a message of the parser."""
    fail(str(error), 2)
