"""What surrounds a command in a terminal: progress, Ctrl-C, JSON on stdout."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tammes.cli.options import fail

if TYPE_CHECKING:
    from tammes.base.budget import Progress, ProgressCallback

__all__ = ["interruptible", "print_files", "print_json", "progress_bar", "uninterrupted"]


def print_json(document: dict[str, Any] | list[Any]) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_files(*paths: Path, as_json: bool) -> None:
    """The files that a command has written, a line each or as JSON."""
    if as_json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print("\n".join(map(str, paths)))


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
    """Ctrl-C ends with one line and 130; the parser would print its own word and exit with 1."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"Interrupted; {state}.", 130)


@contextmanager
def progress_bar(n: int, d: int) -> Iterator[ProgressCallback]:
    """A bar on stderr with the best angle, the best known value and the gap; none off a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from tammes.cli import report
    from tammes.storage import tables

    console = report.console(stderr=True)
    known = tables.best_known_or_none(n, d)
    columns = (TextColumn("{task.description:>6}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[angles]}"), console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(event: Progress) -> None:
            degrees = math.degrees(event.min_angle)
            angles = f"best {degrees:.6f}°"
            if known is not None:
                gap = max(0.0, known.gap(degrees))
                angles += f"  known {known.degrees}°  gap {gap:.{max(known.decimals, 1)}f}°"
            if event.phase not in tasks:
                tasks[event.phase] = bar.add_task(event.phase, total=event.total or None, angles=angles)
            bar.update(tasks[event.phase], completed=event.step, total=event.total or None, angles=angles)

        yield show
