"""The families of which n and d choose the code: simplex, orthoplex, polygon, spiral, equal-area partition."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.validation import check_integer
from tammes.constructions import spread
from tammes.constructions.closed_forms import orthoplex, regular_polygon, simplex
from tammes.constructions.construction import Construction, Family, refuse_other, require

__all__ = ["EQUAL_AREA", "FIBONACCI", "ORTHOPLEX", "POLYGON", "SIMPLEX"]

_RANKIN = "R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955"
_ELEMENTARY = "elementary: the angles sum to 2 pi"
_ROBERTS = "M. Roberts, How to evenly distribute points on a sphere, 2020"
_LEOPARDI = "P. Leopardi, A partition of the unit sphere into regions of equal area and small diameter, 2006"


def _simplex(n: int | None, d: int | None) -> Construction:
    """Return the simplex of n points in R^d; d or n may be left out."""
    if n is None:
        d = require("d", d, "simplex")
        n = d + 1
    d = max(2, n - 1) if d is None else d
    if n > d + 1:
        raise InvalidParameterError("n", f"at most d + 1 = {d + 1} for a simplex", n)
    value = Fraction(-1, n - 1)
    given = ("d",) if n == d + 1 else ("n", "d")
    build = functools.partial(simplex, n, d)
    return Construction("simplex", "simplex", n, d, str(value), float(value), _RANKIN, given, _build=build)


def _orthoplex(n: int | None, d: int | None) -> Construction:
    """Return the orthoplex of R^d, or n of its points."""
    d = require("d", d, "orthoplex")
    n = 2 * d if n is None else n
    if not d + 2 <= n <= 2 * d:
        requirement = f"from d + 2 = {d + 2} to 2d = {2 * d} for an orthoplex or a part of it"
        raise InvalidParameterError("n", requirement, n)
    title = "orthoplex" if n == 2 * d else "part of the orthoplex"
    given = ("d",) if n == 2 * d else ("n", "d")
    build = functools.partial(_first, n, d)
    return Construction("orthoplex", title, n, d, "0", 0.0, _RANKIN, given, _build=build)


def _first(n: int, d: int) -> Floats:
    """Return the first n points of the orthoplex."""
    return orthoplex(d)[:n].copy()


def _polygon(n: int | None, d: int | None) -> Construction:
    """Return the regular polygon of n points."""
    n = check_integer("n", require("n", n, "polygon"), 3, purpose="for a polygon")
    refuse_other("d", d, 2, "polygon")
    build = functools.partial(regular_polygon, n)
    text = {3: "-1/2", 4: "0", 6: "1/2"}.get(n, f"cos(2 pi/{n})")
    value = {3: -0.5, 4: 0.0, 6: 0.5}.get(n, math.cos(2.0 * math.pi / n))  # rational cosines exactly
    return Construction("polygon", "regular polygon", n, 2, text, value, _ELEMENTARY, ("n",), _build=build)


def _fibonacci(n: int | None, d: int | None) -> Construction:
    """Return the Fibonacci spiral of n points in R^3."""
    n = require("n", n, "fibonacci")
    refuse_other("d", d, 3, "fibonacci")
    build = functools.partial(spread.fibonacci, n)
    return Construction("fibonacci", "Fibonacci spiral", n, 3, None, None, _ROBERTS, ("n",), _build=build)


def _equal_area(n: int | None, d: int | None) -> Construction:
    """Return the centres of the equal-area partition of n regions in R^d."""
    n = require("n", n, "equal-area")
    d = require("d", d, "equal-area")
    build = functools.partial(spread.equal_area, n, d)
    title = "equal-area partition"
    return Construction("equal-area", title, n, d, None, None, _LEOPARDI, ("n", "d"), _build=build)


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
