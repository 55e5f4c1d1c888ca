"""The reports of Table 1: rows, where they differ from the print, CSV, Markdown and chart."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tammes.plots import figures as plots
from tammes.storage import formats as files
from tammes.storage import tables

__all__ = ["COLUMNS", "Cell", "differences", "markdown_table", "rows_of", "write_reports"]

COLUMNS = {"mma": "mma", "cosine": "cosine", "riesz-fisher": "riesz_fisher_s2", "logarithmic": "logarithmic"}
"""Losses of Table 1, and the names of their columns in the published table."""


@dataclass(frozen=True)
class Cell:
    """One size, one loss, one seed; with the angle once it has been run."""

    n: int
    d: int
    loss: str
    seed: int
    min_angle_degrees: float = math.nan
    polished_degrees: float | None = None
    status: str = ""
    steps: int = 0
    seconds: float = math.nan

    @property
    def key(self) -> str:
        """Name of the cell in the stored results."""
        return f"{self.d}x{self.n}/{self.loss}/{self.seed}"


def rows_of(wanted: Sequence[Cell], done: dict[str, Cell], losses: Sequence[str]) -> list[dict[str, Any]]:
    """One row a size: published beside the median over seeds."""
    published = {(int(row["n"]), int(row["d"])): row for row in tables.published_table1()}
    table = []
    for n, d in dict.fromkeys((cell.n, cell.d) for cell in wanted):
        cells = [done[cell.key] for cell in wanted if (cell.n, cell.d) == (n, d)]
        angles = {loss: [cell.min_angle_degrees for cell in cells if cell.loss == loss] for loss in losses}
        polished = [cell.polished_degrees for cell in cells if cell.polished_degrees is not None]
        table.append(
            {
                "d": d,
                "n": n,
                "label": f"({d}, {n})",
                "optimal": published[n, d]["optimal"],
                "measured": {loss: statistics.median(values) for loss, values in angles.items()},
                "spread": {loss: [min(values), max(values)] for loss, values in angles.items()},
                "unfinished": {
                    loss: sum(cell.loss == loss and cell.status == "step-limit" for cell in cells) for loss in losses
                },
                "runs": len(cells) // len(losses),
                "published": {loss: published[n, d][COLUMNS[loss]] for loss in losses},
                "polished": statistics.median(polished) if polished else None,
                "best_polished": max(polished) if polished else None,
            }
        )
    return table


def write_reports(
    out: Path, table: list[dict[str, Any]], losses: Sequence[str], seeds: int, document: dict[str, Any]
) -> None:
    """`table1.csv`, `table1.md` and `table1.png`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header = [f"{loss} {kind}" for loss in losses for kind in ("published", "measured")]
    writer.writerow(["d", "n", "optimal", *header, "polished"])
    for row in table:
        cells = [value for loss in losses for value in (row["published"][loss], repr(row["measured"][loss]))]
        writer.writerow([row["d"], row["n"], row["optimal"], *cells, _number(row["polished"], 9)])
    contents = {
        "table1.csv": stream.getvalue().encode(),
        "table1.md": _markdown(table, losses, seeds, document).encode(),
        "table1.png": plots.figure_bytes(plots.plot_table1(table, losses)),
    }
    for name, content in contents.items():
        files.write_atomically(out / name, content, force=True)


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def markdown_table(table: Sequence[dict[str, Any]], losses: Sequence[str]) -> list[str]:
    """The table itself: published / measured, the best of the losses in bold."""
    lines = [
        "| (d, n) | optimal | " + " | ".join(losses) + " | polished |",
        "|---|---|" + "---|" * (len(losses) + 1),
    ]
    for row in table:
        best = {kind: max(float(row[kind][loss]) for loss in losses) for kind in ("published", "measured")}
        cells = []
        for loss in losses:
            published, measured = row["published"][loss], row["measured"][loss]
            # Compared as they are shown, so that two equal numbers are both bold.
            left = f"**{published}**" if float(published) == best["published"] else published
            right = f"{measured:.2f}"
            if right == f"{best['measured']:.2f}":
                right = f"**{right}**"
            cells.append(f"{left} / {right}")
        polished = _number(row["polished"], 6)
        lines.append(f"| {row['label']} | {row['optimal']} | " + " | ".join([*cells, polished]) + " |")
    return lines


