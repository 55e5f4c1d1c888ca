"""The command line: parse, call, print. Answers on stdout, narration on stderr.

Exit status: 0 done; 1 a clear reason in one line; 2 wrong usage; 130 interrupted, best code saved.
"""

from __future__ import annotations

import json
import math
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tammes.errors import (
    FileAccessError,
    InvalidParameterError,
    TammesError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from tammes.result import Result
    from tammes.solvers.run import Progress, ProgressCallback

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


def main() -> None:
    """The entry point: errors of this package become one line and an exit status."""
    try:
        app()
    except (InvalidParameterError, UnknownNameError) as error:
        _fail(str(error), 2)
    except TammesError as error:
        _fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output has gone: `tammes table --d 3 | head`
        sys.stderr.close()
        sys.exit(1)


def _fail(message: str, status: int) -> NoReturn:
    """One line on stderr."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(status)


# --- options ----------------------------------------------------------------------------------


def _integer(name: str, least: int) -> Callable[[str], int]:
    """A parser with the house's wording for what is not an integer of at least `least`."""

    def parse(text: str) -> int:
        text = str(text).strip()  # defaults pass through here too, as they are
        value = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text
        if isinstance(value, str) or value < least:
            # Not raised: the parser would wrap the message in one of its own.
            _fail(str(InvalidParameterError(name, f"an integer of at least {least}", value)), 2)
        return value

    return parse


def _duration(text: str) -> float:
    """Seconds from `90`, `90s`, `10m`, `2h`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text.strip())
    seconds = float(match[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2]] if match else 0.0
    if not (seconds > 0.0 and math.isfinite(seconds)):
        _fail(str(InvalidParameterError("time", "a positive duration such as 90s, 10m or 2h", text)), 2)
    return seconds


Count = Annotated[int, typer.Option("--n", parser=_integer("n", 2), metavar="N", help="Number of points.")]
Dimension = Annotated[int, typer.Option("--d", parser=_integer("d", 2), metavar="D", help="Dimension of the space.")]
SomeDimension = Annotated[
    int | None,
    typer.Option("--d", parser=_integer("d", 2), metavar="D", help="Dimension, for .txt files that do not name it."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Scale rows to length 1 first (float32 files).")]
CodeFile = Annotated[Path, typer.Argument(metavar="FILE", help="Points: .npy .npz .csv .txt .json .off")]


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
        str | None, typer.Option(help="mma, cosine, riesz-fisher or logarithmic; without it, the best way known here.")
    ] = None,
    s: Annotated[float, typer.Option(help="Riesz exponent, s > 0.")] = 2.0,
    preset: Annotated[str | None, typer.Option(help="Settings by name: paper.")] = None,
    steps: Annotated[
        int | None, typer.Option(parser=_integer("steps", 1), metavar="N", help="Iterations at most [10000].")
    ] = None,
    starts: Annotated[int, typer.Option(parser=_integer("starts", 1), metavar="N", help="Starts, as one batch.")] = 1,
    seed: Annotated[int, typer.Option(parser=_integer("seed", 0), metavar="N", help="Seed of the starts.")] = 0,
    time: Annotated[
        float | None, typer.Option(parser=_duration, metavar="TIME", help="Wall-clock limit: 90s, 10m, 2h.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help="float64 or float32, for the loss's descent [float64].")] = None,
    init: Annotated[Path | None, typer.Option(metavar="FILE", help="Start from these points.")] = None,
    polish: Annotated[bool, typer.Option("--polish/--no-polish", help="Climb on to a local maximum.")] = True,
    analytic: Annotated[
        bool, typer.Option("--analytic/--no-analytic", help="Use the closed form where there is one.")
    ] = True,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [tammes_dD_nN.npy].")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Find one code, polish it, save it with its provenance."""
    from tammes import api, files, report

    target = Path(f"tammes_d{d}_n{n}.npy") if output is None else output
    files.format_of(target)
    for path in {target, files.sidecar(target)}:
        files.check_writable(path, force=force)
    start = None if init is None else files.load(init, d=d).points
    with _interruptible("nothing was found yet that could be saved"), _progress(n, d) as progress:
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
            progress=progress,
        )
    with _uninterrupted():
        saved = _save(result, target, force=force)
    if as_json:
        _print_json(result.to_dict() | {"file": saved[0]})
    else:
        report.console().print(report.result_block(result, saved))
    if result.interrupted:
        raise typer.Exit(130)


