"""`tammes verify`: a file of points against its record, or a certificate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tammes.cli.options import CodeFile, FileDimension, Json, Normalize
from tammes.cli.terminal import console, fail, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.storage.certificate_check import CertificateCheck
    from tammes.storage.verification import Verification

__all__ = ["verify"]


def verify(
    file: CodeFile,
    tolerance: Annotated[float, typer.Option(help="Radians by which claim and measurement may differ.")] = 1e-12,
    normalize: Normalize = False,
    d: FileDimension = None,
    as_json: Json = False,
) -> None:
    """Measure a file from its points alone and compare with the record beside it; or check a certificate."""
    from tammes.storage import formats, verification

    if formats.is_certificate(file):
        _verify_certificate(file, as_json)
        return
    check = verification.verify(file, tolerance=tolerance, normalize=normalize, d=d)
    if as_json:
        print_json(check.to_dict())
    else:
        console().print(_verification_block(check))
    if not check.holds:
        fail(f"{check.claimed_in}: the claim does not hold: {check.disagreements[0]}.", 1)


def _verify_certificate(file: Path, as_json: bool) -> None:
    """Check a certificate, print what it proves, and exit with 1 if it is refused."""
    from tammes.storage.certificate_check import verify_certificate

    check = verify_certificate(file)
    if as_json:
        print_json(check.to_dict())
    else:
        console().print(_certificate_block(check))
    if not check.holds:
        fail(f"{file}: the certificate does not hold: {check.refused}.", 1)


def _verification_block(check: "Verification") -> "RenderableType":
    """Return what was measured, and whether the claim beside the file holds."""
    from rich.text import Text

    from tammes.cli import report

    code = check.code
    rows: report.Rows = [
        ("points", f"{code.n} in d = {code.d}"),
        ("minimal angle", Text(f"{code.min_angle_degrees:.12f}°", style="bold")),
        ("max cosine", f"{code.max_cosine:.16f}"),
        ("closest pair", f"{code.closest_pair[0]}, {code.closest_pair[1]}"),
        ("contacts", _contacts(check)),
        ("digest", code.digest),
    ]
    if check.claimed_in is None:
        rows.append(("claim", "none beside the file; this is what it holds"))
    elif check.holds:
        rows.append(("claim", Text(f"{check.claimed_in}: agrees", style="green")))
    else:
        rows += [("claim", Text(f"{check.claimed_in}: {line}", style="bold red")) for line in check.disagreements]
    return report.named_rows(rows)


def _contacts(check: "Verification") -> str:
    """Return the numbers of contacts and rattlers, as far as they are counted."""
    if check.contacts is None:
        return "not counted"
    if check.rattlers is None:
        return f"{check.contacts}; rattlers not computed above n = {check.limits.stressed}"
    return f"{check.contacts}, {check.rattlers} rattlers"


def _certificate_block(check: "CertificateCheck") -> "RenderableType":
    """Return what holds of a certificate, or why it is refused."""
    from rich.text import Text

    from tammes.cli import report

    rows: report.Rows = []
    if check.proved:
        rows.append(("exact", Text(f"holds: {check.proved}", style="green")))
    if check.local:
        rows.append(("local optimality", f"holds: {check.local}"))
    if check.refused:
        rows.append(("refused", Text(check.refused, style="bold red")))
    return report.named_rows(rows)
