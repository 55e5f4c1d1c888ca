"""`tammes bound`: every proved bound on the angle of n points, or on the points that fit at an angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidParameterError
from tammes.cli.options import Dimension, Json, integer
from tammes.cli.terminal import interruptible, print_json

if TYPE_CHECKING:
    from tammes.bounds.bound import Bound

__all__ = ["bound"]


def bound(
    d: Dimension,
    n: Annotated[
        int | None,
        typer.Option("--n", parser=integer("n", 2), metavar="N", help="Number of points: bound their angle."),
    ] = None,
    angle: Annotated[
        float | None, typer.Option(metavar="A", help="Minimal angle in degrees: bound the points that fit.")
    ] = None,
    lp: Annotated[bool, typer.Option("--lp/--no-lp", help="Also solve Delsarte's linear program.")] = True,
    degree: Annotated[
        int | None,
        typer.Option(
            parser=integer("degree", 1), metavar="K", help="Degree of its polynomials; fits the size by default."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove what no code can do: a wider angle with n points, or more points at an angle."""
    if (n is None) == (angle is None):
        raise InvalidParameterError("--n", "given, or --angle, one of the two", "none" if n is None else "both")
    if degree is not None and not lp:
        raise InvalidParameterError("--degree", "given without --no-lp", degree)
    with interruptible("no bound was printed"):
        if n is not None:
            _of_points(n, d, lp, degree, as_json)
        elif angle is not None:
            _of_angle(angle, d, lp, degree, as_json)


def _of_points(n: int, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    """The bounds on the angle of n points, and what the best known code reaches."""
    from tammes.bounds.comparison import all_bounds
    from tammes.cli import report

    found = all_bounds(n, d, lp, degree)
    best = min(found, key=lambda key: found[key].angle)
    if as_json:
        print_json({"d": d, "n": n, "bounds": {key: _record(value) for key, value in found.items()}, "best": best})
        return
    console = report.console()
    table = _table("bound", "degrees", "max cosine", "attained", "reference")
    for key, value in found.items():
        cosine = f"{math.floor(value.max_cosine * 1e12) / 1e12:.12f}"
        row = (_marked(key, best), f"{_up(value.degrees):.9f}", cosine, value.attained, value.reference)
        table.add_row(*row, style="bold" if key == best else "")
    console.print(table)
    console.print(_reached(n, d, found[best]))


def _reached(n: int, d: int, best: Bound) -> str:
    """One line: the best known code and its distance from the bound."""
    from tammes.storage import tables

    known = tables.best_known_or_none(n, d)
    if known is None:
        return f"best known: no stored value for n = {n}, d = {d}"
    gap = best.degrees - known.angle_degrees
    said = "the bound is attained" if gap <= 10.0**-known.decimals else f"gap {_up(gap):.9f}°"
    proved = "" if known.proved_by is None else f", proved optimal: {known.proved_by}"
    return f"best known: {known.degrees}° ({known.source}{proved}), {said}"


def _of_angle(angle: float, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    """The bounds on the number of points at an angle."""
    from tammes.bounds.comparison import most_points
    from tammes.cli import report

    if not 0.0 < angle <= 180.0:
        raise InvalidParameterError("angle", "a number of degrees above 0, at most 180", angle)
    found = most_points(math.radians(angle), d, lp, degree)
    best = min(found, key=lambda key: found[key])
    if as_json:
        print_json({"d": d, "angle_degrees": angle, "most_points": found, "best": best})
        return
    console = report.console()
    table = _table("bound", "most points")
    for key, value in found.items():
        table.add_row(_marked(key, best), str(value), style="bold" if key == best else "")
    console.print(table)
    console.print(f"at most {found[best]} points in d = {d} have a minimal angle of {angle:.15g}° ({best})")


def _record(value: Bound) -> dict[str, Any]:
    """A bound as JSON."""
    return {
        "degrees": value.degrees,
        "radians": value.angle,
        "max_cosine": value.max_cosine,
        "name": value.name,
        "formula": value.formula,
        "reference": value.reference,
        "attained": value.attained,
    }


def _marked(key: str, best: str) -> str:
    return f"{key} *" if key == best else key


def _up(degrees: float) -> float:
    """Nine decimals, never below the number; an excess of rounding alone, 1e-13, is none."""
    return math.ceil(degrees * 1e9 - 1e-4) / 1e9


def _table(*names: str) -> Any:
    """A table without lines, numbers to the right."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        number = name in {"degrees", "max cosine", "most points"}
        table.add_column(name, justify="right" if number else "left", no_wrap=number or name == "bound")
    return table
