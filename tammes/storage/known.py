"""Lookup of one size: tables, proved optima, constructions, the archive and bounds, joined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tammes.base.errors import NotTabulatedError
from tammes.bounds.bound import Bound
from tammes.constructions.catalogue import Construction, by_size
from tammes.storage import tables
from tammes.storage.archive import Archive, Entry
from tammes.storage.tables import KnownValue

__all__ = ["Known", "lookup"]

_MET = 1e-9  # degrees by which a value may stay below the bound that it meets


@dataclass(frozen=True)
class Known:
    """Everything that is stored about n points in R^d."""

    n: int
    d: int
    values: tuple[KnownValue, ...]
    """Published, proved, and our own values, the best first; empty where nothing is stored."""
    bound: Bound
    """The smallest upper bound at hand; a proved optimum of no more points is one."""
    constructions: tuple[Construction, ...]
    """Named codes of exactly this size that reach the best value."""
    archived: Entry | None
    """The code in the archive; None where there is none."""

    @property
    def best(self) -> KnownValue | None:
        """The best known value; None where nothing is stored."""
        return self.values[0] if self.values else None

    @property
    def met(self) -> bool:
        """True if the best known value meets the bound, so that no code is better."""
        return self.best is not None and self.bound.degrees - self.best.angle_degrees < _MET

    @property
    def optimal(self) -> bool:
        """True if no code is better, by proof or because a proven bound is met."""
        return self.met or (self.best is not None and self.best.optimal)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        values = [value.to_dict() for value in self.values]
        archive = None
        if self.archived is not None:
            archive = {"degrees": self.archived.code.min_angle_degrees, "path": str(self.archived.path)}
        return {
            "n": self.n,
            "d": self.d,
            "values": values,
            "best": values[0] if values else None,
            "optimal": self.optimal,
            "bound": {
                "name": self.bound.name,
                "degrees": self.bound.degrees,
                "reference": self.bound.reference,
                "met": self.met,
            },
            "attained_by": [entry.name for entry in self.constructions],
            "archive": archive,
        }


def lookup(n: int, d: int, archive: Archive | None = None) -> Known:
    """Return everything that is stored about n points in R^d.

    Args:
        n: number of points.
        d: dimension of the space.
        archive: codes of one's own; the default archive if None. It is read, never written.

    Raises:
        InvalidParameterError: unless n and d are integers of at least 2.

    Example:
        >>> known = lookup(120, 4)
        >>> known.best.degrees, known.optimal, [code.name for code in known.constructions]
        ('36.000000000000', True, ['600-cell'])
    """
    try:
        values = tuple(tables.known_values(n, d))
    except NotTabulatedError:
        values = ()
    constructions = [code for code in by_size(n, d) if values and _reaches(code, values[0])]
    if archive is None:
        archive = Archive()
    return Known(n, d, values, tables.upper_bound(n, d), tuple(constructions), archive.get(n, d))


def _reaches(construction: Construction, value: KnownValue) -> bool:
    """Return True if a construction has the stored angle, to the digits of the table."""
    cosine = construction.max_cosine
    if cosine is None:
        return False
    return abs(math.degrees(math.acos(cosine)) - value.angle_degrees) <= 1.1 * 10.0**-value.decimals
