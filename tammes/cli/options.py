"""Options that commands share, how their values are read, and how wrong ones are refused."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tammes.base.errors import InvalidParameterError

__all__ = [
    "CodeFile",
    "Count",
    "Dimension",
    "Force",
    "Json",
    "Normalize",
    "SomeDimension",
    "duration",
    "fail",
    "integer",
]


def fail(message: str, status: int) -> NoReturn:
    """One line on stderr."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(status)


def integer(name: str, least: int) -> Callable[[str], int]:
    """A parser with the house's wording for what is not an integer of at least `least`."""

    def parse(text: str) -> int:
        text = str(text).strip()  # defaults pass through here too, as they are
        value = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text
        if isinstance(value, str) or value < least:
            most = (
                " and less than 10^18" if re.fullmatch(r"\+?\d+", text) and int(text[:4]) > 0 and len(text) > 18 else ""
            )
            # Not raised: the parser would wrap the message in one of its own.
            fail(str(InvalidParameterError(name, f"an integer of at least {least}{most}", value)), 2)
        return value

    return parse


def duration(text: str) -> float:
    """Seconds from `90`, `90s`, `10m`, `2h`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text.strip())
    seconds = float(match[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2]] if match else 0.0
    if not (seconds > 0.0 and math.isfinite(seconds)):
        fail(str(InvalidParameterError("time", "a positive duration such as 90s, 10m or 2h", text)), 2)
    return seconds


Count = Annotated[int, typer.Option("--n", parser=integer("n", 2), metavar="N", help="Number of points.")]
Dimension = Annotated[int, typer.Option("--d", parser=integer("d", 2), metavar="D", help="Dimension of the space.")]
SomeDimension = Annotated[
    int | None,
    typer.Option("--d", parser=integer("d", 2), metavar="D", help="Dimension, for .txt files that do not name it."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Scale rows to length 1 first (float32 files).")]
CodeFile = Annotated[Path, typer.Argument(metavar="FILE", help="Points: .npy .npz .csv .txt .json .off")]
