"""`tammes construct`: a named code, built from its coordinates, measured, and written with its record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidParameterError
from tammes.cli.options import Force, Json, integer
from tammes.cli.terminal import interruptible, print_json, uninterrupted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions.catalogue import Construction
    from tammes.storage.tables import KnownValue

__all__ = ["construct"]

_SLOW = 1 << 36  # n^2 d, from which measuring all pairs takes more than some seconds


def construct(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Such as 600-cell, E8, D5, leech; --list shows all.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", parser=integer("n", 2), metavar="N", help="Points, where the name leaves it.")
    ] = None,
    d: Annotated[
        int | None, typer.Option("--d", parser=integer("d", 2), metavar="D", help="Dimension, where it does.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List every name.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [tammes_NAME_dD_nN.npy].")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Build a named code (polytopes, roots, Leech, Kerdock, graphs), measure it, and save it."""
    if list_:
        if name is not None or n is not None or d is not None or output is not None:
            raise InvalidParameterError("--list", "given alone, or with --json", "a name or another option")
        _list(as_json)
        return
    if name is None:
        raise InvalidParameterError("name", "given", None, "`tammes construct --list` shows all.")
    _construct(name, n, d, output, as_json, force)


def _construct(name: str, n: int | None, d: int | None, output: Path | None, as_json: bool, force: bool) -> None:
    from tammes.cli import report
    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions import catalogue
    from tammes.storage import formats as files
    from tammes.storage import tables

    chosen = catalogue.find(name, n=n, d=d)
    target = Path(f"tammes_{chosen.name}_d{chosen.d}_n{chosen.n}.npy") if output is None else output
    files.format_of(target)
    for path in {target, files.sidecar(target)}:
        files.check_writable(path, force=force)
    with interruptible("nothing was saved"):
        code = SphericalCode(chosen.points())
        if chosen.n * chosen.n * chosen.d > _SLOW:
            note = f"Measuring {chosen.n * (chosen.n - 1) // 2} pairs in d = {chosen.d}: this may take minutes."
            print(note, file=sys.stderr)
        record = _record(chosen, code)
    with uninterrupted():
        saved = _save(target, code, record, force)
    known = tables.best_known_or_none(chosen.n, chosen.d)
    if as_json:
        optimal = known is not None and known.optimal and known.verdict(code.min_angle_degrees) == "matches"
        print_json(record | {"optimal": optimal, "proved_by": _proof(known) if optimal else None, "file": saved[0]})
    else:
        report.console().print(_block(chosen, code, known, saved))


def _record(chosen: Construction, code: SphericalCode) -> dict[str, Any]:
    """What is claimed beside the points: measured, so that `tammes verify` agrees."""
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


def _save(target: Path, code: SphericalCode, record: dict[str, Any], force: bool) -> list[str]:
    """The points and, beside them, the record; one file where the record can hold the points."""
    from tammes.storage import formats as files
    from tammes.storage import writer as records

    document = record | {"file": target.name}
    if files.sidecar(target) == target:
        document["points"] = code.points.tolist()
        files.write_atomically(target, records.to_json(document).encode(), force=force)
        return [str(target)]
    files.save(target, code, force=force)
    files.write_atomically(files.sidecar(target), records.to_json(document).encode(), force=force)
    return [str(target), str(files.sidecar(target))]


def _proof(known: KnownValue | None) -> str | None:
    return None if known is None else known.proved_by


def _block(chosen: Construction, code: SphericalCode, known: KnownValue | None, saved: list[str]) -> RenderableType:
    """Size, angle, cosine, what is proved, reference, files: one compact block."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from tammes.cli import report

    degrees = code.min_angle_degrees
    exact = "" if chosen.exact_max_cosine is None else f"   exactly {chosen.exact_max_cosine}"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("minimal angle", Text(f"{degrees:.12f}°", style="bold"))
    table.add_row("max cosine", f"{code.max_cosine:.16f}{exact}")
    if known is None:
        table.add_row("optimal", "nothing is stored for this size")
    elif known.optimal and known.verdict(degrees) == "matches":
        table.add_row("optimal", f"yes: {known.proved_by}")
    elif known.verdict(degrees) == "matches":
        table.add_row("optimal", f"not proved; this is the best known   ({known.source})")
    else:
        table.add_row("optimal", f"best known {known.degrees}°; this code {report.comparison(known, degrees)}")
    table.add_row("reference", chosen.reference)
    table.add_row("saved", ", ".join(saved))
    title = f"{chosen.title}: {code.n} points on the unit sphere in R^{code.d}"
    return Group(Text(title, style="bold"), table)


def _list(as_json: bool) -> None:
    """Every name, its size, its cosine, where it is from."""
    from rich.table import Table

    from tammes.cli import report
    from tammes.constructions.catalogue import CONSTRUCTIONS

    families = CONSTRUCTIONS.values()
    if as_json:
        names = ("name", "title", "parameters", "size", "exact_max_cosine", "reference")
        print_json([{name: getattr(family, name) for name in names} for family in families])
        return
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "options", "points", "max cosine", "what it is", "reference"):
        table.add_column(heading, no_wrap=heading in {"name", "options"})
    for family in families:
        options = " ".join(f"--{parameter}" for parameter in family.parameters)
        named = {"An": "A2, A3, ...", "Dn": "D3, D4, ..."}.get(family.name, family.name)
        cosine = family.exact_max_cosine or "measured"
        shown = "" if family.name in {"An", "Dn"} else options
        table.add_row(named, shown, family.size, cosine, family.title, family.reference)
    report.console().print(table)
