"""`tammes bench`: the paper's Table 1, and (`gradients`) its Figure 2."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tammes.cli.help import Command, Group
from tammes.cli.options import LIMITS, METHOD, OUTPUT, PROBLEM, Force, Json, Workers
from tammes.cli.terminal import console, interruptible, print_files, print_json, progress_bar
from tammes.cli.values import integer

if TYPE_CHECKING:
    from tammes.bench.cells import Cell

__all__ = ["bench_app", "gradients", "table1"]

bench_app = typer.Typer(
    cls=Group, help="Regenerate the paper's Table 1, or (gradients) its Figure 2.", invoke_without_command=True
)


@bench_app.callback()
def table1(
    context: typer.Context,
    rows: Annotated[
        str | None,
        typer.Option(help="Some rows, as 4x600,5x130 (d x n).", show_default="all", rich_help_panel=PROBLEM),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(help="Some losses, as mma,cosine.", show_default="all", rich_help_panel=METHOD),
    ] = None,
    seeds: Annotated[
        int, typer.Option(parser=integer("seeds", 1), metavar="N", help="Seeds for each cell.", rich_help_panel=METHOD)
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.", rich_help_panel=METHOD)] = "cpu",
    steps: Annotated[
        int,
        typer.Option(parser=integer("steps", 1), metavar="N", help="Iterations at most.", rich_help_panel=LIMITS),
    ] = 10_000,
    workers: Workers = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.", rich_help_panel=OUTPUT)] = Path(
        "tammes_table1"
    ),
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Regenerate the paper's Table 1: CSV, JSON, Markdown and a chart; resumes where it stopped."""
    if context.invoked_subcommand is not None:
        return
    from rich.markdown import Markdown

    from tammes.bench import cells, report
    from tammes.bench.table1 import run_table1

    chosen_rows, chosen_losses = cells.parse_rows(rows), cells.parse_losses(losses)
    state = f"finished cells are in {out}, the same command goes on from there"
    with interruptible(state), progress_bar() as bar:

        def show(cell: "Cell", done: int, total: int) -> None:
            bar.show("bench", done, total, note=f"({cell.d}, {cell.n}) {cell.loss} {cell.min_angle_degrees:.4f}°")

        document = run_table1(
            out,
            rows=chosen_rows,
            losses=chosen_losses,
            seeds=seeds,
            settings=cells.Settings(steps=steps, device=device),
            workers=workers,
            fresh=force,
            progress=show,
        )
    if as_json:
        print_json(document)
    else:
        console().print(Markdown("\n".join(report.markdown_table(document["rows"], chosen_losses))))
        print(f"{out / 'table1.md'}")


@bench_app.command(cls=Command)
def gradients(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of gradients.png and gradients.csv.", rich_help_panel=OUTPUT)
    ] = Path(),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw the paper's Figure 2 from the code's own gradients: PNG and CSV."""
    from tammes import plots
    from tammes.bench import figure2
    from tammes.storage import atomic

    picture, table = out / "gradients.png", out / "gradients.csv"
    for path in (picture, table):
        atomic.check_writable(path, force=force)
    theta, curves = figure2.gradient_curves()
    lines = [",".join(["theta_radians", *(f'"{label}"' for label in curves)])]
    columns = [theta.tolist(), *(curve.tolist() for curve in curves.values())]
    lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    atomic.write_atomically(table, ("\n".join(lines) + "\n").encode(), force=force)
    atomic.write_atomically(picture, plots.figure_bytes(plots.plot_gradients(theta, curves)), force=force)
    print_files(picture, table, as_json=as_json)
