"""Isometries between two codes, and the automorphism group of a code.

An isometry of codes is an orthogonal map that takes the points of one onto those of the other; it is known by its
permutation of them. The search is that for isomorphisms of graphs, with inner products for edges: points are told apart
by repeated hashes of what they see, points that still look alike are marked one by one as a base, and its images are
found by backtracking. The order of the group is a product over the base: to how many places a point can go while the
earlier ones stay. Nothing is decided by rounding. Inner products that a permitted error could confuse are joined, never
parted, so that no isometry is overlooked; none is believed before an orthogonal map took each point to its partner.

References: B. D. McKay and A. Piperno, Practical graph isomorphism II, J. Symbolic Comput. 60, 2014 (hashes, search).
    C. C. Sims, Computational methods in the study of permutation groups, 1970 (base and stabiliser chain).
    P. H. Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1966 (best map).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_number
from tammes.codes.spherical_code import SphericalCode

__all__ = ["Isometry", "Symmetries", "automorphisms", "compare", "difference", "isometry"]

_MAX_POINTS = 5000  # several n x n arrays are held, 200 MB each
_MAX_TOLERANCE = 1e-3  # coarser, codes of a few hundred points look all alike
_LOOSE = 4.0  # maps are looked for up to this many tolerances, to notice those that miss narrowly
_APART = 20.0  # tolerances by which points must be apart
_WORK = 3e10  # entries of n x n arrays that a search may visit
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Code = ArrayLike | SphericalCode
Words = NDArray[np.uint64]
Found = tuple[Ints, Floats, float]  # permutation, matrix, deviation


@dataclass(frozen=True, eq=False)
class Symmetries:
    """The automorphism group of a code: the permutations of its points that orthogonal maps make."""

    order: int
    """Number of permutations: maps that differ only across the span of the points count once."""
    rotations: int
    """How many of them have determinant +1 on the span: all or half. If the span is less than the space, every one is
    made by a rotation of the space too."""
    rank: int
    """Dimension of the span."""
    orbits: Ints
    """Shape `(n,)`, from 0: two points have the same number if the group takes one to the other."""
    generators: Ints
    """Shape `(m, n)`: generator k takes point i to point `generators[k, i]`."""
    determinants: Ints
    """Shape `(m,)`: +1 or -1, of the generators on the span."""
    deviation: float
    """Largest distance from the image of a point to its partner, over the generators."""
    name: str | None
    """Schoenflies symbol of a group of at most 1,000 elements, where d = 3 and the points span R^3."""


@dataclass(frozen=True, eq=False)
class Isometry:
    """An orthogonal map of one code onto another: `matrix @ a[i]` is `b[permutation[i]]`."""

    permutation: Ints
    """Shape `(n,)`."""
    matrix: Floats
    """Shape `(d, d)`, best in the sense of least squares; a rotation where one is within the tolerance."""
    deviation: float
    """Largest distance from the image of a point to its partner."""
    determinant: int
    """Of `matrix`: +1 or -1."""
    rotation: bool
    """True if a map of determinant +1 exists: the codes are directly congruent."""
    reflection: bool
    """True if one of determinant -1 exists. Both do if a code is its own mirror image, or spans less than R^d."""


def automorphisms(points: Code, tolerance: float = 1e-8, *, rounds: int | None = None) -> Symmetries:
    """Return the automorphism group of a code: its order, rotations, orbits and generators.

    Cost: O(n^2) for each round of the search; most codes need fewer than n rounds.

    Args:
        points: unit rows, shape `(n, d)`, n at most 5,000, no two within 20 tolerances.
        tolerance: distance by which a map may miss a point, above 0 and at most 1e-3.
        rounds: of the search, before it is given up; by default as many as take a minute or two.

    Raises:
        InvalidPointsError: if there are too many points, or two are too close.
        InvalidParameterError: if the tolerance is out of range; if a map misses by one to four tolerances, since then
            what is accepted need not be a group; if the rounds do not suffice.

    Example:
        >>> found = automorphisms([[1, 0], [0, 1], [-1, 0], [0, -1]])
        >>> found.order, found.rotations, found.orbits.tolist()
        (8, 4, [0, 0, 0, 0])
    """
    return _automorphisms(_Checked(points, tolerance), tolerance, rounds)


def isometry(a: Code, b: Code, tolerance: float = 1e-8, *, rounds: int | None = None) -> Isometry | None:
    """Return an orthogonal map that takes one code onto another; None if there is none. Arguments as `automorphisms`.

    A mirror image counts; the result says whether a rotation does it too. Where n or d differ there is none.
    """
    found = compare(a, b, tolerance, rounds=rounds)
    return None if isinstance(found, str) else found


def difference(a: Code, b: Code, tolerance: float = 1e-8, *, rounds: int | None = None) -> str | None:
    """Return in one line why two codes are not isometric; None if they are. Arguments as `automorphisms`."""
    found = compare(a, b, tolerance, rounds=rounds)
    return found if isinstance(found, str) else None


def compare(a: Code, b: Code, tolerance: float = 1e-8, *, rounds: int | None = None) -> Isometry | str:
    """Return an isometry of two codes, or why there is none. Arguments as `automorphisms`.

    Example:
        >>> compare([[1, 0], [0, 1]], [[1, 0], [0, 1], [-1, 0]])
        '2 points in R^2 and 3 in R^2'
    """
    first, second = _Checked(a, tolerance), _Checked(b, tolerance)
    if (reason := _plain_difference(first, second, tolerance)) is not None:
        return reason
    group = _automorphisms(second, tolerance, rounds)
    search = _Search(first, second, tolerance, rounds)
    if (found := search.first(group.orbits)) is None:
        near = "" if search.missed == math.inf else f": one map misses a point by {search.missed:.3g} only"
        return f"no isometry, though all sorted angles agree{near}"
    flat, mirrors = group.rank < first.d, group.determinants < 0
    both, direct = bool(flat or mirrors.any()), np.linalg.slogdet(found[1])[0] > 0.0
    if both and not direct:
        turned = found[0] if flat else group.generators[mirrors][0][found[0]]
        other = (turned, *_best_map(first.points, second.points[turned], rotation=flat))
        found = other if other[2] <= tolerance else found
    return Isometry(*found, round(np.linalg.slogdet(found[1])[0]), bool(both or direct), bool(both or not direct))


class _Checked:
    """The points, scaled to length 1, with their inner products, -2 on the diagonal."""

    def __init__(self, points: Code, tolerance: float) -> None:
        requirement = f"above 0 and at most {_MAX_TOLERANCE:g}"
        tolerance = check_number("tolerance", tolerance, requirement, above=0.0, most=_MAX_TOLERANCE)
        rows = points.points if isinstance(points, SphericalCode) else geometry.as_points(points)
        self.n, self.d = rows.shape
        if self.n > _MAX_POINTS:
            raise InvalidPointsError("points", f"at most {_MAX_POINTS:,}", f"{self.n:,} points")
        self.points: Floats = geometry.normalize_rows(rows)
        self.gram: Floats = self.points @ self.points.T
        np.fill_diagonal(self.gram, -2.0)
        i, j = sorted(divmod(int(self.gram.argmax()), self.n))
        self.min_angle = float(geometry.angle(rows[i], rows[j]))
        if self.min_angle <= _APART * tolerance:
            pair = f"rows {i} and {j} at {self.min_angle:.3g} radians"
            raise InvalidPointsError("points", f"further apart than {_APART:g} tolerances of {tolerance:g}", pair)
        self.rows: Floats = np.sort(self.gram, axis=1)
        _, sizes, axes = np.linalg.svd(self.points, full_matrices=False)
        self.span: Floats = axes[sizes > 10.0 * tolerance * math.sqrt(self.n)].T  # (d, rank), orthonormal


class _Search:
    """Backtracking for isometries of one code onto another, which may be the same.

    A hash is a word for each point that depends only on what an isometry keeps; should two agree by chance, that costs
    time, no correctness. `hashes[k]` are those of the source with k base points marked.
    """

    def __init__(self, source: _Checked, target: _Checked, tolerance: float, rounds: int | None) -> None:
        self.source, self.target, self.tolerance = source, target, tolerance
        self.slack = _slack(_LOOSE * tolerance, source.d)
        self.rounds = self.left = max(1000, int(_WORK / source.n**2)) if rounds is None else rounds
        self.words = _coloured([source.gram] if source is target else [source.gram, target.gram], self.slack)
        self.missed = math.inf  # of maps that were not accepted, the least deviation
        self.base: list[int] = []
        self.hashes: list[Words] = []
        self.depths: list[int] = []
        self._choose_base()

    def _refined(self, words: Words, hashes: Words) -> Words:
        """One round: hashes of what each point sees, its products with all points, each with the hash of that point."""
        self.left -= 1
        if self.left < 0:
            remedy = "The search was given up undecided: allow more rounds, or try another tolerance."
            raise InvalidParameterError("rounds", "enough to decide", self.rounds, remedy)
        return _mixed(hashes + words @ _mixed(hashes + _GOLDEN))

    def _choose_base(self) -> None:
        """Mark points of the source, each among the fewest that look alike, until no two do.

        Two points look alike while their hashes are equal and their products with the base within twice the slack.
        Once none do, no point of the target is within the slack of two of the source.
        """
        gram, n = self.source.gram, self.source.n
        alike, hashes = np.ones((n, n), dtype=bool), np.zeros(n, dtype=np.uint64)
        while True:
            depth, classes, found = 0, 0, 1
            while classes < found < n:  # the last round, which parts nothing, is one that the target must match too
                classes, depth, hashes = found, depth + 1, self._refined(self.words[0], hashes)
                found = len(np.unique(hashes))
            self.hashes.append(hashes)
            self.depths.append(depth)
            alike &= hashes[:, None] == hashes
            sizes = alike.sum(axis=1)
            if sizes.max() == 1:
                return
            b = int(np.where(sizes > 1, sizes, n + 1).argmin())
            alike &= np.abs(gram[:, b, None] - gram[:, b]) <= 2.0 * self.slack
            self.base.append(b)
            hashes = np.where(np.arange(n) == b, np.uint64(len(self.base)), hashes)

    def _follow(self, level: int, hashes: Words) -> Words | None:
        """Hashes of the target, refined as often as those of the source; None if they are others."""
        for _ in range(self.depths[level]):
            hashes = self._refined(self.words[-1], hashes)
        return hashes if np.array_equal(np.sort(hashes), np.sort(self.hashes[level])) else None

    def candidates(self, images: list[int], hashes: Words) -> list[int]:
        """Where the next base point may go after the images of the earlier ones."""
        b, earlier = self.base[len(images)], self.base[: len(images)]
        among = np.flatnonzero(hashes == self.hashes[len(images)][b])
        products = np.abs(self.target.gram[among][:, images] - self.source.gram[b, earlier])
        among = among[(products <= self.slack).all(axis=1)]
        rows = np.abs(self.target.rows[among] - self.source.rows[b])
        return [int(c) for c in among[(rows <= self.slack).all(axis=1)]]

    def first(self, orbits: Ints) -> Found | None:
        """Return any isometry; `orbits` are those of the target's group, of which one point each is tried."""
        hashes = self._follow(0, np.zeros(self.target.n, dtype=np.uint64))
        if hashes is None or not self.base:
            return None if hashes is None else self._accepted([], hashes)
        choices = self.candidates([], hashes)
        return self.extend([], hashes, [c for k, c in enumerate(choices) if orbits[c] not in orbits[choices[:k]]])

    def extend(self, images: list[int], hashes: Words, choices: list[int]) -> Found | None:
        """An isometry with these images of the first base points, and one of the choices for the next."""
        stack = [(images, hashes, choices[::-1])]
        while stack:
            images, hashes, waiting = stack[-1]
            if not waiting:
                stack.pop()
                continue
            longer = [*images, waiting.pop()]
            marked = np.where(np.arange(len(hashes)) == longer[-1], np.uint64(len(longer)), hashes)
            after = self._follow(len(longer), marked)
            if after is None:
                continue
            if len(longer) < len(self.base):
                stack.append((longer, after, self.candidates(longer, after)[::-1]))
            elif (found := self._accepted(longer, after)) is not None:
                return found
        return None

    def _accepted(self, images: list[int], hashes: Words) -> Found | None:
        """The one permutation that these images leave, if an orthogonal map makes it."""
        possible = self.hashes[-1][:, None] == hashes
        for b, c in zip(self.base, images, strict=True):
            if np.count_nonzero(possible) <= self.source.n:
                break
            possible &= np.abs(self.source.gram[:, b, None] - self.target.gram[:, c]) <= self.slack
        if not ((possible.sum(axis=0) == 1).all() and (possible.sum(axis=1) == 1).all()):
            return None
        permutation = possible.argmax(axis=1)
        matrix, deviation = _best_map(self.source.points, self.target.points[permutation])
        if self.source is self.target and self.tolerance < deviation <= _LOOSE * self.tolerance:
            remedy = f"A map misses a point by {deviation:.3g}: try {deviation * 10.0:.0e} or {deviation / 10.0:.0e}."
            requirement = "well above or well below how far the code is from symmetric"
            raise InvalidParameterError("tolerance", requirement, self.tolerance, remedy)
        if deviation <= self.tolerance:
            return permutation, matrix, deviation
        self.missed = min(self.missed, deviation)
        return None


