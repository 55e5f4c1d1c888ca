"""Prescribed symmetry: finite groups of rotations and reflections, their orbits, codes made of whole orbits.

Under a finite group G of orthogonal matrices the sphere falls into orbits. Most have |G| points; a point whose
stabiliser H is larger than {1} lies in the subspace that H fixes, and its orbit has |G| / |H| points. Those subspaces,
up to G, are the strata, found here for any group in any d. `point_groups` holds the groups that have names.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.base.geometry import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MAX_ORDER", "Group", "Orbits", "Stratum", "fits", "generate", "random_orbits"]

MAX_ORDER = 4000
"""Elements a group may have: beyond, an orbit is larger than any code that is searched for."""

_GAP = 1e-10  # keys of equal rows differ by rounding, 1e-14
_SAME = 1e-6  # entries of equal rows agree to this; those of different elements differ by 1e-3 or more
_NULL = 1e-8  # eigenvalues, squared sines of angles at least 2 pi / MAX_ORDER, count as zero below
_TRIES = 16  # draws of a representative before the best of them is taken


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
        """Every kind of orbit, by size, then by dimension; the last is that of a generic point.

        Their subspaces are all intersections of fixed spaces of elements. Cost: an eigendecomposition for each pair of
        a stratum and a fixed space that is no intersection of larger ones.
        """
        found = _strata(self.matrices)
        return tuple(sorted(found, key=lambda kind: (kind.size, kind.basis.shape[1], kind.copies)))


@dataclass(frozen=True, eq=False)
class Orbits:
    """A set of n points made of whole orbits: point k is `transforms[k] @ representatives[owner[k]]`."""

    group: Group
    transforms: Floats
    """Shape `(n, d, d)`, elements of the group."""
    owner: Ints
    """Shape `(n,)`: the orbit of each point; orbits are numbered from 0."""
    bases: tuple[Floats, ...]
    """Orthonormal, one `(d, k)` an orbit: the subspace to which its representative is confined."""

    def expand(self, representatives: Floats) -> Floats:
        """All points, shape `(n, d)`, from one point of each orbit, shape `(r, d)`."""
        return np.asarray(np.einsum("nij,nj->ni", self.transforms, representatives[self.owner]))

    def representatives(self, points: Floats) -> Floats:
        """The unit representatives `(r, d)` whose expansion is nearest to the points, by sum of squares.

        Over x in the subspace of an orbit, `sum_k |points[k] - transforms[k] x|^2` is least along the
        projection of the mean of `transforms[k]^T points[k]`.

        Raises:
            InvalidPointsError: if that is zero for an orbit: then nothing is nearest.
        """
        home = np.einsum("nji,nj->ni", self.transforms, points)
        means = [home[self.owner == orbit].mean(axis=0) for orbit in range(len(self.bases))]
        confined = np.stack([basis @ (basis.T @ mean) for basis, mean in zip(self.bases, means, strict=True)])
        lengths = np.linalg.norm(confined, axis=1, keepdims=True)
        if not (lengths > 1e-9).all():
            bad = f"orbit {np.argmin(lengths > 1e-9)}, which averages to zero"
            raise InvalidPointsError("points", f"near a set with symmetry {self.group.name}", bad)
        return np.asarray(confined / lengths)

    def symmetrize(self, points: Floats) -> Floats:
        """The nearest symmetric set with these orbits, unit rows of shape `(n, d)`.

        Args:
            points: shape `(n, d)`, in the order of `owner`. Not modified.

        Raises:
            InvalidPointsError: as `representatives` does.
        """
        return self.expand(self.representatives(points))

    def tangent_embedding(self, points: Floats) -> csr_array[np.float64]:
        """The symmetric displacements of a symmetric set, as orthonormal columns.

        A representative confined to k dimensions has k - 1 directions, carried to its whole orbit. Row
        `i (d - 1) + a` is coordinate a of point i, as in `stress.equilibrium_matrix`.

        Args:
            points: symmetric unit rows, shape `(n, d)`, in the order of `owner`. Not modified.

        Returns:
            Sparse, shape `(n (d - 1), q)`, q the sum of k - 1 over the orbits.
        """
        from scipy.sparse import csr_array

        n, d = points.shape
        frames = geometry.tangent_bases(points)  # (n, d, d - 1)
        values, rows, columns, q = [], [], [], 0
        for orbit, (basis, point) in enumerate(zip(self.bases, self.representatives(points), strict=True)):
            free = basis.shape[1] - 1
            members = np.flatnonzero(self.owner == orbit)
            directions = basis @ geometry.tangent_bases((basis.T @ point)[None])[0]  # (d, k - 1)
            local = frames[members].transpose(0, 2, 1) @ self.transforms[members] @ directions  # (size, d - 1, k - 1)
            at = members[:, None] * (d - 1) + np.arange(d - 1)
            values.append(local.ravel() / math.sqrt(len(members)))
            rows.append(np.repeat(at, free))
            columns.append(np.tile(q + np.arange(free), at.size))
            q += free
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return csr_array(entries, shape=(n * (d - 1), q))


def generate(generators: ArrayLike, *, subgroup: Floats | None = None, cap: int = MAX_ORDER) -> Floats:
    """The group that orthogonal matrices generate, accurate to a few roundings.

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
    elements, frontier = base, np.eye(d)[None]
    chunk = max(1, cap // len(base))
    while len(frontier):
        left = (given[:, None] @ frontier).reshape(-1, d, d)
        reached = []
        while len(left := left[_unknown(left, elements)]):
            cosets = left[:chunk, None] @ base  # (c, h, d, d)
            labels = _labels(cosets).reshape(cosets.shape[:2]).min(axis=1)
            first = np.unique(labels, return_index=True)[1]
            reached.append(left[first])
            elements = np.concatenate([elements, cosets[first].reshape(-1, d, d)])
            if len(elements) > cap:
                raise InvalidParameterError("generators", f"of a group of at most {cap:,} elements", "more")
        frontier = np.concatenate(reached) if reached else np.zeros((0, d, d))
    elements = elements @ (1.5 * np.eye(d) - 0.5 * elements.transpose(0, 2, 1) @ elements)
    elements.flags.writeable = False
    return elements


def fits(group: Group, n: int) -> bool:
    """Whether whole orbits of the group can add up to n points.

    Example:
        >>> half_turn = Group("C2", generate(np.diag([-1.0, -1.0])))  # of the plane: the centre is no point
        >>> fits(half_turn, 6), fits(half_turn, 7)
        (True, False)
    """
    *special, generic = group.strata
    if generic.available is None:  # whole generic orbits fill up what the others leave
        most = sum(math.lcm(k.size, generic.size) if k.available is None else k.size * k.available for k in special)
        n -= generic.size * max(0, (n - most) // generic.size)
    reached = np.arange(n + 1) == 0
    for kind in group.strata:
        step, left = kind.size, n if kind.available is None else kind.available
        while left > 0 and step <= n:
            reached[step:] |= reached[:-step]
            left -= 1
            step *= 2 if kind.available is None else 1  # 1, 2, 4, ... orbits at once: every number of them
    return bool(reached[n])


def random_orbits(group: Group, n: int, rng: np.random.Generator) -> tuple[Orbits, Floats]:
    """Random whole orbits of n points: how many of which kind, and where.

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
    points, transforms, bases = np.zeros((0, group.d)), [], []
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
    owner = np.repeat(np.arange(len(bases)), [len(images) for images in transforms])
    return Orbits(group, np.concatenate(transforms), owner, tuple(bases)), points


def _apart(basis: Floats, images: Floats, others: Floats, close: float, rng: np.random.Generator) -> Floats:
    """A random point of the subspace; of a few draws, the first without a cosine above `close`, or the best."""
    best, crowding = np.zeros(0), np.inf
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
    """A uniform unit vector of the subspace, whatever basis describes it."""
    inside = basis @ (basis.T @ rng.standard_normal(len(basis)))
    return np.asarray(inside / np.linalg.norm(inside))


def _composition(strata: tuple[Stratum, ...], n: int, d: int, rng: np.random.Generator) -> list[int]:
    """Random numbers of orbits of each kind that add up to n points; they exist."""
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
    chosen, left = [], n
    for kind, weight, rest in zip(strata, weights, ways[1:], strict=True):
        counts = np.arange(min(len(weight) - 1, left // kind.size) + 1)
        likely = weight[counts] * rest[left - counts * kind.size]
        count = int(rng.choice(len(counts), p=likely / likely.sum()))
        chosen.append(count)
        left -= count * kind.size
    return chosen


def _strata(matrices: Floats) -> Iterator[Stratum]:
    """One stratum of every kind, in no order."""
    d = matrices.shape[1]
    walls = _irreducible_fixed_spaces(matrices)
    seen = np.zeros((0, d, d))
    waiting = [np.eye(d)]
    while waiting:
        basis = waiting.pop()
        k = basis.shape[1]
        moved = matrices @ basis
        elements = np.unique(_labels(moved), return_index=True)[1]
        space = basis @ basis.T
        conjugates = _distinct(matrices @ space @ matrices.transpose(0, 2, 1))
        opposite = bool((moved[:, :, 0] @ basis[:, 0]).min() < -1.0 + _SAME)
        available = None if k > 1 else 1 if opposite else 2
        yield Stratum(len(elements), basis, available, len(conjugates), np.sort(elements))
        inner = _null_spaces(basis.T @ (np.eye(d) - walls) @ basis)
        smaller = inner[(_dimensions(inner) > 0) & (_dimensions(inner) < k)]
        children = _distinct(basis @ smaller @ basis.T)
        while len(children := children[_unknown(children, seen)]):
            # The mean over the stabiliser is the projection, to the last digit.
            fixing = np.abs(matrices @ children[0] - children[0]).max(axis=(1, 2)) < _SAME
            space = matrices[fixing].mean(axis=0)
            orbit = matrices @ space @ matrices.transpose(0, 2, 1)
            seen = np.concatenate([seen, _distinct(orbit)])
            waiting.append(np.linalg.eigh(0.5 * (space + space.T))[1][:, d - int(_dimensions(space[None])[0]) :])


def _irreducible_fixed_spaces(matrices: Floats) -> Floats:
    """Projections on the fixed spaces of elements that are no intersections of larger ones, `(u, d, d)`."""
    d = matrices.shape[1]
    one = np.eye(d)
    spaces = _distinct(_null_spaces(2.0 * one - matrices - matrices.transpose(0, 2, 1)))
    dimensions = _dimensions(spaces)
    spaces = spaces[dimensions < d]
    dimensions = dimensions[dimensions < d]
    flat = spaces.reshape(-1, d * d)
    inside = flat @ flat.T > dimensions[:, None] - _SAME  # trace(P Q) = trace(P) where P is inside Q
    larger = inside & (dimensions[:, None] < dimensions)
    beyond = (one - spaces).reshape(flat.shape)
    meets = _null_spaces((larger.astype(np.float64) @ beyond).reshape(spaces.shape))
    return np.asarray(spaces[_dimensions(meets) > dimensions])


def _null_spaces(forms: Floats) -> Floats:
    """Projections on the null spaces of positive semidefinite forms, `(m, k, k)`."""
    values, vectors = np.linalg.eigh(forms)
    null = vectors * (values < _NULL)[:, None, :]
    return np.asarray(null @ null.transpose(0, 2, 1))


def _dimensions(projections: Floats) -> Ints:
    """Their ranks, `(m,)`."""
    return np.asarray(np.rint(np.trace(projections, axis1=1, axis2=2)), dtype=np.intp)


def _labels(arrays: Floats) -> Ints:
    """A label for each matrix of `(..., p, q)`, flat, shared by those that differ by rounding alone.

    A grid would part equal entries on its border. Random linear keys are sorted and cut at the gaps;
    should two different matrices share a key, other keys are drawn.
    """
    rows = arrays.reshape(-1, arrays.shape[-2] * arrays.shape[-1])
    labels = np.zeros(len(rows), dtype=np.intp)
    for seed in itertools.count():
        keys = rows @ np.random.default_rng(seed).standard_normal(rows.shape[1])
        order = np.argsort(keys, kind="stable")
        new = np.diff(keys[order], prepend=-np.inf) > _GAP
        labels[order] = np.cumsum(new) - 1
        if (np.abs(rows - rows[order[new]][labels]) < _SAME).all():
            break
    return labels


def _distinct(matrices: Floats) -> Floats:
    """Each of several matrices once, where it comes first."""
    first = np.unique(_labels(matrices), return_index=True)[1]
    return np.asarray(matrices[np.sort(first)])


def _unknown(matrices: Floats, known: Floats) -> NDArray[np.bool_]:
    """Which of the matrices are not among the known ones."""
    labels = _labels(np.concatenate([known, matrices]))
    return ~np.isin(labels[len(known) :], labels[: len(known)])
