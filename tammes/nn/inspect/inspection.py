"""The measures of all layers of one saved network, as one record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tammes.nn.inspect.weights import CosineHistogram, RowMeasure

__all__ = ["Inspection"]


@dataclass(frozen=True)
class Inspection:
    """The measured layers of one network, with notes and the tensors that are left out."""

    label: str
    """Name of the network in tables and pictures."""
    measures: Mapping[str, RowMeasure]
    """Measures by the name of the layer, in order."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Remarks by the name of the layer; empty ones are not shown."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Reasons why tensors are no layers, by name."""
    cosines: Mapping[str, CosineHistogram] = field(default_factory=dict)
    """Histograms of the cosines, by the name of the layer; not all layers need have one."""

    @property
    def angles(self) -> dict[str, float]:
        """Minimal angles in degrees, of the layers that have one."""
        found = {name: measure.min_angle_degrees for name, measure in self.measures.items() if not measure.reason}
        return {name: angle for name, angle in found.items() if angle is not None}

    @property
    def smallest(self) -> str | None:
        """Name of the layer with the smallest minimal angle; None if no layer has one."""
        angles = self.angles
        return min(angles, key=lambda name: angles[name]) if angles else None

    @property
    def mean_min_angle_degrees(self) -> float | None:
        """Mean minimal angle of the layers that have one; None if no layer has one."""
        angles = self.angles
        return math.fsum(angles.values()) / len(angles) if angles else None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        layers = []
        for name, measure in self.measures.items():
            layer = {"name": name, **measure.to_dict(), "note": self.notes.get(name) or None}
            if name in self.cosines:
                found = self.cosines[name]
                layer["cosines"] = {
                    "range": [float(found.edges[0]), float(found.edges[-1])],
                    "counts": found.counts.tolist(),
                    "pairs": found.pairs,
                    "threshold": found.threshold,
                    "above": found.above,
                }
            layers.append(layer)
        return {
            "label": self.label,
            "layers": layers,
            "skipped": dict(self.skipped),
            "smallest": self.smallest,
            "smallest_min_angle_degrees": None if self.smallest is None else self.angles[self.smallest],
            "mean_min_angle_degrees": self.mean_min_angle_degrees,
        }
