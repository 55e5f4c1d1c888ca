"""`tammes solve`: find one code, save it with its provenance."""

from pathlib import Path
from typing import Annotated

import typer

from tammes.cli.options import (
    LIMITS,
    METHOD,
    OUTPUT,
    Antipodal,
    Count,
    Dimension,
    Force,
    Json,
    Seed,
    Symmetry,
    Workers,
)
from tammes.cli.terminal import archive_warnings, console, interruptible, print_json, search_progress, uninterrupted
from tammes.cli.values import duration, integer

__all__ = ["solve"]


def solve(
    n: Count,
    d: Dimension,
    symmetry: Symmetry = "auto",
    antipodal: Antipodal = False,
    loss: Annotated[
        str | None,
        typer.Option(
            help="mma, cosine, riesz-fisher, logarithmic, orthogonal; without it, a search.", rich_help_panel=METHOD
        ),
    ] = None,
    s: Annotated[float, typer.Option(help="Riesz exponent, s > 0.", rich_help_panel=METHOD)] = 2.0,
    preset: Annotated[str | None, typer.Option(help="Settings by name: paper.", rich_help_panel=METHOD)] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from these points.", rich_help_panel=METHOD)
    ] = None,
    seed: Seed = 0,
    polish: Annotated[
        bool, typer.Option("--polish/--no-polish", help="Polish to a local maximum.", rich_help_panel=METHOD)
    ] = True,
    analytic: Annotated[
        bool,
        typer.Option(
            "--analytic/--no-analytic", help="Use the closed form where there is one.", rich_help_panel=METHOD
        ),
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=METHOD)] = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            help="float64 or float32, for the loss's descent.", show_default="float64", rich_help_panel=METHOD
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            parser=integer("steps", 1),
            metavar="N",
            help="Iterations at most.",
            show_default="10000",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            parser=integer("starts", 1),
            metavar="N",
            help="With a loss: starts, run as one batch; without: starts in all.",
            show_default="with a loss 1",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Wall-clock limit: 90s, 10m, 2h.",
            show_default="without a loss 30s, none from n = 3,000 on",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    workers: Workers = None,
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
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Find one code, polish it, save it with its provenance."""
    from tammes.cli import report
    from tammes.global_search import api
    from tammes.storage import formats, writer

    target = Path(f"tammes_d{d}_n{n}.npy") if output is None else output
    writer.check_target(target, force=force)
    start = None if init is None else formats.load(init, d=d).points
    with (
        archive_warnings(),
        interruptible("nothing was found yet that could be saved"),
        search_progress(n, d) as progress,
    ):
        result = api.solve(
            n,
            d,
            loss,
            s=s,
            preset=preset,
            steps=steps,
            starts=starts,
            seed=seed,
            time_limit=time,
            device=device,
            dtype=dtype,
            init=start,
            polish=polish,
            analytic=analytic,
            symmetry=symmetry,
            antipodal=antipodal,
            workers=workers,
            checkpoint=target.with_suffix(".checkpoint.npz"),
            progress=progress,
        )
    with uninterrupted():
        saved = writer.save_with_record(result, target, force=force)
    if as_json:
        print_json(result.to_dict() | {"file": str(saved[0])})
    else:
        console().print(report.result_block(result, saved))
    if result.interrupted:
        raise typer.Exit(130)
