"""`tammes search`: hunt for records, one size or a range of sizes; keep what is found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidParameterError, WorkersLostError
from tammes.cli.archive import ArchiveFolder, warnings_told
from tammes.cli.options import Dimension, Force, Json, duration, integer
from tammes.cli.terminal import interruptible, print_json, progress_bar, uninterrupted

if TYPE_CHECKING:
    from tammes.base.status import Status

__all__ = ["Antipodal", "Symmetry", "Workers", "search", "sizes"]

DEFAULT_TIME = "10m"

Symmetry = Annotated[
    str,
    typer.Option(metavar="NAME", help="auto, none, or a group that the code must have: C5, D3d, Ih, screw-7:1,2 ..."),
]
Antipodal = Annotated[bool, typer.Option("--antipodal", help="Pairs x, -x (lines).")]
Workers = Annotated[int | None, typer.Option(parser=integer("workers", 1), metavar="N", help="Processes [all cores].")]


def sizes(text: str) -> list[int]:
    """`130`, `4..130` or `4..130:2` as a list of numbers of points."""
    match = re.fullmatch(r"\s*(\d{1,9})(?:\.\.(\d{1,9})(?::(\d{1,6}))?)?\s*", text)
    if match is None:
        raise InvalidParameterError("n", "a number of points of at least 2, or a range such as 4..130", text)
    first = int(match[1])
    last, step = (first if match[2] is None else int(match[2])), (1 if match[3] is None else int(match[3]))
    if first < 2 or last < first or step < 1:
        raise InvalidParameterError("n", "a range that grows from at least 2, such as 4..130", text)
    return list(range(first, last + 1, step))


def _target(text: str) -> float | str:
    if text == "best-known":
        return text
    try:
        return float(text)
    except ValueError:
        raise InvalidParameterError("target", 'an angle in degrees, or "best-known"', text) from None


def search(
    d: Dimension,
    n: Annotated[str | None, typer.Option("--n", metavar="N", help="Number of points, or a range: 4..130.")] = None,
    angle: Annotated[
        float | None, typer.Option(metavar="A", help="Instead: the most points that keep this angle, degrees.")
    ] = None,
    time: Annotated[
        float, typer.Option(parser=duration, metavar="TIME", help="Wall-clock limit of the whole: 90s, 10m, 2h.")
    ] = DEFAULT_TIME,  # type: ignore[assignment]  # read by `duration`, as what a user types is
    target: Annotated[
        str | None, typer.Option(metavar="ANGLE", help="Stop at this minimal angle in degrees, or at best-known.")
    ] = None,
    starts: Annotated[
        int | None, typer.Option(parser=integer("starts", 1), metavar="N", help="Starts and moves at most.")
    ] = None,
    seed: Annotated[int, typer.Option(parser=integer("seed", 0), metavar="N", help="Seed of all random numbers.")] = 0,
    workers: Workers = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask cluster does the work: tcp://host:8786.")
    ] = None,
    symmetry: Symmetry = "auto",
    antipodal: Antipodal = False,
    archive: ArchiveFolder = None,
    resume: Annotated[bool, typer.Option("--resume/--fresh", help="Go on where the last search stopped.")] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Also write the code here; of a range, a folder of tables."
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Hunt for the best code of a size, or of every size in a range, or for the most points at an angle."""
    from tammes.cli import report
    from tammes.global_search.session import search as hunt
    from tammes.storage import formats as files
    from tammes.storage import writer as records
    from tammes.storage.archive import Archive

    if (n is None) == (angle is None):
        raise InvalidParameterError("--n", "given, or --angle, and not both", "neither" if n is None else "both")
    if angle is not None and (target is not None or starts is not None or antipodal):
        raise InvalidParameterError("--angle", "given without --target, --starts and --antipodal", "both")
    wanted = [] if n is None else sizes(n)
    aim = None if target is None else _target(target)
    kept = Archive(archive)
    settings: dict[str, object] = {
        "target": aim,
        "starts": starts,
        "seed": seed,
        "workers": workers,
        "scheduler": scheduler,
        "symmetry": symmetry,
        "antipodal": antipodal,
        "archive": kept,
        "resume": resume,
    }
    if angle is not None:
        own = {name: settings[name] for name in ("seed", "workers", "scheduler", "symmetry", "archive", "resume")}
        _pack(d, angle, time, own, output, as_json=as_json, force=force)
        return
    if len(wanted) > 1:
        _sweep(d, wanted, time, settings, Path(f"tammes_sweep_d{d}") if output is None else output, as_json=as_json)
        return
    if output is not None:
        files.format_of(output)
        for path in {output, files.sidecar(output)}:
            files.check_writable(path, force=force)
    with warnings_told(), interruptible("nothing was found yet"), progress_bar(wanted[0], d) as progress:
        result = hunt(wanted[0], d, time_limit=time, progress=progress, **settings)  # type: ignore[arg-type]
    saved = [str(kept.path_of(wanted[0], d, antipodal))]
    if output is not None:
        with uninterrupted():
            saved = records.save_with_record(result, output, force=force) + saved
    if as_json:
        print_json(result.to_dict() | {"file": saved[0]})
    else:
        report.console().print(report.result_block(result, saved))
    _exit_as(result.status, result.phases[-1].get("lost", "") if result.phases else "")


