"""The command line: parse, call, print. Answers on stdout, narration on stderr.

Exit status: 0 done; 1 a clear reason in one line; 2 wrong usage; 130 interrupted, best code saved.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from tammes.base.errors import InvalidParameterError, TammesError, UnknownNameError
from tammes.cli.archive import archive_app
from tammes.cli.bound import bound as bound_command
from tammes.cli.certify import certify as certify_command
from tammes.cli.compare import compare as compare_command
from tammes.cli.construct import construct as construct_command
from tammes.cli.inspect import inspect as inspect_command
from tammes.cli.options import (
    CodeFile,
    Count,
    Dimension,
    Force,
    Json,
    Normalize,
    SomeDimension,
    duration,
    fail,
    integer,
)
from tammes.cli.polish import polish as polish_command
from tammes.cli.search import Antipodal, Symmetry, Workers
from tammes.cli.search import search as search_command
from tammes.cli.table import table as table_command
from tammes.cli.terminal import interruptible, print_files, print_json, progress_bar, uninterrupted

__all__ = ["app", "main"]

app = typer.Typer(
    name="tammes",
    help="Spherical codes: n points on the unit sphere in R^d with the largest minimal angle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench_app = typer.Typer(
    help="Regenerate the paper's Table 1, or (gradients) its Figure 2.", invoke_without_command=True
)
app.add_typer(bench_app, name="bench")
app.add_typer(archive_app, name="archive")
app.command("search")(search_command)
app.command("polish")(polish_command)
app.command("certify")(certify_command)
app.command("table")(table_command)
app.command("bound")(bound_command)
app.command("construct")(construct_command)
app.command("compare")(compare_command)
app.command("inspect")(inspect_command)


def main() -> None:
    """The entry point: errors of this package become one line and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a degree sign is no reason to fail where only ASCII is spoken
            stream.reconfigure(errors="replace")
    try:
        app()
    except (InvalidParameterError, UnknownNameError) as error:
        fail(str(error), 2)
    except TammesError as error:
        fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output has gone: `tammes table --d 3 | head`
        sys.stderr.close()
        sys.exit(1)


