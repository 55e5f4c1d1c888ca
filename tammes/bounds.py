"""Proven upper bounds on the minimal angle of n points on the unit sphere of R^d, in float64.

Three bounds, each strongest somewhere: Rankin's (n <= 2d, attained there), the simplex bound of
Fejes Toth and Boroczky (low dimensions, many points), Levenshtein's (high dimensions). They are
exact up to rounding: none lies below its exact value by more than about 1e-14 rad.

Everywhere n is the number of points and d the dimension, integers of at least 2; anything else
raises `InvalidParameterError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tammes.errors import InvalidParameterError

__all__ = ["BOROCZKY_MAX_DIMENSION", "Bound", "boroczky", "levenshtein", "rankin", "upper_bound"]

Floats = NDArray[np.float64]

BOROCZKY_MAX_DIMENSION = 64
"""Above, the simplex bound is not computed: Levenshtein's is smaller for every n of practical size."""

_NODES = 96  # Chebyshev nodes for Schlaefli's function: full precision up to the dimension above


@dataclass(frozen=True)
class Bound:
    """A proven upper bound: no n points have a minimal angle above `angle` (radians)."""

    name: str
    angle: float
    reference: str

    @property
    def degrees(self) -> float:
        """The bound in degrees."""
        return math.degrees(self.angle)


def upper_bound(n: int, d: int) -> Bound:
    """The smallest of the bounds in this module: Rankin's for n <= 2d, where it is attained.

    Cost: below 20 ms for d <= 32 and n <= 200,000; for d = 3 it grows as sqrt(n).

    Args:
        n: number of points, at least 2.
        d: dimension of the space, at least 2.

    Returns:
        The bound, with the name and reference of the one that is smallest.

    Raises:
        InvalidParameterError: if n or d is not an integer of at least 2.

    Example:
        >>> bound = upper_bound(120, 4)
        >>> bound.name, round(bound.degrees, 9)
        ('boroczky', 36.0)
    """
    exact = rankin(n, d)
    if exact is not None:
        return exact
    candidates = [boroczky(n, d), levenshtein(n, d)]
    return min((bound for bound in candidates if bound is not None), key=lambda bound: bound.angle)


def rankin(n: int, d: int) -> Bound | None:
    """Rankin's bound: `cos phi >= -1/(n-1)` for n <= d + 1, `cos phi >= 0` for d + 1 < n <= 2d.

    Attained by the regular simplex and by points of the orthoplex.

    Returns:
        The bound, or None for n > 2d, where it says nothing.

    References: R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955.
    """
    n, d = _integer("n", n), _integer("d", d)
    if n > 2 * d:
        return None
    angle = math.acos(-1.0 / (n - 1)) if n <= d + 1 else 0.5 * math.pi
    return Bound("rankin", angle, "R. A. Rankin 1955")


def lines(n: int, d: int) -> Bound:
    """The smallest bound at hand for codes made of n/2 pairs x, -x: on the angle between n/2 lines.

    With N = n/2 lines, `cos^2 phi >= (N - d) / (d (N - 1))` for N > d, and `cos^2 phi >= 1 / d` for
    N > d (d + 1) / 2; bounds on all codes hold as well.

    Raises:
        InvalidParameterError: if n is odd or below 4, or d is below 2.

    References: L. R. Welch 1974; J. H. Conway, R. H. Hardin, N. J. A. Sloane, Packing Lines, Planes,
        etc., 1996, Corollaries 5.2 and 5.3.

    Example:
        >>> bound = lines(32, 6)
        >>> bound.name, round(bound.degrees, 6)
        ('simplex bound of lines', 70.528779)
    """
    n, d = _integer("n", n), _integer("d", d)
    if n < 4 or n % 2:
        raise InvalidParameterError("n", "even and at least 4 for pairs x, -x", n)
    count, source = n // 2, "Conway, Hardin, Sloane 1996"
    found = [upper_bound(n, d)]
    if count > d:
        found.append(Bound("simplex bound of lines", math.acos(math.sqrt((count - d) / (d * (count - 1)))), source))
    if count > d * (d + 1) // 2:
        found.append(Bound("orthoplex bound of lines", math.acos(math.sqrt(1.0 / d)), source))
    return min(found, key=lambda bound: bound.angle)


