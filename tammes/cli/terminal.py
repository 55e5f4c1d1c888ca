"""What every command shares with its terminal: stdout, stderr, progress, warnings, interruption."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID

    from tammes.base.budget import Progress, ProgressCallback
    from tammes.storage.tables import KnownValue

__all__ = [
    "ProgressBar",
    "announce_long_work",
    "archive_warnings",
    "console",
    "fail",
    "interruptible",
    "narrate",
    "print_csv",
    "print_files",
    "print_json",
    "progress_bar",
    "search_progress",
    "search_rows",
    "uninterrupted",
]


# --- lines and documents ----------------------------------------------------------------------


def fail(message: str, status: int) -> NoReturn:
    """Print one line of reason on stderr and exit with `status`."""
    narrate(f"Error: {message}")
    sys.exit(status)


def narrate(text: str) -> None:
    """Print a line on stderr: what happens, beside the answer on stdout."""
    print(text, file=sys.stderr)


def announce_long_work(what: str, cost: float, *, least: float) -> None:
    """Print a line on stderr before work that may take minutes.

    Args:
        what: the work, as "Measuring 28680 pairs in d = 8".
        cost: its size, in the unit of `least`.
        least: the line is printed from this cost on.
    """
    if cost >= least:
        narrate(f"{what}: this may take minutes.")


def print_json(document: dict[str, Any] | list[Any]) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_csv(rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> None:
    """Print rows as comma-separated values under a line of names; without rows, the names alone.

    Args:
        rows: values by column.
        columns: names of the columns; those of the first row if empty.
    """
    import csv

    writer = csv.DictWriter(sys.stdout, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_files(*paths: Path, as_json: bool) -> None:
    """Print the paths that a command has written, a line each or as JSON."""
    if as_json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print("\n".join(map(str, paths)))


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is; off a terminal, lines are neither folded nor coloured."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, markup=False, width=400, soft_wrap=True)
    return made


@contextmanager
def archive_warnings() -> Iterator[None]:
    """Print the archive's warnings as lines on stderr; other warnings are shown as Python shows them."""
    import warnings

    from tammes.storage.archive import ArchiveWarning

    with warnings.catch_warnings():
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, ArchiveWarning):
                narrate(f"Warning: {message}")
            else:
                show_others(message, category, *where, **more)

        warnings.simplefilter("always", ArchiveWarning)
        warnings.showwarning = show
        yield


# --- interruption -----------------------------------------------------------------------------


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while files are written; raise it afterwards."""
    held: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    except ValueError:  # not the main thread: signals go elsewhere
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


@contextmanager
def interruptible(state: str) -> Iterator[None]:
    """End on Ctrl-C with one line and status 130; the parser would print its own word and exit with 1."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"Interrupted; {state}.", 130)


# --- progress ---------------------------------------------------------------------------------


class ProgressBar:
    """Rows of a progress bar on a terminal; elsewhere nothing is drawn.

    Args:
        bar: rich's bar, already started.
    """

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._rows: dict[str, TaskID] = {}

    @property
    def visible(self) -> bool:
        """Whether stderr is a terminal, so that the bar is drawn."""
        return not self._bar.disable

    def show(self, row: str, done: float, total: float | None, *, label: str | None = None, note: str = "") -> None:
        """Draw one row; a name that is new adds a row.

        Args:
            row: name of the row.
            done: work done, in the unit of `total`.
            total: work of the whole row; None or 0 if it is not known.
            label: text in front of the bar; the name of the row if None.
            note: text behind the bar.
        """
        if row not in self._rows:
            self._rows[row] = self._bar.add_task(row, total=None, note="")
        self._bar.update(self._rows[row], completed=done, total=total or None, description=label or row, note=note)

    def print(self, text: str) -> None:
        """Print a line on stderr, above the bar where there is one."""
        self._bar.console.print(text, highlight=False)


@contextmanager
def progress_bar(
    columns: Sequence[str] = ("label", "bar", "count", "elapsed", "note"), *, transient: bool = False
) -> Iterator[ProgressBar]:
    """Draw a progress bar on stderr while the block runs.

    Args:
        columns: what a row shows, from left to right: `label`, `bar`, `count` (done and total),
            `percent`, `elapsed`, `note`.
        transient: remove the bar at the end.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    kinds: dict[str, Callable[[], ProgressColumn]] = {
        "label": lambda: TextColumn("{task.description:>6}", markup=False),
        "bar": BarColumn,
        "count": MofNCompleteColumn,
        "percent": TaskProgressColumn,
        "elapsed": TimeElapsedColumn,
        "note": lambda: TextColumn("{task.fields[note]}", markup=False),
    }
    out = console(stderr=True)
    made = [kinds[name]() for name in columns]
    with Progress(*made, console=out, disable=not out.is_terminal, transient=transient) as bar:
        yield ProgressBar(bar)


@contextmanager
def search_progress(n: int, d: int) -> Iterator[ProgressCallback]:
    """Draw a row for each phase of a search, with the best angle so far, the best known value and the gap."""
    from tammes.storage import tables

    known = tables.best_known_or_none(n, d)
    with progress_bar() as bar:
        yield search_rows(bar.show, known)


def search_rows(show: Callable[..., None], known: KnownValue | None) -> ProgressCallback:
    """Return the callback that draws the reports of a search; the best angle shown never falls.

    Args:
        show: as `ProgressBar.show`.
        known: the best known value; None where there is none.
    """
    best = 0.0

    def report(event: Progress) -> None:
        nonlocal best
        best = max(best, math.degrees(event.min_angle))
        note = f"best {best:.6f}°"
        if known is not None:
            gap = max(0.0, known.gap(best))
            note += f"  known {known.degrees}°  gap {gap:.{max(known.decimals, 1)}f}°"
        show(event.phase, event.step, event.total, note=note)

    return report
