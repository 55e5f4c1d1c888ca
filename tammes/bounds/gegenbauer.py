"""Sums of Gegenbauer polynomials: values in float64, and a proved maximum in exact arithmetic.

`P_k` is the Gegenbauer polynomial of R^d with `P_k(1) = 1`: Chebyshev's in d = 2, Legendre's in d = 3.

    (k + d - 2) P_{k+1} = (2k + d - 2) x P_k - k P_{k-1},    P_0 = 1,  P_1 = x.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["derivative", "largest_value", "values"]

Floats = NDArray[np.float64]


def values(x: Floats, degree: int, d: int) -> Floats:
    """Evaluate `P_0(x) ... P_degree(x)` in float64, shape `(degree + 1, len(x))`; O(degree) operations for each x."""
    table = np.empty((degree + 1, len(x)))
    table[0] = 1.0
    table[1:2] = x
    for k in range(1, degree):
        table[k + 1] = ((2 * k + d - 2) * x * table[k] - k * table[k - 1]) / (k + d - 2)
    return table


def derivative(weights: Floats, d: int) -> Floats:
    """Return the weights of the derivative of `sum of weights[k] P_k` of R^d, in the polynomials of R^(d+2).

    `P_k'` is `k (k + d - 2) / (d - 1)` times the polynomial of degree k - 1 of R^(d+2).
    """
    k = np.arange(1, len(weights))
    return np.asarray(weights[1:] * k * (k + d - 2) / (d - 1))


def largest_value(weights: Sequence[Fraction], t: Fraction, d: int, tolerance: Fraction) -> Fraction:
    """Return a proven upper bound on `f(x) = sum of weights[k] P_k(x)` in [-1, t], within `tolerance` of its maximum.

    All arithmetic is in integers. The polynomial is written exactly in powers of x, then in the Bernstein basis of
    the interval, where it is nowhere larger than its largest coefficient, and where the first and the last coefficient
    are its values at the ends. The piece with the largest coefficient is halved (de Casteljau) until this coefficient
    is within the tolerance of a value that f takes. Coefficients are rounded up; the basis functions are not negative,
    so the result remains an upper bound.

    Cost: O(K^2) additions of integers of about K + 150 bits for each halving, for K + 1 weights; about 30 halvings
    for every point where f comes close to its maximum.

    Args:
        weights: the K + 1 weights, exact; a float is a fraction too.
        t: end of the interval, above -1, at most 1.
        d: dimension of the space, at least 2.
        tolerance: how far the bound may be above the maximum; positive, at least 2^-90.

    Returns:
        A number that f does not exceed on the interval.

    References: G. Farin, Curves and Surfaces for CAGD, 5th ed., 2002, ch. 5 (subdivision of Bernstein polynomials).

    Example:
        >>> p2 = [Fraction(0), Fraction(0), Fraction(1)]  # (3 x^2 - 1) / 2 in R^3
        >>> 0 <= largest_value(p2, Fraction(1, 2), 3, Fraction(1, 2**30)) - 1 <= Fraction(1, 2**30)
        True
    """
    bits = len(weights) + 100
    whole = _bernstein(_powers(weights, d), t, bits)
    reached = max(whole[0], whole[-1])
    slack = math.floor(tolerance * 2**bits)
    order = itertools.count()  # breaks ties between pieces of equal bound
    pieces = [(-max(whole), next(order), whole)]
    while -pieces[0][0] > reached + slack:
        _, _, piece = heapq.heappop(pieces)
        for half in _halves(piece):
            reached = max(reached, half[0], half[-1])
            heapq.heappush(pieces, (-max(half), next(order), half))
    return Fraction(-pieces[0][0], 2**bits)


def _powers(weights: Sequence[Fraction], d: int) -> list[Fraction]:
    """Return the coefficients of f in powers of x + 1, exactly."""
    degree = len(weights) - 1
    # P_k = Q_k / L_k in integers: L_{k+1} = (k + d - 2) L_k, so P_{k-1} = (k + d - 3) Q_{k-1} / L_k for k > 1.
    polynomials = [[1], [0, 1]]
    scales = [1, 1]
    for k in range(1, degree):
        following = [0, *((2 * k + d - 2) * c for c in polynomials[k])]
        back = k * (k + d - 3) if k > 1 else 1
        for i, c in enumerate(polynomials[k - 1]):
            following[i] -= back * c
        polynomials.append(following)
        scales.append(scales[k] * (k + d - 2))
    common = math.lcm(*(weight.denominator for weight in weights)) * scales[degree]
    total = [0] * (degree + 1)
    for weight, scale, polynomial in zip(weights, scales, polynomials, strict=False):
        factor = weight.numerator * (common // (weight.denominator * scale))
        for i, c in enumerate(polynomial[: degree + 1]):
            total[i] += factor * c
    for start in range(degree):  # x = (x + 1) - 1, by repeated synthetic division
        for i in range(degree - 1, start - 1, -1):
            total[i] -= total[i + 1]
    return [Fraction(c, common) for c in total]


def _bernstein(powers: Sequence[Fraction], t: Fraction, bits: int) -> list[int]:
    """Return the Bernstein coefficients on [-1, t] in units of 2^-bits, rounded up.

    `b_i = sum_j C(i, j) a_j / C(K, j)` with `a_j` the coefficients in powers of (x + 1) / (t + 1).
    """
    degree = len(powers) - 1
    width = t + 1
    terms = []
    for j, power in enumerate(powers):
        below = power.denominator * width.denominator**j * math.comb(degree, j)
        terms.append(-((-power.numerator * width.numerator**j << bits) // below))
    return [sum(math.comb(i, j) * terms[j] for j in range(i + 1)) for i in range(degree + 1)]


def _halves(piece: list[int]) -> tuple[list[int], list[int]]:
    """Return the Bernstein coefficients on both halves of the interval, rounded up."""
    row = piece
    first = [piece[0]]
    second = [piece[-1]]
    for level in range(1, len(piece)):
        row = [a + b for a, b in itertools.pairwise(row)]  # 2^level times the row of de Casteljau's algorithm
        first.append(-(-row[0] >> level))
        second.append(-(-row[-1] >> level))
    return first, second[::-1]