def _automorphisms(code: _Checked, tolerance: float, rounds: int | None) -> Symmetries:
    """The stabiliser chain, from the end of the base: a generator for each place not reached, best a reflection."""
    search = _Search(code, code, tolerance, rounds)
    orbits, order = np.arange(code.n), 1
    generators: list[tuple[Ints, int, float]] = []
    for level, b in reversed(list(enumerate(search.base))):
        before, hashes = search.base[:level], search.hashes[level]
        barred: list[int] = []  # no isometry takes b there, nor to their orbits
        for c in search.candidates(before, hashes):
            if orbits[c] == orbits[b] or orbits[c] in orbits[barred]:
                continue
            found, sign = _reflection(code, b, c, tolerance), -1
            if found is None and (found := search.extend(before, hashes, [c])) is not None:
                sign = round(np.linalg.slogdet(code.span.T @ found[1] @ code.span)[0])
            if found is None:
                barred.append(c)
            else:
                generators.append((found[0], sign, found[2]))
                for i in np.flatnonzero(orbits != orbits[found[0]]):
                    low, high = sorted(orbits[[i, found[0][i]]])
                    orbits[orbits == high] = low
        order *= int((orbits == orbits[b]).sum())
    permutations = np.array([permutation for permutation, _, _ in generators], dtype=np.intp).reshape(-1, code.n)
    signs = np.array([sign for _, sign, _ in generators], dtype=np.intp)
    rank, labels = code.span.shape[1], np.unique(orbits, return_inverse=True)[1].astype(np.intp)
    name = _schoenflies(code.points, permutations) if code.d == rank == 3 and order <= 1000 else None
    rotations = order // 2 if -1 in signs else order
    deviation = max((missed for _, _, missed in generators), default=0.0)
    return Symmetries(order, rotations, rank, labels, permutations, signs, deviation, name)