def _markdown(table: list[dict[str, Any]], losses: Sequence[str], seeds: int, document: dict[str, Any]) -> str:
    """The report: table, where it differs from the print, machine and settings."""
    made = document["machine"]
    lines = [
        "# Table 1 of the paper, regenerated",
        "",
        "Minimal angles in degrees, *published / measured*; the best loss of a row in bold. Measured is the",
        f"median over {seeds} seed{'s' if seeds > 1 else ''} of the minimal angle at the end of the loss's own "
        "descent. *Polished* is the median after this package's soft-min ladder and exact polish, from the",
        "result of MMA. Every angle is recomputed from the points in NumPy float64.",
        "",
        *markdown_table(table, losses),
        "",
        "![Table 1 as a chart](table1.png)",
        "",
        "## Where it differs from the print",
        "",
        *(differences(table, losses) or ["Nowhere: every cell rounds to the printed value."]),
        "",
        "## How it was made",
        "",
        f"- Machine: {made['processor']}, {made['cores']} cores, {made['system']}",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in document["versions"].items()),
        "- Settings: " + ", ".join(f"{name} {value}" for name, value in document["settings"].items()),
        f"- Seeds: 0 to {seeds - 1}",
        f"- CPU time of the descents: {sum(cell['seconds'] for cell in document['cells']):.0f} s",
        "",
        "Command: `tammes bench`. The cells of all seeds, with status, steps and seconds, are in `table1.json`.",
    ]
    return "\n".join(lines) + "\n"


_WHY = {
    "mma": "A run ends in one of many local maxima, which one depends on the start; the paper prints one figure a "
    "cell and leaves open how stagnation is judged. Our rule is in `tammes/solvers/sgd.py`.",
    "cosine": "Its gradient fades between near-copies (Eq. 7), so two points that start close hardly part, and the "
    "worst pair says little about the rest; how close they start depends on the seed.",
    "riesz-fisher": "The energy is not the minimal angle: how near its minimum a run comes, and the smallest angle "
    "there, depend on how stagnation is judged, which the paper leaves open.",
    "logarithmic": "As for Riesz-Fisher; its pull is the weakest, so runs at large n are the farthest from done.",
}


def differences(table: Sequence[dict[str, Any]], losses: Sequence[str]) -> list[str]:
    """Every cell that does not round to the print, the spread of its seeds, and why it may differ."""
    lines = []
    for loss in losses:
        cells = []
        for row in table:
            printed, measured, (least, most) = row["published"][loss], row["measured"][loss], row["spread"][loss]
            if abs(measured - float(printed)) > 0.05:
                cells.append(f"{row['label']} {printed} printed, {measured:.2f} measured ({least:.2f} to {most:.2f})")
        if cells:
            unfinished = sum(row["unfinished"][loss] for row in table)
            runs = sum(row["runs"] for row in table)
            ended = f"{unfinished} of all {runs} runs of this loss ended at the step limit."
            lines.append(f"- **{loss}**: {'; '.join(cells)}. {_WHY[loss]} {ended}")
    wide = [row for row in table if row["n"] > row["d"] + 1]
    if "mma" in losses and len(losses) > 1 and wide:
        best = {row["label"]: max(losses, key=lambda loss, row=row: float(row["measured"][loss])) for row in wide}  # type: ignore[misc]
        behind = ", ".join(f"{label} ({loss})" for label, loss in best.items() if loss != "mma")
        but = f" but {behind}" if behind else ""
        lines.append(f"- MMA is the best of the losses in every row with n > d + 1{but}.")
    return lines
