"""Strata of a finite group: the kinds of its orbits, and the subspaces in which their points lie.

The points with the same stabiliser H lie in the subspace that H fixes; those subspaces, up to the group, are the
strata. All of them are intersections of fixed spaces of elements, which are found here for any group in any dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tammes.base.geometry import Floats, Ints
from tammes.groups.equal_matrices import SAME, distinct, equal_labels, is_new

__all__ = ["Stratum", "find_strata"]

_NULL = 1e-8  # eigenvalues, squared sines of angles at least 2 pi / MAX_ORDER, count as zero below


@dataclass(frozen=True, eq=False)
class Stratum:
    """One kind of orbit: points with the same stabiliser, up to the group."""

    size: int
    """Points in an orbit: the order of the group over that of the stabiliser."""
    basis: Floats
    """Orthonormal, shape `(d, k)`: the subspace that the stabiliser fixes."""
    available: int | None
    """Different orbits of this kind: 1 or 2 isolated ones where k = 1, None (unlimited) where k >= 2."""
    copies: int
    """Images of the subspace under the group, itself included; every point of this kind lies in one."""
    elements: Ints
    """Which elements carry a point to its orbit, shape `(size,)`: one of each coset, the identity first."""


def find_strata(matrices: Floats) -> Iterator[Stratum]:
    """Yield one stratum of every kind, in no particular order.

    Args:
        matrices: every element of the group once, shape `(order, d, d)`, the identity first.
    """
    d = matrices.shape[1]
    walls = _irreducible_fixed_spaces(matrices)
    seen = np.zeros((0, d, d))
    waiting = [np.eye(d)]
    while waiting:
        basis = waiting.pop()
        k = basis.shape[1]
        moved = matrices @ basis
        elements = np.unique(equal_labels(moved), return_index=True)[1]
        space = basis @ basis.T
        conjugates = distinct(matrices @ space @ matrices.transpose(0, 2, 1))
        opposite = bool((moved[:, :, 0] @ basis[:, 0]).min() < -1.0 + SAME)
        isolated = 1 if opposite else 2
        yield Stratum(len(elements), basis, isolated if k == 1 else None, len(conjugates), np.sort(elements))
        inner = _null_spaces(basis.T @ (np.eye(d) - walls) @ basis)
        smaller = inner[(_dimensions(inner) > 0) & (_dimensions(inner) < k)]
        children = distinct(basis @ smaller @ basis.T)
        while len(children := children[is_new(children, seen)]):
            # The mean over the stabiliser is the projection, to the last digit.
            fixing = np.abs(matrices @ children[0] - children[0]).max(axis=(1, 2)) < SAME
            space = matrices[fixing].mean(axis=0)
            orbit = matrices @ space @ matrices.transpose(0, 2, 1)
            seen = np.concatenate([seen, distinct(orbit)])
            waiting.append(np.linalg.eigh(0.5 * (space + space.T))[1][:, d - int(_dimensions(space[None])[0]) :])


def _irreducible_fixed_spaces(matrices: Floats) -> Floats:
    """Return the projections on the fixed spaces of elements that are no intersections of larger ones, `(u, d, d)`."""
    d = matrices.shape[1]
    one = np.eye(d)
    spaces = distinct(_null_spaces(2.0 * one - matrices - matrices.transpose(0, 2, 1)))
    dimensions = _dimensions(spaces)
    spaces = spaces[dimensions < d]
    dimensions = dimensions[dimensions < d]
    flat = spaces.reshape(-1, d * d)
    inside = flat @ flat.T > dimensions[:, None] - SAME  # trace(P Q) = trace(P) where P is inside Q
    larger = inside & (dimensions[:, None] < dimensions)
    beyond = (one - spaces).reshape(flat.shape)
    meets = _null_spaces((larger.astype(np.float64) @ beyond).reshape(spaces.shape))
    return np.asarray(spaces[_dimensions(meets) > dimensions])


def _null_spaces(forms: Floats) -> Floats:
    """Return the projections on the null spaces of positive semidefinite forms, `(m, k, k)`."""
    values, vectors = np.linalg.eigh(forms)
    null = vectors * (values < _NULL)[:, None, :]
    return np.asarray(null @ null.transpose(0, 2, 1))


def _dimensions(projections: Floats) -> Ints:
    """Return the ranks of projections, `(m,)`."""
    return np.asarray(np.rint(np.trace(projections, axis1=1, axis2=2)), dtype=np.intp)
