"""Verification of a file of points: everything is measured again and compared with the record beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tammes.base.errors import FileFormatError
from tammes.base.validation import check_number
from tammes.codes import extended_precision
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, formats
from tammes.storage.record import CLAIMS, TOLERANCE, false_claims, field_of
from tammes.storage.result import SCHEMA, STRESSED

__all__ = ["TOLERANCE", "CountLimits", "Verification", "verify"]


@dataclass(frozen=True)
class CountLimits:
    """Sizes up to which contacts and rattlers are counted where no record claims them.

    A large code in high dimension may have hundreds of millions of contacts: the minimal vectors of
    Leech's lattice have 452 million.
    """

    points: int = 20_000
    """Contacts are counted up to so many points in any dimension."""
    dimension: int = 8
    """Contacts are counted up to this dimension for any number of points."""
    stressed: int = STRESSED
    """Rattlers are counted up to so many points."""


@dataclass(frozen=True)
class Verification:
    """A measured code, and the claims about it that are wrong."""

    code: SphericalCode
    claimed_in: Path | None
    """The record that was compared; None where there is none."""
    disagreements: tuple[str, ...] = ()
    """One line for each false claim: what is claimed, what is measured."""
    limits: CountLimits = CountLimits()

    @property
    def holds(self) -> bool:
        """True if nothing disagrees."""
        return not self.disagreements

    @cached_property
    def contacts(self) -> int | None:
        """Number of contacts; None beyond the limits."""
        return len(self.code.contacts()) if self._countable else None

    @cached_property
    def rattlers(self) -> int | None:
        """Number of rattlers; None beyond the limits."""
        return len(self.code.rattlers()) if self._countable and self.code.n <= self.limits.stressed else None

    @property
    def _countable(self) -> bool:
        return self.code.n <= self.limits.points or self.code.d <= self.limits.dimension

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
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
    """Measure the points of a file, and compare with the record beside it.

    Args:
        path: a file of points, or the `.json` record of one.
        tolerance: radians (and cosines) that claim and measurement may differ by.
        normalize: scale rows to length 1 first; digest and counts of such points are not compared.
        d: dimension, for `.txt` files whose name does not tell it.

    Returns:
        The measured code, and the disagreements.

    Raises:
        FileAccessError: if a file cannot be read.
        FileFormatError: if a file does not hold what it should.
        InvalidParameterError: if the tolerance is negative or not a number.
    """
    tolerance = check_number("tolerance", tolerance, "a non-negative number of radians", least=0.0)
    path = Path(path)
    formats.format_of(path)
    beside = formats.sidecar(path)
    if path == beside and "points" not in (record := atomic.read_json(path)):
        path = _file_of_points(path, record)
    code = formats.load(path, d=d, normalize=normalize)
    if not beside.is_file():
        return Verification(code, None)
    record = atomic.read_json(beside)
    claims = CLAIMS.keys() & record.keys()
    if not claims or ("points" in record and claims <= {"n", "d"}):  # a file of points that claims nothing
        return Verification(code, None)
    return Verification(code, beside, tuple(_disagreements(record, code, tolerance, normalize)))


def _file_of_points(path: Path, record: dict[str, Any]) -> Path:
    """Return the file of points that a record belongs to; it is always beside the record."""
    name = field_of(record, "file")
    if name is None or Path(name).name != name or name in {"", ".."}:
        raise FileFormatError(path, "it holds no `points`, and no `file` beside it that does")
    return path.with_name(name)


def _disagreements(record: dict[str, Any], code: SphericalCode, tolerance: float, normalize: bool) -> list[str]:
    """Return one line for every claim that the points do not bear out."""
    schema = record.get("schema", SCHEMA)
    refined = schema == extended_precision.SCHEMA  # its numbers are strings, and its contacts are those of all digits
    lines = []
    if schema != SCHEMA and not refined:
        lines.append(f"schema {schema!r} is unknown; this version reads {SCHEMA} and {extended_precision.SCHEMA}")
    # Normalised rows are other points: neither their digest nor their contacts are claimed.
    return lines + false_claims(
        record, code, tolerance, digest=not normalize, counts=not (normalize or refined), strings=refined
    )