def boroczky(n: int, d: int) -> Bound | None:
    """The simplex bound: no packing of equal caps is denser than d touching caps in their simplex.

    `n <= 2 F_{d-1}(a) / F_d(a)` with `sec 2a = sec phi + d - 2` and Schlaefli's function F. In d = 3
    this is Fejes Toth's `cos phi = (cot^2 w - 1) / 2` with `w = pi n / (6 (n - 2))`, in d = 2 the
    regular polygon. Attained by the tetrahedron, octahedron, icosahedron and 600-cell.

    Returns:
        The bound, named "polygon" in d = 2, "fejes-toth" in d = 3, "boroczky" above. None where it
        is not computed: n = 2 in d = 3; in d >= 4, n <= 2d, where Rankin's bound is attained, and
        d > `BOROCZKY_MAX_DIMENSION`.

    References: L. Fejes Toth 1943; K. Boroczky, Packing of spheres in spaces of constant curvature,
        1978; J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, 3rd ed., ch. 1.
    """
    n, d = _integer("n", n), _integer("d", d)
    if d == 2:
        return Bound("polygon", 2.0 * math.pi / n, "the n gaps on the circle add up to 2 pi")
    if d == 3:
        if n == 2:
            return None
        w, excess = math.pi * n / (6 * (n - 2)), math.pi / (3 * (n - 2))  # w = pi/6 + excess
        # 3 - cot^2 w, factored so that nothing cancels for large n.
        versine = math.sin(excess) * (math.sqrt(3.0) + 1.0 / math.tan(w)) / math.sin(w)
        return Bound("fejes-toth", _angle(versine), "L. Fejes Toth 1943")
    if n <= 2 * d or d > BOROCZKY_MAX_DIMENSION:
        return None
    return Bound("boroczky", _angle(_simplex_versine(n, d)), "K. Boroczky 1978")


def levenshtein(n: int, d: int) -> Bound:
    """Levenshtein's bound: the s with `L_m(d, s) = n`, the best that polynomials of degree m prove.

    Attained by sharp codes: simplex, orthoplex, icosahedron, (27, 6), (56, 7), (240, 8), (196560, 24).
    In d = 2 it is the regular polygon. Cost: O(k) a Newton step, where k grows as n^(1/(d-1)).

    With P_k the Gegenbauer polynomial of R^d, P_k(1) = 1, and x = 1 - s:

        L_{2k-1} = C(k+d-3, k-1) [(2k+d-3)/(d-1) - (P_{k-1} - P_k) / (x P_k)]
        L_{2k}   = C(k+d-2, k) [(2k+d-1)/(d-1) - (2-x) (P_k - P_{k+1}) / (x (P_k + P_{k+1}))]

    L_m holds between the largest zeros of adjacent Jacobi polynomials. There it takes the values
    D(d, m) and D(d, m+1), the sizes of tight designs, so m follows from n by integer arithmetic.

    Returns:
        The bound; it applies to every n and d.

    References: V. I. Levenshtein, Designs as maximum codes in polynomial metric spaces, 1992;
        Universal bounds for codes and designs, 1998.
    """
    n, d = _integer("n", n), _integer("d", d)
    reference = "V. I. Levenshtein 1979"
    if d == 2:
        return Bound("levenshtein", 2.0 * math.pi / n, reference)
    k = 1
    while n >= 2 * math.comb(k + d - 1, k):  # D(d, 2k+1)
        k += 1
    even = n * (d - 1) > (2 * k + d - 1) * math.comb(k + d - 2, k)  # above D(d, 2k)
    scale = math.comb(k + d - 2, k) if even else math.comb(k + d - 3, k - 1)
    inner = 2 * k + d - 1 if even else 2 * k + d - 3
    # n / scale - inner / (d - 1), in integers until the last, correctly rounded division.
    weight = (n * (d - 1) - scale * inner) / (scale * (d - 1))
    return Bound("levenshtein", _angle(_levenshtein_versine(weight, k, d, even)), reference)


