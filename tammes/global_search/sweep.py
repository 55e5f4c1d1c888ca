"""Searches over a range of sizes that share one time limit, with a table that is written after every size.

The first pass gives every size a short search; the passes after it share what is left among the
sizes that may still gain: no bound met, not exhausted, the target not reached. Each search goes on from its
saved state, and from the codes of adjacent sizes.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError
from tammes.base.status import Status
from tammes.base.validation import check_size
from tammes.global_search.api import search
from tammes.global_search.executors.opening import open_executor
from tammes.storage import formats as files
from tammes.storage.result import Result

__all__ = ["CSV", "MARKDOWN", "Row", "run", "summary"]

CSV, MARKDOWN = "sweep.csv", "sweep.md"
_PASSES = (0.25, 0.25, 0.5)  # shares of the time
_LEAST_SECONDS = 0.5
_DONE = {Status.BOUND, Status.EXHAUSTED, Status.TARGET}


@dataclass(frozen=True)
class Row:
    """One size of a sweep."""

    n: int
    d: int
    degrees: float
    """Measured minimal angle."""
    known: str
    """Best known value as printed, or empty."""
    verdict: str
    """`beats by`, `matches`, `misses by` and a number; or `new` where nothing is stored."""
    bound_degrees: float
    status: str
    seconds: float
    """Wall time spent on this size so far."""
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def run(
    d: int,
    sizes: list[int],
    seconds: float,
    settings: dict[str, Any],
    folder: Path,
    show: Callable[[Row, int, int], None] = lambda *_: None,
) -> tuple[list[Row], bool]:
    """Search every size, in passes, within `seconds`.

    Args:
        d: dimension.
        sizes: numbers of points.
        seconds: wall-clock limit of the whole.
        settings: of every `search`.
        folder: where the tables are written, after every size.
        show: called with every row, the searches done and their number in this pass.

    Returns:
        The rows in order of n, and whether Ctrl-C ended the sweep. Where lost workers did, a row has that status.

    Raises:
        FileAccessError: if the tables cannot be written.
    """
    for n in sizes:
        check_size(n, d)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(folder, str(error.strerror or error), "Choose another --output.") from None
    began, spent, rows = time.monotonic(), dict.fromkeys(sizes, 0.0), dict[int, Row]()
    left = list(sizes)
    finished = {status.code for status in _DONE}
    settings = dict(settings)
    wanted = {name: settings.pop(name, None) for name in ("workers", "executor", "scheduler")}
    with open_executor(wanted["workers"], executor=wanted["executor"], scheduler=wanted["scheduler"]) as pool:
        for k in range(len(_PASSES)):
            pass_end = began + seconds * sum(_PASSES[: k + 1])
            for done, n in enumerate(left):
                slot = (pass_end - time.monotonic()) / (len(left) - done)
                own = settings | {"resume": settings["resume"] or k > 0, "pool": pool}
                result = search(n, d, time_limit=max(slot, _LEAST_SECONDS), **own)
                spent[n] += result.seconds
                rows[n] = _row(result, spent[n])
                _write(folder, [rows[m] for m in sorted(rows)])
                show(rows[n], done + 1, len(left))
                if result.interrupted or result.status is Status.WORKERS_LOST:
                    return [rows[m] for m in sorted(rows)], result.interrupted
            left = [n for n in left if rows[n].status not in finished]
    return [rows[m] for m in sorted(rows)], False


def summary(rows: list[Row]) -> str:
    """Return in words how many rows beat, match and miss the best known value."""
    count = {word: sum(row.verdict.startswith(word) for row in rows) for word in ("beats", "matches", "misses", "new")}
    return ", ".join(f"{number} {word}" for word, number in count.items() if number) or "nothing was searched"


def _row(result: Result, seconds: float) -> Row:
    code, known = result.code, result.best_known
    degrees = code.min_angle_degrees
    if known is None:
        verdict = "new"
    else:
        word = known.verdict(degrees)
        verdict = word if word == "matches" else f"{word} by {abs(known.gap(degrees)):.{known.decimals}f}"
    return Row(
        code.n,
        code.d,
        degrees,
        "" if known is None else known.degrees,
        verdict,
        result.bound.degrees,
        result.status.code,
        round(seconds, 1),
        code.digest,
    )


def _write(folder: Path, rows: list[Row]) -> None:
    """Write both tables, atomically."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0].to_dict()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_dict() for row in rows)
    files.write_atomically(folder / CSV, stream.getvalue().encode(), force=True)
    lines = [
        f"# Sweep of d = {rows[0].d}, n = {rows[0].n} to {rows[-1].n}",
        "",
        f"{summary(rows)}.",
        "",
        "| n | minimal angle (degrees) | best known | verdict | bound | status | seconds |",
        "|---:|---:|---:|---|---:|---|---:|",
    ]
    lines += [
        f"| {row.n} | {row.degrees:.10f} | {row.known} | {row.verdict} | {row.bound_degrees:.6f} | {row.status} "
        f"| {row.seconds:.1f} |"
        for row in rows
    ]
    files.write_atomically(folder / MARKDOWN, ("\n".join(lines) + "\n").encode(), force=True)
