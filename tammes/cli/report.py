"""Blocks and tables for people that several commands print: a result, and what these are made of.

Nothing is computed here that is not measured or stored already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tammes.base.status import Status
from tammes.bounds.bound import Bound
from tammes.storage.result import Result
from tammes.storage.tables import KnownValue

__all__ = ["Rows", "comparison", "counted", "named_rows", "paths", "plain_table", "result_block"]

Rows = list[tuple[str, str | Text]]
"""Names and what is said of each; an empty name goes on with the one above it."""


def named_rows(rows: Sequence[tuple[str, str | Text]]) -> Table:
    """Return two columns without lines: a name, and what is said of it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in rows:
        table.add_row(name, text)
    return table


def plain_table(*headings: str, numbers: Iterable[str] = (), unfolded: Iterable[str] = ()) -> Table:
    """Return an empty table without lines.

    Args:
        headings: names of the columns.
        numbers: columns that are set flush right, and never folded.
        unfolded: other columns that are never folded.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    right, whole = set(numbers), set(unfolded)
    for heading in headings:
        table.add_column(
            heading, justify="right" if heading in right else "left", no_wrap=heading in right or heading in whole
        )
    return table


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 rattler", "3 rattlers"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def paths(saved: Iterable[Path | str]) -> str:
    """Return paths as one text."""
    return ", ".join(map(str, saved))


def comparison(known: KnownValue, degrees: float) -> str:
    """Return how a measured angle stands to a published one, in no more digits than the source prints."""
    verdict = known.verdict(degrees)
    if verdict == "matches":
        return "matches"
    return f"{verdict} it by {abs(known.gap(degrees)):.{known.decimals}f}°"


def result_block(result: Result, saved: Sequence[Path | str] = ()) -> RenderableType:
    """Return a result as one compact block: angle, best known value, bound, gap, contacts, status.

    Args:
        result: what was found.
        saved: paths of the files written.
    """
    rows: Rows = [
        ("minimal angle", _angle(result)),
        *_best_known(result),
        ("upper bound", _bound(result.bound, result.gap_degrees)),
        *_certificate(result),
        ("contacts", _contacts(result)),
        *_status(result),
        ("method", _method(result)),
    ]
    if saved:
        rows.append(("saved", paths(saved)))
    title = f"{result.code.n} points on the unit sphere in R^{result.code.d}"
    return Group(Text(title, style="bold"), named_rows(rows))


def _angle(result: Result) -> Text:
    """Return the measured angle; after a polish, with that of the first phase."""
    angle = Text(f"{result.code.min_angle_degrees:.12f}°", style="bold")
    if result.before_polish is not None:
        loss = result.settings.get("loss")
        by = f"by {loss['name']}, " if loss else ""
        angle.append(f"   ({result.phases[0]['min_angle_degrees']:.6f}° {by}before polish)", "dim")
    return angle


def _best_known(result: Result) -> Rows:
    """Return the best known value, how the result compares, and the closed form if it is one."""
    known = result.best_known
    rows: Rows
    if known is None:
        rows = [("best known", "no stored value for this size")]
    else:
        proved = "proved optimal, " if known.optimal else ""
        rows = [
            ("best known", f"{known.degrees}°   ({proved}{known.source})"),
            ("", f"this code {comparison(known, result.code.min_angle_degrees)}"),
        ]
    if "closed_form" in result.settings:
        rows.append(("closed form", f"{result.settings['closed_form']}; {result.settings['reference']}"))
    return rows


def _bound(bound: Bound, gap: float) -> str:
    """Return the upper bound, and the gap to it in degrees."""
    if gap < 1e-9:
        return f"{bound.degrees:.6f}°   ({bound.name}), attained: no code is better"
    return f"{bound.degrees:.6f}°   ({bound.name}), gap {gap:.6f}°"


def _certificate(result: Result) -> Rows:
    """Return what the certificate proves, or why there is none."""
    if result.certificate is not None:
        least = result.certificate["min_angle_degrees"]
        return [("certificate", f"every angle is at least {least}°, by exact integer arithmetic")]
    if "certificate" in result.left_out:
        return [("certificate", f"{result.left_out['certificate']}; `tammes certify` makes one")]
    return []


def _contacts(result: Result) -> str:
    """Return the numbers of contacts and rattlers."""
    if result.rattlers is None:
        return f"{result.contacts}; rattlers {result.left_out['rattlers']}"
    return f"{result.contacts}, {counted(len(result.rattlers), 'rattler')}"


def _status(result: Result) -> Rows:
    """Return why the run ended; after a search, also how the polish of its best code ended."""
    polished = result.phases[0].get("code") if result.phases else None
    own = [status.sentence for status in Status if status.code == polished and status is not result.status]
    sentences = [result.status.sentence, *own]
    return list(zip(["status", ""], sentences, strict=False))


def _method(result: Result) -> str:
    """Return the phases, the seed and the seconds."""
    seed = result.settings.get("seed")
    shown = "" if seed is None else f", seed {seed}"
    return f"{' + '.join(result.method)}{shown}, {result.seconds:.1f} s"
