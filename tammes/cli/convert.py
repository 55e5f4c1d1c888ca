"""`tammes convert`: points from one file format to another."""

from pathlib import Path
from typing import Annotated

import typer

from tammes.cli.options import FileDimension, Force, Json, Normalize
from tammes.cli.terminal import print_json

__all__ = ["convert"]


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Points to read.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Where to; the extension is the format.")],
    normalize: Normalize = False,
    d: FileDimension = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write points in another format: .npy .npz .csv .txt (Sloane's) .json .off."""
    from tammes.storage import atomic, formats

    formats.format_of(target)
    atomic.check_writable(target, force=force)
    code = formats.load(source, d=d, normalize=normalize)
    formats.save(target, code, force=force)
    if as_json:
        print_json({"file": str(target), "n": code.n, "d": code.d, "min_angle_degrees": code.min_angle_degrees})
    else:
        print(f"{target}: {code.n} points in d = {code.d}, minimal angle {code.min_angle_degrees:.12f}°")
