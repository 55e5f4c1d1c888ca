"""Verification of a certificate: its angle by integer arithmetic, its local optimality in float64."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tammes.base.errors import TammesError
from tammes.codes import certificates, checker
from tammes.codes.optimality import StressError, Verdict, check_stress, improvement, rank_of
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic

__all__ = ["CertificateCheck", "verify_certificate"]


@dataclass(frozen=True)
class CertificateCheck:
    """Outcome of checking a certificate: what it proves, or why it is refused."""

    proved: str
    """The statement that integer arithmetic proves, in one line; empty where the certificate is refused."""
    local: str
    """The claim of local optimality as float64 confirms it; empty where the certificate makes none."""
    refused: str = ""
    """The reason of a refusal; empty where everything holds."""

    @property
    def holds(self) -> bool:
        """True if nothing is refused."""
        return not self.refused

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"holds": self.holds, "proved": self.proved, "local_optimality": self.local, "refused": self.refused}


def verify_certificate(path: str | Path) -> CertificateCheck:
    """Check the angle of a certificate by integer arithmetic alone, its claim of local optimality in float64.

    Args:
        path: a certificate as `tammes certify` writes it.

    Raises:
        FileAccessError: if the file cannot be read.
    """
    content = atomic.read_bytes(path)
    try:
        document = checker.read(content)
        proved = certificates.check(document)
    except checker.RefusedError as error:
        return CertificateCheck("", "", str(error))
    if "local_optimality" not in document:
        return CertificateCheck(proved, "")
    try:
        return CertificateCheck(proved, _check_local(document))
    except (TammesError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = str(error) if isinstance(error, TammesError) else "it is not as this version writes it"
        return CertificateCheck(proved, "", f"local optimality: {reason}")


def _check_local(document: dict[str, Any]) -> str:
    """Return what holds of the claim of local optimality, checked on the vectors of the certificate."""
    claim = document["local_optimality"]
    vectors = document["points"]
    largest = max(abs(value) for row in vectors for value in row)
    code = SphericalCode([[value / largest for value in row] for row in vectors], normalize=True)
    claimed = {verdict.code: verdict for verdict in Verdict}[claim["verdict"]]
    tolerance = float(claim["tolerance"])
    contacts = np.array(claim["contacts"], dtype=np.intp).reshape(-1, 2)
    if claimed in (Verdict.IMPROVABLE, Verdict.UNDECIDED):
        gain = improvement(code, np.array([[float(value) for value in row] for row in claim["direction"]]))
        if claimed is Verdict.IMPROVABLE and not gain > 0.0:
            raise StressError("direction", "one that widens the minimal angle", f"{gain:.3g} rad")
        return f"{claimed.code}; a step along the direction gains {gain:.2g} rad" if gain > 0.0 else claimed.code
    multipliers = np.array([value / 1e18 for value in claim["multipliers_times_10_18"]])
    residual = check_stress(code, contacts, multipliers, tolerance)
    rank, freedom, measured = rank_of(code, contacts, multipliers)
    if (rank, freedom) != (claim["rank"], claim["degrees_of_freedom"]):
        stated = f"{claim['rank']} of {claim['degrees_of_freedom']}"
        raise StressError("rank", f"{rank} of {freedom} degrees of freedom, as measured", stated)
    if claimed is not measured:
        raise StressError("verdict", f"{measured.code}, as measured", claimed.code)
    return f"{claimed.code}; the stress balances to {residual:.1e}, rank {rank} of {freedom}"
