"""Which orbits a given code is made of, so that moves and polish can keep its symmetry."""

from __future__ import annotations

import numpy as np

from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats
from tammes.groups.finite_groups import Group, Orbits

__all__ = ["orbits_of"]

_SAME = 1e-6  # chords within this are the same point: a symmetric code is symmetric to rounding


def orbits_of(group: Group, points: Floats) -> Orbits:
    """The orbits of `group` that make up `points`.

    Args:
        group: in the frame of the points.
        points: unit rows, shape `(n, d)`.

    Raises:
        InvalidPointsError: if an image of a point is none of the points.
    """
    n, d = points.shape
    owner, transforms = np.full(n, -1), np.empty((n, d, d))
    bases: list[Floats] = []
    for k in range(n):
        if owner[k] >= 0:
            continue
        images = group.matrices @ points[k]  # (order, d)
        nearest = np.argmax(images @ points.T, axis=1)
        if np.abs(images - points[nearest]).max() > _SAME:
            raise InvalidPointsError("points", f"symmetric under {group.name}", f"row {k}, whose orbit leaves the set")
        fixing = group.matrices[nearest == k]
        values, vectors = np.linalg.eigh(fixing.mean(axis=0) + fixing.mean(axis=0).T)
        bases.append(vectors[:, values > 1.0])
        for element, place in enumerate(nearest):
            if owner[place] < 0:
                owner[place], transforms[place] = len(bases) - 1, group.matrices[element]
    return Orbits(group, transforms, owner.astype(np.intp), tuple(bases))
