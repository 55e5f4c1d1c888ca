"""Stress: nonnegative multipliers on the contacts that balance at every point.

`sum_j lambda_ij toward_ij = 0` at every point i, `toward_ij` the unit tangent at i towards j. A
balanced stress is the first-order certificate of a local maximum; a point that bears none is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tammes import geometry
from tammes.geometry import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["equilibrium_matrix", "largest_support"]

_BALANCED = 1e-7
"""Residual below which forces balance: contacts are only known to about 1e-9 rad."""


def equilibrium_matrix(points: Floats, contacts: Ints) -> csr_array[np.float64]:
    """Matrix of the forces, in tangent coordinates: column k is what contact k does to its two ends.

    Its transpose is the rigidity matrix: minus the rates at which contact angles grow.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.

    Returns:
        Sparse, shape `(n (d - 1), m)`.
    """
    from scipy.sparse import csr_array

    n, d = points.shape
    ends = contacts.T  # (2, m)
    toward = np.stack(geometry.pair_tangents(points[ends[0]], points[ends[1]]))  # (2, m, d)
    bases = geometry.tangent_bases(points)
    local = np.einsum("emd,emdk->emk", toward, bases[ends])  # (2, m, d - 1)
    rows = ends[:, :, None] * (d - 1) + np.arange(d - 1)
    columns = np.broadcast_to(np.arange(len(contacts))[None, :, None], rows.shape)
    shape = (n * (d - 1), len(contacts))
    return csr_array((local.ravel(), (rows.ravel(), columns.ravel())), shape=shape)


def largest_support(points: Floats, contacts: Ints) -> NDArray[np.bool_]:
    """Which contacts carry stress in the balanced stress of largest support.

    Balanced stresses form a cone, so one of them is positive wherever any is. With lambda = s + r,
    0 <= s <= 1, r >= 0, the linear program "maximise sum s subject to balance" finds it.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.

    Returns:
        `(m,)` booleans; all False where no stress balances.
    """
    m = len(contacts)
    if m == 0:
        return np.zeros(0, dtype=np.bool_)
    forces = equilibrium_matrix(points, contacts)
    if np.abs(np.asarray(forces.sum(axis=1))).max() < _BALANCED:  # symmetric codes: no program to solve
        return np.ones(m, dtype=np.bool_)
    from scipy.optimize import linprog
    from scipy.sparse import hstack

    solution = linprog(
        np.r_[-np.ones(m), np.zeros(m)],
        A_eq=hstack([forces, forces], format="csr"),
        b_eq=np.zeros(forces.shape[0]),
        bounds=[(0.0, 1.0)] * m + [(0.0, None)] * m,
        method="highs",
    )
    if solution.x is None:
        return np.zeros(m, dtype=np.bool_)
    return np.asarray(solution.x[:m] > 0.5)
