"""Families of sequences with small correlations: about d^2 points in R^d with a maximal cosine of about sqrt(2/d).

They are Gold's binary words, where d is an odd power of two, and quadratic chirps for every d from 6 on. They are not
optimal, but solvers do not reach them once n is many times d: for 10,000 points in R^128 their maximal cosine is
0.125, that of the soft-min ladder from random points 0.19.

A family may be larger than memory, so points are computed by their indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_size

__all__ = ["CHIRP_DIMENSION", "GOLD_DIMENSIONS", "Sequences", "chirps", "gold"]

_TAPS = {3: 1, 5: 2, 7: 1, 9: 4, 11: 2, 15: 1, 17: 3}
"""k of the primitive trinomials x^m + x^k + 1 over F_2, by m; for m = 13 there is none."""

GOLD_DIMENSIONS = tuple(1 << m for m in _TAPS)
"""Dimensions of `gold`."""

CHIRP_DIMENSION = 6
"""Smallest d of `chirps`."""


@dataclass(frozen=True)
class Sequences:
    """A family of unit vectors in R^d, computed by index."""

    name: str
    n: int
    """Number of points of the family."""
    d: int
    max_cosine: float
    """Maximal cosine of the whole family; that of a subset is at most as large."""
    reference: str
    _build: Callable[[Ints], Floats] = field(repr=False, compare=False, kw_only=True)

    def points(self, indices: Ints) -> Floats:
        """Return the points of these indices, each from 0 to n - 1: float64, shape `(len(indices), d)`.

        Raises:
            InvalidParameterError: if an index is out of range.
        """
        chosen = np.asarray(indices, dtype=np.intp)
        if chosen.ndim != 1 or not ((chosen >= 0) & (chosen < self.n)).all():
            raise InvalidParameterError("indices", f"a list of integers from 0 to {self.n - 1}", indices)
        return self._build(chosen)


def gold(d: int) -> Sequences:
    """Return 2 d^2 points in R^d, d = 2^m with m odd: the signs of `Tr(a x^3 + b x) + c` over x in F_d, over sqrt(d).

    They are the words of the dual of the extended BCH code that corrects two errors. Two of them are at cosine 0, -1
    or +-sqrt(2/d). The trace is the m-sequence of a primitive trinomial, which a and b shift.

    Raises:
        InvalidParameterError: if d is not 8, 32, 128, 512, 2048, 32768 or 131072.

    References: R. Gold, Maximal recursive sequences with 3-valued recursive cross-correlation functions, 1968;
        F. J. MacWilliams, N. J. A. Sloane, The Theory of Error-Correcting Codes, 1977, chapter 15.

    Example:
        >>> family = gold(128)
        >>> family.n, family.max_cosine
        (32768, 0.125)
    """
    _, d = check_size(2, d)
    if d not in GOLD_DIMENSIONS:
        raise InvalidParameterError("d", f"one of: {', '.join(map(str, GOLD_DIMENSIONS))} for Gold's words", d)
    m = d.bit_length() - 1
    period = d - 1
    trace = np.ones(period, dtype=np.int8)  # Tr(b alpha^k) for some b: every nonzero start of the register gives one
    for k in range(m, period):
        trace[k] = trace[k - m] ^ trace[k - m + _TAPS[m]]

    def build(indices: Ints) -> Floats:
        rest, c = np.divmod(indices, 2)
        a, b = np.divmod(rest, d)
        k = np.arange(period)
        cubes = np.where((a < period)[:, None], trace[(a[:, None] + 3 * k) % period], 0)  # a = d - 1 means zero
        linear = np.where((b < period)[:, None], trace[(b[:, None] + k) % period], 0)
        bits = np.zeros((len(indices), d), dtype=np.int8)  # the place of x = 0 is the last
        bits[:, :period] = cubes ^ linear
        bits ^= c.astype(np.int8)[:, None]
        return np.asarray((1.0 - 2.0 * bits) / math.sqrt(d))

    reference = "R. Gold, Maximal recursive sequences with 3-valued recursive cross-correlation functions, 1968"
    return Sequences("Gold's words", 2 * d * d, d, math.sqrt(2.0 / d), reference, _build=build)


def chirps(d: int) -> Sequences:
    """Return 4 p (p + 1) points in R^2p, p the largest odd prime of at most d/2.

    They are the p + 1 mutually unbiased bases of C^p, `exp(2 pi i (a x^2 + b x) / p) / sqrt(p)` and the unit vectors,
    each vector times 1, i, -1 and -i, as real and imaginary parts. The maximal cosine is 1/sqrt(p). Where 2p < d, the
    other coordinates are zero.

    Raises:
        InvalidParameterError: if d is below 6.

    References: W. O. Alltop, Complex sequences with low periodic correlations, 1980; W. K. Wootters,
        B. D. Fields, Optimal state-determination by mutually unbiased measurements, 1989.

    Example:
        >>> family = chirps(100)
        >>> family.n, family.max_cosine == 47 ** -0.5
        (9024, True)
    """
    _, d = check_size(2, d)
    if d < CHIRP_DIMENSION:
        raise InvalidParameterError("d", f"at least {CHIRP_DIMENSION} for chirps", d)
    p = _largest_prime(d // 2)

    def build(indices: Ints) -> Floats:
        rest, phases = np.divmod(indices, 4)
        a, b = np.divmod(rest, p)
        x = np.arange(p)
        phase = (a[:, None] * x % p * x + b[:, None] * x) % p / p + phases[:, None] / 4.0
        waves = np.exp(2j * np.pi * phase) / math.sqrt(p)
        units = a == p
        waves[units] = 0.0
        waves[units, b[units]] = np.exp(0.5j * np.pi * phases[units])
        points = np.zeros((len(indices), d))
        points[:, :p] = waves.real
        points[:, p : 2 * p] = waves.imag
        return points

    reference = "W. K. Wootters, B. D. Fields, Optimal state-determination by mutually unbiased measurements, 1989"
    return Sequences(f"chirps of length {p}", 4 * p * (p + 1), d, p**-0.5, reference, _build=build)


def _largest_prime(limit: int) -> int:
    """Return the largest prime of at most `limit`, which is at least 2, by trial division."""
    return next(k for k in range(limit, 1, -1) if all(k % q for q in range(2, math.isqrt(k) + 1)))
