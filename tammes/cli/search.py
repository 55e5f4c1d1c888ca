"""`tammes search`: the best code of a size, of every size in a range, or the most points at an angle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError, WorkersLostError
from tammes.cli.options import (
    LIMITS,
    METHOD,
    OUTPUT,
    PROBLEM,
    Antipodal,
    ArchiveFolder,
    Dimension,
    Force,
    Json,
    Seed,
    Symmetry,
    Workers,
)
from tammes.cli.terminal import (
    archive_warnings,
    console,
    interruptible,
    print_json,
    progress_bar,
    search_progress,
    uninterrupted,
)
from tammes.cli.values import duration, integer, sizes, target_angle

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.base.status import Status
    from tammes.global_search.most_points import Packing, Probe
    from tammes.global_search.sweep import Row

__all__ = ["search"]


def search(
    d: Dimension,
    n: Annotated[
        str | None,
        typer.Option("--n", metavar="N", help="Number of points, or a range: 4..130.", rich_help_panel=PROBLEM),
    ] = None,
    angle: Annotated[
        float | None,
        typer.Option(
            metavar="A", help="Instead: the most points that keep this angle, degrees.", rich_help_panel=PROBLEM
        ),
    ] = None,
    symmetry: Symmetry = "auto",
    antipodal: Antipodal = False,
    seed: Seed = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Go on where the last search stopped.", rich_help_panel=METHOD),
    ] = True,
    time: Annotated[
        float,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Wall-clock limit of the whole: 90s, 10m, 2h.",
            rich_help_panel=LIMITS,
        ),
    ] = "10m",  # type: ignore[assignment]  # read by `duration`, as what a user types is
    target: Annotated[
        str | None,
        typer.Option(
            metavar="ANGLE",
            help="Stop at this minimal angle in degrees, or at best-known.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            parser=integer("starts", 1), metavar="N", help="Starts and moves at most.", rich_help_panel=LIMITS
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask cluster does the work: tcp://host:8786.", rich_help_panel=LIMITS),
    ] = None,
    archive: ArchiveFolder = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Also write the code here; of a range, a folder of tables.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Search for the best code of a size, of every size in a range, or for the most points at an angle."""
    from tammes.storage.archive import Archive

    shared: dict[str, Any] = {
        "seed": seed,
        "workers": workers,
        "scheduler": scheduler,
        "symmetry": symmetry,
        "archive": Archive(archive),
        "resume": resume,
    }
    if angle is not None:
        for name, given in (
            ("--n", n is not None),
            ("--target", target is not None),
            ("--starts", starts is not None),
            ("--antipodal", antipodal),
        ):
            if given:
                raise ConflictingOptionsError("--angle", name)
        _most_points(d, angle, time, shared, output, as_json=as_json, force=force)
        return
    if n is None:
        raise InvalidParameterError("--n", "given, or --angle", None)
    wanted = sizes(n)
    settings = shared | {
        "target": None if target is None else target_angle(target),
        "starts": starts,
        "antipodal": antipodal,
    }
    if len(wanted) > 1:
        folder = Path(f"tammes_sweep_d{d}") if output is None else output
        _every_size(d, wanted, time, settings, folder, as_json=as_json)
    else:
        _one_size(d, wanted[0], time, settings, output, as_json=as_json, force=force)


def _one_size(
    d: int, n: int, seconds: float, settings: dict[str, Any], output: Path | None, *, as_json: bool, force: bool
) -> None:
    """Search one size and print its result."""
    from tammes.cli import report
    from tammes.global_search import api
    from tammes.storage import writer

    if output is not None:
        writer.check_target(output, force=force)
    with archive_warnings(), interruptible("nothing was found yet"), search_progress(n, d) as progress:
        result = api.search(n, d, time_limit=seconds, progress=progress, **settings)
    saved = [settings["archive"].path_of(n, d, settings["antipodal"])]
    if output is not None:
        with uninterrupted():
            saved = writer.save_with_record(result, output, force=force) + saved
    if as_json:
        print_json(result.to_dict() | {"file": str(saved[0])})
    else:
        console().print(report.result_block(result, saved))
    _exit_as(result.status, result.phases[-1].get("lost", "") if result.phases else "")


