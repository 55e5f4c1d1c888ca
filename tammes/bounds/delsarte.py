"""Delsarte's linear programming bound: an LP in float64, and its answer proved in integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tammes.bounds.bound import Bound, check_integer, check_size
from tammes.bounds.gegenbauer import largest_value
from tammes.bounds.linear_program import Program, Solution
from tammes.bounds.schlaefli import boroczky
from tammes.bounds.universal import half_degree, levenshtein

__all__ = ["MAX_DEGREE", "default_degree", "delsarte_lp", "delsarte_points", "proved_points"]

MAX_DEGREE = 200
"""The largest degree of a polynomial: dense programs and float64 carry no further."""

_DEFAULT_MOST = 120  # of the degrees that are chosen for a size: beyond, a program takes seconds
_DEFAULT_POINTS = 10**6
_BITS = 80  # weights are multiples of 2^-80, so that they are short fractions
_TOLERANCE = Fraction(1, 2**42)  # how closely the largest value of a polynomial is bounded


def delsarte_lp(n: int, d: int, degree: int | None = None) -> Bound | None:
    """The smallest angle that Delsarte's linear program proves to be too wide for n points.

    With `P_k` the Gegenbauer polynomials of R^d, `P_k(1) = 1`, no code of largest cosine t has more than

        N(t) = min f(1) / f_0,    f = f_0 P_0 + ... + f_K P_K,  f_k >= 0,  f_0 > 0,  f <= 0 on [-1, t]

    points: the sum of f over all pairs is at least `n^2 f_0` and at most `n f(1)`. The bound is the largest
    t found with N(t) < n, by Newton's method on log N; N'(t) is the multiplier of `f(t) <= 0` times f'(t).
    Programs are solved by HiGHS, with constraints added where f has a positive maximum.

    **What is proved.** Nothing that float64 computed is trusted. The weights are cut to multiples of 2^-80,
    not below 0, and `largest_value` bounds f on [-1, t] by some M, in integers. Then f - M proves at most
    `(f(1) - M) / (f_0 - M)` points; t is returned only if that fraction is below n. No float64 evaluation
    enters the proof, so no margin for its rounding is needed; the arccos is rounded up.

    Cost: 0.1 to 0.5 s where the degree is up to 40, 2 s at 66, some 10 s at 120.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.
        degree: K, 1 to `MAX_DEGREE`; chosen for the size by default, see `default_degree`.

    Returns:
        The bound. None where `default_degree` is, or where no program is solved well enough to prove
        anything.

    Raises:
        InvalidParameterError: if n, d or the degree is not such an integer.

    References: P. Delsarte, J. M. Goethals, J. J. Seidel, Spherical codes and designs, 1977;
        A. M. Odlyzko and N. J. A. Sloane, New bounds on the number of unit spheres that can touch a unit
        sphere in n dimensions, 1979.

    Example:
        >>> print(f"{delsarte_lp(240, 8).degrees:.6f}")  # attained by the roots of E8
        60.000000
    """
    n, d = check_size(n, d)
    degree = default_degree(n, d) if degree is None else check_integer("degree", degree, least=1, most=MAX_DEGREE)
    if degree is None:
        return None
    if n == 2:
        return _bound(-1.0, degree)
    program = Program(d, degree)
    met = _meeting(program, n)
    if met is None:
        return None
    t, solution = met
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
    """A proved upper bound of the number of points in R^d of largest cosine t, by one linear program.

    Args:
        t: largest cosine, -1 <= t < 1.
        d: dimension of the space, at least 2.
        degree: K, at least 1.

    Returns:
        N(t) of `delsarte_lp`, above it by rounding only; None if no polynomial of this degree was found.
    """
    if t < -0.75:  # an interval as short as that needs no program: f = 1 - x / t
        return 1 - 1 / Fraction(t)
    solution = Program(d, degree).solve(t)
    return None if solution is None else proved_points(solution.weights, t, d)


def default_degree(n: int, d: int) -> int | None:
    """The degree for n points: three times Levenshtein's, but 30 to 120, which lowers N(t) to 1e-4 or closer.

    In d = 2 Levenshtein's own, with which the regular polygon is proved optimal. None where twice
    Levenshtein's would be above 120: from 992 points in d = 3, 10,912 in d = 4, 92,752 in d = 5, 649,264
    in d = 6 on; and above a million points, where float64 has not the digits that a program needs.
    """
    k = half_degree(n, d)
    if n > _DEFAULT_POINTS or (2 if d == 2 else 4) * k > _DEFAULT_MOST:
        return None
    return max(2 * k, 8) if d == 2 else min(max(6 * k, 30), _DEFAULT_MOST)


def proved_points(weights: NDArray[np.float64], t: float, d: int) -> Fraction | None:
    """The most points of largest cosine t that `f = P_0 + sum of weights[k] P_k` leaves possible, exactly.

    Proved in integers whatever the weights are. With M a bound of f on [-1, t], f - M is a polynomial
    as Delsarte's bound needs it, so there are at most `(f(1) - M) / (1 - M)` points.

    Args:
        weights: `(K + 1,)`; the first one is taken as 1, the others are cut to multiples of 2^-80.
        t: largest cosine, -1 <= t < 1.
        d: dimension of the space, at least 2.

    Returns:
        The bound as a fraction; None if the weights prove nothing: M is 1 or more, or one is negative.

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
    """The bound that says that every code has a larger cosine than t; the angle is rounded up."""
    angle = math.acos(t)
    for _ in range(2):  # the platform's arccos may be off by a unit of the last digit
        angle = math.nextafter(angle, 4.0)
    formula = f"n <= f(1) / f_0, f_k >= 0, f <= 0 on [-1, cos phi], degree {degree}"
    attained = "by sharp codes: simplex, icosahedron, (27, 6), (240, 8), (196560, 24); by the 600-cell"
    reference = "P. Delsarte, J. M. Goethals, J. J. Seidel 1977"
    return Bound("delsarte-lp", min(angle, math.pi), reference, formula, attained)


def _meeting(program: Program, n: int) -> tuple[float, Solution] | None:
    """The t where N(t) = n, and the polynomial there; None if no program near it is solved.

    Newton's method for log N as a function of log theta, which is close to a straight line, by halving of
    the bracket where that leads out of it. There are polynomials up to some t only; beyond, N is infinite.
    """
    low, high = 0.0, math.pi  # N is too large at the angle low, too small at high
    closed = (boroczky(n, program.d), levenshtein(n, program.d))
    theta = min((bound.angle for bound in closed if bound is not None), default=0.5 * math.pi)
    accuracy, nearest = 1e-3, None
    for _ in range(100):
        t = math.cos(theta)
        solution = program.solve(t, accuracy)
        if solution is None or solution.least > n:
            low = theta
        elif solution.points < n:
            high = theta
        elif accuracy == 0.0:
            return t, solution  # as near as float64 can tell
        else:
            accuracy = 0.0  # on which side, a more accurate polynomial will tell
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
