"""The paper's Table 1, regenerated: ten sizes, four losses, and this package's polish.

Cells are independent, run on a pool of single-threaded processes, and are stored as each one ends:
a run that is stopped goes on where it was. `python -m tammes bench` is the command.
"""

from __future__ import annotations

import concurrent.futures
import csv
import io
import json
import math
import multiprocessing
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tammes import files, tables
from tammes.errors import FileAccessError, FileFormatError, InvalidParameterError, UnknownNameError
from tammes.result import versions

__all__ = ["COLUMNS", "Cell", "Settings", "gradient_curves", "run_table1"]

SCHEMA = "tammes.bench/1"

COLUMNS = {"mma": "mma", "cosine": "cosine", "riesz-fisher": "riesz_fisher_s2", "logarithmic": "logarithmic"}
"""Losses of Table 1, and the names of their columns in the published table."""

_POLISHED_LOSS = "mma"  # whose result is polished for the last column


@dataclass(frozen=True)
class Settings:
    """What every cell of a table shares; a resumed run must have the same."""

    steps: int = 10_000
    device: str = "cpu"
    preset: str = "paper"


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


def parse_rows(text: str | None) -> list[tuple[int, int]]:
    """Sizes (n, d) of Table 1 from `4x600,5x130` (d x n); all ten rows for None.

    Raises:
        InvalidParameterError: if the text has another form, or names a size that Table 1 has not.
    """
    every = [(int(row["n"]), int(row["d"])) for row in tables.published_table1()]
    if text is None:
        return every
    chosen = []
    for item in text.split(","):
        d, _, n = item.strip().partition("x")
        if not (d.isdigit() and n.isdigit()) or (int(n), int(d)) not in every:
            known = ",".join(f"{d}x{n}" for n, d in every)
            raise InvalidParameterError("rows", f"a comma-separated choice of {known} (d x n)", item)
        chosen.append((int(n), int(d)))
    return chosen


def parse_losses(text: str | None) -> list[str]:
    """Losses of Table 1 from a comma-separated choice; all four for None.

    Raises:
        UnknownNameError: if one is not a loss of Table 1.
    """
    chosen = list(COLUMNS) if text is None else [item.strip() for item in text.split(",")]
    for name in chosen:
        if name not in COLUMNS:
            raise UnknownNameError("losses", name, COLUMNS)
    return chosen


def run_cell(cell: Cell, settings: Settings) -> Cell:
    """Run one cell; in a worker, on one thread."""
    import torch

    from tammes.api import solve

    torch.set_num_threads(1)
    result = solve(
        cell.n,
        cell.d,
        cell.loss,
        preset=settings.preset,
        steps=settings.steps,
        seed=cell.seed,
        device=settings.device,
        polish=cell.loss == _POLISHED_LOSS,
    )
    own = result.phases[0]
    return Cell(
        cell.n,
        cell.d,
        cell.loss,
        cell.seed,
        min_angle_degrees=own["min_angle_degrees"],
        polished_degrees=result.code.min_angle_degrees if result.before_polish is not None else None,
        status=own["status"],
        steps=own["steps"],
        seconds=own["seconds"],
    )


def run_table1(
    out: Path,
    *,
    rows: Sequence[tuple[int, int]],
    losses: Sequence[str],
    seeds: int,
    settings: Settings,
    workers: int | None = None,
    fresh: bool = False,
    progress: Callable[[Cell, int, int], None] = lambda _cell, _done, _total: None,
) -> dict[str, Any]:
    """Run the cells that are not stored yet, then write CSV, JSON, Markdown and chart to `out`.

    Args:
        out: folder of the results; made if missing.
        rows: sizes (n, d).
        losses: names of losses.
        seeds: seeds 0 to seeds - 1 a cell; the table shows medians.
        settings: shared by all cells.
        workers: processes; the number of cores by default, 1 on CUDA.
        fresh: forget what is stored.
        progress: called after every cell with the cell, cells done, and cells in all.

    Returns:
        The JSON document.

    Raises:
        FileFormatError: if the folder holds results of other settings, or damaged ones.
    """
    for name, value in (("seeds", seeds), ("workers", workers)):
        if value is not None and value < 1:
            raise InvalidParameterError(name, "an integer of at least 1", value)
    _check_device(settings.device)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(out, f"the folder cannot be made ({error.strerror})") from None
    store = out / "table1.json"
    done = {} if fresh else _stored(store, settings)
    wanted = [Cell(n, d, loss, seed) for n, d in rows for loss in losses for seed in range(seeds)]
    missing = [cell for cell in wanted if cell.key not in done]
    missing.sort(key=lambda cell: cell.n, reverse=True)  # the longest first, so that no core idles
    count = len(wanted) - len(missing)
    for cell in _run_all(missing, settings, workers or _default_workers(settings)):
        done[cell.key] = cell
        count += 1
        _write_store(store, done, settings)
        progress(cell, count, len(wanted))
    document = _write_store(store, done, settings)
    table = _table(wanted, done, losses)
    _write_reports(out, table, losses, seeds, document)
    return document | {"rows": table}


