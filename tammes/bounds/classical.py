"""Two bounds in closed form: Rankin's, attained for n <= 2d, and the area of the caps, which always holds."""

from __future__ import annotations

import math

from tammes.bounds.bound import Bound, check_size

__all__ = ["cap_area", "rankin"]


def rankin(n: int, d: int) -> Bound | None:
    """Rankin's bound: `cos phi >= -1/(n-1)` for n <= d + 1, `cos phi >= 0` for d + 1 < n <= 2d.

    Attained by the regular simplex and by points of the orthoplex.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound, or None for n > 2d, where it says nothing.

    Raises:
        InvalidParameterError: if n or d is not such an integer.

    References: R. A. Rankin, The closest packing of spherical caps in n dimensions, 1955.
    """
    n, d = check_size(n, d)
    if n > 2 * d:
        return None
    reference = "R. A. Rankin 1955"
    if n <= d + 1:
        formula = "cos phi >= -1 / (n - 1)"
        return Bound("rankin", math.acos(-1.0 / (n - 1)), reference, formula, "by the regular simplex")
    return Bound("rankin", 0.5 * math.pi, reference, "cos phi >= 0", "by points of the orthoplex")


def cap_area(n: int, d: int) -> Bound:
    """The n caps of half the minimal angle do not overlap, so their areas add up to at most the sphere's.

    A cap of angular radius a covers `I(sin^2 a; (d-1)/2, 1/2) / 2` of the sphere, with I the
    regularised incomplete beta function, so `I(sin^2(phi / 2); (d-1)/2, 1/2) <= 2 / n`. For d >= 3 and
    n >= 3 caps leave gaps, and the other bounds are smaller; this one is a plain check of them.
    Cost: microseconds, after loading SciPy.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound; it applies to every n and d. Relative error about 1e-14.

    Raises:
        InvalidParameterError: if n or d is not such an integer.

    References: C. E. Shannon, Probability of error for optimal codes in a Gaussian channel, 1959, eq. 21
        (area of a cap).

    Example:
        >>> round(cap_area(30, 3).degrees, 6)  # 4 asin(1 / sqrt(30))
        42.07894
    """
    from scipy.special import betainccinv, betaincinv

    n, d = check_size(n, d)
    # Each square from its own equation in 2 / n, so that neither loses digits where the other is near 1.
    sine = float(betaincinv(0.5 * (d - 1), 0.5, 2.0 / n))
    cosine = float(betainccinv(0.5, 0.5 * (d - 1), 2.0 / n))
    angle = 2.0 * math.atan2(math.sqrt(sine), math.sqrt(cosine))
    formula = "I(sin^2(phi/2); (d-1)/2, 1/2) <= 2 / n"
    attained = "n = 2, and the regular polygon in d = 2"
    return Bound("cap-area", angle, "the caps' areas; C. E. Shannon 1959", formula, attained)
