"""Levenshtein's universal bound: Delsarte's bound with the best polynomials of the smallest degree, in closed form."""

from __future__ import annotations

import math

from tammes.bounds.bound import Bound, angle_of, check_size

__all__ = ["LEVENSHTEIN_MAX_DEGREE", "half_degree", "levenshtein"]

LEVENSHTEIN_MAX_DEGREE = 1000
"""Largest k whose polynomials are evaluated: a Newton step takes a millisecond."""


def levenshtein(n: int, d: int) -> Bound | None:
    """Return Levenshtein's bound: the s with `L_m(d, s) = n`, the best that polynomials of degree m prove.

    It is attained by sharp codes: simplex, orthoplex, icosahedron, (27, 6), (56, 7), (240, 8), (196560, 24).
    In d = 2 it is the regular polygon. Cost: O(k) a Newton step, where k grows as n^(1/(d-1)).

    With P_k the Gegenbauer polynomial of R^d, P_k(1) = 1, and x = 1 - s:

        L_{2k-1} = C(k+d-3, k-1) [(2k+d-3)/(d-1) - (P_{k-1} - P_k) / (x P_k)]
        L_{2k}   = C(k+d-2, k) [(2k+d-1)/(d-1) - (2-x) (P_k - P_{k+1}) / (x (P_k + P_{k+1}))]

    L_m is the bound between the largest zeros of adjacent Jacobi polynomials. At these it takes the values D(d, m)
    and D(d, m+1), the sizes of tight designs, so m follows from n in integer arithmetic.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound; None where k would exceed `LEVENSHTEIN_MAX_DEGREE`: from about a million points in
        d = 3 and 6e8 in d = 4 on, where the simplex bound is smaller.

    Raises:
        InvalidParameterError: if n or d is not an integer from 2 to 10^15.

    References: V. I. Levenshtein, Designs as maximum codes in polynomial metric spaces, 1992;
        Universal bounds for codes and designs, 1998.
    """
    n, d = check_size(n, d)
    reference = "V. I. Levenshtein 1979"
    if d == 2:
        formula = "n <= L_m(d, cos phi)"
        return Bound("levenshtein", 2.0 * math.pi / n, reference, formula, "by the regular polygon")
    k = half_degree(n, d)
    if k > LEVENSHTEIN_MAX_DEGREE:
        return None
    even = n * (d - 1) > (2 * k + d - 1) * math.comb(k + d - 2, k)  # above D(d, 2k)
    scale = math.comb(k + d - 2, k) if even else math.comb(k + d - 3, k - 1)
    inner = 2 * k + d - 1 if even else 2 * k + d - 3
    # n / scale - inner / (d - 1), in integers until the last, correctly rounded division.
    weight = (n * (d - 1) - scale * inner) / (scale * (d - 1))
    formula = f"n <= L_{2 * k if even else 2 * k - 1}(d, cos phi)"
    attained = "by sharp codes: simplex, orthoplex, icosahedron, (27, 6), (240, 8), (196560, 24)"
    return Bound("levenshtein", angle_of(_levenshtein_versine(weight, k, d, even)), reference, formula, attained)


def half_degree(n: int, d: int) -> int:
    """Return the k for which Levenshtein's polynomial for n points in R^d, d >= 3, has degree 2k - 1 or 2k.

    It is the smallest with `n < D(d, 2k+1) = 2 C(k+d-1, k)`, or `LEVENSHTEIN_MAX_DEGREE + 1` if that is smaller.
    """
    k = 1
    tight = d  # C(k + d - 1, k)
    while n >= 2 * tight and k <= LEVENSHTEIN_MAX_DEGREE:
        k += 1
        tight = tight * (k + d - 1) // k
    return k


def _levenshtein_versine(weight: float, k: int, d: int, even: bool) -> float:
    """Return the x = 1 - s at which the k-th odd or even Levenshtein function equals n.

    Multiplied out, `L_m = n` is a polynomial equation in s whose zeros are all real (the nodes of Levenshtein's
    quadrature), s the largest. Newton's method from s = 1 is therefore monotone.
    """
    x = 0.0
    step = math.inf
    while step > 1e-10 * x:  # quadratic convergence: the next step is of the order of its square
        # The recursion runs on q_j = (P_{j-1} - P_j) / x, so that no digits cancel near s = 1.
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
            residual = q + weight * p
            slope = dq + weight * dp
        step = -residual / slope
        x += step
    return x
