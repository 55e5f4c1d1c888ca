"""The paper's Table 1, computed again: ten sizes, four losses, and this package's polish.

The cells are independent. They run in single-threaded processes, and each is stored as it ends, so that a
stopped run is resumed by the same command, `tammes bench`.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.base.processors import cores
from tammes.base.validation import check_integer, check_workers
from tammes.bench import report
from tammes.bench.cells import COLUMNS, Cell, Settings, run_cell
from tammes.bench.machine import describe_machine
from tammes.storage import formats as files
from tammes.storage.result import versions

__all__ = ["SCHEMA", "run_in_processes", "run_table1"]

SCHEMA = "tammes.bench/1"
"""Name and version of the format of `table1.json`."""


def run_in_processes(cells: Sequence[Cell], settings: Settings, workers: int) -> Iterator[Cell]:
    """Run the cells in that many processes and yield each as it ends."""
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
    run_cells: Callable[[Sequence[Cell], Settings, int], Iterator[Cell]] = run_in_processes,
) -> dict[str, Any]:
    """Run the cells that are not stored yet, then write CSV, JSON, Markdown and chart to `out`.

    Args:
        out: folder of the results; created if missing.
        rows: sizes (n, d).
        losses: names of losses.
        seeds: number of seeds of each cell, from 0; the table shows medians.
        settings: shared by all cells.
        workers: number of processes; by default the number of cores, or 1 on CUDA.
        fresh: ignore stored results.
        progress: called after every cell with the cell, the number of cells done, and that of all cells.
        run_cells: runs cells and yields each as it ends; gets the cells, the settings and the number of workers.

    Returns:
        The JSON document, with the rows of the report.

    Raises:
        InvalidParameterError: if `seeds` or `workers` is below 1.
        FileAccessError: if the folder cannot be created.
        FileFormatError: if the folder holds results of other settings, or damaged ones.
    """
    seeds, workers = check_integer("seeds", seeds, 1), check_workers(workers)
    _check_device(settings.device)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(out, f"the folder cannot be made ({error.strerror})") from None
    store = out / "table1.json"
    done = {} if fresh else _read_cells(store, settings)
    wanted = [Cell(n, d, loss, seed) for n, d in rows for loss in losses for seed in range(seeds)]
    missing = [cell for cell in wanted if cell.key not in done]
    missing.sort(key=lambda cell: cell.n, reverse=True)  # the longest first, so that no core idles at the end
    count = len(wanted) - len(missing)
    for cell in run_cells(missing, settings, workers or _default_workers(settings)):
        done[cell.key] = cell
        count += 1
        _write_cells(store, done, settings)
        progress(cell, count, len(wanted))
    document = _write_cells(store, done, settings)
    table = report.table_rows(wanted, done, losses)
    report.write_reports(out, table, losses, seeds, document)
    return document | {"rows": table}


def _check_device(name: str) -> None:
    """Refuse a missing device here, not in every worker."""
    from tammes.solvers.sgd import resolve_device

    resolve_device(name)


def _default_workers(settings: Settings) -> int:
    """Return the number of cores, or 1 on CUDA."""
    return 1 if settings.device.startswith("cuda") else cores()


def _read_cells(store: Path, settings: Settings) -> dict[str, Cell]:
    """Return the cells of an earlier run in the same folder, by key."""
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


def _write_cells(store: Path, done: dict[str, Cell], settings: Settings) -> dict[str, Any]:
    """Write all cells so far and return the document; sorted, so that diffs are short."""
    cells = sorted(done.values(), key=lambda cell: (cell.d, cell.n, list(COLUMNS).index(cell.loss), cell.seed))
    document = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "machine": describe_machine(),
        "versions": versions(),
        "cells": [asdict(cell) for cell in cells],
    }
    files.write_atomically(store, (json.dumps(document, indent=1) + "\n").encode(), force=True)
    return document
