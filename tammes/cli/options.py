"""Options and arguments that several commands share, and the panels of their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tammes.cli.values import duration, integer

__all__ = [
    "FILES",
    "LIMITS",
    "METHOD",
    "OUTPUT",
    "PROBLEM",
    "Antipodal",
    "ArchiveFolder",
    "CodeFile",
    "Count",
    "Csv",
    "Dimension",
    "FileDimension",
    "Force",
    "Json",
    "Normalize",
    "OptionalCount",
    "OptionalTime",
    "Seed",
    "Symmetry",
    "Workers",
]

PROBLEM, METHOD, LIMITS, FILES, OUTPUT = "Problem", "Method", "Limits", "Files", "Output"
"""Panels of the help, in this order."""

# A default that is worked out later is told by `show_default`, never in square brackets within the
# help text: rich takes those for markup, and they do not reach the screen.

Count = Annotated[
    int,
    typer.Option("--n", parser=integer("n", 2), metavar="N", help="Number of points.", rich_help_panel=PROBLEM),
]
OptionalCount = Annotated[
    int | None,
    typer.Option(
        "--n", parser=integer("n", 2), metavar="N", help="Number of points; all without it.", rich_help_panel=PROBLEM
    ),
]
Dimension = Annotated[
    int,
    typer.Option("--d", parser=integer("d", 2), metavar="D", help="Dimension of the space.", rich_help_panel=PROBLEM),
]
Symmetry = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="auto, none, or a group that the code must have: C5, D3d, Ih, screw-7:1,2 ...",
        rich_help_panel=PROBLEM,
    ),
]
Antipodal = Annotated[bool, typer.Option("--antipodal", help="Pairs x, -x (lines).", rich_help_panel=PROBLEM)]

Seed = Annotated[
    int,
    typer.Option(parser=integer("seed", 0), metavar="N", help="Seed of all random numbers.", rich_help_panel=METHOD),
]
OptionalTime = Annotated[
    float | None,
    typer.Option(
        parser=duration,
        metavar="TIME",
        help="Wall-clock limit: 90s, 10m, 2h.",
        show_default="none",
        rich_help_panel=LIMITS,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        parser=integer("workers", 1),
        metavar="N",
        help="Processes.",
        show_default="all cores",
        rich_help_panel=LIMITS,
    ),
]

CodeFile = Annotated[Path, typer.Argument(metavar="FILE", help="Points: .npy .npz .csv .txt .json .off")]
FileDimension = Annotated[
    int | None,
    typer.Option(
        "--d",
        parser=integer("d", 2),
        metavar="D",
        help="Dimension, for .txt files that do not name it.",
        rich_help_panel=FILES,
    ),
]
Normalize = Annotated[
    bool,
    typer.Option("--normalize", help="Scale rows to length 1 first (float32 files).", rich_help_panel=FILES),
]
ArchiveFolder = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        help="Folder of the archive of codes.",
        show_default="TAMMES_ARCHIVE, else in the user's data folder",
        rich_help_panel=FILES,
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=OUTPUT)]
Csv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.", rich_help_panel=OUTPUT)]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.", rich_help_panel=OUTPUT)]
