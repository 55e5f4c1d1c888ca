"""The paper's Table 1, regenerated: ten sizes, four losses, and this package's polish.

Cells are independent, run on a pool of single-threaded processes, and are stored as each one ends:
a run that is stopped goes on where it was. `python -m tammes bench` is the command.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, FileFormatError, InvalidParameterError, UnknownNameError
from tammes.bench import report as bench_report
from tammes.bench.report import COLUMNS, Cell
from tammes.storage import formats as files
from tammes.storage import tables
from tammes.storage.result import versions

__all__ = ["COLUMNS", "Cell", "Settings", "gradient_curves", "run_table1"]

SCHEMA = "tammes.bench/1"

_POLISHED_LOSS = "mma"  # whose result is polished for the last column


@dataclass(frozen=True)
class Settings:
    """What every cell of a table shares; a resumed run must have the same."""

    steps: int = 10_000
    device: str = "cpu"
    preset: str = "paper"


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

    from tammes.global_search.api import solve

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
    table = bench_report.rows_of(wanted, done, losses)
    bench_report.write_reports(out, table, losses, seeds, document)
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
