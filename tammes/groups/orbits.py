"""Codes made of whole orbits of a finite group: found in given points, drawn at random, kept by a projection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.base.geometry import Floats, Ints
from tammes.groups.equal_matrices import SAME
from tammes.groups.finite_groups import Group
from tammes.groups.strata import Stratum

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Orbits", "fits", "orbits_of", "random_orbits"]

_TRIES = 16  # draws of a representative before the best of them is taken


@dataclass(frozen=True, eq=False)
class Orbits:
    """A set of n points made of whole orbits: point k is `transforms[k] @ representatives[representative[k]]`.

    The representative of an orbit is one of its points, confined to the subspace that its stabiliser fixes.
    """

    group: Group
    transforms: Floats
    """Shape `(n, d, d)`, elements of the group."""
    representative: Ints
    """Shape `(n,)`: the index of the representative of each point, which is that of its orbit."""
    bases: tuple[Floats, ...]
    """Orthonormal, one `(d, k)` an orbit: the subspace to which its representative is confined."""

    def expand(self, representatives: Floats) -> Floats:
        """Return all points, shape `(n, d)`, from one point of each orbit, shape `(r, d)`."""
        return np.asarray(np.einsum("nij,nj->ni", self.transforms, representatives[self.representative]))

    def representatives(self, points: Floats) -> Floats:
        """Return the unit representatives `(r, d)` whose expansion is nearest to the points, by sum of squares.

        Over x in the subspace of an orbit, `sum_k |points[k] - transforms[k] x|^2` is least along the
        projection of the mean of `transforms[k]^T points[k]`.

        Raises:
            InvalidPointsError: if that is zero for an orbit: then nothing is nearest.
        """
        home = np.einsum("nji,nj->ni", self.transforms, points)
        means = [home[self.representative == orbit].mean(axis=0) for orbit in range(len(self.bases))]
        confined = np.stack([basis @ (basis.T @ mean) for basis, mean in zip(self.bases, means, strict=True)])
        lengths = np.linalg.norm(confined, axis=1, keepdims=True)
        if not (lengths > 1e-9).all():
            bad = f"orbit {np.argmin(lengths > 1e-9)}, which averages to zero"
            raise InvalidPointsError("points", f"near a set with symmetry {self.group.name}", bad)
        return np.asarray(confined / lengths)

    def symmetrize(self, points: Floats) -> Floats:
        """Return the nearest symmetric set with these orbits, unit rows of shape `(n, d)`.

        Args:
            points: shape `(n, d)`, in the order of `representative`. Not modified.

        Raises:
            InvalidPointsError: as `representatives` does.
        """
        return self.expand(self.representatives(points))

    def tangent_embedding(self, points: Floats) -> csr_array[np.float64]:
        """Return the symmetric displacements of a symmetric set, as orthonormal columns.

        A representative confined to k dimensions has k - 1 directions, carried to its whole orbit. Row
        `i (d - 1) + a` is coordinate a of point i, as in `stress.equilibrium_matrix`.

        Args:
            points: symmetric unit rows, shape `(n, d)`, in the order of `representative`. Not modified.

        Returns:
            Sparse, shape `(n (d - 1), q)`, q the sum of k - 1 over the orbits.
        """
        from scipy.sparse import csr_array

        n, d = points.shape
        frames = geometry.tangent_bases(points)  # (n, d, d - 1)
        values, rows, columns = [], [], []
        q = 0
        for orbit, (basis, point) in enumerate(zip(self.bases, self.representatives(points), strict=True)):
            free = basis.shape[1] - 1
            members = np.flatnonzero(self.representative == orbit)
            directions = basis @ geometry.tangent_bases((basis.T @ point)[None])[0]  # (d, k - 1)
            local = frames[members].transpose(0, 2, 1) @ self.transforms[members] @ directions  # (size, d - 1, k - 1)
            at = members[:, None] * (d - 1) + np.arange(d - 1)
            values.append(local.ravel() / math.sqrt(len(members)))
            rows.append(np.repeat(at, free))
            columns.append(np.tile(q + np.arange(free), at.size))
            q += free
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return csr_array(entries, shape=(n * (d - 1), q))


def orbits_of(group: Group, points: Floats) -> Orbits:
    """Return the orbits of `group` that make up `points`.

    Args:
        group: in the frame of the points.
        points: unit rows, shape `(n, d)`.

    Raises:
        InvalidPointsError: if an image of a point is none of the points.
    """
    n, d = points.shape
    representative = np.full(n, -1)
    transforms = np.empty((n, d, d))
    bases: list[Floats] = []
    for k in range(n):
        if representative[k] >= 0:
            continue
        images = group.matrices @ points[k]  # (order, d)
        nearest = np.argmax(images @ points.T, axis=1)
        if np.abs(images - points[nearest]).max() > SAME:
            raise InvalidPointsError("points", f"symmetric under {group.name}", f"row {k}, whose orbit leaves the set")
        fixing = group.matrices[nearest == k]
        values, vectors = np.linalg.eigh(fixing.mean(axis=0) + fixing.mean(axis=0).T)
        bases.append(vectors[:, values > 1.0])
        for element, place in enumerate(nearest):
            if representative[place] < 0:
                representative[place], transforms[place] = len(bases) - 1, group.matrices[element]
    return Orbits(group, transforms, representative.astype(np.intp), tuple(bases))


def fits(group: Group, n: int) -> bool:
    """Return True if whole orbits of the group can add up to n points.

    Example:
        >>> from tammes.groups.finite_groups import generate
        >>> half_turn = Group("C2", generate(np.diag([-1.0, -1.0])))  # of the plane: the centre is no point
        >>> fits(half_turn, 6), fits(half_turn, 7)
        (True, False)
    """
    *special, generic = group.strata
    if generic.available is None:  # whole generic orbits fill up what the others leave
        most = 0  # points in special orbits that no generic orbits could stand for
        for kind in special:
            most += math.lcm(kind.size, generic.size) if kind.available is None else kind.size * kind.available
        n -= generic.size * max(0, (n - most) // generic.size)
    reached = np.arange(n + 1) == 0
    for kind in group.strata:
        step = kind.size
        left = n if kind.available is None else kind.available
        while left > 0 and step <= n:
            reached[step:] |= reached[:-step]
            left -= 1
            step *= 2 if kind.available is None else 1  # 1, 2, 4, ... orbits at once: every number of them
    return bool(reached[n])


def random_orbits(group: Group, n: int, rng: np.random.Generator) -> tuple[Orbits, Floats]:
    """Return random whole orbits of n points: how many of which kind, and where.

    Numbers of orbits of each kind are drawn among those that add up to n, alike but for one
    correction: a subspace of k < d dimensions holds about `n^((k-1)/(d-1))` points of a good code, and
    the weight is `exp(-points / that)`. Representatives are uniform, redrawn where points come too close.

    Args:
        group: the symmetry.
        n: number of points.
        rng: the only source of chance.

    Returns:
        The orbits, and the points, shape `(n, d)`.

    Raises:
        InvalidParameterError: if whole orbits of the group cannot add up to n.
    """
    if not fits(group, n):
        raise InvalidParameterError("symmetry", f"a group whose orbits can add up to n = {n}", group.name)
    counts = _composition(group.strata, n, group.d, rng)
    close = math.cos(min(1.0, 0.3 * n ** (-1.0 / (group.d - 1))))  # a third of a good code's angle, or less
    points = np.zeros((0, group.d))
    transforms, bases = [], []
    for kind, count in zip(group.strata, counts, strict=True):
        images = group.matrices[kind.elements]
        for place in range(count):
            if kind.available is None:
                start = _apart(kind.basis, images, points, close, rng)
            else:  # at one end of its axis; a second orbit is at the other
                start = _drawn(kind.basis, rng) if place == 0 else -start
            points = np.concatenate([points, images @ start])
            transforms.append(images)
            bases.append(kind.basis)
    representative = np.repeat(np.arange(len(bases)), [len(images) for images in transforms])
    return Orbits(group, np.concatenate(transforms), representative, tuple(bases)), points


def _apart(basis: Floats, images: Floats, others: Floats, close: float, rng: np.random.Generator) -> Floats:
    """Return a random point of the subspace; of a few draws, the first without a cosine above `close`, or the best."""
    best = np.zeros(0)
    crowding = np.inf
    for _ in range(_TRIES):
        draw = _drawn(basis, rng)
        # By symmetry it is as close to its images and to other orbits as any of its images.
        largest = float(np.concatenate([others @ draw, images[1:] @ draw @ draw]).max(initial=-1.0))
        if largest < crowding:
            best, crowding = draw, largest
        if crowding < close:
            break
    return best


def _drawn(basis: Floats, rng: np.random.Generator) -> Floats:
    """Return a uniform unit vector of the subspace, whatever basis describes it."""
    inside = basis @ (basis.T @ rng.standard_normal(len(basis)))
    return np.asarray(inside / np.linalg.norm(inside))


def _composition(strata: tuple[Stratum, ...], n: int, d: int, rng: np.random.Generator) -> list[int]:
    """Return random numbers of orbits of each kind that add up to n points; they exist."""
    weights = []
    for kind in strata:
        counts = np.arange(min(n // kind.size, n if kind.available is None else kind.available) + 1)
        k = kind.basis.shape[1]
        room = n ** ((k - 1) / (d - 1)) if 1 < k < d else math.inf
        weights.append(np.exp(-np.minimum(counts * kind.size / (kind.copies * room), 600.0 / len(strata))))
    ways = [np.eye(1, n + 1)[0]]  # ways[i][m]: total weight of the choices of kinds i, i + 1, ... that add up to m
    for kind, weight in zip(reversed(strata), reversed(weights), strict=True):
        total = np.zeros(n + 1)
        for count, factor in enumerate(weight):
            total[count * kind.size :] += factor * ways[0][: n + 1 - count * kind.size]
        ways.insert(0, total / total.max())
    chosen = []
    left = n
    for kind, weight, rest in zip(strata, weights, ways[1:], strict=True):
        counts = np.arange(min(len(weight) - 1, left // kind.size) + 1)
        likely = weight[counts] * rest[left - counts * kind.size]
        count = int(rng.choice(len(counts), p=likely / likely.sum()))
        chosen.append(count)
        left -= count * kind.size
    return chosen