def _most_points(
    d: int, angle: float, seconds: float, settings: dict[str, Any], output: Path | None, *, as_json: bool, force: bool
) -> None:
    """Search the most points at an angle: sizes are probed one after the other."""
    from tammes.cli import report
    from tammes.global_search import most_points
    from tammes.storage import writer

    most_points.largest_size(angle, d)  # refuses what is no angle before anything is written
    if output is not None:
        writer.check_target(output, force=force)
    narration = console(stderr=True)

    def show(probe: "Probe", limit: int) -> None:
        outcome = "kept" if probe.reached else "not kept"
        narration.print(f"n = {probe.n} (at most {limit})  {probe.degrees:.9f}°  {outcome}")

    with archive_warnings(), interruptible("what was found is in the archive"):
        found = most_points.pack(d, angle, time_limit=seconds, show=show, **settings)
    searched = found.probes and found.result.phases
    saved = [settings["archive"].path_of(found.n, d)] if searched else []
    if output is not None:
        with uninterrupted():
            saved = writer.save_with_record(found.result, output, force=force) + saved
    if as_json:
        print_json(found.to_dict() | {"files": [str(path) for path in saved]})
    else:
        out = console()
        out.print(_packing_block(found))
        out.print(report.result_block(found.result, saved))
    _exit_as(found.status, found.lost)


def _every_size(
    d: int, wanted: list[int], seconds: float, settings: dict[str, Any], folder: Path, *, as_json: bool
) -> None:
    """Search every size in turn, in passes that share the time; the tables are written after each."""
    from tammes.global_search import sweep

    state = f"what was found is in the archive, the tables are in {folder}"
    with archive_warnings(), interruptible(state), progress_bar() as bar:

        def show(row: "Row", done: int, total: int) -> None:
            bar.show("search", done, total, note=f"n = {row.n}: {row.degrees:.7f}°, {row.verdict}")
            bar.print(f"n = {row.n:4d}  {row.degrees:.9f}°  {row.verdict}")

        rows, interrupted = sweep.run(d, wanted, seconds, settings, folder, show)
    if as_json:
        print_json({"d": d, "rows": [row.to_dict() for row in rows], "folder": str(folder)})
    else:
        print(sweep.summary(rows))
        print(f"{folder / sweep.MARKDOWN}")
    if interrupted:
        raise typer.Exit(130)
    lost_at = next((row.n for row in rows if row.status == "workers-lost"), None)
    if lost_at is not None:
        raise WorkersLostError(f"the sweep ended at n = {lost_at}, and the same command goes on")


def _exit_as(status: "Status", lost: str = "") -> None:
    """End with the exit status of a search that was interrupted or lost its workers, for the reason `lost`."""
    if status.code == "interrupted":
        raise typer.Exit(130)
    if status.code == "workers-lost":
        raise WorkersLostError(lost.removeprefix("The workers are lost: ").rstrip(".") or "what was found is kept")


def _packing_block(packing: "Packing") -> "RenderableType":
    """Return the most points found at an angle, and how many are possible."""
    from rich.text import Text

    from tammes.cli import report

    if packing.optimal:
        possible = f"no more are possible ({packing.limit_name})"
    else:
        possible = f"at most {packing.limit} are possible ({packing.limit_name})"
    probes = ", ".join(f"{probe.n}: {probe.degrees:.4f}°" for probe in packing.probes)
    return report.named_rows(
        [
            ("angle to keep", f"{packing.degrees:g}°"),
            ("most points", Text(f"{packing.n} found, {possible}", style="bold")),
            ("tried", probes or "nothing: the closed form is used"),
        ]
    )
