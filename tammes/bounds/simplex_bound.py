"""The simplex bound of Fejes Toth and Boroczky, by Schlaefli's function."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tammes.bounds.bound import Bound, angle_of, check_size

__all__ = ["BOROCZKY_MAX_DIMENSION", "boroczky"]

Floats = NDArray[np.float64]

BOROCZKY_MAX_DIMENSION = 64
"""Largest d of `boroczky` above d = 3: beyond, Levenshtein's bound is smaller for every n of practical size."""

_NODES = 96  # Chebyshev nodes for Schlaefli's function: full precision up to the dimension above


def boroczky(n: int, d: int) -> Bound | None:
    """Return the simplex bound: no packing of equal caps is denser than d touching caps within their simplex.

    `n <= 2 F_{d-1}(a) / F_d(a)` with `sec 2a = sec phi + d - 2` and Schlaefli's function F. In d = 3
    this is Fejes Toth's `cos phi = (cot^2 w - 1) / 2` with `w = pi n / (6 (n - 2))`, in d = 2 the
    regular polygon. It is attained by the tetrahedron, octahedron, icosahedron and 600-cell.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound, named "polygon" in d = 2, "fejes-toth" in d = 3, "boroczky" above. None where it
        is not computed: n = 2 in d = 3; in d >= 4, n <= 2d, where Rankin's bound is attained, and
        d > `BOROCZKY_MAX_DIMENSION`.

    Raises:
        InvalidParameterError: if n or d is not an integer from 2 to 10^15.

    References: L. Fejes Toth 1943; K. Boroczky, Packing of spheres in spaces of constant curvature,
        1978; J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, 3rd ed., ch. 1.
    """
    n, d = check_size(n, d)
    if d == 2:
        reason = "the n gaps on the circle add up to 2 pi"
        return Bound("polygon", 2.0 * math.pi / n, reason, "phi <= 2 pi / n", "by the regular polygon")
    if d == 3:
        if n == 2:
            return None
        w = math.pi * n / (6 * (n - 2))
        excess = math.pi / (3 * (n - 2))  # w - pi/6
        # 1 - cos phi = (3 - cot^2 w) / 2, factored so that no digits cancel for large n.
        versine = math.sin(excess) * (math.sqrt(3.0) + 1.0 / math.tan(w)) / math.sin(w)
        formula = "cos phi >= (cot^2 w - 1) / 2, w = pi n / (6 (n - 2))"
        attained = "n = 3, 4, 6, 12: triangle, tetrahedron, octahedron, icosahedron"
        return Bound("fejes-toth", angle_of(versine), "L. Fejes Toth 1943", formula, attained)
    if n <= 2 * d or d > BOROCZKY_MAX_DIMENSION:
        return None
    formula = "n <= 2 F_{d-1}(a) / F_d(a), sec 2a = sec phi + d - 2"
    attained = "by the 600-cell (120 points in d = 4)"
    return Bound("boroczky", angle_of(_simplex_versine(n, d)), "K. Boroczky 1978", formula, attained)


def _simplex_versine(n: int, d: int) -> float:
    """Return the v = 1 - cos phi at which the simplex bound equals n, for n > 2d.

    Newton's method for log n as a function of log v, which is close to a straight line. The
    arguments of F_d and F_{d-1} in `_log_schlaefli` are sec phi - 1 = v / (1 - v) and sec phi.
    """
    target = math.log(n) - math.log(2 * d)
    v = 0.5
    step = math.inf
    while abs(step) > 1e-9:  # quadratic convergence: the next step is of the order of its square
        x = v / (1.0 - v)
        secant = 1.0 / (1.0 - v)
        above, above_slope = _log_schlaefli(d - 1, secant)
        below, below_slope = _log_schlaefli(d, x)
        slope = (above_slope - below_slope) * v * secant**2  # d log n / d log v, by dx/dv = secant^2
        step = (target - (above - below)) / slope
        v = min(v * math.exp(step), 0.5 * (1.0 + v))  # v < 1: the bound is 2d at v = 1
    return v


def _log_schlaefli(k: int, x: float) -> tuple[float, float]:
    """Return log(k! F_k(a)) and its derivative with respect to x, where sec 2a = x + k - 1 and k >= 3.

    Schlaefli's recursion `F_k(a) = 2/pi int F_{k-2}(b) dtheta`, `sec 2b = sec 2theta - 2`, becomes

        F_k(x) = 1/pi int_0^x F_{k-2}(t) dt / ((t + k - 1) sqrt((t + k - 2)(t + k))):

    for one x, the F_k of all k of one parity are nested integrals over the same interval. Substituting
    y = t / (t + c) makes the interval finite, and F_k = y^((k-1)/2) f_k(y) with f_k analytic around [0, 1]; its
    nearest singularities, t = -1 and t = -k, are equally far away for c = sqrt(k). The integral becomes
    `f_k(y) = int_0^1 r^((k-3)/2) g(r y) dr`, computed exactly for polynomials g. The factor k! keeps the values
    near 1; at phi = 90 degrees they are 1.
    """
    c = math.sqrt(k)
    end = x / (x + c)
    nodes, analysis, _ = _chebyshev()
    y = end * nodes
    at_end = analysis.sum(axis=0)  # values at the nodes -> value at the end, as T_j(1) = 1
    if k % 2:
        level = 1
        f = np.ones_like(y)
    else:
        ratio = c * y / (1.0 - y + c * y)  # t / (1 + t)
        level = 2
        f = np.arcsin(np.sqrt(0.5 * ratio)) / np.sqrt(y) * (4.0 / math.pi)  # 2 arcsec(1 + t) / pi
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
    """Return `dt/dy / ((t + k - 1) sqrt((t + k - 2)(t + k)))` at t = c y / (1 - y)."""
    rest = 1.0 - y
    # Each factor is multiplied by 1 - y: t + m = (c y + m (1 - y)) / (1 - y).
    middle = c * y + (k - 1) * rest
    lower = c * y + (k - 2) * rest
    upper = c * y + k * rest
    return np.asarray(c / (middle * np.sqrt(lower * upper)))


@lru_cache(maxsize=1)
def _chebyshev() -> tuple[Floats, Floats, Floats]:
    """Return Chebyshev nodes in (0, 1), and the matrices values -> coefficients of T_j(2y - 1) -> values."""
    theta = (np.arange(_NODES) + 0.5) * math.pi / _NODES
    synthesis = np.cos(np.arange(_NODES) * (math.pi - theta[:, None]))
    analysis = (2.0 / _NODES) * synthesis.T
    analysis[0] *= 0.5
    return np.sin(0.5 * theta) ** 2, analysis, synthesis


@lru_cache(maxsize=BOROCZKY_MAX_DIMENSION)
def _integrator(k: int) -> Floats:
    """Return the matrix of `g -> int_0^1 r^(w-1) g(r y) dr`, w = (k-1)/2, on values at the nodes.

    The result f solves `y f' + w f = g`. As `(1 + u) T_j' = j (T_j + 2 T_{j-1} + ... + 2 T_1 + T_0)`,
    this is a triangular system in Chebyshev coefficients; solving it from the highest downwards damps errors.
    """
    _, analysis, synthesis = _chebyshev()
    solved = np.empty_like(analysis)
    tail = np.zeros(_NODES)  # sum of i f_i over i > j
    for j in range(_NODES - 1, -1, -1):
        solved[j] = (analysis[j] - (2.0 if j else 1.0) * tail) / (j + 0.5 * (k - 1))
        tail += j * solved[j]
    return np.asarray(synthesis @ solved)
