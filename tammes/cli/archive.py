"""`tammes archive`: look at the best codes kept, and move them in and out as files."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from tammes.base.errors import InvalidParameterError
from tammes.cli.options import Count, Dimension, Force, Json, Normalize, SomeDimension, fail, integer
from tammes.cli.terminal import interruptible, print_files, print_json, uninterrupted

if TYPE_CHECKING:
    from tammes.storage.archive import Entry, Offered

__all__ = ["ArchiveFolder", "archive_app", "warnings_told"]

archive_app = typer.Typer(help="The best codes kept: list, show, export, import.", no_args_is_help=True)

ArchiveFolder = Annotated[
    Path | None,
    typer.Option(
        "--archive", metavar="DIR", help="Folder of the archive [TAMMES_ARCHIVE, else in the user's data folder]."
    ),
]
Antipodal = Annotated[bool, typer.Option("--antipodal", help="The code made of pairs +-x (lines).")]

_COLUMNS = (
    *("n", "d", "antipodal", "min_angle_degrees", "best_known_degrees", "verdict"),
    *("bound_degrees", "gap_degrees", "archived", "method"),
)


@archive_app.command("list")
def list_codes(
    d: Annotated[
        int | None, typer.Option("--d", parser=integer("d", 2), metavar="D", help="One dimension; all without it.")
    ] = None,
    archive: ArchiveFolder = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """List the codes kept, with the best known value and the bound of each size."""
    from tammes.cli import report
    from tammes.storage.archive import Archive

    if as_json and as_csv:
        raise InvalidParameterError("--csv", "given without --json", "both")
    kept = Archive(archive)
    with warnings_told(), interruptible("nothing was changed"):
        rows = [_row(entry) for entry in kept.entries(d)]
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"method": " + ".join(row["method"])} for row in rows)
    elif rows:
        report.console().print(_table(rows))
    else:
        typer.echo(f"No codes{'' if d is None else f' in d = {d}'} in the archive {kept.folder}.", err=True)


@archive_app.command()
def show(
    n: Count,
    d: Dimension,
    antipodal: Antipodal = False,
    archive: ArchiveFolder = None,
    as_json: Json = False,
) -> None:
    """Show one code: measured anew, compared with what is known, and where it came from."""
    from tammes.cli import report
    from tammes.storage.archive import Archive

    with warnings_told():
        entry = Archive(archive).require(n, d, antipodal)
    if as_json:
        print_json(entry.record | {"path": str(entry.path)})
    else:
        report.console().print(_block(entry))


@archive_app.command()
def export(
    n: Count,
    d: Dimension,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [tammes_dD_nN.npy].")
    ] = None,
    antipodal: Antipodal = False,
    archive: ArchiveFolder = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a kept code as a file: .npy .npz .csv .txt (Sloane's) .json .off, and its record beside it."""
    from tammes.storage.archive import Archive
    from tammes.storage.exchange import export_code

    target = Path(f"tammes_d{d}_n{n}{'_antipodal' if antipodal else ''}.npy") if output is None else output
    with warnings_told(), uninterrupted():
        written = export_code(Archive(archive), n, d, target, antipodal=antipodal, force=force)
    print_files(*written, as_json=as_json)


@archive_app.command("import")
def import_files(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE_OR_FOLDER...", help="Points, or folders of them.")],
    normalize: Normalize = False,
    d: SomeDimension = None,
    archive: ArchiveFolder = None,
    as_json: Json = False,
) -> None:
    """Offer every code found in files and folders (another archive, say); better ones are kept."""
    from tammes.storage.archive import Archive
    from tammes.storage.exchange import Imported, import_codes

    kept = Archive(archive)
    found: list[Imported] = []
    with warnings_told(), interruptible("the codes offered so far are in the archive"):
        for source in sources:
            found.append(import_codes(kept, source, d=d, normalize=normalize))
            if not as_json:
                for path, offered in found[-1].offered:
                    typer.echo(f"{path}: {_sentence(offered)}")
            for _, reason in found[-1].skipped:
                typer.echo(f"Skipped: {reason}", err=True)
    if as_json:
        print_json(
            {
                "archive": str(kept.folder),
                "offered": [{"source": str(path), **_offer(offered)} for one in found for path, offered in one.offered],
                "skipped": [{"source": str(path), "reason": reason} for one in found for path, reason in one.skipped],
            }
        )
    empty = [str(source) for source, one in zip(sources, found, strict=True) if not one.offered]
    if empty:
        fail(f"No code was found in {', '.join(empty)}.", 1)