def _slack(reach: float, d: int) -> float:
    """Return the largest change of an inner product when both unit vectors move by `reach`, with rounding."""
    return 2.0 * reach + reach * reach + 4.0 * (d + 4) * float(np.finfo(np.float64).eps)


def _plain_difference(a: _Checked, b: _Checked, tolerance: float) -> str | None:
    """The first of the plain measurements that no isometry within the tolerance could change so."""
    if (a.n, a.d) != (b.n, b.d):
        return f"{a.n} points in R^{a.d} and {b.n} in R^{b.d}"
    pairs = np.triu_indices(a.n, 1)
    cosines = np.sort([a.gram[pairs], b.gram[pairs]], axis=1)[:, ::-1]
    apart = np.abs(cosines[0] - cosines[1]) > _slack(tolerance, a.d)
    if not apart.any():
        return None
    if apart[0]:
        return f"the minimal angles differ by {math.degrees(abs(a.min_angle - b.min_angle)):.3g}°"
    place = int(apart.argmax())
    angles = np.degrees(np.arccos(np.clip(cosines[:, place], -1.0, 1.0)))
    return f"the sorted angles differ by {abs(angles[0] - angles[1]):.3g}° at place {place + 1} of {len(apart)}"


def _best_map(x: Floats, y: Floats, *, rotation: bool = False) -> tuple[Floats, float]:
    """Return the orthogonal map that takes the rows of x nearest to those of y, and by how much it misses one at most.

    With `rotation` the determinant is made +1, at the cost of the axis that matters least.
    """
    left, _, right = np.linalg.svd(y.T @ x)
    if rotation and np.linalg.det(left @ right) < 0.0:
        left[:, -1] *= -1.0
    matrix = left @ right
    return matrix, float(np.linalg.norm(x @ matrix.T - y, axis=1).max())