def _save(result: Result, target: Path, *, force: bool) -> list[str]:
    """Write points and record; if that fails now, save them elsewhere and say where."""
    try:
        return _write_pair(result, target, force=force)
    except FileAccessError as error:
        rescue = Path(tempfile.mkdtemp(prefix="tammes_")) / target.name
        saved = _write_pair(result, rescue, force=False)
        raise FileAccessError(target, error.reason, f"The code was saved as {saved[0]} instead.") from None


def _write_pair(result: Result, target: Path, *, force: bool) -> list[str]:
    """The points and, beside them, the record; one file where the record can hold the points."""
    from tammes import files

    record = result.to_dict() | {"file": target.name}
    if files.sidecar(target) == target:
        record["points"] = result.code.points.tolist()
        files.write_atomically(target, _json(record).encode(), force=force)
        return [str(target)]
    files.save(target, result.code, force=force)
    files.write_atomically(files.sidecar(target), _json(record).encode(), force=force)
    return [str(target), str(files.sidecar(target))]


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False, default=str) + "\n"


def _print_json(document: dict[str, Any] | list[Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _print_files(*paths: Path, as_json: bool) -> None:
    if as_json:
        _print_json({"files": [str(path) for path in paths]})
    else:
        print("\n".join(map(str, paths)))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while files are written; raise it afterwards."""
    held: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    except ValueError:  # not the main thread: signals go elsewhere
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


@contextmanager
def _interruptible(state: str) -> Iterator[None]:
    """Ctrl-C ends with one line and 130; the parser would print its own word and exit with 1."""
    try:
        yield
    except KeyboardInterrupt:
        _fail(f"Interrupted; {state}.", 130)


@contextmanager
def _progress(n: int, d: int) -> Iterator[ProgressCallback]:
    """A bar on stderr with the best angle, the best known value and the gap; none off a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tammes import report, tables

    console = report.console(stderr=True)
    known = tables.best_known_or_none(n, d)
    columns = (TextColumn("{task.description:>6}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[angles]}"), console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(event: Progress) -> None:
            degrees = math.degrees(event.min_angle)
            angles = f"best {degrees:.6f}°"
            if known is not None:
                gap = max(0.0, known.gap(degrees))
                angles += f"  known {known.degrees}°  gap {gap:.{max(known.decimals, 1)}f}°"
            if event.phase not in tasks:
                tasks[event.phase] = bar.add_task(event.phase, total=event.total, angles=angles)
            bar.update(tasks[event.phase], completed=event.step, total=event.total, angles=angles)

        yield show


# --- what is known ----------------------------------------------------------------------------


@app.command()
def table(
    d: Dimension,
    n: Annotated[
        int | None, typer.Option("--n", parser=_integer("n", 2), metavar="N", help="Number of points; all without it.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> None:
    """Look up published angles, proved optima and exact codes, with their sources."""
    from tammes import bounds, report, tables
    from tammes.errors import NotTabulatedError

    if as_json and as_csv:
        raise InvalidParameterError("--csv", "given without --json", "both")
    if n is None:
        values = [tables.best_known(*size) for size in tables.sizes(d)]
        if not values:
            tables.known_values(2 * d + 1, d)  # raises, and says what is covered
    else:
        try:
            values = tables.known_values(n, d)
        except NotTabulatedError as error:
            bound = bounds.upper_bound(n, d)
            raise NotTabulatedError(
                f"{error} No code has an angle above {_rounded_up(bound.degrees)}° ({bound.name})."
            ) from None
    if as_json:
        records = [_known_record(value) for value in values]
        _print_json(records if n is None else {"n": n, "d": d, "values": records, "best": records[0]})
    elif as_csv:
        _print_csv([_known_record(value) for value in values])
    else:
        shown = None if n is None else bounds.upper_bound(n, d)
        report.console().print(report.known_table(values, shown))


def _rounded_up(degrees: float) -> str:
    """Six decimals, never below the number."""
    return f"{math.ceil(degrees * 1e6) / 1e6:.6f}"


def _known_record(value: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(value) | {"decimals": value.decimals}


def _print_csv(records: list[dict[str, Any]]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)


# --- files ------------------------------------------------------------------------------------


@app.command()
def verify(
    file: CodeFile,
    tolerance: Annotated[float, typer.Option(help="Claim and measurement may differ by this, radians.")] = 1e-12,
    normalize: Normalize = False,
    d: SomeDimension = None,
    as_json: Json = False,
) -> None:
    """Measure a file from its points alone, and hold the claim beside it to that."""
    from tammes import report, verification

    check = verification.verify(file, tolerance=tolerance, normalize=normalize, d=d)
    if as_json:
        _print_json(check.to_dict())
    else:
        report.console().print(report.verification_block(check))
    if not check.holds:
        _fail(f"{check.claimed_in}: the claim does not hold: {check.disagreements[0]}.", 1)


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
    from tammes import files

    files.format_of(target)
    files.check_writable(target, force=force)
    code = files.load(source, d=d, normalize=normalize)
    files.save(target, code, force=force)
    if as_json:
        _print_json({"file": str(target), "n": code.n, "d": code.d, "min_angle_degrees": code.min_angle_degrees})
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
    from tammes import bounds, files, plots, tables

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
    _print_files(target, as_json=as_json)


# --- bench ------------------------------------------------------------------------------------


@bench_app.callback()
def bench_table1(
    context: typer.Context,
    seeds: Annotated[int, typer.Option(parser=_integer("seeds", 1), metavar="N", help="Seeds a cell.")] = 1,
    rows: Annotated[str | None, typer.Option(help="Some rows, as 4x600,5x130 (d x n).")] = None,
    losses: Annotated[str | None, typer.Option(help="Some losses, as mma,cosine.")] = None,
    steps: Annotated[int, typer.Option(parser=_integer("steps", 1), metavar="N", help="Iterations at most.")] = 10_000,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
    workers: Annotated[
        int | None, typer.Option(parser=_integer("workers", 1), metavar="N", help="Processes [all cores].")
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

    from tammes import bench, report

    chosen_rows, chosen_losses = bench.parse_rows(rows), bench.parse_losses(losses)
    console = report.console(stderr=True)
    columns = (TextColumn("bench"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    last = TextColumn("{task.fields[last]}")
    with (
        _interruptible(f"finished cells are in {out}, the same command goes on from there"),
        Bar(*columns, last, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("cells", total=None, last="")

        def show(cell: bench.Cell, done: int, total: int) -> None:
            last = f"({cell.d}, {cell.n}) {cell.loss} {cell.min_angle_degrees:.4f}°"
            bar.update(task, completed=done, total=total, last=last)

        document = bench.run_table1(
            out,
            rows=chosen_rows,
            losses=chosen_losses,
            seeds=seeds,
            settings=bench.Settings(steps=steps, device=device),
            workers=workers,
            fresh=force,
            progress=show,
        )
    if as_json:
        _print_json(document)
    else:
        report.console().print(Markdown("\n".join(bench.markdown_table(document["rows"], chosen_losses))))
        print(f"{out / 'table1.md'}")


@bench_app.command()
def gradients(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of gradients.png and gradients.csv.")] = Path(),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw the paper's Figure 2 from the code's own gradients: PNG and CSV."""
    from tammes import bench, files, plots

    for name in ("gradients.png", "gradients.csv"):
        files.check_writable(out / name, force=force)
    theta, curves = bench.gradient_curves()
    lines = [",".join(["theta_radians", *(f'"{label}"' for label in curves)])]
    columns = [theta.tolist(), *(curve.tolist() for curve in curves.values())]
    lines += [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    files.write_atomically(out / "gradients.csv", ("\n".join(lines) + "\n").encode(), force=force)
    picture = plots.figure_bytes(plots.plot_gradients(theta, curves))
    files.write_atomically(out / "gradients.png", picture, force=force)
    _print_files(out / "gradients.png", out / "gradients.csv", as_json=as_json)
