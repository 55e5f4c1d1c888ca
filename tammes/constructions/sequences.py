"""Families of sequences with small correlations: very many points at a small angle from orthogonal, in parts.

In d dimensions about d^2 points keep a maximal cosine of about sqrt(2/d): Gold's binary words where d is an odd
power of two, quadratic chirps for every d. They are not optimal, but no solver comes near them once n is many
times d: at (10,000, 128) they have 0.125, the soft-min ladder from random points 0.19.

A family may be far larger than memory, so that only the points asked for are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, Ints
from tammes.constructions.closed_forms import check_size

__all__ = ["CHIRP_DIMENSION", "GOLD_DIMENSIONS", "Sequences", "chirps", "gold"]

_TAPS = {3: 1, 5: 2, 7: 1, 9: 4, 11: 2, 15: 1, 17: 3}
"""k of the primitive trinomials x^m + x^k + 1 over F_2 (13 has none)."""

GOLD_DIMENSIONS = tuple(1 << m for m in _TAPS)
"""Where `gold` exists: up to 131,072."""

CHIRP_DIMENSION = 6
"""The least d of `chirps`."""


@dataclass(frozen=True)
class Sequences:
    """A family of unit points in R^d, not made before they are asked for."""

    name: str
    n: int
    """Points in all."""
    d: int
    max_cosine: float
    """Of the whole family: of a part it is at most that."""
    reference: str
    _build: Callable[[Ints], Floats] = field(repr=False, compare=False, kw_only=True)

    def points(self, indices: Ints) -> Floats:
        """The points of these indices, each from 0 to n - 1: float64, shape `(len(indices), d)`.

        Raises:
            InvalidParameterError: if an index is out of range.
        """
        chosen = np.asarray(indices, dtype=np.intp)
        if chosen.ndim != 1 or not ((chosen >= 0) & (chosen < self.n)).all():
            raise InvalidParameterError("indices", f"a list of integers from 0 to {self.n - 1}", indices)
        return self._build(chosen)


def gold(d: int) -> Sequences:
    """2 d^2 points in R^d, d = 2^m with m odd: signs of `Tr(a x^3 + b x) + c` over x in F_d, over sqrt(d).

    The words are those of the dual of the extended BCH code that corrects two errors. Two of them have the
    cosine 0, -1 or +-sqrt(2/d). The trace is that of the m-sequence of a primitive trinomial: a and b shift it.

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
    trace = np.ones(period, dtype=np.int8)  # of b alpha^k, for some b: any non-zero start of the register will do
    for k in range(m, period):
        trace[k] = trace[k - m] ^ trace[k - m + _TAPS[m]]

    def build(indices: Ints) -> Floats:
        rest, c = np.divmod(indices, 2)
        a, b = np.divmod(rest, d)
        k = np.arange(period)
        cubes = np.where((a < period)[:, None], trace[(a[:, None] + 3 * k) % period], 0)  # a = d - 1 stands for zero
        linear = np.where((b < period)[:, None], trace[(b[:, None] + k) % period], 0)
        bits = np.zeros((len(indices), d), dtype=np.int8)  # x = 0 comes last
        bits[:, :period] = cubes ^ linear
        bits ^= c.astype(np.int8)[:, None]
        return np.asarray((1.0 - 2.0 * bits) / math.sqrt(d))

    reference = "R. Gold, Maximal recursive sequences with 3-valued recursive cross-correlation functions, 1968"
    return Sequences("Gold's words", 2 * d * d, d, math.sqrt(2.0 / d), reference, _build=build)


def chirps(d: int) -> Sequences:
    """4 p (p + 1) points in R^2p, p the largest odd prime of at most d/2.

    The p + 1 mutually unbiased bases of C^p, `exp(2 pi i (a x^2 + b x) / p) / sqrt(p)` and the unit vectors,
    each vector times 1, i, -1 and -i, real and imaginary parts side by side. Two of the points have a
    cosine of at most 1/sqrt(p). Where 2p < d, the other coordinates are zero.

    Raises:
        InvalidParameterError: if d < 6.

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
    p = next(k for k in range(d // 2, 2, -1) if all(k % q for q in range(2, math.isqrt(k) + 1)))

    def build(indices: Ints) -> Floats:
        rest, turns = np.divmod(indices, 4)
        a, b = np.divmod(rest, p)
        x = np.arange(p)
        phase = (a[:, None] * x % p * x + b[:, None] * x) % p / p + turns[:, None] / 4.0
        waves = np.exp(2j * np.pi * phase) / math.sqrt(p)
        units = a == p
        waves[units] = 0.0
        waves[units, b[units]] = np.exp(0.5j * np.pi * turns[units])
        points = np.zeros((len(indices), d))
        points[:, :p], points[:, p : 2 * p] = waves.real, waves.imag
        return points

    reference = "W. K. Wootters, B. D. Fields, Optimal state-determination by mutually unbiased measurements, 1989"
    return Sequences(f"chirps of length {p}", 4 * p * (p + 1), d, p**-0.5, reference, _build=build)
