"""`tammes construct`: a named code, built from its coordinates, measured, and written with its record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError
from tammes.cli.options import OUTPUT, PROBLEM, Force, Json
from tammes.cli.terminal import announce_long_work, console, interruptible, print_json, uninterrupted
from tammes.cli.values import integer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions.catalogue import Construction
    from tammes.storage.tables import KnownValue

__all__ = ["construct"]

_LONG = 1 << 36  # n^2 d, from which measuring all pairs takes more than some seconds


def construct(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Such as 600-cell, E8, D5, leech; --list shows all.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List every name.")] = False,
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            parser=integer("n", 2),
            metavar="N",
            help="Number of points, where the name leaves it open.",
            rich_help_panel=PROBLEM,
        ),
    ] = None,
    d: Annotated[
        int | None,
        typer.Option(
            "--d",
            parser=integer("d", 2),
            metavar="D",
            help="Dimension, where the name leaves it open.",
            rich_help_panel=PROBLEM,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File of the points; their record lies beside it.",
            show_default="tammes_NAME_dD_nN.npy",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Build a named code (polytopes, roots, Leech, Kerdock, graphs), measure it, and save it."""
    if list_:
        for option, given in (("NAME", name), ("--n", n), ("--d", d), ("--output", output)):
            if given is not None:
                raise ConflictingOptionsError("--list", option)
        _print_list(as_json)
        return
    if name is None:
        raise InvalidParameterError("name", "given", None, "`tammes construct --list` shows all.")
    _construct(name, n, d, output, as_json, force)


def _construct(name: str, n: int | None, d: int | None, output: Path | None, as_json: bool, force: bool) -> None:
    """Build, measure, save and print one code."""
    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions import catalogue
    from tammes.storage import tables, writer

    chosen = catalogue.find(name, n=n, d=d)
    target = Path(f"tammes_{chosen.name}_d{chosen.d}_n{chosen.n}.npy") if output is None else output
    writer.check_target(target, force=force)
    with interruptible("nothing was saved"):
        code = SphericalCode(chosen.points())
        pairs = f"{chosen.n * (chosen.n - 1) // 2} pairs in d = {chosen.d}"
        announce_long_work(f"Measuring {pairs}", chosen.n * chosen.n * chosen.d, least=_LONG)
        record = _record(chosen, code)
    with uninterrupted():
        saved = writer.save_with_record(code, target, record, force=force)
    known = tables.best_known_or_none(chosen.n, chosen.d)
    if as_json:
        proof = None
        if known is not None and known.verdict(code.min_angle_degrees) == "matches":
            proof = known.proved_by
        print_json(record | {"optimal": proof is not None, "proved_by": proof, "file": str(saved[0])})
    else:
        console().print(_block(chosen, code, known, saved))


def _record(chosen: "Construction", code: "SphericalCode") -> dict[str, Any]:
    """Return the record of a constructed code: measured, so that `tammes verify` agrees."""
    from tammes.storage.result import SCHEMA

    return {
        "schema": SCHEMA,
        **code.to_dict(),
        "method": ["constructed"],
        "construction": {
            "name": chosen.name,
            "title": chosen.title,
            "command": chosen.command,
            "exact_max_cosine": chosen.exact_max_cosine,
        },
        "reference": chosen.reference,
    }


def _block(
    chosen: "Construction", code: "SphericalCode", known: "KnownValue | None", saved: list[Path]
) -> "RenderableType":
    """Return size, angle, cosine, what is proved, reference and files as one compact block."""
    from rich.console import Group
    from rich.text import Text

    from tammes.cli import report

    degrees = code.min_angle_degrees
    exact = "" if chosen.exact_max_cosine is None else f"   exactly {chosen.exact_max_cosine}"
    if known is None:
        optimal = "nothing is stored for this size"
    elif known.verdict(degrees) != "matches":
        optimal = f"best known {known.degrees}°; this code {report.comparison(known, degrees)}"
    elif known.optimal:
        optimal = f"yes: {known.proved_by}"
    else:
        optimal = f"not proved; this is the best known   ({known.source})"
    title = f"{chosen.title}: {code.n} points on the unit sphere in R^{code.d}"
    rows: report.Rows = [
        ("minimal angle", Text(f"{degrees:.12f}°", style="bold")),
        ("max cosine", f"{code.max_cosine:.16f}{exact}"),
        ("optimal", optimal),
        ("reference", chosen.reference),
        ("saved", report.paths(saved)),
    ]
    return Group(Text(title, style="bold"), report.named_rows(rows))


def _print_list(as_json: bool) -> None:
    """Print every name with its options, size, cosine and reference."""
    from tammes.cli import report
    from tammes.constructions.catalogue import CONSTRUCTIONS

    if as_json:
        names = ("name", "title", "parameters", "size", "exact_max_cosine", "reference")
        print_json([{name: getattr(family, name) for name in names} for family in CONSTRUCTIONS.values()])
        return
    headings = ("name", "options", "points", "max cosine", "what it is", "reference")
    table = report.plain_table(*headings, unfolded=("name", "options"))
    series = {"An": "A2, A3, ...", "Dn": "D3, D4, ..."}  # d is part of the name
    for family in CONSTRUCTIONS.values():
        name = series.get(family.name, family.name)
        options = "" if family.name in series else " ".join(f"--{parameter}" for parameter in family.parameters)
        cosine = family.exact_max_cosine or "measured"
        table.add_row(name, options, family.size, cosine, family.title, family.reference)
    console().print(table)
