"""`Result`: a measured code together with how it was made, and the JSON record of it."""

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
"""Points above which no certificate is made with a result: all pairs take too long; `tammes certify` does them."""

STRESSED = 3_000
"""Points above which rattlers are not told: the balanced stress of so many takes long, and large codes are not
polished to one."""


@dataclass(frozen=True)
class Result:
    """A spherical code, measured by the judge, and its provenance.

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
        antipodal: whether points had to come in pairs x, -x; bound and best known are then those of lines.
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
        """Whether Ctrl-C ended the run."""
        return self.status is Status.INTERRUPTED

    @cached_property
    def best_known(self) -> KnownValue | None:
        """The best known value for this size, or None where nothing is stored (for lines, nothing is)."""
        return None if self.antipodal else tables.best_known_or_none(self.code.n, self.code.d)

    @cached_property
    def bound(self) -> Bound:
        """The smallest proven upper bound at hand."""
        bound = bounds.lines if self.antipodal else tables.upper_bound
        return bound(self.code.n, self.code.d)

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
        """What is too expensive at this size, and above which."""
        limits = {"certificate": CERTIFIED, "rattlers": STRESSED}
        return {name: f"not computed above n = {limit}" for name, limit in limits.items() if self.code.n > limit}

    @cached_property
    def certificate(self) -> dict[str, str] | None:
        """What exact integer arithmetic proves of the points, rounded to 15 decimals; None above 5,000 points."""
        return certificates.summary(self.code.points) if self.code.n <= CERTIFIED else None

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready values: what is claimed, and how it was made."""
        code, known = self.code, self.best_known
        return {
            "schema": SCHEMA,
            **code.to_dict(),
            "contacts": {"tolerance": CONTACT_TOLERANCE, "count": self.contacts},
            "rattlers": None if self.rattlers is None else {"count": len(self.rattlers), "indices": self.rattlers},
            **({"left_out": self.left_out} if self.left_out else {}),
            **({"antipodal": True, "lines": self.code.n // 2} if self.antipodal else {}),
            "method": list(self.method),
            "status": {"code": self.status.code, "sentence": self.status.sentence},
            "before_polish_degrees": None if self.before_polish is None else math.degrees(self.before_polish),
            "best_known": None
            if known is None
            else {
                "degrees": known.degrees,
                "source": known.source,
                "proved_by": known.proved_by,
                "verdict": known.verdict(code.min_angle_degrees),
                "gap_degrees": known.gap(code.min_angle_degrees),
            },
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


def versions() -> dict[str, str]:
    """Versions of what computes: the package, Python, and the libraries already loaded."""
    found = {"tammes": importlib.metadata.version("tammes"), "python": platform.python_version()}
    for name in ("numpy", "scipy", "torch"):
        if name in sys.modules:
            found[name] = str(sys.modules[name].__version__)
    return found
