"""Words and tables for people: what a result, a check, or a lookup looks like in a terminal.

Nothing is computed here that is not already measured or stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tammes.base.status import Status
from tammes.bounds.bound import Bound
from tammes.storage.result import STRESSED, Result
from tammes.storage.tables import KnownValue
from tammes.storage.verification import CertificateCheck, Verification

if TYPE_CHECKING:
    from tammes.global_search.packing import Packing
    from tammes.storage.known import Known

__all__ = [
    "certificate_block",
    "certificate_check_block",
    "comparison",
    "known_block",
    "known_table",
    "packing_block",
    "result_block",
    "verification_block",
]


def comparison(known: KnownValue, degrees: float) -> str:
    """How a measured angle stands to a published one, in no more digits than the source prints."""
    verdict = known.verdict(degrees)
    if verdict == "matches":
        return "matches"
    return f"{verdict} it by {abs(known.gap(degrees)):.{known.decimals}f}°"


def _pairs(rows: Sequence[tuple[str, str | Text]]) -> Table:
    """Two columns without lines: a name and what it says."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in rows:
        table.add_row(name, text)
    return table


def result_block(result: Result, saved: Sequence[str] = ()) -> RenderableType:
    """Angle, best known, bound, gap, contacts, status: one compact block."""
    code, known, bound = result.code, result.best_known, result.bound
    angle = Text(f"{code.min_angle_degrees:.12f}°", style="bold")
    if result.before_polish is not None:
        loss = result.settings.get("loss")
        by = f"by {loss['name']}, " if loss else ""
        angle.append(f"   ({result.phases[0]['min_angle_degrees']:.6f}° {by}before polish)", "dim")
    rows: list[tuple[str, str | Text]] = [("minimal angle", angle)]
    if known is None:
        rows.append(("best known", "no stored value for this size"))
    else:
        proved = "proved optimal, " if known.optimal else ""
        rows.append(("best known", f"{known.degrees}°   ({proved}{known.source})"))
        rows.append(("", f"this code {comparison(known, code.min_angle_degrees)}"))
    if "closed_form" in result.settings:
        rows.append(("closed form", f"{result.settings['closed_form']}; {result.settings['reference']}"))
    rows.append(("upper bound", _bound(bound, result.gap_degrees)))
    if result.certificate is not None:
        least = result.certificate["min_angle_degrees"]
        rows.append(("certificate", f"every angle is at least {least}°, by exact integer arithmetic"))
    elif "certificate" in result.left_out:
        rows.append(("certificate", f"{result.left_out['certificate']}; `tammes certify` makes one"))
    if result.rattlers is None:
        rows.append(("contacts", f"{result.contacts}; rattlers {result.left_out['rattlers']}"))
    else:
        free = len(result.rattlers)
        rows.append(("contacts", f"{result.contacts}, {free} rattler{'' if free == 1 else 's'}"))
    rows.append(("status", result.status.sentence))
    local = result.phases[0].get("code") if result.phases else None  # of a search: how the polish of its best ended
    rows += [("", status.sentence) for status in Status if status.code == local]
    seed = result.settings.get("seed")
    how = " + ".join(result.method) + ("" if seed is None else f", seed {seed}")
    rows.append(("method", f"{how}, {result.seconds:.1f} s"))
    if saved:
        rows.append(("saved", ", ".join(saved)))
    return Group(Text(f"{code.n} points on the unit sphere in R^{code.d}", style="bold"), _pairs(rows))


def _bound(bound: Bound, gap: float) -> str:
    if gap < 1e-9:
        return f"{bound.degrees:.6f}°   ({bound.name}), attained: no code is better"
    return f"{bound.degrees:.6f}°   ({bound.name}), gap {gap:.6f}°"


