"""`tammes compare`: two codes up to isometry, and the symmetries of each."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.cli.options import CodeFile, FileDimension, Json, Normalize
from tammes.cli.terminal import console, fail, interruptible, print_json
from tammes.cli.values import integer

if TYPE_CHECKING:
    from tammes.codes.isometry import Isometry, Symmetries
    from tammes.codes.spherical_code import SphericalCode

__all__ = ["compare"]

_EXACT = 10**15  # orders from here on are shown rounded
_WRITTEN = 10**4000  # and from here on left out of JSON: Python does not print longer integers


def compare(
    file: CodeFile,
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="Points to compare with; without it, the group alone.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="X", help="Distance by which a map may miss a point, at most 1e-3.")
    ] = 1e-8,
    rounds: Annotated[
        int | None,
        typer.Option(
            parser=integer("rounds", 1),
            metavar="N",
            help="Rounds of the search for an isometry, until it gives up.",
            show_default="those of a minute or two",
        ),
    ] = None,
    normalize: Normalize = False,
    d: FileDimension = None,
    as_json: Json = False,
) -> None:
    """Decide whether two codes are the same up to isometry, else exit with 1; count the symmetries of each."""
    from tammes.codes import isometry
    from tammes.storage import formats

    paths = [file] if other is None else [file, other]
    codes = [formats.load(path, d=d, normalize=normalize) for path in paths]
    found: Isometry | str | None = None
    with interruptible("nothing was decided"):
        if other is not None:
            found = isometry.compare(codes[0], codes[1], tolerance, rounds=rounds)
        different = codes if isinstance(found, str) else codes[:1]  # isometric codes have the same group
        groups = [isometry.automorphisms(code, tolerance, rounds=rounds) for code in different]
    if len(groups) < len(codes):
        groups = groups * len(codes)
    if as_json:
        records = [_code_record(*each) for each in zip(paths, codes, groups, strict=True)]
        print_json({"tolerance": tolerance, "codes": records} | ({} if found is None else _record(found)))
    else:
        _print_block(paths, codes, groups, found)
    if isinstance(found, str):
        fail(f"{file} and {other} differ: {found}.", 1)


def _code_record(path: Path, code: "SphericalCode", group: "Symmetries") -> dict[str, Any]:
    """Return the part of the JSON document that is about one code."""
    return {
        "file": str(path),
        "n": code.n,
        "d": code.d,
        "min_angle_degrees": code.min_angle_degrees,
        "digest": code.digest,
        "rank": group.rank,
        "automorphisms": {
            "order": group.order if group.order < _WRITTEN else None,
            "log10_order": math.log10(group.order),
            "rotations": group.rotations if group.order < _WRITTEN else None,
            "name": group.name,
            "deviation": group.deviation,
            "orbits": group.orbits.tolist(),
            "generators": group.generators.tolist(),
        },
    }


def _record(found: "Isometry | str") -> dict[str, Any]:
    """Return the part of the JSON document that is about the two codes together."""
    if isinstance(found, str):
        return {"same": False, "difference": found}
    return {
        "same": True,
        "rotation": found.rotation,
        "reflection": found.reflection,
        "deviation": found.deviation,
        "permutation": found.permutation.tolist(),
        "matrix": found.matrix.tolist(),
    }


def _print_block(
    paths: list[Path], codes: "list[SphericalCode]", groups: "list[Symmetries]", found: "Isometry | str | None"
) -> None:
    """Print a column for each code, then the verdict."""
    from tammes.cli import report

    table = report.named_rows([])
    table.add_row("", *map(str, paths))
    table.add_row("points", *map(_points, codes, groups))
    table.add_row("minimal angle", *(f"{code.min_angle_degrees:.12f}°" for code in codes))
    table.add_row("automorphisms", *(_size(group) for group in groups))
    table.add_row("orbits", *(_orbits(group) for group in groups))
    out = console()
    out.print(table)
    if found is not None:
        out.print(report.named_rows([(f"{'isometry':13}", _verdict(found))]))  # below "automorphisms"


def _points(code: "SphericalCode", group: "Symmetries") -> str:
    """Return the number of points and their space, with a remark if they do not span it."""
    return f"{code.n} in R^{code.d}" + ("" if group.rank == code.d else f", their span R^{group.rank}")


def _size(group: "Symmetries") -> str:
    """Return the order of a group, its symbol, and how many of its elements are rotations."""
    name = "" if group.name is None else f" ({group.name})"
    of_them = "all" if group.rotations == group.order else "half"
    return f"{_number(group.order)}{name}" + ("" if group.order == 1 else f", {of_them} of them rotations")


def _orbits(group: "Symmetries") -> str:
    """Return the number of orbits, and the numbers of points in the smallest and the largest."""
    sizes = sorted({int((group.orbits == k).sum()) for k in range(int(group.orbits.max()) + 1)})
    points = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{int(group.orbits.max()) + 1}, of {points} point{'' if sizes[-1] == 1 else 's'}"


def _number(order: int) -> str:
    """Return an integer with its digits in threes, or the leading ones and a power of ten."""
    if order < _EXACT:
        return f"{order:,}"
    exponent, fraction = divmod(math.log10(order), 1.0)
    return f"about {10.0**fraction:.3f}e{exponent:.0f}"


def _verdict(found: "Isometry | str") -> str:
    """Return whether the codes are the same, by which kind of map, and how exactly."""
    if isinstance(found, str):
        return f"none: {found}"
    kinds = {(True, True): "by rotation and by reflection", (True, False): "by rotation, not by reflection"}
    kind = kinds.get((found.rotation, found.reflection), "by reflection, not by rotation")
    return f"the same code {kind}; no point misses by more than {found.deviation:.2g}"
