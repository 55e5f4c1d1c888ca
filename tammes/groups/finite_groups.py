"""Finite groups of rotations and reflections: all their elements as matrices, from a few generators.

Under a finite group G of orthogonal matrices the sphere falls into orbits. Most have |G| points; a point whose
stabiliser H is larger than {1} has an orbit of |G| / |H| points. `strata` finds the kinds of orbits, `orbits` makes
codes of whole orbits, `catalogue` holds the groups that have names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.groups.equal_matrices import equal_labels, is_new
from tammes.groups.strata import Stratum, find_strata

__all__ = ["MAX_ORDER", "Group", "generate"]

MAX_ORDER = 4000
"""Elements a group may have: beyond, an orbit is larger than any code that is searched for."""


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group of orthogonal matrices.

    Example:
        >>> half_turn = Group("C2", generate(np.diag([-1.0, -1.0, 1.0])))
        >>> half_turn.order, [(kind.size, kind.available) for kind in half_turn.strata]
        (2, [(1, 2), (2, None)])
    """

    name: str
    matrices: Floats
    """Every element once, shape `(order, d, d)`, the identity first."""

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.matrices)

    @property
    def d(self) -> int:
        """Dimension of the space it acts on."""
        return int(self.matrices.shape[1])

    @cached_property
    def strata(self) -> tuple[Stratum, ...]:
        """The kinds of orbits, by size, then by dimension; the last is that of a generic point.

        Their subspaces are all intersections of fixed spaces of elements. Cost: an eigendecomposition for each pair of
        a stratum and a fixed space that is no intersection of larger ones.
        """
        found = find_strata(self.matrices)
        return tuple(sorted(found, key=lambda kind: (kind.size, kind.basis.shape[1], kind.copies)))


def generate(generators: ArrayLike, *, subgroup: Floats | None = None, cap: int = MAX_ORDER) -> Floats:
    """Return the group that orthogonal matrices generate, accurate to a few roundings.

    Left cosets of a known subgroup are multiplied by the generators until none is new: an element is
    a short word times one of the subgroup. A Newton step of the polar decomposition makes it orthogonal.

    Args:
        generators: shape `(d, d)` or `(m, d, d)`, orthogonal to 1e-9.
        subgroup: all elements of a group that is to be contained, `(h, d, d)`, the identity first.
        cap: largest order.

    Returns:
        Shape `(order, d, d)`, the identity first. Read-only.

    Raises:
        InvalidParameterError: if a generator is not orthogonal, or there are more than `cap` elements.

    Example:
        >>> generate([[[0.0, -1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, -1.0]]]).shape
        (8, 2, 2)
    """
    given = np.asarray(generators, dtype=np.float64)
    if given.ndim not in (2, 3) or given.shape[-1] != given.shape[-2]:
        raise InvalidParameterError("generators", "of shape (m, d, d)", f"shape {given.shape}")
    d = given.shape[-1]
    base = np.eye(d)[None] if subgroup is None else subgroup
    given = np.concatenate([base[1:], given.reshape(-1, d, d)])
    error = float(np.abs(given.transpose(0, 2, 1) @ given - np.eye(d)).max(initial=0.0))
    if not error <= 1e-9:
        raise InvalidParameterError("generators", "orthogonal to 1e-9", f"an error of {error:.3g}")
    elements = base
    frontier = np.eye(d)[None]
    chunk = max(1, cap // len(base))
    while len(frontier):
        left = (given[:, None] @ frontier).reshape(-1, d, d)
        reached = []
        while len(left := left[is_new(left, elements)]):
            cosets = left[:chunk, None] @ base  # (c, h, d, d)
            labels = equal_labels(cosets).reshape(cosets.shape[:2]).min(axis=1)
            first = np.unique(labels, return_index=True)[1]
            reached.append(left[first])
            elements = np.concatenate([elements, cosets[first].reshape(-1, d, d)])
            if len(elements) > cap:
                raise InvalidParameterError("generators", f"of a group of at most {cap:,} elements", "more")
        frontier = np.concatenate(reached) if reached else np.zeros((0, d, d))
    elements = elements @ (1.5 * np.eye(d) - 0.5 * elements.transpose(0, 2, 1) @ elements)
    elements.flags.writeable = False
    return elements
