"""Checks of parameters: each returns the value in its plain Python type, or raises the error that names it.

One rule for the whole package: integers and real numbers of NumPy pass wherever those of Python do, and bools
(of Python and of NumPy) are no numbers. Every wording is that of `InvalidParameterError`: name, requirement, value.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Collection, Iterable
from typing import SupportsIndex, TypeGuard, TypeVar, cast

from tammes.base.errors import InvalidParameterError, UnknownNameError

__all__ = [
    "check_choice",
    "check_device",
    "check_duration",
    "check_flag",
    "check_integer",
    "check_name",
    "check_number",
    "check_optional_integer",
    "check_seed",
    "check_size",
    "check_starts",
    "check_workers",
    "is_integer",
    "is_number",
]

T = TypeVar("T")


def is_integer(value: object) -> TypeGuard[SupportsIndex]:
    """Return True for an integer, of Python or NumPy, that is not a bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return True for a real number, of Python or NumPy, that is not a bool; NaN and infinity are numbers here."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_integer(name: str, value: object, least: int, most: int | None = None, *, purpose: str = "") -> int:
    """Return the value as an `int`, after checking that it is an integer in a range.

    Args:
        name: the parameter that the message names.
        value: what was given.
        least: the smallest value that passes.
        most: the largest value that passes; no limit if None.
        purpose: what the requirement is for, at its end: "for a polygon".

    Raises:
        InvalidParameterError: if it is no integer, or out of range.

    Example:
        >>> check_integer("n", 1, 2)
        Traceback (most recent call last):
        tammes.base.errors.InvalidParameterError: `n` must be an integer of at least 2. Got 1.
    """
    if is_integer(value):
        found = int(value)
        if found >= least and (most is None or found <= most):
            return found
        value = _printable(found)
    wanted = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"
    raise InvalidParameterError(name, f"{wanted} {purpose}".rstrip(), value)


def check_optional_integer(name: str, value: object, least: int) -> int | None:
    """Return the value as `check_integer` does, or None where None was given.

    Raises:
        InvalidParameterError: if it is neither None nor an integer of at least `least`.
    """
    if value is None:
        return None
    try:
        return check_integer(name, value, least)
    except InvalidParameterError as error:
        raise InvalidParameterError(name, f"{error.requirement}, or None", error.value) from None


def check_number(
    name: str,
    value: object,
    requirement: str = "a finite number",
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return the value as a `float`, after checking that it is a finite real number in a range.

    Args:
        name: the parameter that the message names.
        value: what was given.
        requirement: the range in words: "a positive number of radians".
        least: the smallest value that passes.
        most: the largest value that passes.
        above: every value that passes is larger.
        below: every value that passes is smaller.

    Raises:
        InvalidParameterError: if it is no real number, not finite, or out of range.
    """
    if is_number(value):
        try:
            found = float(value)
        except OverflowError:  # an integer beyond the range of float64
            raise InvalidParameterError(name, requirement, _printable(cast("int", value))) from None
        if -math.inf < found < math.inf and least <= found <= most and above < found < below:
            return found
    raise InvalidParameterError(name, requirement, value)


def check_duration(name: str, value: object) -> float:
    """Return the value as a `float`, after checking that it is a positive, finite number of seconds.

    Raises:
        InvalidParameterError: otherwise.
    """
    return check_number(name, value, "a positive number of seconds", above=0.0)


def check_flag(name: str, value: object) -> bool:
    """Return the value, after checking that it is True or False and not merely truthy.

    Raises:
        InvalidParameterError: otherwise.
    """
    if not isinstance(value, bool):
        raise InvalidParameterError(name, "True or False", value)
    return value


def check_size(n: object, d: object, *, most: int | None = None) -> tuple[int, int]:
    """Return the number of points n and the dimension d as ints, after checking both.

    Args:
        n: number of points, at least 2.
        d: dimension of the space, at least 2.
        most: the largest n and d that pass; no limit if None.

    Raises:
        InvalidParameterError: if one is no integer in its range; the message names it.

    Example:
        >>> check_size(12, 3)
        (12, 3)
    """
    sizes = check_integer("n", n, 2), check_integer("d", d, 2)
    if most is not None:
        for name, value in zip(("n", "d"), sizes, strict=True):
            if value > most:
                raise InvalidParameterError(name, f"at most {_rounded(most)}", _printable(value))
    return sizes


def check_seed(value: object) -> int:
    """Return the seed as an `int`, after checking that it is an integer of at least 0.

    Raises:
        InvalidParameterError: otherwise.
    """
    return check_integer("seed", value, 0)


def check_starts(value: object) -> int | None:
    """Return the number of starts as an `int`, or None, after checking that it is at least 1 where given.

    Raises:
        InvalidParameterError: otherwise.
    """
    return None if value is None else check_integer("starts", value, 1)


def check_workers(value: object) -> int | None:
    """Return the number of workers as an `int`, or None, after checking that it is at least 1 where given.

    Raises:
        InvalidParameterError: otherwise.
    """
    return None if value is None else check_integer("workers", value, 1)


def check_device(value: object) -> str:
    """Return the name of a device, after checking its form; nothing asks whether the device is there.

    Raises:
        InvalidParameterError: if it is not `auto`, `cpu`, `cuda` or `cuda:N`.
    """
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", value):
        raise InvalidParameterError("device", "auto, cpu, cuda or cuda:N", value)
    return value


def check_name(kind: str, value: object, known: Iterable[str]) -> str:
    """Return the value, after checking that it is one of the known names.

    Args:
        kind: the parameter that the message names: "loss".
        value: what was given.
        known: the names, in the order of the message.

    Raises:
        UnknownNameError: otherwise; the message lists the known names, closest first.
    """
    names = list(known)
    if not isinstance(value, str) or value not in names:
        raise UnknownNameError(kind, str(value), names)
    return value


def check_choice(name: str, value: object, choices: Collection[T], *, purpose: str = "") -> T:
    """Return the one of a few values, not names, that the given value equals.

    Args:
        name: the parameter that the message names.
        value: what was given.
        choices: the values that pass.
        purpose: what the requirement is for, at its end: "for Gold's words".

    Raises:
        InvalidParameterError: otherwise; the message lists the choices.
    """
    if not isinstance(value, bool):
        for choice in choices:
            if choice == value:
                return choice
    listed = ", ".join(map(str, choices))
    raise InvalidParameterError(name, f"one of: {listed} {purpose}".rstrip(), value)


def _rounded(limit: int) -> str:
    """Return a limit for people, powers of ten from 10^9 on as such."""
    exponent = len(str(limit)) - 1
    return f"10^{exponent}" if exponent >= 9 and limit == 10**exponent else str(limit)


def _printable(value: int) -> int | str:
    """Return the integer, or its size in words: Python prints no integer of more than 4,300 digits."""
    return value if abs(value) < 10**30 else f"about {'-' * (value < 0)}10^{round(value.bit_length() * math.log10(2))}"