def _exit_as(status: Status, lost: str = "") -> None:
    """The exit status of a search that did not come to its own end; `lost` says why the workers are."""
    if status.code == "interrupted":
        raise typer.Exit(130)
    if status.code == "workers-lost":
        raise WorkersLostError(lost.removeprefix("The workers are lost: ").rstrip(".") or "what was found is kept")


def _pack(
    d: int, angle: float, seconds: float, settings: dict[str, Any], output: Path | None, *, as_json: bool, force: bool
) -> None:
    """The most points at an angle: sizes probed one after the other."""
    from tammes.cli import report
    from tammes.global_search import packing
    from tammes.storage import formats as files
    from tammes.storage import writer as records

    packing.largest_size(angle, d)  # refuses what is no angle before anything is written
    if output is not None:
        files.format_of(output)
        for path in {output, files.sidecar(output)}:
            files.check_writable(path, force=force)
    console = report.console(stderr=True)

    def show(probe: packing.Probe, limit: int) -> None:
        word = "kept" if probe.reached else "not kept"
        console.print(f"n = {probe.n} (at most {limit})  {probe.degrees:.9f}°  {word}", highlight=False)

    with warnings_told(), interruptible("what was found is in the archive"):
        found = packing.pack(d, angle, time_limit=seconds, show=show, **settings)
    saved = [str(settings["archive"].path_of(found.n, d))] if found.probes and found.result.phases else []
    if output is not None:
        with uninterrupted():
            saved = records.save_with_record(found.result, output, force=force) + saved
    if as_json:
        print_json(found.to_dict() | {"files": saved})
    else:
        out = report.console()
        out.print(report.packing_block(found))
        out.print(report.result_block(found.result, saved))
    _exit_as(found.status, found.lost)


def _sweep(
    d: int, wanted: list[int], seconds: float, settings: dict[str, object], folder: Path, *, as_json: bool
) -> None:
    """Every size in turn, in passes that share the time; the tables are written after each."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tammes.cli import report
    from tammes.global_search import sweep

    console = report.console(stderr=True)
    columns = (
        TextColumn("search"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    rows: list[sweep.Row] = []
    interrupted = False
    with (
        warnings_told(),
        interruptible(f"what was found is in the archive, the tables are in {folder}"),
        Bar(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("sizes", total=None, last="")

        def show(row: sweep.Row, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, last=f"n = {row.n}: {row.degrees:.7f}°, {row.verdict}")
            console.print(f"n = {row.n:4d}  {row.degrees:.9f}°  {row.verdict}", highlight=False)

        rows, interrupted = sweep.run(d, wanted, seconds, settings, folder, show)
    if as_json:
        print_json({"d": d, "rows": [row.to_dict() for row in rows], "folder": str(folder)})
    else:
        print(sweep.summary(rows))
        print(f"{folder / sweep.MARKDOWN}")
    if interrupted:
        raise typer.Exit(130)
    lost = next((str(row.n) for row in rows if row.status == "workers-lost"), None)
    if lost is not None:
        raise WorkersLostError(f"the sweep ended at n = {lost}, and the same command goes on")
