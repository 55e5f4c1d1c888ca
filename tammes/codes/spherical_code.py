"""`SphericalCode`: the points, and what can be measured on them."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tammes.base import geometry
from tammes.base.geometry import Floats, Ints
from tammes.codes import stress

__all__ = ["CONTACT_TOLERANCE", "SphericalCode"]

CONTACT_TOLERANCE = 1e-9
"""Pairs within this of the minimal angle are contacts, in radians."""


class SphericalCode:
    """n points on the unit sphere in R^d, measured in NumPy float64.

    Args:
        points: unit rows, shape `(n, d)`. Copied, kept bit for bit, never changed afterwards.
        normalize: scale the rows to length 1 first, as for points stored in float32.

    Raises:
        InvalidPointsError: as `geometry.as_points`.

    Example:
        >>> square = SphericalCode([[1, 0], [0, 1], [-1, 0], [0, -1]])
        >>> square.min_angle_degrees, len(square.contacts())
        (90.0, 4)
    """

    def __init__(self, points: ArrayLike, *, normalize: bool = False) -> None:
        self._points = geometry.as_points(points, normalize=normalize)
        self._points.setflags(write=False)

    def __repr__(self) -> str:
        return f"SphericalCode(n={self.n}, d={self.d}, min_angle_degrees={self.min_angle_degrees!r})"

    @property
    def points(self) -> Floats:
        """The points, float64, shape `(n, d)`, read-only."""
        return self._points

    @property
    def n(self) -> int:
        """Number of points."""
        return int(self._points.shape[0])

    @property
    def d(self) -> int:
        """Dimension of the space."""
        return int(self._points.shape[1])

    @cached_property
    def _nearest(self) -> tuple[Floats, Ints]:
        angles, indices = geometry.nearest_neighbours(self._points)
        angles.setflags(write=False)
        indices.setflags(write=False)
        return angles, indices

    @property
    def nearest_angles(self) -> Floats:
        """Angle of every point to its nearest other point, radians, shape `(n,)`, read-only."""
        return self._nearest[0]

    @property
    def nearest_points(self) -> Ints:
        """Index of the nearest other point of every point, shape `(n,)`, read-only."""
        return self._nearest[1]

    @property
    def min_angle(self) -> float:
        """Smallest angle between two distinct points, radians."""
        return float(self._nearest[0].min())

    @property
    def min_angle_degrees(self) -> float:
        """Smallest angle between two distinct points, degrees."""
        return math.degrees(self.min_angle)

    @property
    def max_cosine(self) -> float:
        """Largest cosine between two distinct points: the cosine of `min_angle`."""
        return math.cos(self.min_angle)

    @property
    def closest_pair(self) -> tuple[int, int]:
        """Indices i < j of a pair at the minimal angle."""
        i = int(self._nearest[0].argmin())
        j = int(self._nearest[1][i])
        return (i, j) if i < j else (j, i)

    def contacts(self, tolerance: float = CONTACT_TOLERANCE) -> Ints:
        """Pairs i < j within `tolerance` radians of the minimal angle, shape `(m, 2)`, ordered."""
        i, j, _ = geometry.pairs_within(self._points, self.min_angle + tolerance)
        return np.stack([i, j], axis=1)

    def rattlers(self, tolerance: float = CONTACT_TOLERANCE) -> Ints:
        """Rattlers, the points that no contact holds: without stress in the balanced stress of largest support.

        Meaningful for a local maximum (a polished code); elsewhere few contacts are balanced, so
        nearly every point counts as a rattler.

        Args:
            tolerance: of the contacts, radians.

        Returns:
            Indices in increasing order, shape `(r,)`.
        """
        contacts = self.contacts(tolerance)
        stressed = contacts[stress.largest_support(self._points, contacts)]
        return np.setdiff1d(np.arange(self.n, dtype=np.intp), stressed)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the shape and the coordinates as little-endian float64: names these points."""
        sha = hashlib.sha256(f"{self.n} {self.d}\n".encode())
        sha.update(self._points.astype("<f8").tobytes())
        return sha.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The measurements as JSON-ready values, in radians and degrees."""
        return {
            "n": self.n,
            "d": self.d,
            "min_angle": self.min_angle,
            "min_angle_degrees": self.min_angle_degrees,
            "max_cosine": self.max_cosine,
            "closest_pair": list(self.closest_pair),
            "digest": self.digest,
        }