def _integer(name: str, value: object) -> int:
    """The value as an int, after checking that it is an integer of at least 2."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
        raise InvalidParameterError(name, "an integer of at least 2", value)
    return int(value)


def _angle(versine: float) -> float:
    """The angle with `1 - cos phi = versine`, to full relative precision."""
    return 2.0 * math.asin(math.sqrt(min(1.0, 0.5 * versine)))


def _levenshtein_versine(weight: float, k: int, d: int, even: bool) -> float:
    """The x = 1 - s at which the k-th odd or even Levenshtein function takes its value.

    Multiplied out, `L_m = n` says that a polynomial vanishes whose zeros are all real (the nodes of
    Levenshtein's quadrature), s the largest. Newton's method from s = 1 is therefore monotone.
    """
    x, step = 0.0, math.inf
    while step > 1e-10 * x:  # a next step would be of the order of its square
        # q_j = (P_{j-1} - P_j) / x: differences as unknowns, so that nothing cancels near s = 1.
        p_last, p, q = 1.0, 1.0 - x, 1.0
        dp_last, dp, dq = 0.0, -1.0, 0.0
        for j in range(1, k + 1 if even else k):
            p_last, dp_last = p, dp
            q = (j * q + (2 * j + d - 2) * p) / (j + d - 2)
            dq = (j * dq + (2 * j + d - 2) * dp) / (j + d - 2)
            p, dp = p - x * q, dp - q - x * dq
        if even:
            residual = (2.0 - x) * q + weight * (p_last + p)
            slope = (2.0 - x) * dq - q + weight * (dp_last + dp)
        else:
            residual, slope = q + weight * p, dq + weight * dp
        step = -residual / slope
        x += step
    return x


def _simplex_versine(n: int, d: int) -> float:
    """The v = 1 - cos phi at which the simplex bound equals n, for n > 2d.

    Newton's method for log n as a function of log v, which is close to a straight line. The
    arguments of F_d and F_{d-1} in `_log_schlaefli` are sec phi - 1 = v / (1 - v) and sec phi.
    """
    target = math.log(n) - math.log(2 * d)
    v, step = 0.5, math.inf
    while abs(step) > 1e-9:  # a next step would be of the order of its square
        x, secant = v / (1.0 - v), 1.0 / (1.0 - v)
        above, above_slope = _log_schlaefli(d - 1, secant)
        below, below_slope = _log_schlaefli(d, x)
        slope = (above_slope - below_slope) * v * secant**2  # d log n / d log v, by dx/dv = secant^2
        step = (target - (above - below)) / slope
        v = min(v * math.exp(step), 0.5 * (1.0 + v))  # v < 1: the bound is 2d at v = 1
    return v


def _log_schlaefli(k: int, x: float) -> tuple[float, float]:
    """log(k! F_k(a)) and its derivative by x, where sec 2a = x + k - 1 and k >= 3.

    Schlaefli's recursion `F_k(a) = 2/pi int F_{k-2}(b) dtheta`, `sec 2b = sec 2theta - 2`, becomes

        F_k(x) = 1/pi int_0^x F_{k-2}(t) dt / ((t + k - 1) sqrt((t + k - 2)(t + k))):

    at one x, all k of a parity are nested integrals over the same interval. With y = t / (t + c) it
    is finite, and F_k = y^((k-1)/2) times a function f_k(y) that is analytic around [0, 1]; its
    nearest singularities, t = -1 and t = -k, are equally far away for c = sqrt(k). The integral then
    is `f_k(y) = int_0^1 r^((k-3)/2) g(r y) dr`, exact on polynomials. The factor k! keeps the values
    near 1, which is what they are at phi = 90 degrees.
    """
    c = math.sqrt(k)
    end = x / (x + c)
    nodes, analysis, _ = _chebyshev()
    y, at_end = end * nodes, analysis.sum(axis=0)  # T_j(1) = 1
    if k % 2:
        level, f = 1, np.ones_like(y)
    else:
        ratio = c * y / (1.0 - y + c * y)  # t / (1 + t)
        level, f = 2, np.arcsin(np.sqrt(0.5 * ratio)) / np.sqrt(y) * (4.0 / math.pi)  # 2 arcsec(1 + t) / pi
    while level < k:
        level += 2
        previous = f
        f = _integrator(level) @ (level * (level - 1) / math.pi * _kernel(level, c, y) * f)
    # By the recursion, F_k' is the integrand at the end, and dy/dx = (1 - y)^2 / c.
    scale = k * (k - 1) / math.pi * float(_kernel(k, c, np.array(end)))
    value = float(at_end @ f)
    slope = scale * float(at_end @ previous) / (value * end) * (1.0 - end) ** 2 / c
    return math.log(value) + 0.5 * (k - 1) * math.log(end), slope


def _kernel(k: int, c: float, y: Floats) -> Floats:
    """`dt/dy / ((t + k - 1) sqrt((t + k - 2)(t + k)))` at t = c y / (1 - y)."""
    rest = 1.0 - y
    a, b, e = (c * y + m * rest for m in (k - 1, k - 2, k))
    return np.asarray(c / (a * np.sqrt(b * e)))


@lru_cache(maxsize=1)
def _chebyshev() -> tuple[Floats, Floats, Floats]:
    """Chebyshev nodes in (0, 1), and the matrices values -> coefficients of T_j(2y - 1) -> values."""
    theta = (np.arange(_NODES) + 0.5) * math.pi / _NODES
    synthesis = np.cos(np.arange(_NODES) * (math.pi - theta[:, None]))
    analysis = (2.0 / _NODES) * synthesis.T
    analysis[0] *= 0.5
    return np.sin(0.5 * theta) ** 2, analysis, synthesis


@lru_cache(maxsize=BOROCZKY_MAX_DIMENSION)
def _integrator(k: int) -> Floats:
    """The matrix of `g -> int_0^1 r^(w-1) g(r y) dr`, w = (k-1)/2, on values at the nodes.

    The result f solves `y f' + w f = g`. As `(1 + u) T_j' = j (T_j + 2 T_{j-1} + ... + 2 T_1 + T_0)`,
    that is a triangular system in Chebyshev coefficients, and going down it damps errors.
    """
    _, analysis, synthesis = _chebyshev()
    solved = np.empty_like(analysis)
    tail = np.zeros(_NODES)  # sum of i f_i over i > j
    for j in range(_NODES - 1, -1, -1):
        solved[j] = (analysis[j] - (2.0 if j else 1.0) * tail) / (j + 0.5 * (k - 1))
        tail += j * solved[j]
    return np.asarray(synthesis @ solved)
