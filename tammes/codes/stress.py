"""Stress: nonnegative multipliers on the contacts that balance at every point.

`sum_j lambda_ij toward_ij = 0` at every point i, `toward_ij` the unit tangent at i towards j. A
balanced stress is the first-order certificate of a local maximum; a point that bears none is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tammes.base import geometry
from tammes.base.geometry import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "Rigidity",
    "balance",
    "curvature",
    "equilibrium_matrix",
    "largest_stress",
    "largest_support",
    "rigidity",
    "widening",
]

_BALANCED = 1e-7  # residual below which forces balance: contacts are only known to about 1e-9 rad
_IMBALANCE = 1e-9  # of the largest multiplier: what is left of a stress that was balanced to rounding
_SOFT = 1e-9  # squared singular values below this are zero: the next is far above in codes that are jammed
_FLAT = 1e-7  # curvatures within this of zero say nothing
_BLOCK = 1 << 21  # numbers in the bases of a block of contacts


class Family(Protocol):
    """A family of codes, by the displacements that stay in it."""

    def tangent_embedding(self, points: Floats) -> csr_array[np.float64]:
        """A basis of them in tangent coordinates, shape `(n (d - 1), q)`."""


def equilibrium_matrix(points: Floats, contacts: Ints) -> csr_array[np.float64]:
    """Return the matrix of the forces, in tangent coordinates: column k is what contact k does to its two ends.

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
    local = np.empty((2, len(contacts), d - 1))
    step = max(1, _BLOCK // (d * (d - 1)))
    for k in range(0, len(contacts), step):  # a basis for each end: in blocks, as many as there are contacts
        part = slice(k, k + step)
        local[:, part] = np.einsum("emd,emdk->emk", toward[:, part], bases[ends[:, part]])
    rows = ends[:, :, None] * (d - 1) + np.arange(d - 1)
    columns = np.broadcast_to(np.arange(len(contacts))[None, :, None], rows.shape)
    shape = (n * (d - 1), len(contacts))
    return csr_array((local.ravel(), (rows.ravel(), columns.ravel())), shape=shape)


def largest_stress(points: Floats, contacts: Ints) -> Floats:
    """Return a balanced stress of largest support: positive wherever any balanced stress is.

    Balanced stresses form a cone, so there is one. With lambda = s + r, 0 <= s <= 1, r >= 0, the linear
    program "maximise sum s subject to balance" finds it.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.

    Returns:
        Multipliers, shape `(m,)`, balanced to the 1e-7 of the program; all zero where no stress balances.
    """
    m = len(contacts)
    if m == 0:
        return np.zeros(0)
    if points.shape[1] > len(points):  # forces lie in the span of the points
        points = points @ np.linalg.qr(points.T)[0]
    forces = equilibrium_matrix(points, contacts)
    if np.abs(np.asarray(forces.sum(axis=1))).max() < _BALANCED:  # symmetric codes: no program to solve
        return np.ones(m)
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
        return np.zeros(m)
    return np.asarray(np.where(solution.x[:m] > 0.5, solution.x[:m] + solution.x[m:], 0.0))


def largest_support(points: Floats, contacts: Ints) -> NDArray[np.bool_]:
    """Return a mask `(m,)` of the contacts that carry stress in `largest_stress`; all False where none balances."""
    return np.asarray(largest_stress(points, contacts) > 0.0)


def widening(points: Floats, contacts: Ints) -> tuple[Floats, float]:
    """Return the displacement that widens the slowest contact fastest, by a linear program: Farkas' other alternative.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.

    Returns:
        The displacement, tangent, shape `(n, d)`, its longest row 1; and the rate, in radians per unit, at which
        every contact widens at least. The rate is positive, beyond rounding, just where no stress balances.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    n, d = points.shape
    size = n * (d - 1)
    rates = -equilibrium_matrix(points, contacts).T
    solution = linprog(
        np.r_[np.zeros(size), -1.0],
        A_ub=hstack([-rates, csr_array(np.ones((len(contacts), 1)))], format="csr"),
        b_ub=np.zeros(len(contacts)),
        bounds=[(-1.0, 1.0)] * size + [(None, None)],
        method="highs",
    )
    u = np.zeros(size) if solution.x is None else np.asarray(solution.x[:-1])
    local = u.reshape(n, d - 1)
    longest = float(np.linalg.norm(local, axis=1).max()) or 1.0
    direction = np.einsum("ndk,nk->nd", geometry.tangent_bases(points), local) / longest
    return direction, float(np.asarray(rates @ u).min()) / longest


def balance(
    points: Floats, contacts: Ints, guess: Floats, constraint: Family | None = None
) -> NDArray[np.float64] | None:
    """Return nonnegative multipliers that balance to rounding, nearest to `guess`, scaled to sum 1.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.
        guess: nearly balanced multipliers, shape `(m,)`.
        constraint: forces need only balance along the displacements that it allows.

    Returns:
        `(m,)`, or None where nothing near the guess balances.
    """
    from scipy.sparse.linalg import lsmr

    forces = equilibrium_matrix(points, contacts)
    if constraint is not None:
        forces = (constraint.tangent_embedding(points).T @ forces).tocsr()
    free = guess > 1e-7 * guess.max()  # the others bear nothing
    multipliers = np.where(free, guess, 0.0)
    for _ in range(4):
        left = forces @ multipliers
        if np.abs(left).max() <= 1e-14 * multipliers.max():
            break
        change = lsmr(forces[:, free], left, atol=1e-13, btol=1e-13, conlim=1e13, maxiter=5_000)[0]
        multipliers[free] -= change
        if (multipliers < 0.0).any():  # a contact that bears nothing, within what the guess is good for
            free &= multipliers > 0.0
            multipliers = np.where(free, np.maximum(multipliers, 0.0), 0.0)
    total = float(multipliers.sum())
    if not total > 0.0 or np.abs(forces @ multipliers).max() > _IMBALANCE * multipliers.max():
        return None
    return np.asarray(multipliers / total)


def curvature(points: Floats, contacts: Ints, multipliers: Floats) -> csr_array[np.float64]:
    """Return second derivatives of `sum lambda_ij cos_ij` on the sphere, in tangent coordinates.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.
        multipliers: shape `(m,)`.

    Returns:
        Sparse and symmetric, shape `(n (d - 1), n (d - 1))`.
    """
    from scipy.sparse import csr_array

    n, d = points.shape
    i, j = contacts.T
    bases = geometry.tangent_bases(points)
    blocks = multipliers[:, None, None] * np.einsum("mda,mdb->mab", bases[i], bases[j])  # (m, d - 1, d - 1)
    pull = multipliers * np.einsum("md,md->m", points[i], points[j])
    diagonal = -(np.bincount(i, pull, n) + np.bincount(j, pull, n))  # the sphere curves away from the tangent
    axes = np.arange(d - 1)
    rows = np.broadcast_to(i[:, None, None] * (d - 1) + axes[:, None], blocks.shape).ravel()
    columns = np.broadcast_to(j[:, None, None] * (d - 1) + axes, blocks.shape).ravel()
    every = np.arange(n * (d - 1))
    data = np.concatenate([blocks.ravel(), blocks.ravel(), np.repeat(diagonal, d - 1)])
    where = (np.concatenate([rows, columns, every]), np.concatenate([columns, rows, every]))
    return csr_array((data, where), shape=(n * (d - 1), n * (d - 1)))


@dataclass(frozen=True)
class Rigidity:
    """What small displacements can do to a code whose stress balances."""

    degrees_of_freedom: int
    """Displacements that keep the stressed contacts to first order, rotations and rattlers apart."""
    lowest_curvature: float
    """Lowest second derivative of `sum lambda cos` along them, dimensionless; inf where there are none."""
    softest: Floats | None
    """The displacement of lowest curvature, shape `(n, d)`; None where there are none."""

    @property
    def strict(self) -> bool:
        """True if the code is a strict local maximum, rotations and rattlers apart."""
        return self.lowest_curvature > _FLAT


def rigidity(points: Floats, contacts: Ints, multipliers: Floats, constraint: Family | None = None) -> Rigidity:
    """Return the first-order rigidity of the stressed contacts, and the curvature along what they leave free.

    Without freedom the code is a strict local maximum (infinitesimally jammed); with freedom it
    still is one if every free displacement brings contacts together to second order.

    Args:
        points: unit rows, shape `(n, d)`.
        contacts: pairs of indices, shape `(m, 2)`.
        multipliers: balanced stress, shape `(m,)`.
        constraint: displacements outside this family do not count.
    """
    n, d = points.shape
    bearing = multipliers > 1e-9 * multipliers.max()
    approach = equilibrium_matrix(points, contacts[bearing]).T
    bases = geometry.tangent_bases(points)
    a, b = np.triu_indices(d, 1)
    every = np.arange(len(a))
    turns = np.zeros((len(a), n, d))
    turns[every, :, a] = points[:, b].T
    turns[every, :, b] = -points[:, a].T
    rotations = np.einsum("rnd,ndk->rnk", turns, bases).reshape(len(a), -1)
    rattlers = np.setdiff1d(np.arange(n), contacts[bearing])
    gram = (approach.T @ approach).toarray() + rotations.T @ rotations
    pinned = (rattlers[:, None] * (d - 1) + np.arange(d - 1)).ravel()
    gram[:, pinned] = gram[pinned, :] = 0.0
    gram[pinned, pinned] = 1.0
    embedding = None if constraint is None else constraint.tangent_embedding(points)
    if embedding is not None:
        gram = np.asarray(embedding.T @ (embedding.T @ gram).T)
    try:
        np.linalg.cholesky(gram - _SOFT * np.eye(len(gram)))
    except np.linalg.LinAlgError:
        pass
    else:
        return Rigidity(0, np.inf, None)
    stiffness, modes = np.linalg.eigh(gram)
    free = modes[:, stiffness <= _SOFT]
    if embedding is not None:
        free = np.asarray(embedding @ free)
    weights = multipliers[bearing] / multipliers.max()
    second = free.T @ (curvature(points, contacts[bearing], weights) @ free)
    values, vectors = np.linalg.eigh(0.5 * (second + second.T))
    softest = np.einsum("ndk,nk->nd", bases, (free @ vectors[:, 0]).reshape(n, d - 1))
    return Rigidity(free.shape[1], float(values[0]), softest)
