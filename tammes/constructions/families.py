"""What a name stands for: a family of codes, of which n and d choose one, not built before it is asked for."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.constructions import polytopes, spread
from tammes.constructions.closed_forms import check_size, orthoplex, regular_polygon, simplex

__all__ = [
    "EQUAL_AREA",
    "FIBONACCI",
    "ORTHOPLEX",
    "POLYGON",
    "SIMPLEX",
    "SNUB_CUBE",
    "Construction",
    "Family",
    "by_dimension",
    "one",
    "power_of_2",
]

_TRIBONACCI = 1.8392867552141612  # t^3 = t^2 + t + 1
SNUB_CUBE = "1-(t^2+1)/(3t^2+2t+2), t^3=t^2+t+1"
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
    """One named code of a definite size, not built yet."""

    name: str
    """What `construct` takes."""
    title: str
    n: int
    d: int
    exact_max_cosine: str | None
    """The maximal cosine as a formula with its numbers put in; None where it is only measured."""
    max_cosine: float | None
    """Its value."""
    reference: str
    parameters: tuple[str, ...] = ()
    """Which of n and d must be given beside the name."""
    _build: Callable[[], Floats] = field(repr=False, compare=False, kw_only=True)

    @property
    def command(self) -> str:
        """The command line that writes these points."""
        given = [f"--{parameter} {getattr(self, parameter)}" for parameter in self.parameters]
        return " ".join(["tammes construct", self.name, *given])

    def points(self) -> Floats:
        """The points, float64, shape `(n, d)`.

        Raises:
            InvalidParameterError: if they take more than `polytopes.LARGEST` bytes; with what they would take.
        """
        polytopes.check_room(self.n, self.d, "n" if self.parameters[:1] == ("n",) else "d")
        return self._build()


@dataclass(frozen=True)
class Family:
    """What one name of the registry stands for."""

    name: str
    title: str
    parameters: tuple[str, ...]
    """Those that choose the code: of n and d, or none."""
    size: str
    """n and d, as formulas."""
    exact_max_cosine: str | None
    """As a formula in n and d; None where it is only measured."""
    reference: str
    examples: tuple[tuple[int, int], ...]
    """Some sizes (n, d), small ones first."""
    _member: Callable[[int | None, int | None], Construction] = field(repr=False, compare=False, kw_only=True)

    def member(self, n: int | None = None, d: int | None = None) -> Construction:
        """The code of this size, not built.

        Raises:
            InvalidParameterError: if a parameter is missing, or there is no code of this size.
        """
        if n is not None:
            n, _ = check_size(n, 2)
        if d is not None:
            _, d = check_size(2, d)
        return self._member(n, d)


# --- how entries are made -------------------------------------------------------------------------


def _agree(name: str, given: int | None, value: int, code: str) -> None:
    """Refuse a parameter that says something else than the name does."""
    if given not in (None, value):
        raise InvalidParameterError(name, f"{value} for {code}", given, "It can be left out.")


def _need(name: str, given: int | None, code: str) -> int:
    """Refuse a parameter that is missing."""
    if given is None:
        raise InvalidParameterError(name, f"given for {code}", None, f"On the command line --{name}.")
    return given


def one(name: str, title: str, n: int, d: int, text: str, reference: str, build: Callable[[], Floats]) -> Family:
    """A family of one code."""
    cosine = _IRRATIONAL[text] if text in _IRRATIONAL else float(Fraction(text))
    code = Construction(name, title, n, d, text, cosine, reference, _build=build)

    def member(given_n: int | None, given_d: int | None) -> Construction:
        _agree("n", given_n, n, name)
        _agree("d", given_d, d, name)
        return code

    return Family(name, title, (), f"{n} in R^{d}", text, reference, ((n, d),), _member=member)


def by_dimension(
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
    """A family with one code a dimension; with a label, such as D{d}, the name tells the dimension."""

    def member(n: int | None, d: int | None) -> Construction:
        d = _need("d", d, name)
        n_true = count(d)  # raises where there is no code
        shown = name if label is None else label.format(d=d)
        what = title if label is None else f"roots of {shown}"
        _agree("n", n, n_true, f"{name} in d = {d}" if label is None else shown)
        value = cosine(d)
        named = () if label else ("d",)
        return Construction(shown, what, n_true, d, str(value), float(value), reference, named, _build=lambda: build(d))

    sizes = tuple((count(d), d) for d in examples)
    return Family(name, title, ("d",), size, text, reference, sizes, _member=member)


def _simplex(n: int | None, d: int | None) -> Construction:
    if n is None:
        d = _need("d", d, "simplex")
        n = d + 1
    d = max(2, n - 1) if d is None else d
    if n > d + 1:
        raise InvalidParameterError("n", f"at most d + 1 = {d + 1} for a simplex", n)
    value = Fraction(-1, n - 1)
    given = ("d",) if n == d + 1 else ("n", "d")
    build = functools.partial(simplex, n, d)
    return Construction("simplex", "simplex", n, d, str(value), float(value), _RANKIN, given, _build=build)


def _orthoplex(n: int | None, d: int | None) -> Construction:
    d = _need("d", d, "orthoplex")
    n = 2 * d if n is None else n
    if not d + 2 <= n <= 2 * d:
        requirement = f"from d + 2 = {d + 2} to 2d = {2 * d} for an orthoplex or a part of it"
        raise InvalidParameterError("n", requirement, n)
    title, given = ("orthoplex", ("d",)) if n == 2 * d else ("part of the orthoplex", ("n", "d"))
    build = functools.partial(_first, n, d)
    return Construction("orthoplex", title, n, d, "0", 0.0, _RANKIN, given, _build=build)


def _first(n: int, d: int) -> Floats:
    """The first n points of the orthoplex."""
    return orthoplex(d)[:n].copy()


def _polygon(n: int | None, d: int | None) -> Construction:
    n = _need("n", n, "polygon")
    _agree("d", d, 2, "polygon")
    if n < 3:
        raise InvalidParameterError("n", "an integer of at least 3 for a polygon", n)
    build = functools.partial(regular_polygon, n)
    value = math.cos(2.0 * math.pi / n)
    text = {3: "-1/2", 4: "0", 6: "1/2"}.get(n, f"cos(2 pi/{n})")
    value = {3: -0.5, 4: 0.0, 6: 0.5}.get(n, value)
    return Construction("polygon", "regular polygon", n, 2, text, value, _ELEMENTARY, ("n",), _build=build)


def _fibonacci(n: int | None, d: int | None) -> Construction:
    n = _need("n", n, "fibonacci")
    _agree("d", d, 3, "fibonacci")
    build = functools.partial(spread.fibonacci, n)
    return Construction("fibonacci", "Fibonacci spiral", n, 3, None, None, _ROBERTS, ("n",), _build=build)


def _equal_area(n: int | None, d: int | None) -> Construction:
    n, d = _need("n", n, "equal-area"), _need("d", d, "equal-area")
    build = functools.partial(spread.equal_area, n, d)
    title = "equal-area partition"
    return Construction("equal-area", title, n, d, None, None, _LEOPARDI, ("n", "d"), _build=build)


def power_of_2(d: int, exponent: int, code: str, least: int) -> int:
    """2^exponent points in R^d, refused before numbers of a thousand digits are made."""
    if not least <= d <= 60:
        raise InvalidParameterError("d", f"an integer from {least} to 60 for a {code}", d)
    return 1 << exponent


# --- families of n and d ---

_RANKIN = "R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955"
_ELEMENTARY = "elementary: the angles sum to 2 pi"
_ROBERTS = "M. Roberts, How to evenly distribute points on a sphere, 2020"
_LEOPARDI = "P. Leopardi, A partition of the unit sphere into regions of equal area and small diameter, 2006"

SIMPLEX = Family(
    "simplex",
    "simplex",
    ("n", "d"),
    "n in R^d, n <= d + 1",
    "-1/(n - 1)",
    _RANKIN,
    ((2, 2), (4, 3), (3, 5), (8, 7)),
    _member=_simplex,
)
ORTHOPLEX = Family(
    "orthoplex",
    "orthoplex, or a part of it",
    ("n", "d"),
    "n in R^d, d + 2 <= n <= 2d",
    "0",
    _RANKIN,
    ((4, 2), (5, 3), (16, 8)),
    _member=_orthoplex,
)
POLYGON = Family(
    "polygon",
    "regular polygon",
    ("n",),
    "n in R^2",
    "cos(2 pi/n)",
    _ELEMENTARY,
    ((3, 2), (5, 2), (100, 2)),
    _member=_polygon,
)
FIBONACCI = Family(
    "fibonacci", "Fibonacci spiral", ("n",), "n in R^3", None, _ROBERTS, ((2, 3), (500, 3)), _member=_fibonacci
)
EQUAL_AREA = Family(
    "equal-area",
    "equal-area partition",
    ("n", "d"),
    "n in R^d",
    None,
    _LEOPARDI,
    ((2, 2), (7, 3), (200, 4), (50, 9)),
    _member=_equal_area,
)
