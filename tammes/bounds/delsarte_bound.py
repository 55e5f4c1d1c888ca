"""Delsarte's linear programming bound: a program solved in float64, its solution proved in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tammes.base.validation import check_integer
from tammes.bounds.bound import Bound, check_size
from tammes.bounds.gegenbauer import largest_value
from tammes.bounds.levenshtein_bound import half_degree, levenshtein
from tammes.bounds.linear_program import Program, Solution
from tammes.bounds.simplex_bound import boroczky

__all__ = ["MAX_DEGREE", "default_degree", "delsarte_lp", "delsarte_points", "proved_points"]

MAX_DEGREE = 200
"""Largest degree of the polynomials: beyond, dense programs are too slow and float64 too coarse."""

_LARGEST_DEFAULT_DEGREE = 120  # beyond, a program takes many seconds
_LARGEST_DEFAULT_N = 10**6  # beyond, float64 has too few digits for the program
_BITS = 80  # weights are rounded to multiples of 2^-80, which keeps the exact fractions short
_TOLERANCE = Fraction(1, 2**42)  # by which the proved maximum of a polynomial may exceed its maximum


def delsarte_lp(n: int, d: int, degree: int | None = None) -> Bound | None:
    """Return Delsarte's linear programming bound, proved in exact arithmetic.

    With `P_k` the Gegenbauer polynomials of R^d, `P_k(1) = 1`, no code of maximal cosine t has more than

        N(t) = min f(1) / f_0,    f = f_0 P_0 + ... + f_K P_K,  f_k >= 0,  f_0 > 0,  f <= 0 on [-1, t]

    points, since the sum of f over all ordered pairs is at least `n^2 f_0` and at most `n f(1)`. The bound is the
    largest t found with N(t) < n, by Newton's method on log N; N'(t) is the multiplier of `f(t) <= 0` times f'(t).
    The programs are solved by HiGHS, with constraints added where f has a positive maximum.

    **Proof.** The solution in float64 serves only as a proposal. Its weights are rounded down to multiples of 2^-80,
    and `largest_value` computes, in integers, an M with f <= M on [-1, t]. Then f - M proves that there are at most
    `(f(1) - M) / (f_0 - M)` points, and t is returned only if this fraction is below n. No float64 evaluation enters
    the proof; the arccos is rounded up.

    Cost: 0.1 to 0.5 s for degrees up to 40, 2 s at 66, about 10 s at 120.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.
        degree: K, 1 to `MAX_DEGREE`; chosen for the size by default, see `default_degree`.

    Returns:
        The bound. None where `default_degree` is None, or where no program is solved accurately enough for a proof.

    Raises:
        InvalidParameterError: if n, d or the degree is not an integer in its range.

    References: P. Delsarte, J. M. Goethals, J. J. Seidel, Spherical codes and designs, 1977;
        A. M. Odlyzko and N. J. A. Sloane, New bounds on the number of unit spheres that can touch a unit
        sphere in n dimensions, 1979.

    Example:
        >>> print(f"{delsarte_lp(240, 8).degrees:.6f}")  # attained by the roots of E8
        60.000000
    """
    n, d = check_size(n, d)
    degree = default_degree(n, d) if degree is None else check_integer("degree", degree, 1, MAX_DEGREE)
    if degree is None:
        return None
    if n == 2:
        return _bound(-1.0, degree)
    program = Program(d, degree)
    crossing = _solve_for_angle(program, n)
    if crossing is None:
        return None
    t, solution = crossing
    margin = 1e-12 + min(2.0 * solution.violation, 1e-14 * n)
    for _ in range(12):
        trial = t - margin / solution.slope  # where log N is below log n by about the margin
        tried = program.solve(trial)
        proved = None if tried is None else proved_points(tried.weights, trial, d)
        if proved is not None and proved < n:
            return _bound(trial, degree)
        margin *= 3.0
    return None


def delsarte_points(t: float, d: int, degree: int) -> Fraction | None:
    """Return a proved upper bound on the number of points in R^d of maximal cosine t, by one linear program.

    Args:
        t: maximal cosine, -1 <= t < 1.
        d: dimension of the space, at least 2.
        degree: K, at least 1.

    Returns:
        N(t) of `delsarte_lp`, up to rounding upwards; None if no polynomial of this degree was found.
    """
    if t < -0.75:  # on so short an interval no program is needed: f = 1 - x / t
        return 1 - 1 / Fraction(t)
    solution = Program(d, degree).solve(t)
    return None if solution is None else proved_points(solution.weights, t, d)


def default_degree(n: int, d: int) -> int | None:
    """Return the degree for n points: three times that of Levenshtein's polynomial, but at least 30 and at most 120.

    With this degree N(t) is within 1e-4 of its limit. In d = 2 it is Levenshtein's degree, which proves the regular
    polygon optimal. None where twice Levenshtein's degree exceeds 120: from 992 points on in d = 3, 10,912 in d = 4,
    92,752 in d = 5, 649,264 in d = 6; and above a million points, where float64 has too few digits for the program.
    """
    k = half_degree(n, d)
    if n > _LARGEST_DEFAULT_N or (2 if d == 2 else 4) * k > _LARGEST_DEFAULT_DEGREE:
        return None
    return max(2 * k, 8) if d == 2 else min(max(6 * k, 30), _LARGEST_DEFAULT_DEGREE)


def proved_points(weights: NDArray[np.float64], t: float, d: int) -> Fraction | None:
    """Return the bound on the number of points of maximal cosine t that `f = P_0 + sum of weights[k] P_k` proves.

    It is proved in exact arithmetic for any weights. With M an upper bound on f in [-1, t], f - M satisfies the
    conditions of Delsarte's bound, so there are at most `(f(1) - M) / (1 - M)` points.

    Args:
        weights: `(K + 1,)`; the first is taken as 1, the others are rounded down to multiples of 2^-80.
        t: maximal cosine, -1 <= t < 1.
        d: dimension of the space, at least 2.

    Returns:
        The bound as a fraction; None if the weights prove nothing: if M >= 1, or one is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(proved_points(np.array([1.0, 3.0]), -1 / 3, 3))  # 1 + 3x: the regular tetrahedron
        4.0
    """
    if not np.all(np.isfinite(weights)) or np.any(weights[1:] < 0.0):
        return None
    exact = [Fraction(1), *(Fraction(int(math.ldexp(weight, _BITS)), 2**_BITS) for weight in weights[1:].tolist())]
    end = Fraction(math.ceil(Fraction(t) * 2**_BITS), 2**_BITS)  # on a longer interval M is no smaller
    most = largest_value(exact, end, d, _TOLERANCE)
    return None if most >= 1 else (sum(exact, Fraction(0)) - most) / (1 - most)


def _bound(t: float, degree: int) -> Bound:
    """Return the bound that every code has a larger cosine than t, the angle rounded up."""
    angle = math.acos(t)
    for _ in range(2):  # the platform's arccos may be off by a unit of the last digit
        angle = math.nextafter(angle, 4.0)
    formula = f"n <= f(1) / f_0, f_k >= 0, f <= 0 on [-1, cos phi], degree {degree}"
    attained = "by sharp codes: simplex, icosahedron, (27, 6), (240, 8), (196560, 24); by the 600-cell"
    reference = "P. Delsarte, J. M. Goethals, J. J. Seidel 1977"
    return Bound("delsarte-lp", min(angle, math.pi), reference, formula, attained)


def _solve_for_angle(program: Program, n: int) -> tuple[float, Solution] | None:
    """Return the t where N(t) = n, and the polynomial there; None if no program near it is solved.

    Newton's method for log N as a function of log theta, which is close to a straight line, and bisection where a
    step leaves the bracket. Above some t no polynomial is feasible, and N is infinite.
    """
    low, high = 0.0, math.pi  # N > n at the angle `low`, N < n at `high`
    closed = (boroczky(n, program.d), levenshtein(n, program.d))
    theta = min((bound.angle for bound in closed if bound is not None), default=0.5 * math.pi)
    accuracy = 1e-3
    nearest = None
    for _ in range(100):
        t = math.cos(theta)
        solution = program.solve(t, accuracy)
        if solution is None or solution.least > n:
            low = theta
        elif solution.points < n:
            high = theta
        elif accuracy == 0.0:
            return t, solution  # as close as float64 resolves
        else:
            accuracy = 0.0  # a more accurate polynomial decides on which side of n it is
            continue
        step = math.nan
        if solution is not None and solution.slope > 0.0:
            nearest = t, solution
            excess = math.log(solution.least / n)
            # d log N / d log theta = -sin(theta) theta N'(t) / N
            step = excess / (solution.slope * math.sin(theta) * theta)
            accuracy = 0.0 if abs(excess) < 1e-5 else min(accuracy, 0.01 * excess**2)
            if accuracy == 0.0 and abs(excess) < 1e-12:
                return nearest
        following = theta * math.exp(max(-1.0, min(1.0, step)))
        theta = following if low < following < high else 0.5 * (low + high)
        if high - low < 1e-15 * high:
            break
    return nearest