def known_table(values: Sequence[KnownValue]) -> RenderableType:
    """Published values as a table."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (("d", "right"), ("n", "right"), ("angle (degrees)", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for name in ("max cosine", "source", "proved optimal by"):
        table.add_column(name)
    for value in values:
        source = value.source if value.name is None else f"{value.source}: {value.name}"
        table.add_row(
            str(value.d),
            str(value.n),
            value.degrees,
            value.exact_max_cosine or "",
            source,
            value.proved_by or "",
        )
    return table


def known_block(known: Known) -> RenderableType:
    """What is known of one size: every value with its source, then what follows, a line each."""
    best, bound = known.best, known.bound
    rows: list[tuple[str, str | Text]] = []
    if best is None:
        rows.append(("best known", "no stored value for this size"))
    else:
        cosine = "" if best.exact_max_cosine is None else f"   max cosine {best.exact_max_cosine}"
        rows.append(("best known", Text(f"{best.degrees}°", style="bold").append(cosine, "not bold")))
        if best.proved_by is not None:
            rows.append(("proved optimal", best.proved_by))
    if known.constructions:
        names = ", ".join(f"{code.title} (`{code.command}`)" for code in known.constructions)
        rows.append(("attained by", names))
    limit = f"{bound.degrees:.6f}°   ({bound.name}: {bound.reference})"
    rows.append(("upper bound", f"{limit}, met: no code is better" if known.met else limit))
    if known.archived is not None:
        rows.append(("in the archive", f"{known.archived.code.min_angle_degrees:.12f}°   {known.archived.path}"))
    return Group(known_table(known.values), _pairs(rows)) if known.values else _pairs(rows)


def packing_block(packing: Packing) -> RenderableType:
    """The most points found at an angle, and what is possible."""
    if packing.optimal:
        possible = f"no more are possible ({packing.limit_name})"
    else:
        possible = f"at most {packing.limit} are possible ({packing.limit_name})"
    tried = (
        ", ".join(f"{probe.n}: {probe.degrees:.4f}°" for probe in packing.probes) or "nothing: the closed form is used"
    )
    return _pairs(
        [
            ("angle to keep", f"{packing.degrees:g}°"),
            ("most points", Text(f"{packing.n} found, {possible}", style="bold")),
            ("tried", tried),
        ]
    )


def verification_block(check: Verification) -> RenderableType:
    """What was measured, and whether the claim beside the file holds."""
    code = check.code
    rows: list[tuple[str, str | Text]] = [
        ("points", f"{code.n} in d = {code.d}"),
        ("minimal angle", Text(f"{code.min_angle_degrees:.12f}°", style="bold")),
        ("max cosine", f"{code.max_cosine:.16f}"),
        ("closest pair", f"{code.closest_pair[0]}, {code.closest_pair[1]}"),
        ("contacts", _counted(check)),
        ("digest", code.digest),
    ]
    if check.claimed_in is None:
        rows.append(("claim", "none beside the file; this is what it holds"))
    elif check.holds:
        rows.append(("claim", Text(f"{check.claimed_in}: agrees", style="green")))
    else:
        rows += [("claim", Text(f"{check.claimed_in}: {text}", style="bold red")) for text in check.disagreements]
    return _pairs(rows)


def _counted(check: Verification) -> str:
    """Contacts and rattlers, as far as they are counted."""
    if check.contacts is None:
        return "not counted"
    if check.rattlers is None:
        return f"{check.contacts}; rattlers not told above n = {STRESSED}"
    return f"{check.contacts}, {check.rattlers} rattlers"


def certificate_block(document: dict[str, Any], saved: Sequence[str]) -> RenderableType:
    """What a certificate proves, a line each."""
    rounded = f"coordinates times {document['scale']}, rounded"
    kind = rounded if document["scale"].startswith("10^") else f"exact integer vectors, divided by {document['scale']}"
    i, j = document["closest_pair"]
    rows: list[tuple[str, str | Text]] = [
        ("points", f"{document['n']} in d = {document['d']}: {kind}"),
        ("max cosine", Text(f"at most {document['max_cosine']}", style="bold")),
        ("minimal angle", Text(f"at least {document['min_angle_degrees']}°", style="bold")),
        ("", "proved for every pair, by integer arithmetic"),
        ("closest pair", f"{i}, {j}"),
    ]
    if "local_optimality" in document:
        local = document["local_optimality"]
        rows.append(("local optimality", local["sentence"]))
        count = len(local["rattlers"])
        if count and local["verdict"] not in {"improvable", "undecided"}:
            rows.append(("", f"{count} rattler{'' if count == 1 else 's'}: {', '.join(map(str, local['rattlers']))}"))
    elif "local_optimality_left_out" in document:
        rows.append(("local optimality", f"left out: {document['local_optimality_left_out']}"))
    if "extended" in document:
        extended = document["extended"]
        rows.append((f"{extended['digits']} digits", f"max cosine {_cut(extended['max_cosine'])}"))
        rows.append(("", f"minimal angle {_cut(extended['min_angle_degrees'])}°"))
        polynomial = document["minimal_polynomial"]
        if polynomial is None:
            rows.append(("minimal polynomial", "none found up to degree 16 in these digits"))
        else:
            evidence = f"{polynomial['digits_matched']} digits match, {polynomial['digits_spent']} are spent on it"
            rows += [("minimal polynomial", f"{polynomial['text']} of the max cosine c"), ("", evidence)]
    rows += [("digest", document["digest"]), ("saved", ", ".join(saved))]
    return _pairs(rows)


def certificate_check_block(check: CertificateCheck) -> RenderableType:
    """What holds of a certificate, or why it is refused."""
    rows: list[tuple[str, str | Text]] = []
    if check.proved:
        rows.append(("exact", Text(f"holds: {check.proved}", style="green")))
    if check.local:
        rows.append(("local optimality", f"holds: {check.local}"))
    if check.refused:
        rows.append(("refused", Text(check.refused, style="bold red")))
    return _pairs(rows)


def _cut(text: str) -> str:
    """At most a hundred digits; the file has them all."""
    return text if len(text) <= 110 else f"{text[:100]}..."


def console(*, stderr: bool = False) -> Console:
    """Plain text where the output is no terminal: nothing is folded or coloured."""
    made = Console(stderr=stderr, highlight=False, markup=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, markup=False, width=400, soft_wrap=True)
    return made
