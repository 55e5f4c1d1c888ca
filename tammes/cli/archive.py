"""`tammes archive`: list, show, export and import the best codes kept."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import ConflictingOptionsError
from tammes.cli.help import Command, Group
from tammes.cli.options import (
    OUTPUT,
    PROBLEM,
    Antipodal,
    ArchiveFolder,
    Count,
    Csv,
    Dimension,
    FileDimension,
    Force,
    Json,
    Normalize,
)
from tammes.cli.terminal import (
    archive_warnings,
    console,
    fail,
    interruptible,
    narrate,
    print_csv,
    print_files,
    print_json,
    uninterrupted,
)
from tammes.cli.values import integer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.storage.archive import Entry, Offered

__all__ = ["archive_app", "export", "import_files", "list_codes", "show"]

archive_app = typer.Typer(cls=Group, help="The best codes kept: list, show, export, import.", no_args_is_help=True)

_COLUMNS = (
    "n",
    "d",
    "antipodal",
    "min_angle_degrees",
    "best_known_degrees",
    "verdict",
    "bound_degrees",
    "gap_degrees",
    "archived",
    "method",
)


@archive_app.command("list", cls=Command)
def list_codes(
    d: Annotated[
        int | None,
        typer.Option(
            "--d",
            parser=integer("d", 2),
            metavar="D",
            help="One dimension; all without it.",
            rich_help_panel=PROBLEM,
        ),
    ] = None,
    archive: ArchiveFolder = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List the codes kept, with the best known value and the bound of each size."""
    from tammes.storage.archive import Archive

    if as_json and as_csv:
        raise ConflictingOptionsError("--json", "--csv")
    kept = Archive(archive)
    with archive_warnings(), interruptible("nothing was changed"):
        rows = [_row(entry) for entry in kept.entries(d)]
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv([row | {"method": " + ".join(row["method"])} for row in rows], _COLUMNS)
    elif rows:
        console().print(_table(rows))
    else:
        narrate(f"No codes{'' if d is None else f' in d = {d}'} in the archive {kept.folder}.")


@archive_app.command(cls=Command)
def show(
    n: Count,
    d: Dimension,
    antipodal: Antipodal = False,
    archive: ArchiveFolder = None,
    as_json: Json = False,
) -> None:
    """Show one code: measured anew, compared with what is known, and where it came from."""
    from tammes.storage.archive import Archive

    with archive_warnings():
        entry = Archive(archive).require(n, d, antipodal)
    if as_json:
        print_json(entry.record | {"path": str(entry.path)})
    else:
        console().print(_block(entry))