def _version(asked: bool) -> None:
    if asked:
        import importlib.metadata

        print(f"tammes {importlib.metadata.version('tammes')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Spherical codes: n points on the unit sphere in R^d with the largest minimal angle."""


# --- solve ------------------------------------------------------------------------------------


@app.command()
def solve(
    n: Count,
    d: Dimension,
    loss: Annotated[
        str | None, typer.Option(help="mma, cosine, riesz-fisher, logarithmic, orthogonal; without it, a search.")
    ] = None,
    s: Annotated[float, typer.Option(help="Riesz exponent, s > 0.")] = 2.0,
    preset: Annotated[str | None, typer.Option(help="Settings by name: paper.")] = None,
    steps: Annotated[
        int | None, typer.Option(parser=integer("steps", 1), metavar="N", help="Iterations at most [10000].")
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            parser=integer("starts", 1), metavar="N", help="Of a loss: starts, as one batch [1]; else in all."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(parser=integer("seed", 0), metavar="N", help="Seed of the starts.")] = 0,
    time: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Wall-clock limit: 90s, 10m, 2h [without a loss: 30s, none from n = 3,000 on].",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help="float64 or float32, for the loss's descent [float64].")] = None,
    init: Annotated[Path | None, typer.Option(metavar="FILE", help="Start from these points.")] = None,
    polish: Annotated[bool, typer.Option("--polish/--no-polish", help="Climb on to a local maximum.")] = True,
    analytic: Annotated[
        bool, typer.Option("--analytic/--no-analytic", help="Use the closed form where there is one.")
    ] = True,
    symmetry: Symmetry = "auto",
    antipodal: Antipodal = False,
    workers: Workers = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [tammes_dD_nN.npy].")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Find one code, polish it, save it with its provenance."""
    from tammes.cli import report
    from tammes.global_search import api
    from tammes.storage import formats as files
    from tammes.storage import writer as records

    target = Path(f"tammes_d{d}_n{n}.npy") if output is None else output
    files.format_of(target)
    for path in {target, files.sidecar(target)}:
        files.check_writable(path, force=force)
    start = None if init is None else files.load(init, d=d).points
    with interruptible("nothing was found yet that could be saved"), progress_bar(n, d) as progress:
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
        saved = records.save_with_record(result, target, force=force)
    if as_json:
        print_json(result.to_dict() | {"file": saved[0]})
    else:
        report.console().print(report.result_block(result, saved))
    if result.interrupted:
        raise typer.Exit(130)


# --- files ------------------------------------------------------------------------------------


@app.command()
def verify(
    file: CodeFile,
    tolerance: Annotated[float, typer.Option(help="Claim and measurement may differ by this, radians.")] = 1e-12,
    normalize: Normalize = False,
    d: SomeDimension = None,
    as_json: Json = False,
) -> None:
    """Measure a file from its points alone and hold the claim beside it to that; or check a certificate."""
    from tammes.cli import report
    from tammes.storage import verification

    if verification.is_certificate(file):
        checked = verification.verify_certificate(file)
        if as_json:
            print_json(checked.to_dict())
        else:
            report.console().print(report.certificate_check_block(checked))
        if not checked.holds:
            fail(f"{file}: the certificate does not hold: {checked.refused}.", 1)
        return
    check = verification.verify(file, tolerance=tolerance, normalize=normalize, d=d)
    if as_json:
        print_json(check.to_dict())
    else:
        report.console().print(report.verification_block(check))
    if not check.holds:
        fail(f"{check.claimed_in}: the claim does not hold: {check.disagreements[0]}.", 1)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Points to read.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Where to; the extension is the format.")],
    normalize: Normalize = False,
    d: SomeDimension = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write points in another format: .npy .npz .csv .txt (Sloane's) .json .off."""
    from tammes.storage import formats as files

    files.format_of(target)
    files.check_writable(target, force=force)
    code = files.load(source, d=d, normalize=normalize)
    files.save(target, code, force=force)
    if as_json:
        print_json({"file": str(target), "n": code.n, "d": code.d, "min_angle_degrees": code.min_angle_degrees})
    else:
        print(f"{target}: {code.n} points in d = {code.d}, minimal angle {code.min_angle_degrees:.12f}°")


@app.command()
def plot(
    file: CodeFile,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Picture: .png, .svg or .pdf [FILE.png].")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Draw the course of the run instead.")] = False,
    normalize: Normalize = False,
    d: SomeDimension = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw a code (d = 3: the sphere; any d: histograms of its angles), or the course of its run."""
    from tammes import plots
    from tammes.bounds import best as bounds
    from tammes.storage import formats as files
    from tammes.storage import tables

    target = file.with_suffix(".png") if output is None else output
    if target.suffix.lower() not in plots.SUFFIXES:
        raise InvalidParameterError("output", f"a file ending in {', '.join(plots.SUFFIXES)}", str(target))
    files.check_writable(target, force=force)
    if history:
        record = files.read_json(files.sidecar(file))
        figure = plots.plot_history(record.get("history") or {}, title=file.stem)
    else:
        code = files.load(file, d=d, normalize=normalize)
        known = tables.best_known_or_none(code.n, code.d)
        figure = plots.plot_code(code, known, bounds.upper_bound(code.n, code.d))
    files.write_atomically(target, plots.figure_bytes(figure, target.suffix), force=force)
    print_files(target, as_json=as_json)


# --- bench ------------------------------------------------------------------------------------


@bench_app.callback()
def bench_table1(
    context: typer.Context,
    seeds: Annotated[int, typer.Option(parser=integer("seeds", 1), metavar="N", help="Seeds a cell.")] = 1,
    rows: Annotated[str | None, typer.Option(help="Some rows, as 4x600,5x130 (d x n).")] = None,
    losses: Annotated[str | None, typer.Option(help="Some losses, as mma,cosine.")] = None,
    steps: Annotated[int, typer.Option(parser=integer("steps", 1), metavar="N", help="Iterations at most.")] = 10_000,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
    workers: Annotated[
        int | None, typer.Option(parser=integer("workers", 1), metavar="N", help="Processes [all cores].")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path("tammes_table1"),
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Regenerate the paper's Table 1: CSV, JSON, Markdown and a chart; resumes where it stopped."""
    if context.invoked_subcommand is not None:
        return
    from rich.markdown import Markdown
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tammes.bench import cells, table1
    from tammes.bench import report as bench_report
    from tammes.cli import report

    chosen_rows, chosen_losses = cells.parse_rows(rows), cells.parse_losses(losses)
    console = report.console(stderr=True)
    columns = (TextColumn("bench"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    last = TextColumn("{task.fields[last]}")
    with (
        interruptible(f"finished cells are in {out}, the same command goes on from there"),
        Bar(*columns, last, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("cells", total=None, last="")

        def show(cell: cells.Cell, done: int, total: int) -> None:
            last = f"({cell.d}, {cell.n}) {cell.loss} {cell.min_angle_degrees:.4f}°"
            bar.update(task, completed=done, total=total, last=last)

        document = table1.run_table1(
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
        report.console().print(Markdown("\n".join(bench_report.markdown_table(document["rows"], chosen_losses))))
        print(f"{out / 'table1.md'}")


@bench_app.command()
def gradients(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of gradients.png and gradients.csv.")] = Path(),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw the paper's Figure 2 from the code's own gradients: PNG and CSV."""
    from tammes import plots
    from tammes.bench import figure2
    from tammes.storage import formats as files

    for name in ("gradients.png", "gradients.csv"):
        files.check_writable(out / name, force=force)
    theta, curves = figure2.gradient_curves()
    lines = [",".join(["theta_radians", *(f'"{label}"' for label in curves)])]
    columns = [theta.tolist(), *(curve.tolist() for curve in curves.values())]
    lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    files.write_atomically(out / "gradients.csv", ("\n".join(lines) + "\n").encode(), force=force)
    picture = plots.figure_bytes(plots.plot_gradients(theta, curves))
    files.write_atomically(out / "gradients.png", picture, force=force)
    print_files(out / "gradients.png", out / "gradients.csv", as_json=as_json)
