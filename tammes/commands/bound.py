"""`tammes bound`: what is possible at a size, or how many points an angle allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.errors import InvalidParameterError
from tammes.options import Dimension, Json, integer
from tammes.terminal import print_json

if TYPE_CHECKING:
    from tammes.bounds.bound import Bound

__all__ = ["bound"]


def bound(
    d: Dimension,
    n: Annotated[int | None, typer.Option("--n", parser=integer("n", 2), metavar="N", help="Number of points.")] = None,
    angle: Annotated[
        float | None, typer.Option(metavar="A", help="Instead: the most points at this minimal angle, degrees.")
    ] = None,
    lp: Annotated[bool, typer.Option("--lp/--no-lp", help="Solve Delsarte's linear program, too.")] = True,
    degree: Annotated[
        int | None, typer.Option(parser=integer("degree", 1), metavar="K", help="Of its polynomials [by size].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Proven upper bounds on the minimal angle; or on the number of points that keep an angle."""
    if (n is None) == (angle is None):
        raise InvalidParameterError("--n", "given, or --angle, and not both", "both" if n is not None else "neither")
    if n is not None:
        _of_size(n, d, lp, degree, as_json)
    else:
        _of_angle(float(angle or 0.0), d, lp, degree, as_json)


def _of_size(n: int, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    from tammes import report, tables
    from tammes.bounds.comparison import all_bounds

    found = all_bounds(n, d, lp, degree)
    best = min(found, key=lambda key: found[key].angle)
    if as_json:
        print_json({"d": d, "n": n, "bounds": {key: _record(value) for key, value in found.items()}, "best": best})
    else:
        report.console().print(report.bounds_block(found, best, tables.best_known_or_none(n, d)))


def _of_angle(degrees: float, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    from tammes import report
    from tammes.bounds.comparison import most_points

    if not 0.0 < degrees <= 180.0:
        raise InvalidParameterError("angle", "degrees above 0 and at most 180", degrees)
    found = most_points(math.radians(degrees), d, lp, degree)
    best = min(found, key=lambda key: found[key])
    if as_json:
        print_json({"d": d, "angle_degrees": degrees, "most_points": found, "best": best})
    else:
        report.console().print(report.most_points_block(found, best, degrees, d))


def _record(value: Bound) -> dict[str, Any]:
    return {
        "name": value.name,
        "degrees": value.degrees,
        "radians": value.angle,
        "max_cosine": math.cos(value.angle),
        "formula": value.formula,
        "attained": value.attained,
        "reference": value.reference,
    }
