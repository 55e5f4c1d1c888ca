"""Which larger codes hold n points of R^d: a part of a good code is a code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, Ints
from tammes.constructions import catalogue, sequences
from tammes.constructions.catalogue import Construction
from tammes.constructions.closed_forms import check_size

__all__ = ["LARGEST", "Whole", "holding"]

LARGEST = 1 << 28
"""Bytes that a named code may take to be built for the sake of a part."""


@dataclass(frozen=True)
class Whole:
    """A code of at least n points, from which a part can be taken."""

    name: str
    n: int
    max_cosine: float
    """Of the whole: of a part it is at most that."""
    reference: str
    _build: Callable[[Ints], Floats] = field(repr=False, compare=False, kw_only=True)

    def part(self, n: int, seed: int) -> Floats:
        """n of its points, drawn from the seed, in the order of the code: float64 unit rows, shape `(n, d)`."""
        if n == self.n:
            return self._build(np.arange(n))
        rng = np.random.default_rng([seed, n])
        return self._build(np.sort(rng.choice(self.n, n, replace=False, shuffle=False)))


def holding(n: int, d: int) -> list[Whole]:
    """The codes at hand of at least n points in R^d, the smallest maximal cosine first; nothing is built.

    Named codes of exactly this dimension, and the families that have about d^2 points, of this or the next
    smaller dimension that they exist in: Kerdock's, Gold's words, chirps. Further coordinates are zero.

    Raises:
        InvalidParameterError: unless n and d are integers of at least 2.

    Example:
        >>> [(whole.name, whole.n, round(whole.max_cosine, 4)) for whole in holding(1000, 64)[:2]]
        [('kerdock', 4224, 0.125), ('chirps of length 31', 3968, 0.1796)]
    """
    n, d = check_size(n, d)
    found = []
    for family in catalogue.CONSTRUCTIONS.values():
        try:
            code = family.member(None, _kerdock_dimension(d) if family.name == "kerdock" else d)
        except InvalidParameterError:
            continue
        if code.max_cosine is not None and 8 * code.n * code.d <= LARGEST:
            found.append(_named(code, code.max_cosine, d))
    gold_dimension = max((size for size in sequences.GOLD_DIMENSIONS if size <= d), default=None)
    if gold_dimension is not None:
        found.append(_sequence(sequences.gold(gold_dimension), d))
    if d >= sequences.CHIRP_DIMENSION:
        found.append(_sequence(sequences.chirps(d), d))
    return sorted((whole for whole in found if whole.n >= n), key=lambda whole: (whole.max_cosine, whole.name))


def _kerdock_dimension(d: int) -> int | None:
    """The largest dimension of at most d that the registry's Kerdock codes exist in."""
    return max((size for _, size in catalogue.CONSTRUCTIONS["kerdock"].examples if size <= d), default=None)


def _named(code: Construction, cosine: float, d: int) -> Whole:
    def build(indices: Ints) -> Floats:
        return _padded(code.points()[indices], d)

    return Whole(code.name, code.n, cosine, code.reference, _build=build)


def _sequence(family: sequences.Sequences, d: int) -> Whole:
    def build(indices: Ints) -> Floats:
        return _padded(family.points(indices), d)

    return Whole(family.name, family.n, family.max_cosine, family.reference, _build=build)


def _padded(points: Floats, d: int) -> Floats:
    """The points with coordinates of zero up to d."""
    return np.pad(points, ((0, 0), (0, d - points.shape[1])))
