"""The result of a run: a measured code, how it was made, and its JSON record."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.bounds.bound import Bound
from tammes.codes import certificates
from tammes.codes.spherical_code import CONTACT_TOLERANCE, SphericalCode
from tammes.storage import tables
from tammes.storage.tables import KnownValue

__all__ = ["CERTIFIED", "SCHEMA", "STRESSED", "Result", "versions"]

SCHEMA = "tammes.result/1"
"""Name and version of the JSON record; docs/result.schema.json describes it."""

CERTIFIED = 5_000
"""Largest number of points for which a result holds a certificate, which takes all pairs; `tammes certify` has no
limit."""

STRESSED = 3_000
"""Largest number of points for which rattlers are computed: the balanced stress of more takes long, and large
codes are not polished to one."""


@dataclass(frozen=True)
class Result:
    """A spherical code, measured from its points alone, and its provenance.

    Args:
        code: the points and their measurements.
        method: how it was made, in the order of the phases: `closed form`, `sgd`, `ladder`, `search`,
            `polish`, `squeeze`.
        status: why the last phase ended.
        seconds: wall time of the whole.
        settings: what a reader needs to make it again.
        before_polish: measured minimal angle of the loss's own optimum, radians; None without polish.
        phases: one record a phase, with its own status and counts.
        history: the course of the run, for `tammes plot --history`.
        antipodal: True if points had to come in pairs x, -x; bound and best known are then those of lines.
    """

    code: SphericalCode
    method: tuple[str, ...]
    status: Status
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)
    before_polish: float | None = None
    phases: tuple[dict[str, Any], ...] = ()
    history: dict[str, list[float | None]] = field(default_factory=dict)
    antipodal: bool = False

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended the run."""
        return self.status is Status.INTERRUPTED

    @cached_property
    def best_known(self) -> KnownValue | None:
        """The best known value for this size; None where nothing is stored (for lines, nothing is)."""
        return None if self.antipodal else tables.best_known_or_none(self.code.n, self.code.d)

    @cached_property
    def bound(self) -> Bound:
        """The smallest proven upper bound at hand."""
        upper_bound = bounds.lines if self.antipodal else tables.upper_bound
        return upper_bound(self.code.n, self.code.d)

    @property
    def gap_degrees(self) -> float:
        """Degrees from the measured angle up to the bound."""
        return self.bound.degrees - self.code.min_angle_degrees

    @cached_property
    def contacts(self) -> int:
        """Number of contacts within `CONTACT_TOLERANCE`."""
        return len(self.code.contacts())

    @cached_property
    def rattlers(self) -> list[int] | None:
        """Indices of the rattlers; None above 3,000 points."""
        return [int(k) for k in self.code.rattlers()] if self.code.n <= STRESSED else None

    @property
    def left_out(self) -> dict[str, str]:
        """What is not computed at this size, with the size above which it is not."""
        limits = {"certificate": CERTIFIED, "rattlers": STRESSED}
        return {name: f"not computed above n = {limit}" for name, limit in limits.items() if self.code.n > limit}

    @cached_property
    def certificate(self) -> dict[str, str] | None:
        """Bounds that integer arithmetic proves of the points, rounded to 15 decimals; None above 5,000 points."""
        return certificates.summary(self.code.points) if self.code.n <= CERTIFIED else None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values: what is claimed of the points, and how they were made."""
        record: dict[str, Any] = {
            "schema": SCHEMA,
            **self.code.to_dict(),
            "contacts": {"tolerance": CONTACT_TOLERANCE, "count": self.contacts},
            "rattlers": None if self.rattlers is None else {"count": len(self.rattlers), "indices": self.rattlers},
        }
        if self.left_out:
            record["left_out"] = self.left_out
        if self.antipodal:
            record |= {"antipodal": True, "lines": self.code.n // 2}
        return record | {
            "method": list(self.method),
            "status": {"code": self.status.code, "sentence": self.status.sentence},
            "before_polish_degrees": None if self.before_polish is None else math.degrees(self.before_polish),
            "best_known": self._comparison(),
            "bound": {
                "name": self.bound.name,
                "degrees": self.bound.degrees,
                "gap_degrees": self.gap_degrees,
                "reference": self.bound.reference,
            },
            "certificate": self.certificate,
            "settings": self.settings,
            "phases": list(self.phases),
            "seconds": round(self.seconds, 3),
            "versions": versions(),
            "history": self.history,
        }

    def _comparison(self) -> dict[str, Any] | None:
        """Return the best known value and where this code stands to it."""
        known, degrees = self.best_known, self.code.min_angle_degrees
        if known is None:
            return None
        return {
            "degrees": known.degrees,
            "source": known.source,
            "proved_by": known.proved_by,
            "verdict": known.verdict(degrees),
            "gap_degrees": known.gap(degrees),
        }


def versions() -> dict[str, str]:
    """Return the versions of the package, of Python, and of the numerical libraries that are loaded."""
    found = {"tammes": importlib.metadata.version("tammes"), "python": platform.python_version()}
    for name in ("numpy", "scipy", "torch"):
        if name in sys.modules:
            found[name] = str(sys.modules[name].__version__)
    return found
