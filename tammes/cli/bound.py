"""`tammes bound`: every proved bound on the angle of n points, or on the number of points at an angle."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError
from tammes.cli.options import METHOD, PROBLEM, Dimension, Json
from tammes.cli.terminal import console, interruptible, print_json
from tammes.cli.values import integer

if TYPE_CHECKING:
    from rich.table import Table

    from tammes.bounds.bound import Bound

__all__ = ["bound"]


def bound(
    d: Dimension,
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            parser=integer("n", 2),
            metavar="N",
            help="Number of points: bound their angle.",
            rich_help_panel=PROBLEM,
        ),
    ] = None,
    angle: Annotated[
        float | None,
        typer.Option(metavar="A", help="Minimal angle in degrees: bound the points that fit.", rich_help_panel=PROBLEM),
    ] = None,
    lp: Annotated[
        bool, typer.Option("--lp/--no-lp", help="Also solve Delsarte's linear program.", rich_help_panel=METHOD)
    ] = True,
    degree: Annotated[
        int | None,
        typer.Option(
            parser=integer("degree", 1),
            metavar="K",
            help="Degree of its polynomials.",
            show_default="fits the size",
            rich_help_panel=METHOD,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print every proved upper bound: on the angle of n points, or on the number of points at an angle."""
    if n is not None and angle is not None:
        raise ConflictingOptionsError("--n", "--angle")
    if degree is not None and not lp:
        raise ConflictingOptionsError("--degree", "--no-lp")
    with interruptible("no bound was printed"):
        if n is not None:
            _print_angles(n, d, lp, degree, as_json)
        elif angle is not None:
            _print_sizes(angle, d, lp, degree, as_json)
        else:
            raise InvalidParameterError("--n", "given, or --angle", None)


def _print_angles(n: int, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    """Print the bounds on the angle of n points, and what the best known code reaches."""
    from tammes.bounds.comparison import all_bounds

    found = all_bounds(n, d, lp, degree)
    best = min(found, key=lambda name: found[name].angle)
    if as_json:
        print_json({"d": d, "n": n, "bounds": {name: _record(value) for name, value in found.items()}, "best": best})
        return
    table = _table("bound", "degrees", "max cosine", "attained", "reference")
    for name, value in found.items():
        cosine = f"{math.floor(value.max_cosine * 1e12) / 1e12:.12f}"
        row = (_marked(name, best), f"{_rounded_up(value.degrees):.9f}", cosine, value.attained, value.reference)
        table.add_row(*row, style="bold" if name == best else "")
    out = console()
    out.print(table)
    out.print(_best_known(n, d, found[best]))


def _best_known(n: int, d: int, best: "Bound") -> str:
    """Return one line on the best known code and its distance from the bound."""
    from tammes.storage import tables

    known = tables.best_known_or_none(n, d)
    if known is None:
        return f"best known: no stored value for n = {n}, d = {d}"
    gap = best.degrees - known.angle_degrees
    distance = "the bound is attained" if gap <= 10.0**-known.decimals else f"gap {_rounded_up(gap):.9f}°"
    proved = "" if known.proved_by is None else f", proved optimal: {known.proved_by}"
    return f"best known: {known.degrees}° ({known.source}{proved}), {distance}"


def _print_sizes(angle: float, d: int, lp: bool, degree: int | None, as_json: bool) -> None:
    """Print the bounds on the number of points at an angle."""
    from tammes.bounds.comparison import most_points

    if not 0.0 < angle <= 180.0:
        raise InvalidParameterError("angle", "a number of degrees above 0, at most 180", angle)
    found = most_points(math.radians(angle), d, lp, degree)
    best = min(found, key=lambda name: found[name])
    if as_json:
        print_json({"d": d, "angle_degrees": angle, "most_points": found, "best": best})
        return
    table = _table("bound", "most points")
    for name, value in found.items():
        table.add_row(_marked(name, best), str(value), style="bold" if name == best else "")
    out = console()
    out.print(table)
    out.print(f"at most {found[best]} points in d = {d} have a minimal angle of {angle:.15g}° ({best})")


def _record(value: "Bound") -> dict[str, Any]:
    """Return a bound as JSON-ready values."""
    return {
        "degrees": value.degrees,
        "radians": value.angle,
        "max_cosine": value.max_cosine,
        "name": value.name,
        "formula": value.formula,
        "reference": value.reference,
        "attained": value.attained,
    }


def _marked(name: str, best: str) -> str:
    """Return the name of a bound, with a star if it is the best."""
    return f"{name} *" if name == best else name


def _rounded_up(degrees: float) -> float:
    """Return nine decimals that are never below the number; 1e-13 above them is an error of rounding."""
    return math.ceil(degrees * 1e9 - 1e-4) / 1e9


def _table(*headings: str) -> "Table":
    """Return an empty table of bounds."""
    from tammes.cli import report

    return report.plain_table(*headings, numbers=("degrees", "max cosine", "most points"), unfolded=("bound",))