@contextlib.contextmanager
def warnings_told() -> Iterator[None]:
    """The archive's warnings as lines on stderr."""
    from tammes.storage.archive import ArchiveWarning

    with warnings.catch_warnings():
        others = warnings.showwarning

        def tell(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, ArchiveWarning):
                typer.echo(f"Warning: {message}", err=True)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", ArchiveWarning)
        warnings.showwarning = tell
        yield


def _row(entry: Entry) -> dict[str, Any]:
    """One line of the list; published values are of the unrestricted problem, bounds hold for both."""
    from tammes.storage import tables

    code = entry.code
    known = None if entry.antipodal else tables.best_known_or_none(code.n, code.d)
    bound = tables.upper_bound(code.n, code.d)
    return {
        "n": code.n,
        "d": code.d,
        "antipodal": entry.antipodal,
        "min_angle_degrees": code.min_angle_degrees,
        "best_known_degrees": None if known is None else known.degrees,
        "verdict": None if known is None else known.verdict(code.min_angle_degrees),
        "bound_degrees": bound.degrees,
        "gap_degrees": max(0.0, bound.degrees - code.min_angle_degrees),  # the bound is met, but for rounding
        "archived": entry.record.get("archived"),
        "method": _method(entry),
    }


def _method(entry: Entry) -> list[str]:
    """How a code was made; a record may have been written by anyone."""
    method = entry.record.get("method")
    return [str(name) for name in method] if isinstance(method, list) else []


def _table(rows: list[dict[str, Any]]) -> Any:
    """The list for people."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("d", "n", "angle (degrees)", "best known"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("gap to bound", justify="right", no_wrap=True)
    for name in ("date", "method"):
        table.add_column(name)
    for row in rows:
        table.add_row(
            str(row["d"]),
            str(row["n"]) + (" ±" if row["antipodal"] else ""),
            f"{row['min_angle_degrees']:.12f}",
            row["best_known_degrees"] or "",
            row["verdict"] or "",
            f"{row['gap_degrees']:.6f}",
            str(row["archived"] or "")[:10],
            " + ".join(row["method"]),
        )
    return table


def _block(entry: Entry) -> Any:
    """One code for people: names and what they say."""
    from rich.table import Table

    from tammes.cli import report
    from tammes.storage import tables

    code, bound = entry.code, tables.upper_bound(entry.code.n, entry.code.d)
    gap = max(0.0, bound.degrees - code.min_angle_degrees)
    known = None if entry.antipodal else tables.best_known_or_none(code.n, code.d)
    free = len(code.rattlers())
    rows = {
        "points": f"{code.n} in d = {code.d}" + (", pairs ±x" if entry.antipodal else ""),
        "minimal angle": f"{code.min_angle_degrees:.12f}°",
        "best known": "no stored value for this problem" if known is None else f"{known.degrees}°   ({known.source})",
        "": "" if known is None else f"this code {report.comparison(known, code.min_angle_degrees)}",
        "upper bound": f"{bound.degrees:.6f}°   ({bound.name}), gap {gap:.6f}°",
        "contacts": f"{len(code.contacts())}, {free} rattler{'' if free == 1 else 's'}",
        "method": " + ".join(_method(entry)) or "not told",
        "kept since": str(entry.record.get("archived", "not told")),
        "digest": code.digest,
        "file": str(entry.path),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in rows.items():
        if text:
            table.add_row(name, text)
    return table


def _offer(offered: Offered) -> dict[str, Any]:
    """What became of a code, as JSON-ready values."""
    document = dataclasses.asdict(offered)
    before = document.pop("previous")
    return document | {
        "path": str(offered.path),
        "previous_degrees": None if before is None else math.degrees(before),
        "min_angle_degrees": math.degrees(document.pop("angle")),
        "deletions": [_offer(deletion) for deletion in offered.deletions],
    }


def _sentence(offered: Offered) -> str:
    """What became of a code, in words."""
    what = f"{offered.n} points in d = {offered.d}{', pairs ±x' if offered.antipodal else ''}"
    before = "none" if offered.previous is None else f"{math.degrees(offered.previous):.12f}°"
    verdict = f"kept (before: {before})" if offered.kept else f"not kept; the archive has {before}"
    more = f", and {len(offered.deletions)} with fewer points" if offered.deletions else ""
    return f"{what}, {math.degrees(offered.angle):.12f}°: {verdict}{more}"
