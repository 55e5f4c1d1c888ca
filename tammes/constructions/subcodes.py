"""Codes of n points as subsets of larger codes, whose maximal cosine they do not exceed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_size
from tammes.constructions import catalogue, sequences
from tammes.constructions.construction import Construction

__all__ = ["LARGEST", "LargerCode", "larger_codes"]

LARGEST = 1 << 28
"""Largest size in bytes of a named code that is built to take a subset of it."""


@dataclass(frozen=True)
class LargerCode:
    """A code of which a subset can be taken; it is built when that is done."""

    name: str
    n: int
    max_cosine: float
    """Maximal cosine of the whole code; that of a subset is at most as large."""
    reference: str
    _build: Callable[[Ints], Floats] = field(repr=False, compare=False, kw_only=True)

    def subcode(self, n: int, seed: int) -> Floats:
        """Return n of its points, chosen at random by the seed, in the order of the code: float64, shape `(n, d)`."""
        if n == self.n:
            return self._build(np.arange(n))
        rng = np.random.default_rng([seed, n])
        return self._build(np.sort(rng.choice(self.n, n, replace=False, shuffle=False)))


def larger_codes(n: int, d: int) -> list[LargerCode]:
    """Return the known codes of at least n points in R^d, the smallest maximal cosine first, without building them.

    They are the named codes of this dimension, and of the families of about d^2 points (Kerdock codes, Gold's words,
    chirps) those of the largest dimension up to d; further coordinates are zero.

    Raises:
        InvalidParameterError: unless n and d are integers of at least 2.

    Example:
        >>> [(code.name, code.n, round(code.max_cosine, 4)) for code in larger_codes(1000, 64)[:2]]
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
    return sorted((code for code in found if code.n >= n), key=lambda code: (code.max_cosine, code.name))


def _kerdock_dimension(d: int) -> int | None:
    """Return the largest dimension up to d of a Kerdock code in the registry, or None."""
    return max((size for _, size in catalogue.CONSTRUCTIONS["kerdock"].examples if size <= d), default=None)


def _named(code: Construction, cosine: float, d: int) -> LargerCode:
    """Return a named code as one in R^d to take subsets of."""

    def build(indices: Ints) -> Floats:
        return _padded(code.points()[indices], d)

    return LargerCode(code.name, code.n, cosine, code.reference, _build=build)


def _sequence(family: sequences.Sequences, d: int) -> LargerCode:
    """Return a family of sequences as a code in R^d to take subsets of."""

    def build(indices: Ints) -> Floats:
        return _padded(family.points(indices), d)

    return LargerCode(family.name, family.n, family.max_cosine, family.reference, _build=build)


def _padded(points: Floats, d: int) -> Floats:
    """Return the points with zero coordinates added up to d."""
    return np.pad(points, ((0, 0), (0, d - points.shape[1])))
