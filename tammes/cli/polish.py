"""`tammes polish`: points from a file, widened to a local maximum; in as many digits as are asked for."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidPointsError, TammesError
from tammes.cli.options import CodeFile, Force, Json, Normalize, SomeDimension, duration, integer
from tammes.cli.terminal import interruptible, print_json, progress_bar, uninterrupted

if TYPE_CHECKING:
    from tammes.codes.refine import Refined
    from tammes.codes.spherical_code import SphericalCode
    from tammes.storage.result import Result

__all__ = ["polish"]

_SHOWN = 100  # digits that a terminal is given; the file has them all


def polish(
    file: CodeFile,
    digits: Annotated[
        int | None,
        typer.Option(parser=integer("digits", 17), metavar="N", help="Also solve the contact equations to N digits."),
    ] = None,
    time: Annotated[
        float | None, typer.Option(parser=duration, metavar="TIME", help="Wall-clock limit: 90s, 10m, 2h.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [NAME_polished.npy].")
    ] = None,
    normalize: Normalize = False,
    d: SomeDimension = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Widen the minimal angle of a file's points to a local maximum; print up to 10,000 digits of it."""
    from tammes.cli import report
    from tammes.codes import refine
    from tammes.storage import formats as files
    from tammes.storage import writer as records

    if digits is not None:
        refine.check_digits(digits)
    target = file.with_name(f"{file.stem}_polished.npy") if output is None else output
    files.format_of(target)
    extended = None if digits is None else target.with_name(f"{target.stem}_{digits}digits.json")
    for path in {target, files.sidecar(target), extended} - {None}:
        files.check_writable(path, force=force)  # type: ignore[arg-type]
    code = files.load(file, d=d, normalize=normalize)
    with interruptible("nothing was polished yet that could be saved"):
        result = _climb(code, file, time)
    with uninterrupted():
        saved = records.save_with_record(result, target, force=force)
    refined, refusal = None, None
    if digits is not None and extended is not None and not result.interrupted:
        with interruptible(f"the points in float64 were saved as {saved[0]}"):
            try:
                refined = refine.refine(result.code.points, digits)
            except InvalidPointsError as error:
                refusal = error
        if refined is not None:
            with uninterrupted():
                files.write_atomically(extended, records.to_json(refined.to_dict()).encode(), force=force)
            saved.append(str(extended))
    if as_json:
        print_json(result.to_dict() | {"file": saved[0]} | _refined_record(refined, extended, digits))
    else:
        _print_result(report.console(), result, refined, saved)
    if result.interrupted:
        raise typer.Exit(130)
    if refusal is not None:
        raise TammesError(
            f"{saved[0]}: the contact equations do not close in {digits} digits: {refusal.value}. "
            "The points in float64 were saved; polish those on, or start from others."
        )


def _climb(code: SphericalCode, file: Path, time: float | None) -> Result:
    """The polished code, with where it comes from."""
    from tammes.base.budget import Budget
    from tammes.codes.spherical_code import SphericalCode
    from tammes.solvers.polish import polish as solver
    from tammes.storage.result import Result

    budget = Budget(time)
    with progress_bar(code.n, code.d) as progress:
        polished = solver.polish(code.points, budget=budget, progress=progress)
    seconds = budget.elapsed()
    phase = {
        "phase": "polish",
        "status": polished.status.code,
        "min_angle_degrees": math.degrees(polished.after),
        "seconds": round(seconds, 3),
    }
    return Result(
        SphericalCode(polished.points),
        ("polish",),
        polished.status,
        seconds,
        {"source": str(file), "source_digest": code.digest},
        before_polish=polished.before,
        phases=(phase,),
    )


def _refined_record(refined: Refined | None, path: Path | None, digits: int | None) -> dict[str, Any]:
    """What the JSON document says of the digits: all but the points, which are in their file."""
    if digits is None:
        return {}
    if refined is None:
        return {"refined": None}
    record = {name: value for name, value in refined.to_dict().items() if name != "points"}
    return {"refined": record | {"file": str(path)}}


def _print_result(console: Any, result: Result, refined: Refined | None, saved: list[str]) -> None:
    """The block of a result, between what the polish gained and what its digits are."""
    from tammes.cli import report

    before, after = math.degrees(result.before_polish or 0.0), result.code.min_angle_degrees
    console.print(f"before the polish {before:.12f}°, after it {after:.12f}°: wider by {after - before:.3g}°")
    # The block's own remark on the angle before the polish is about a loss's optimum; there is none here.
    console.print(report.result_block(dataclasses.replace(result, before_polish=None), saved))
    if refined is None:
        return
    cut = refined.digits > _SHOWN
    for name, text, unit in (
        ("minimal angle", refined.min_angle_degrees, "°"),
        ("max cosine", refined.max_cosine, ""),
    ):
        shown = f"{text[:_SHOWN]}..." if cut else text
        console.print(f"{name} in {refined.digits} digits: {shown}{unit}")
    console.print(f"{refined.contacts} contacts, their equations closed to {refined.residual}")