def _check_device(name: str) -> None:
    """Refuse a missing device here, not in every worker."""
    from tammes.solvers.sgd import resolve_device

    resolve_device(name)


def _default_workers(settings: Settings) -> int:
    return 1 if settings.device.startswith("cuda") else os.cpu_count() or 1


def _run_all(cells: Sequence[Cell], settings: Settings, workers: int) -> Iterator[Cell]:
    """Finished cells as they come."""
    if not cells:
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(cells)), mp_context=context)
    try:
        futures = [pool.submit(run_cell, cell, settings) for cell in cells]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _stored(store: Path, settings: Settings) -> dict[str, Cell]:
    """Cells of an earlier run in the same folder."""
    if not store.exists():
        return {}
    document = files.read_json(store)
    if document.get("schema") != SCHEMA:
        raise FileFormatError(store, f"not a {SCHEMA} document", "Choose another --out, or use --force.")
    if document.get("settings") != asdict(settings):
        raise FileFormatError(
            store,
            f"made with other settings: {document.get('settings')}",
            "Choose another --out, or use --force to begin anew.",
        )
    try:
        cells = [Cell(**cell) for cell in document["cells"]]
    except (KeyError, TypeError) as error:
        raise FileFormatError(store, f"damaged: {error}", "Use --force to begin anew.") from None
    return {cell.key: cell for cell in cells}


def _write_store(store: Path, done: dict[str, Cell], settings: Settings) -> dict[str, Any]:
    """Write every cell so far, atomically; sorted, so that diffs read well."""
    cells = sorted(done.values(), key=lambda c: (c.d, c.n, list(COLUMNS).index(c.loss), c.seed))
    document = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "machine": machine(),
        "versions": versions(),
        "cells": [asdict(cell) for cell in cells],
    }
    files.write_atomically(store, (json.dumps(document, indent=1) + "\n").encode(), force=True)
    return document


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return {"processor": name, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}


# --- the reports ------------------------------------------------------------------------------


def _table(wanted: Sequence[Cell], done: dict[str, Cell], losses: Sequence[str]) -> list[dict[str, Any]]:
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


def _write_reports(
    out: Path, table: list[dict[str, Any]], losses: Sequence[str], seeds: int, document: dict[str, Any]
) -> None:
    """`table1.csv`, `table1.md` and `table1.png`."""
    from tammes import plots

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
        *(_differences(table, losses) or ["Nowhere: every cell rounds to the printed value."]),
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


def _differences(table: Sequence[dict[str, Any]], losses: Sequence[str]) -> list[str]:
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


# --- Figure 2 ---------------------------------------------------------------------------------


def gradient_curves(points: int = 361) -> tuple[Any, dict[str, Any]]:
    """The paper's Figure 2 from the code's own gradients: `|g| |w|` of a pair against its angle.

    Args:
        points: angles between 0 and pi, both left out.

    Returns:
        `(points,)` radians, and the curves by label, each `(points,)` float64.
    """
    import numpy as np
    import torch

    from tammes import losses

    theta = np.linspace(0.0, np.pi, points + 2)[1:-1]
    pair = np.zeros((points, 2, 2))
    pair[:, 0, 0] = 1.0
    pair[:, 1] = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    chosen = {
        "mma": losses.MMA(),
        "cosine": losses.Cosine(),
        "riesz-fisher, s = 2": losses.RieszFisher(2.0),
        "riesz-fisher, s = 1": losses.RieszFisher(1.0),
        "logarithmic": losses.Logarithmic(),
    }
    curves = {}
    for label, loss in chosen.items():
        _, grad = loss.value_and_grad(torch.from_numpy(pair))
        curves[label] = grad[:, 0].norm(dim=-1).numpy()
    return theta, curves
