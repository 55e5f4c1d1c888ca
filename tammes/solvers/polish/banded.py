"""Sparse symmetric systems with one border: the Newton steps of the polish.

A code's pairs are local, so a good order of the points leaves a narrow band, which Cholesky factors keep. The
border is the threshold T, which every pair knows.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cho_solve_banded, cholesky_banded, eigh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator, eigsh

from tammes.base.geometry import Floats, Ints

__all__ = ["SHIFT", "Factor", "band_order", "least_norm", "lowest", "newton"]

SHIFT = 1e-13
"""Added to the diagonal at least, of its largest entry: rounding makes a smaller one useless."""

_DENSE = 300  # coordinates up to which all eigenvectors cost no more than one by iteration


def band_order(pairs: Ints, n: int, d: int) -> Ints:
    """Tangent coordinates in an order that keeps those of a pair near to each other (Cuthill-McKee)."""
    i, j = pairs.T
    graph = csr_array((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), shape=(n, n))
    points = reverse_cuthill_mckee(graph.tocsr(), symmetric_mode=True).astype(np.intp)
    return np.asarray((points[:, None] * (d - 1) + np.arange(d - 1)).ravel())


def newton(
    stiffness: csr_array[np.float64],
    coupling: Floats,
    corner: float,
    force: Floats,
    last: float,
    order: Ints | None,
    shift: float,
) -> tuple[Floats, float, float] | None:
    """Solve `[[stiffness + shift, coupling], [coupling^T, corner + shift]] (y, T) = (force, last)`.

    Args:
        stiffness: symmetric, shape `(q, q)`.
        coupling: shape `(q,)`.
        corner: a number.
        force: right-hand side, shape `(q,)`.
        last: its last component.
        order: coordinates in an order of small bandwidth; None for a dense factor.
        shift: to begin with; it grows tenfold until the matrix is positive definite.

    Returns:
        y, T and the shift; None where no shift helps.
    """
    shift = max(shift, SHIFT * max(float(stiffness.diagonal().max()), corner))
    for _ in range(40):
        try:
            return *Factor(stiffness, coupling, corner + shift, shift, order).solve(force, last), shift
        except np.linalg.LinAlgError:
            shift *= 10.0
    return None


class Factor:
    """Cholesky factor of `[[stiffness + shift, coupling], [coupling^T, corner]]`.

    Raises:
        numpy.linalg.LinAlgError: where the matrix is not positive definite.
    """

    def __init__(
        self, stiffness: csr_array[np.float64], coupling: Floats, corner: float, shift: float, order: Ints | None
    ) -> None:
        self._coupling = coupling
        self._order = order
        if order is None:
            dense = stiffness.toarray()
            dense[np.diag_indices_from(dense)] += shift
            self._factor = cho_factor(dense, lower=True, check_finite=False)
        else:
            band = _banded(stiffness, order)
            band[0] += shift
            self._factor = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False), True
        self._toward = self._inner(coupling)
        self._schur = corner - float(coupling @ self._toward)
        if not 0.0 < self._schur < np.inf:
            raise np.linalg.LinAlgError

    def _inner(self, force: Floats) -> Floats:
        if self._order is None:
            return np.asarray(cho_solve(self._factor, force, check_finite=False))
        solution = np.empty_like(force)
        solution[self._order] = cho_solve_banded(self._factor, force[self._order], check_finite=False)
        return solution

    def solve(self, force: Floats, last: float) -> tuple[Floats, float]:
        """y and T."""
        y = self._inner(force)
        rise = (last - float(self._coupling @ y)) / self._schur
        return y - rise * self._toward, rise


def lowest(
    stiffness: csr_array[np.float64], coupling: Floats, corner: float, shift: float, order: Ints | None
) -> tuple[float, Floats]:
    """The least eigenvalue of `stiffness - coupling coupling^T / corner`, T following, and its eigenvector.

    Args:
        stiffness: symmetric, shape `(q, q)`.
        coupling: shape `(q,)`.
        corner: a number.
        shift: one that `newton` found enough for the bordered matrix.
        order: coordinates in an order of small bandwidth; None for a dense matrix.
    """
    size = len(coupling)
    if size <= _DENSE or order is None:
        matrix = stiffness.toarray() - np.outer(coupling, coupling) / corner
        values, vectors = eigh(matrix, subset_by_index=[0, 0], check_finite=False)
        return float(values[0]), vectors[:, 0]
    while True:
        try:
            factor = Factor(stiffness, coupling, corner, shift, order)
            break
        except np.linalg.LinAlgError:  # the border had helped
            shift *= 10.0
    values, vectors = eigsh(
        LinearOperator((size, size), lambda v: stiffness @ v - coupling * (float(coupling @ v) / corner)),
        k=1,
        sigma=-shift,
        OPinv=LinearOperator((size, size), lambda v: factor.solve(v, 0.0)[0]),
        v0=np.random.default_rng(0).standard_normal(size),
        tol=1e-4,
    )
    return float(values[0]), vectors[:, 0]


def _banded(matrix: csr_array[np.float64], order: Ints) -> Floats:
    """The lower diagonals of a symmetric matrix whose coordinates are put in this order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    entries = matrix.tocoo()
    rows, columns = place[entries.row], place[entries.col]
    lower = rows >= columns
    rows, columns = rows[lower], columns[lower]
    band = np.zeros((int((rows - columns).max()) + 1, len(order)))
    band[rows - columns, columns] = entries.data[lower]
    return band


def least_norm(approach: csr_array[np.float64], excess: Floats, order: Ints | None) -> Floats:
    """The shortest y for which `approach y + T = excess` in the least-squares sense, for the best T.

    Args:
        approach: shape `(m, q)`.
        excess: shape `(m,)`.
        order: as for `band_order`; None for a dense factor.
    """
    stiffness = (approach.T @ approach).tocsr()
    coupling: Floats = np.asarray(approach.sum(axis=0)).ravel()
    y, rise = np.zeros(approach.shape[1]), 0.0
    for _ in range(3):  # refined: the normal equations are regularised
        left = excess - approach @ y - rise
        step = newton(
            stiffness, coupling, float(len(excess)), np.asarray(approach.T @ left), float(left.sum()), order, SHIFT
        )
        if step is None:
            break
        y, rise = y + step[0], rise + step[1]
    return y
