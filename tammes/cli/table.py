"""`tammes table`: what is known of a size, or of a dimension."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from tammes.base.errors import ConflictingOptionsError, NotTabulatedError
from tammes.cli.options import ArchiveFolder, Csv, Dimension, Json, OptionalCount
from tammes.cli.terminal import console, print_csv, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.storage.known import Known
    from tammes.storage.tables import KnownValue

__all__ = ["table"]


def table(
    d: Dimension,
    n: OptionalCount = None,
    archive: ArchiveFolder = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Look up what is known: published angles, proved optima, exact codes, your archive, the bound."""
    if as_json and as_csv:
        raise ConflictingOptionsError("--json", "--csv")
    if n is None:
        _print_dimension(d, as_json, as_csv)
    else:
        _print_size(n, d, archive, as_json, as_csv)


def _print_dimension(d: int, as_json: bool, as_csv: bool) -> None:
    """Print the best known value of every size that is stored."""
    from tammes.storage import tables

    values = [tables.best_known(*size) for size in tables.sizes(d)]
    if not values:
        tables.known_values(2 * d + 1, d)  # raises, and says what is covered
    if as_json:
        print_json([value.to_dict() for value in values])
    elif as_csv:
        print_csv([value.to_dict() for value in values])
    else:
        console().print(_values_table(values))


def _print_size(n: int, d: int, folder: Path | None, as_json: bool, as_csv: bool) -> None:
    """Print everything that is known of one size."""
    from tammes.storage import tables
    from tammes.storage.archive import Archive
    from tammes.storage.known import lookup

    known = lookup(n, d, Archive(folder))
    if not known.values and known.archived is None:
        limit = f"{math.ceil(known.bound.degrees * 1e6) / 1e6:.6f}"
        try:
            tables.known_values(n, d)
        except NotTabulatedError as error:
            raise NotTabulatedError(f"{error} No code has an angle above {limit}° ({known.bound.name}).") from None
    if as_json:
        print_json(known.to_dict())
    elif as_csv:
        print_csv([value.to_dict() for value in tables.known_values(n, d)])  # raises where nothing is stored
    else:
        console().print(_known_block(known))


def _values_table(values: "list[KnownValue] | tuple[KnownValue, ...]") -> "RenderableType":
    """Return published values, one a row, digit for digit."""
    from tammes.cli import report

    numbers = ("d", "n", "angle (degrees)")
    shown = report.plain_table(*numbers, "max cosine", "source", "proved optimal by", numbers=numbers)
    for value in values:
        source = value.source if value.name is None else f"{value.source}: {value.name}"
        cosine = value.exact_max_cosine or ""
        shown.add_row(str(value.d), str(value.n), value.degrees, cosine, source, value.proved_by or "")
    return shown


def _known_block(known: "Known") -> "RenderableType":
    """Return what is known of one size: every value with its source, then what follows from them."""
    from rich.console import Group
    from rich.text import Text

    from tammes.cli import report

    best, bound = known.best, known.bound
    rows: report.Rows = []
    if best is None:
        rows.append(("best known", "no stored value for this size"))
    else:
        cosine = "" if best.exact_max_cosine is None else f"   max cosine {best.exact_max_cosine}"
        rows.append(("best known", Text(f"{best.degrees}°", style="bold").append(cosine, "not bold")))
        if best.proved_by is not None:
            rows.append(("proved optimal", best.proved_by))
    if known.constructions:
        names = ", ".join(f"{code.title} (`{code.command}`)" for code in known.constructions)
        rows.append(("attained by", names))
    limit = f"{bound.degrees:.6f}°   ({bound.name}: {bound.reference})"
    rows.append(("upper bound", f"{limit}, met: no code is better" if known.met else limit))
    if known.archived is not None:
        rows.append(("in the archive", f"{known.archived.code.min_angle_degrees:.12f}°   {known.archived.path}"))
    block = report.named_rows(rows)
    return Group(_values_table(known.values), block) if known.values else block
