"""The bound by areas: n caps that do not overlap cover at most the sphere."""

from __future__ import annotations

import math

from tammes.bounds.bound import Bound, check_size

__all__ = ["cap_area"]


def cap_area(n: int, d: int) -> Bound:
    """Return the bound by areas: the n caps of half the minimal angle do not overlap.

    A cap of angular radius a covers the fraction `I(sin^2 a; (d-1)/2, 1/2) / 2` of the sphere, with I the
    regularised incomplete beta function, so `I(sin^2(phi / 2); (d-1)/2, 1/2) <= 2 / n`. For d >= 3 and n >= 3 the
    caps leave gaps, and the other bounds are smaller; this one serves as a check of them. Cost: microseconds,
    after SciPy is loaded.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The bound, for every n and d. Its relative error is about 1e-14.

    Raises:
        InvalidParameterError: if n or d is not an integer from 2 to 10^15.

    References: C. E. Shannon, Probability of error for optimal codes in a Gaussian channel, 1959, eq. 21
        (area of a cap).

    Example:
        >>> round(cap_area(30, 3).degrees, 6)  # 4 asin(1 / sqrt(30))
        42.07894
    """
    from scipy.special import betainccinv, betaincinv

    n, d = check_size(n, d)
    # sin^2 and cos^2 of the half-angle are solved for separately: 1 minus one of them would lose digits near 1.
    sine_squared = float(betaincinv(0.5 * (d - 1), 0.5, 2.0 / n))
    cosine_squared = float(betainccinv(0.5, 0.5 * (d - 1), 2.0 / n))
    angle = 2.0 * math.atan2(math.sqrt(sine_squared), math.sqrt(cosine_squared))
    formula = "I(sin^2(phi/2); (d-1)/2, 1/2) <= 2 / n"
    attained = "n = 2, and the regular polygon in d = 2"
    return Bound("cap-area", angle, "the caps' areas; C. E. Shannon 1959", formula, attained)