def _reflection(code: _Checked, b: int, c: int, tolerance: float) -> Found | None:
    """Return the reflection that swaps two points, if it permutes the code."""
    normal = code.points[b] - code.points[c]
    normal /= np.linalg.norm(normal)
    heights = code.points @ normal
    moved = np.flatnonzero(2.0 * np.abs(heights) > tolerance)
    images = code.points[moved] - 2.0 * heights[moved, None] * normal
    partners = moved[(images @ code.points[moved].T).argmax(axis=1)]
    missed = float(np.linalg.norm(images - code.points[partners], axis=1).max())
    if missed > tolerance or len(np.unique(partners)) < len(moved):
        return None
    permutation = np.arange(code.n)
    permutation[moved] = partners
    deviation = max(missed, 2.0 * float(np.abs(np.delete(heights, moved)).max(initial=0.0)))
    return permutation, np.eye(code.d) - 2.0 * np.outer(normal, normal), deviation


def _mixed(words: Words) -> Words:
    """Scrambled words: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _coloured(grams: list[Floats], slack: float) -> list[Words]:
    """A word for each inner product, the same for all that a chain of steps of at most `slack` connects."""
    values = np.concatenate([gram.ravel() for gram in grams])
    order = np.argsort(values)
    words = np.empty(len(values), dtype=np.uint64)
    words[order] = _mixed(np.cumsum(np.diff(values[order], prepend=-3.0) > slack).astype(np.uint64) * _GOLDEN)
    return [part.reshape(gram.shape) for part, gram in zip(np.split(words, len(grams)), grams, strict=True)]


def _schoenflies(points: Floats, generators: Ints) -> str:
    """Return the symbol of a group in space, from the traces of its elements: 1 + 2 cos t; improper, 2 cos t - 1."""
    elements = [np.arange(len(points))]
    seen = {elements[0].tobytes()}
    for element in elements:  # grows while it is walked through
        new = [product for product in generators[:, element] if product.tobytes() not in seen]
        seen |= {product.tobytes() for product in new}
        elements += {product.tobytes(): product for product in new}.values()
    matrices = np.stack([_best_map(points, points[element])[0] for element in elements])
    proper, traces = np.linalg.det(matrices) > 0.0, np.trace(matrices, axis1=1, axis2=2)
    turns, others = np.sort(traces[proper])[:-1], traces[~proper]  # the identity left out
    h, mirrors, improper = len(turns) + 1, int((others > 0.99999).sum()), len(others) > 0
    least = math.acos(max(-1.0, 0.5 * float(turns.max(initial=-1.0)) - 0.5))
    largest = math.tau / least  # order of a rotation: h of C_h, h / 2 of D_h/2
    polyhedral = {(12, 3): "T", (24, 4): "O", (60, 5): "I"}.get((h, round(largest)))
    if polyhedral:  # Td is without the inversion, of trace -3
        return polyhedral + ("" if not improper else "h" if others.min() < -2.9 else "d")
    if largest < 0.75 * h:
        return f"D{h // 2}" + ("" if not improper else "h" if mirrors > h // 2 else "d")
    planes = "" if not improper else "v" if mirrors == h else "h"
    symbol = f"C{h}{planes}" if mirrors or not improper else f"S{2 * h}"
    return {"S2": "Ci", "C1v": "Cs"}.get(symbol, symbol)
