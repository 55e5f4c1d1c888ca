"""`tammes table`: what is known of a size, or of a dimension."""

from __future__ import annotations

import csv
import dataclasses
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tammes.base.errors import InvalidParameterError, NotTabulatedError
from tammes.cli.options import Dimension, Json, integer
from tammes.cli.terminal import print_json

__all__ = ["table"]


def table(
    d: Dimension,
    n: Annotated[
        int | None, typer.Option("--n", parser=integer("n", 2), metavar="N", help="Number of points; all without it.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Archive of your own codes [in the user's data folder].")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Look up what is known: published angles, proved optima, exact codes, your archive, the bound."""
    if as_json and as_csv:
        raise InvalidParameterError("--csv", "given without --json", "both")
    if n is None:
        _of_dimension(d, as_json, as_csv)
    else:
        _of_size(n, d, archive, as_json, as_csv)


def _of_dimension(d: int, as_json: bool, as_csv: bool) -> None:
    """The best known value of every size that is stored."""
    from tammes.cli import report
    from tammes.storage import tables

    values = [tables.best_known(*size) for size in tables.sizes(d)]
    if not values:
        tables.known_values(2 * d + 1, d)  # raises, and says what is covered
    if as_json:
        print_json([_record(value) for value in values])
    elif as_csv:
        _print_csv(values)
    else:
        report.console().print(report.known_table(values))


def _of_size(n: int, d: int, folder: Path | None, as_json: bool, as_csv: bool) -> None:
    """Everything about one size."""
    from tammes.cli import report
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
        _print_csv(tables.known_values(n, d))  # raises where nothing is stored
    else:
        report.console().print(report.known_block(known))


def _record(value: Any) -> dict[str, Any]:
    return dataclasses.asdict(value) | {"decimals": value.decimals}


def _print_csv(values: list[Any]) -> None:
    records = [_record(value) for value in values]
    writer = csv.DictWriter(sys.stdout, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
