"""An outsider's check: measure the points alone, then hold the claim beside them to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tammes.base.errors import FileFormatError, InvalidParameterError, TammesError
from tammes.codes import certificates, checker, refine
from tammes.codes.optimality import StressError, Verdict, check_stress, improvement, rank_of
from tammes.codes.spherical_code import CONTACT_TOLERANCE, SphericalCode
from tammes.storage import formats as files
from tammes.storage.result import SCHEMA, STRESSED

__all__ = ["TOLERANCE", "CertificateCheck", "Verification", "is_certificate", "verify", "verify_certificate"]

TOLERANCE = 1e-12
"""Claimed and measured angles agree within this, radians."""

_COUNTED = 20_000  # points in more than so many dimensions: beyond, contacts are not listed
_LOW_DIMENSION = 8

_CLAIMS = {"min_angle", "min_angle_degrees", "max_cosine", "digest", "n", "d", "contacts", "rattlers"}


@dataclass(frozen=True)
class Verification:
    """A measured code, and where a claim about it is wrong."""

    code: SphericalCode
    claimed_in: Path | None
    """The record that was compared; None where there is none."""
    disagreements: tuple[str, ...] = ()
    """One line each: what is claimed, what is measured."""

    @property
    def holds(self) -> bool:
        """Whether nothing disagrees."""
        return not self.disagreements

    @cached_property
    def contacts(self) -> int | None:
        """Number of contacts; None for large codes in high dimension, which may have hundreds of millions."""
        return len(self.code.contacts()) if self._countable else None

    @cached_property
    def rattlers(self) -> int | None:
        """Number of rattlers; None where contacts are not counted, and above 3,000 points."""
        return len(self.code.rattlers()) if self._countable and self.code.n <= STRESSED else None

    @property
    def _countable(self) -> bool:
        return self.code.n <= _COUNTED or self.code.d <= _LOW_DIMENSION

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        code = self.code
        return {
            **code.to_dict(),
            "contacts": self.contacts,
            "rattlers": self.rattlers,
            "claimed_in": None if self.claimed_in is None else str(self.claimed_in),
            "holds": self.holds,
            "disagreements": list(self.disagreements),
        }


def verify(
    path: str | Path, *, tolerance: float = TOLERANCE, normalize: bool = False, d: int | None = None
) -> Verification:
    """Recompute everything from the points of a file, and compare with the record beside it.

    Args:
        path: a file of points, or the `.json` record of one.
        tolerance: radians (and cosines) that claim and measurement may differ by.
        normalize: scale rows to length 1 first; the digest of such points is not compared.
        d: dimension, for `.txt` files whose name does not tell it.

    Returns:
        The measured code, and the disagreements.

    Raises:
        FileAccessError: if a file cannot be read.
        FileFormatError: if a file does not hold what it should.
        InvalidParameterError: if the tolerance is negative or not a number.
    """
    if not isinstance(tolerance, (int, float)) or not 0.0 <= tolerance < math.inf:
        raise InvalidParameterError("tolerance", "a non-negative number of radians", tolerance)
    path = Path(path)
    files.format_of(path)
    record = files.sidecar(path)
    if path == record and "points" not in (document := files.read_json(path)):
        path = path.parent / _named_file(path, document)
    code = files.load(path, d=d, normalize=normalize)
    if not record.is_file():
        return Verification(code, None)
    claim = files.read_json(record)
    if not (_CLAIMS - {"n", "d"} if "points" in claim else _CLAIMS) & claim.keys():
        return Verification(code, None)  # a file of points that claims nothing
    return Verification(code, record, tuple(_disagreements(claim, code, tolerance, normalize)))


@dataclass(frozen=True)
class CertificateCheck:
    """What a certificate was found to prove, or why it is refused."""

    proved: str
    """What holds by integer arithmetic, in one line; empty where the certificate is refused."""
    local: str
    """What was found of its claim of local optimality, in float64; empty where it makes none."""
    refused: str = ""
    """Why it does not hold; empty where it does."""

    @property
    def holds(self) -> bool:
        """Whether everything holds."""
        return not self.refused

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"holds": self.holds, "proved": self.proved, "local_optimality": self.local, "refused": self.refused}


def is_certificate(path: str | Path) -> bool:
    """Whether a file is a certificate, by its name."""
    return Path(path).name.endswith(".cert.json")


def verify_certificate(path: str | Path) -> CertificateCheck:
    """Check a certificate: the angle by integer arithmetic alone, the claim of local optimality in float64.

    Raises:
        FileAccessError: if the file cannot be read.
    """
    content = files.read_bytes(path)
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
    """The claim of local optimality, held to the vectors of the certificate."""
    claim = document["local_optimality"]
    vectors = document["points"]
    largest = max(abs(value) for row in vectors for value in row)
    code = SphericalCode([[value / largest for value in row] for row in vectors], normalize=True)
    verdict = {verdict.code: verdict for verdict in Verdict}[claim["verdict"]]
    tolerance = float(claim["tolerance"])
    contacts = np.array(claim["contacts"], dtype=np.intp).reshape(-1, 2)
    if verdict in (Verdict.IMPROVABLE, Verdict.UNDECIDED):
        gain = improvement(code, np.array([[float(value) for value in row] for row in claim["direction"]]))
        if verdict is Verdict.IMPROVABLE and not gain > 0.0:
            raise StressError("direction", "one that widens the minimal angle", f"{gain:.3g} rad")
        return f"{verdict.code}; a step along the direction gains {gain:.2g} rad" if gain > 0.0 else verdict.code
    multipliers = np.array([value / 1e18 for value in claim["multipliers_times_10_18"]])
    residual = check_stress(code, contacts, multipliers, tolerance)
    rank, freedom, free = rank_of(code, contacts, multipliers)
    stated = (claim["rank"], claim["degrees_of_freedom"])
    if (rank, freedom) != stated:
        raise StressError("rank", f"{rank} of {freedom} degrees of freedom, as measured", f"{stated[0]} of {stated[1]}")
    if verdict is not free:
        raise StressError("verdict", f"{free.code}, as measured", verdict.code)
    return f"{verdict.code}; the stress balances to {residual:.1e}, rank {rank} of {freedom}"


def _named_file(record: Path, document: dict[str, Any]) -> str:
    """The file of points that a record belongs to; always beside the record."""
    name = document.get("file")
    if not isinstance(name, str) or Path(name).name != name or name in {"", ".."}:
        raise FileFormatError(record, "it holds no `points`, and no `file` beside it that does")
    return name


def _disagreements(claim: dict[str, Any], code: SphericalCode, tolerance: float, normalize: bool) -> list[str]:
    """One line for every claim that the points do not bear out."""
    wrong = []
    schema = claim.get("schema", SCHEMA)
    refined = schema == refine.SCHEMA  # numbers of many digits are strings; its contacts are told by all of them
    if schema != SCHEMA and not refined:
        wrong.append(f"schema {schema!r} is unknown; this version reads {SCHEMA} and {refine.SCHEMA}")
    exact: list[tuple[str, Any, Any]] = [("n", claim.get("n"), code.n), ("d", claim.get("d"), code.d)]
    if not normalize:
        exact.append(("digest", claim.get("digest"), code.digest))
    wrong += [
        f"{name}: claimed {claimed}, measured {measured}"
        for name, claimed, measured in exact
        if claimed is not None and (isinstance(claimed, bool) or claimed != measured)
    ]
    measured_numbers = {
        "min_angle": (code.min_angle, tolerance),
        "min_angle_degrees": (code.min_angle_degrees, math.degrees(tolerance)),
        "max_cosine": (code.max_cosine, tolerance),
    }
    for name, (measured, allowed) in measured_numbers.items():
        if name not in claim:
            continue
        claimed = _number(claim[name]) if refined else claim[name]
        if (
            not isinstance(claimed, (int, float))
            or isinstance(claimed, bool)
            or not measured - allowed <= claimed <= measured + allowed
        ):
            wrong.append(f"{name}: claimed {claimed!r}, measured {measured!r}")
    if not normalize and not refined:  # normalised rows are other points: their last digits are not claimed
        contacts = claim.get("contacts")
        within = contacts.get("tolerance") if isinstance(contacts, dict) else None
        within = within if isinstance(within, float) and within >= 0.0 else CONTACT_TOLERANCE
        for name, measure in (("contacts", code.contacts), ("rattlers", code.rattlers)):
            if claim.get(name) is not None:
                stated = claim[name].get("count") if isinstance(claim[name], dict) else claim[name]
                counted = len(measure(within))
                if isinstance(stated, bool) or stated != counted:
                    wrong.append(f"{name}: claimed {stated!r}, measured {counted}")
    return wrong


def _number(claimed: object) -> object:
    """A decimal string as the nearest float64; anything else as it is."""
    try:
        return float(claimed) if isinstance(claimed, str) else claimed
    except ValueError:
        return claimed