@archive_app.command(cls=Command)
def export(
    n: Count,
    d: Dimension,
    antipodal: Antipodal = False,
    archive: ArchiveFolder = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File of the points; their record lies beside it.",
            show_default="tammes_dD_nN.npy",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a kept code as a file: .npy .npz .csv .txt (Sloane's) .json .off, and its record beside it."""
    from tammes.storage.archive import Archive
    from tammes.storage.exchange import export_code

    target = Path(f"tammes_d{d}_n{n}{'_antipodal' if antipodal else ''}.npy") if output is None else output
    with archive_warnings(), uninterrupted():
        written = export_code(Archive(archive), n, d, target, antipodal=antipodal, force=force)
    print_files(*written, as_json=as_json)


@archive_app.command("import", cls=Command)
def import_files(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE_OR_FOLDER...", help="Points, or folders of them.")],
    normalize: Normalize = False,
    d: FileDimension = None,
    archive: ArchiveFolder = None,
    as_json: Json = False,
) -> None:
    """Offer every code found in files and folders (another archive, say); better ones are kept."""
    from tammes.storage.archive import Archive
    from tammes.storage.exchange import Imported, import_codes

    kept = Archive(archive)
    found: list[Imported] = []
    with archive_warnings(), interruptible("the codes offered so far are in the archive"):
        for source in sources:
            imported = import_codes(kept, source, d=d, normalize=normalize)
            found.append(imported)
            if not as_json:
                for path, offered in imported.offered:
                    print(f"{path}: {_sentence(offered)}")
            for _, reason in imported.skipped:
                narrate(f"Skipped: {reason}")
    if as_json:
        print_json(
            {
                "archive": str(kept.folder),
                "offered": [
                    {"source": str(path), **_offer(offered)} for each in found for path, offered in each.offered
                ],
                "skipped": [{"source": str(path), "reason": reason} for each in found for path, reason in each.skipped],
            }
        )
    empty = [str(source) for source, imported in zip(sources, found, strict=True) if not imported.offered]
    if empty:
        fail(f"No code was found in {', '.join(empty)}.", 1)


def _row(entry: "Entry") -> dict[str, Any]:
    """Return one code of the list; published values are of the unrestricted problem, bounds hold for both."""
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
        "archived": entry.archived,
        "method": entry.method,
    }


def _table(rows: list[dict[str, Any]]) -> "RenderableType":
    """Return the list as a table."""
    from tammes.cli import report

    numbers = ("d", "n", "angle (degrees)", "best known", "gap to bound")
    table = report.plain_table(*numbers[:4], "", "gap to bound", "date", "method", numbers=numbers)
    for row in rows:
        table.add_row(
            str(row["d"]),
            str(row["n"]) + (" ±" if row["antipodal"] else ""),
            f"{row['min_angle_degrees']:.12f}",
            row["best_known_degrees"] or "",
            row["verdict"] or "",
            f"{row['gap_degrees']:.6f}",
            (row["archived"] or "")[:10],
            " + ".join(row["method"]),
        )
    return table


def _block(entry: "Entry") -> "RenderableType":
    """Return one code as names and what is said of each."""
    from tammes.cli import report
    from tammes.storage import tables

    code = entry.code
    bound = tables.upper_bound(code.n, code.d)
    gap = max(0.0, bound.degrees - code.min_angle_degrees)
    known = None if entry.antipodal else tables.best_known_or_none(code.n, code.d)
    rows: report.Rows = [
        ("points", f"{code.n} in d = {code.d}" + (", pairs ±x" if entry.antipodal else "")),
        ("minimal angle", f"{code.min_angle_degrees:.12f}°"),
    ]
    if known is None:
        rows.append(("best known", "no stored value for this problem"))
    else:
        rows.append(("best known", f"{known.degrees}°   ({known.source})"))
        rows.append(("", f"this code {report.comparison(known, code.min_angle_degrees)}"))
    rows += [
        ("upper bound", f"{bound.degrees:.6f}°   ({bound.name}), gap {gap:.6f}°"),
        ("contacts", f"{len(code.contacts())}, {report.counted(len(code.rattlers()), 'rattler')}"),
        ("method", " + ".join(entry.method) or "not recorded"),
        ("kept since", entry.archived or "not recorded"),
        ("digest", code.digest),
        ("file", str(entry.path)),
    ]
    return report.named_rows(rows)


def _offer(offered: "Offered") -> dict[str, Any]:
    """Return what became of an offered code, as JSON-ready values."""
    document = dataclasses.asdict(offered)
    previous = document.pop("previous")
    return document | {
        "path": str(offered.path),
        "previous_degrees": None if previous is None else math.degrees(previous),
        "min_angle_degrees": math.degrees(document.pop("angle")),
        "deletions": [_offer(deletion) for deletion in offered.deletions],
    }


def _sentence(offered: "Offered") -> str:
    """Return what became of an offered code, in words."""
    what = f"{offered.n} points in d = {offered.d}{', pairs ±x' if offered.antipodal else ''}"
    previous = "none" if offered.previous is None else f"{math.degrees(offered.previous):.12f}°"
    outcome = f"kept (before: {previous})" if offered.kept else f"not kept; the archive has {previous}"
    more = f", and {len(offered.deletions)} with fewer points" if offered.deletions else ""
    return f"{what}, {math.degrees(offered.angle):.12f}°: {outcome}{more}"
