"""The report of Table 1: its rows, their differences from the published table, CSV, Markdown and chart."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tammes import plots
from tammes.bench.cells import COLUMNS, Cell
from tammes.storage import formats as files
from tammes.storage import tables

__all__ = ["differences", "markdown_table", "table_rows", "write_reports"]


def table_rows(wanted: Sequence[Cell], done: dict[str, Cell], losses: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each size: published angles, and medians over seeds of the measured ones.

    Args:
        wanted: the cells of the table.
        done: cells with results, by key; all that are wanted must be there.
        losses: names of losses, in the order of the columns.
    """
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
    """Write `table1.csv`, `table1.md` and `table1.png`.

    Args:
        out: folder of the files.
        table: rows from `table_rows`.
        losses: names of losses, in the order of the columns.
        seeds: number of seeds of each cell.
        document: with `machine`, `versions`, `settings` and `cells`, as stored in `table1.json`.
    """
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
    """Return the number with so many decimals; nothing for None."""
    return "" if value is None else f"{value:.{decimals}f}"


def markdown_table(table: Sequence[dict[str, Any]], losses: Sequence[str]) -> list[str]:
    """Return the lines of the Markdown table: published / measured angles in degrees, the best of each row in bold."""
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
    """Return the report: table, differences from the published table, machine and settings."""
    machine = document["machine"]
    lines = [
        "# Table 1 of the paper, computed again",
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
        "## Differences from the published table",
        "",
        *(differences(table, losses) or ["None: every cell rounds to the published value."]),
        "",
        "## How it was computed",
        "",
        f"- Machine: {machine['processor']}, {machine['cores']} cores, {machine['system']}",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in document["versions"].items()),
        "- Settings: " + ", ".join(f"{name} {value}" for name, value in document["settings"].items()),
        f"- Seeds: 0 to {seeds - 1}",
        f"- CPU time of the descents: {sum(cell['seconds'] for cell in document['cells']):.0f} s",
        "",
        "Command: `tammes bench`. The cells of all seeds, with status, steps and seconds, are in `table1.json`.",
    ]
    return "\n".join(lines) + "\n"


_REASONS = {
    "mma": "A run ends in one of many local maxima, and which one depends on the start. The paper gives one value for "
    "each cell and does not say when a run counts as stagnant; our rule is in `tammes/solvers/sgd.py`.",
    "cosine": "Its gradient vanishes as two points approach each other (Eq. 7), so points that start close hardly "
    "separate. The minimal angle then depends on the closest starting pair, and so on the seed.",
    "riesz-fisher": "The energy is not the minimal angle: how close to its minimum a run comes, and the minimal angle "
    "there, depend on when a run counts as stagnant, which the paper does not say.",
    "logarithmic": "As for Riesz-Fisher; its gradient is the smallest, so runs at large n are the farthest from "
    "convergence.",
}
"""Why the measured minimal angle of a loss may differ from the published one."""


def differences(table: Sequence[dict[str, Any]], losses: Sequence[str]) -> list[str]:
    """Return a list in Markdown of the cells that do not round to the published value, with their range and a reason.

    The last line says where MMA is not the best of the losses.
    """
    lines = []
    for loss in losses:
        cells = []
        for row in table:
            published = row["published"][loss]
            measured = row["measured"][loss]
            least, most = row["spread"][loss]
            if abs(measured - float(published)) > 0.05:
                span = f"({least:.2f} to {most:.2f})"
                cells.append(f"{row['label']} {published} published, {measured:.2f} measured {span}")
        if cells:
            unfinished = sum(row["unfinished"][loss] for row in table)
            runs = sum(row["runs"] for row in table)
            ended = f"{unfinished} of all {runs} runs of this loss ended at the step limit."
            lines.append(f"- **{loss}**: {'; '.join(cells)}. {_REASONS[loss]} {ended}")
    wide = [row for row in table if row["n"] > row["d"] + 1]
    if "mma" in losses and len(losses) > 1 and wide:
        best = {row["label"]: max(losses, key=lambda loss, row=row: float(row["measured"][loss])) for row in wide}  # type: ignore[misc]
        behind = ", ".join(f"{label} ({loss})" for label, loss in best.items() if loss != "mma")
        but = f" but {behind}" if behind else ""
        lines.append(f"- MMA is the best of the losses in every row with n > d + 1{but}.")
    return lines
