"""`tammes polish`: points from a file to a local maximum, in as many digits as are asked for."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidPointsError, TammesError
from tammes.cli.options import METHOD, OUTPUT, CodeFile, FileDimension, Force, Json, Normalize, OptionalTime
from tammes.cli.terminal import console, interruptible, print_json, search_progress, uninterrupted
from tammes.cli.values import integer

if TYPE_CHECKING:
    from tammes.codes.extended_precision import Refined
    from tammes.codes.spherical_code import SphericalCode
    from tammes.storage.result import Result

__all__ = ["polish"]

_SHOWN = 100  # digits that a terminal is given; the file has them all


def polish(
    file: CodeFile,
    digits: Annotated[
        int | None,
        typer.Option(
            parser=integer("digits", 17),
            metavar="N",
            help="Also solve the contact equations to N digits.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    time: OptionalTime = None,
    normalize: Normalize = False,
    d: FileDimension = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File of the points; their record lies beside it.",
            show_default="NAME_polished.npy",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Widen the minimal angle of a file's points to a local maximum; print up to 10,000 digits of it."""
    from tammes.codes import extended_precision
    from tammes.storage import atomic, formats, writer

    if digits is not None:
        extended_precision.check_digits(digits)
    target = file.with_name(f"{file.stem}_polished.npy") if output is None else output
    writer.check_target(target, force=force)
    extended = None if digits is None else target.with_name(f"{target.stem}_{digits}digits.json")
    if extended is not None:
        atomic.check_writable(extended, force=force)
    code = formats.load(file, d=d, normalize=normalize)
    with interruptible("nothing was polished yet that could be saved"):
        result = _polished(code, file, time)
    with uninterrupted():
        saved = writer.save_with_record(result, target, force=force)
    refined, refusal = None, None
    if digits is not None and extended is not None and not result.interrupted:
        with interruptible(f"the points in float64 were saved as {saved[0]}"):
            try:
                refined = extended_precision.refine(result.code.points, digits)
            except InvalidPointsError as error:
                refusal = error
        if refined is not None:
            with uninterrupted():
                atomic.write_atomically(extended, atomic.encode_json(refined.to_dict()), force=force)
            saved.append(extended)
    if as_json:
        print_json(result.to_dict() | {"file": str(saved[0])} | _refined_record(refined, extended, digits))
    else:
        _print_result(result, refined, saved)
    if result.interrupted:
        raise typer.Exit(130)
    if refusal is not None:
        raise TammesError(
            f"{saved[0]}: the contact equations do not close in {digits} digits: {refusal.value}. "
            "The points in float64 were saved; polish those on, or start from others."
        )


def _polished(code: "SphericalCode", file: Path, time: float | None) -> "Result":
    """Return the polished code, with the file that it comes from."""
    from tammes.base.budget import Budget
    from tammes.codes.spherical_code import SphericalCode
    from tammes.solvers.polish import polish as solver
    from tammes.storage.result import Result

    budget = Budget(time)
    with search_progress(code.n, code.d) as progress:
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


def _refined_record(refined: "Refined | None", path: Path | None, digits: int | None) -> dict[str, Any]:
    """Return the part of the JSON document on the digits; the points are left to their file."""
    if digits is None:
        return {}
    if refined is None:
        return {"refined": None}
    record = {name: value for name, value in refined.to_dict().items() if name != "points"}
    return {"refined": record | {"file": str(path)}}


def _print_result(result: "Result", refined: "Refined | None", saved: list[Path]) -> None:
    """Print what the polish gained, the result, and its digits."""
    from tammes.cli import report

    out = console()
    before, after = math.degrees(result.before_polish or 0.0), result.code.min_angle_degrees
    out.print(f"before the polish {before:.12f}°, after it {after:.12f}°: wider by {after - before:.3g}°")
    # The block's own remark on the angle before the polish is about a loss's optimum; there is none here.
    out.print(report.result_block(dataclasses.replace(result, before_polish=None), saved))
    if refined is None:
        return
    for name, digits, unit in (
        ("minimal angle", refined.min_angle_degrees, "°"),
        ("max cosine", refined.max_cosine, ""),
    ):
        shown = f"{digits[:_SHOWN]}..." if refined.digits > _SHOWN else digits
        out.print(f"{name} in {refined.digits} digits: {shown}{unit}")
    out.print(f"{refined.contacts} contacts, their equations closed to {refined.residual}")
