"""Named codes that are built on request, and families of them, of which n and d choose a member."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.validation import check_integer, check_size
from tammes.constructions.size_limit import check_room

__all__ = [
    "SNUB_CUBE",
    "Construction",
    "Family",
    "family_by_dimension",
    "power_of_2",
    "refuse_other",
    "require",
    "single_code",
]

_TRIBONACCI = 1.8392867552141612  # t^3 = t^2 + t + 1

SNUB_CUBE = "1-(t^2+1)/(3t^2+2t+2), t^3=t^2+t+1"
"""Maximal cosine of the snub cube as a formula."""

_IRRATIONAL = {
    "1/sqrt(5)": math.sqrt(0.2),
    "sqrt(5)/3": math.sqrt(5.0) / 3.0,
    "(2*sqrt(2)-1)/7": (2.0 * math.sqrt(2.0) - 1.0) / 7.0,
    "root of 3x^3-9x^2-3x+1": 0.2101383127306031,
    "root of 7x^3-4x^2-2x+1": 0.4043943252162507,
    "(1+sqrt(5))/4": 0.25 * (1.0 + math.sqrt(5.0)),
    "(1+3*sqrt(5))/8": 0.125 * (1.0 + 3.0 * math.sqrt(5.0)),
    SNUB_CUBE: 1.0 - (_TRIBONACCI**2 + 1.0) / (3.0 * _TRIBONACCI**2 + 2.0 * _TRIBONACCI + 2.0),
}


@dataclass(frozen=True)
class Construction:
    """One named code of one size; its points are built on request."""

    name: str
    """Name that `construct` takes."""
    title: str
    """Description in words."""
    n: int
    d: int
    exact_max_cosine: str | None
    """The maximal cosine as a formula in numbers; None where it is only known by measuring."""
    max_cosine: float | None
    """Its value; None where it is only known by measuring."""
    reference: str
    parameters: tuple[str, ...] = ()
    """Those of n and d that must be given with the name."""
    _build: Callable[[], Floats] = field(repr=False, compare=False, kw_only=True)

    @property
    def command(self) -> str:
        """Command line that writes these points."""
        given = [f"--{parameter} {getattr(self, parameter)}" for parameter in self.parameters]
        return " ".join(["tammes construct", self.name, *given])

    def points(self) -> Floats:
        """Build the points, float64, shape `(n, d)`.

        Raises:
            InvalidParameterError: if they would take more than `size_limit.LARGEST` bytes; the message says how much.
        """
        check_room(self.n, self.d, "n" if self.parameters[:1] == ("n",) else "d")
        return self._build()


@dataclass(frozen=True)
class Family:
    """All codes of one name of the registry; n and d choose a member."""

    name: str
    title: str
    """Description in words."""
    parameters: tuple[str, ...]
    """Those of n and d that choose the member; none where there is one code."""
    size: str
    """n and d as formulas."""
    exact_max_cosine: str | None
    """The maximal cosine as a formula in n and d; None where it is only known by measuring."""
    reference: str
    examples: tuple[tuple[int, int], ...]
    """Some sizes (n, d), smallest first."""
    _member: Callable[[int | None, int | None], Construction] = field(repr=False, compare=False, kw_only=True)

    def member(self, n: int | None = None, d: int | None = None) -> Construction:
        """Return the code of this size, without building its points.

        Raises:
            InvalidParameterError: if a parameter is missing, or there is no code of this size.
        """
        if n is not None:
            n, _ = check_size(n, 2)
        if d is not None:
            _, d = check_size(2, d)
        return self._member(n, d)


def refuse_other(name: str, given: int | None, value: int, code: str) -> None:
    """Raise an error if a parameter is given and differs from the value that the name implies."""
    if given not in (None, value):
        raise InvalidParameterError(name, f"{value} for {code}", given, "It can be left out.")


def require(name: str, given: int | None, code: str) -> int:
    """Return a parameter, or raise an error if it is missing."""
    if given is None:
        raise InvalidParameterError(name, f"given for {code}", None, f"On the command line --{name}.")
    return given


def single_code(
    name: str, title: str, n: int, d: int, text: str, reference: str, build: Callable[[], Floats]
) -> Family:
    """Return a family of one code; `text` is its maximal cosine as a formula."""
    cosine = _IRRATIONAL[text] if text in _IRRATIONAL else float(Fraction(text))
    code = Construction(name, title, n, d, text, cosine, reference, _build=build)

    def member(given_n: int | None, given_d: int | None) -> Construction:
        refuse_other("n", given_n, n, name)
        refuse_other("d", given_d, d, name)
        return code

    return Family(name, title, (), f"{n} in R^{d}", text, reference, ((n, d),), _member=member)


def family_by_dimension(
    name: str,
    title: str,
    size: str,
    text: str,
    reference: str,
    examples: tuple[int, ...],
    *,
    count: Callable[[int], int],
    cosine: Callable[[int], Fraction],
    build: Callable[[int], Floats],
    label: str | None = None,
) -> Family:
    """Return a family with one code for each dimension; with a label, such as D{d}, the name contains the dimension."""

    def member(n: int | None, d: int | None) -> Construction:
        d = require("d", d, name)
        size_of_code = count(d)  # raises an error where there is no code
        value = cosine(d)
        parameters = ("d",) if label is None else ()
        if label is None:
            refuse_other("n", n, size_of_code, f"{name} in d = {d}")
            code_name = name
            code_title = title
        else:
            code_name = label.format(d=d)
            code_title = f"roots of {code_name}"
            refuse_other("n", n, size_of_code, code_name)
        return Construction(
            code_name,
            code_title,
            size_of_code,
            d,
            str(value),
            float(value),
            reference,
            parameters,
            _build=lambda: build(d),
        )

    sizes = tuple((count(d), d) for d in examples)
    return Family(name, title, ("d",), size, text, reference, sizes, _member=member)


def power_of_2(d: int, exponent: int, code: str, least: int) -> int:
    """Return 2^exponent, after checking that d is from `least` to 60, so that the number stays small."""
    check_integer("d", d, least, 60, purpose=f"for a {code}")
    return 1 << exponent
