"""`tammes plot`: a picture of a code, or of the course of its run."""

from pathlib import Path
from typing import Annotated

import typer

from tammes.base.errors import InvalidParameterError
from tammes.cli.options import OUTPUT, CodeFile, FileDimension, Force, Json, Normalize
from tammes.cli.terminal import print_files

__all__ = ["plot"]


def plot(
    file: CodeFile,
    history: Annotated[bool, typer.Option("--history", help="Draw the course of the run instead.")] = False,
    normalize: Normalize = False,
    d: FileDimension = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Picture: .png, .svg or .pdf.",
            show_default="FILE.png",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw a code (d = 3: the sphere; any d: histograms of its angles), or the course of its run."""
    from tammes import plots
    from tammes.bounds import best as bounds
    from tammes.storage import atomic, formats, tables

    target = file.with_suffix(".png") if output is None else output
    if target.suffix.lower() not in plots.SUFFIXES:
        raise InvalidParameterError("output", f"a file ending in {', '.join(plots.SUFFIXES)}", str(target))
    atomic.check_writable(target, force=force)
    if history:
        record = atomic.read_json(formats.sidecar(file))
        figure = plots.plot_history(record.get("history") or {}, title=file.stem)
    else:
        code = formats.load(file, d=d, normalize=normalize)
        known = tables.best_known_or_none(code.n, code.d)
        figure = plots.plot_code(code, known, bounds.upper_bound(code.n, code.d))
    atomic.write_atomically(target, plots.figure_bytes(figure, target.suffix), force=force)
    print_files(target, as_json=as_json)
