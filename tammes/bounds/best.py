"""The smallest of the closed bounds, for all codes and for antipodal codes."""

from __future__ import annotations

import math

from tammes.base.errors import InvalidParameterError
from tammes.bounds.bound import Bound, check_size
from tammes.bounds.levenshtein_bound import levenshtein
from tammes.bounds.rankin_bound import rankin
from tammes.bounds.simplex_bound import boroczky

__all__ = ["lines", "upper_bound"]


def upper_bound(n: int, d: int) -> Bound:
    """Return the smallest of the closed bounds: Rankin's for n <= 2d, where it is attained.

    Cost: below 20 ms for d <= 32 and n <= 200,000; for d = 3 it grows as sqrt(n) up to a million points.

    Args:
        n: number of points, 2 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The smallest bound, with its name and reference.

    Raises:
        InvalidParameterError: if n or d is not an integer from 2 to 10^15.

    Example:
        >>> bound = upper_bound(120, 4)
        >>> bound.name, round(bound.degrees, 9)
        ('boroczky', 36.0)
    """
    exact = rankin(n, d)
    if exact is not None:
        return exact
    # At least one of the two applies: the first up to d = 64; above, the polynomials of the second are short.
    candidates = [boroczky(n, d), levenshtein(n, d)]
    return min((bound for bound in candidates if bound is not None), key=lambda bound: bound.angle)


def lines(n: int, d: int) -> Bound:
    """Return the smallest known bound for antipodal codes: n/2 pairs x, -x, or the angle between n/2 lines.

    With N = n/2 lines, `cos^2 phi >= (N - d) / (d (N - 1))` for N > d, and `cos^2 phi >= 1 / d` for
    N > d (d + 1) / 2; bounds for all codes hold as well.

    Args:
        n: number of points, even, 4 to 10^15.
        d: dimension of the space, 2 to 10^15.

    Returns:
        The smallest bound, with its name and reference.

    Raises:
        InvalidParameterError: if n is odd or below 4, or n or d is out of range.

    References: L. R. Welch 1974; J. H. Conway, R. H. Hardin, N. J. A. Sloane, Packing Lines, Planes,
        etc., 1996, Corollaries 5.2 and 5.3.

    Example:
        >>> bound = lines(32, 6)
        >>> bound.name, round(bound.degrees, 6)
        ('simplex bound of lines', 70.528779)
    """
    n, d = check_size(n, d)
    if n < 4 or n % 2:
        raise InvalidParameterError("n", "even and at least 4 for pairs x, -x", n)
    count = n // 2
    source = "Conway, Hardin, Sloane 1996"
    found = [upper_bound(n, d)]
    if count > d:
        angle = math.acos(math.sqrt((count - d) / (d * (count - 1))))
        formula = "cos^2 phi >= (N - d) / (d (N - 1)), N = n / 2"
        found.append(Bound("simplex bound of lines", angle, source, formula, "by equiangular tight frames"))
    if count > d * (d + 1) // 2:
        angle = math.acos(math.sqrt(1.0 / d))
        formula = "cos^2 phi >= 1 / d"
        found.append(Bound("orthoplex bound of lines", angle, source, formula, "by mutually unbiased bases"))
    return min(found, key=lambda bound: bound.angle)
