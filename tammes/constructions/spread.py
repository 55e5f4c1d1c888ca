"""Evenly spread points of every size: the Fibonacci spiral in R^3, equal-area partitions in every dimension.

They take O(n d) time. Their minimal angle is below that of an optimised code; they serve as starts and for comparison.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from tammes.base.geometry import Floats
from tammes.base.validation import check_size
from tammes.constructions.size_limit import check_room

__all__ = ["equal_area", "fibonacci", "zones"]

_OFFSETS = ((24, 0.33), (177, 1.33), (890, 3.33), (11_000, 10.0), (39_000, 27.0), (600_000, 75.0))
"""Roberts's offsets: for n below the first number, the distance of the first point from the pole in steps of height."""


def fibonacci(n: int) -> Floats:
    """Return n points of R^3 on a spiral with equal steps of height and azimuths a golden angle apart.

    The heights are z_i = 1 - 2 (i + e) / (n - 1 + 2e), the azimuths 2 pi i / phi. In the canonical lattice e = 1/2, and
    its closest pairs are at the poles; a larger e moves points away from the poles, until the closest pairs are
    elsewhere.

    Args:
        n: number of points, at least 2.

    Returns:
        `(n, 3)`: unit rows from one pole to the other.

    Raises:
        InvalidParameterError: if n is not an integer of at least 2, or the points would take more than 1 GiB.

    References: M. Roberts, How to evenly distribute points on a sphere more effectively than the canonical
        Fibonacci lattice, 2020.
    """
    n, _ = check_size(n, 3)
    check_room(n, 3, "n")
    offset = next((offset for below, offset in _OFFSETS if n < below), 214.0)
    i = np.arange(n)
    z = 1.0 - 2.0 * (i + offset) / (n - 1 + 2.0 * offset)
    turns = i * (0.5 * (math.sqrt(5.0) - 1.0)) % 1.0
    radius = np.sqrt((1.0 - z) * (1.0 + z))
    azimuth = 2.0 * np.pi * turns
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)


def equal_area(n: int, d: int) -> Floats:
    """Return the centres of n regions of equal area and small diameter: Leopardi's recursive zonal partition.

    The sphere of R^d is divided into two polar caps and collars between parallels, each collar into regions
    by the same partition in R^(d-1). The last coordinate is the height. Cost: O(n d).

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2; on the circle a regular polygon.

    Returns:
        `(n, d)`: unit rows, collar after collar from the pole where the last coordinate is 1.

    Raises:
        InvalidParameterError: if n or d is not an integer of at least 2, or the points would take more than 1 GiB.

    References: P. Leopardi, A partition of the unit sphere into regions of equal area and small diameter,
        2006, section 3.
    """
    n, d = check_size(n, d)
    check_room(n, d, "n")
    return _centres(n, d, {})


def zones(n: int, d: int) -> tuple[Floats, list[int]]:
    """Return the zones of the partition: the colatitude of the lower boundary of each, and its number of regions.

    The polar caps are one region each. The collars between them have nearly the ideal height, and numbers of regions
    that are rounded so that the accumulated rounding error stays below one half.

    Args:
        n: number of regions, at least 2.
        d: dimension, at least 3.

    Returns:
        `(k,)` radians, increasing up to pi, and k counts that sum to n.
    """
    if n == 2:
        return np.array([0.5 * math.pi, math.pi]), [1, 1]
    polar = _colatitude(1.0 / n, d)
    total = math.log(2.0) + 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d)  # log of the sphere's area
    ideal = math.exp((total - math.log(n)) / (d - 1))  # side of a region
    collars = max(1, round((math.pi - 2.0 * polar) / ideal))
    height = (math.pi - 2.0 * polar) / collars
    below = [_fraction(polar + k * height, d) for k in range(collars + 1)]
    counts = [1]
    debt = 0.0  # accumulated rounding error
    for upper, lower in itertools.pairwise(below):
        wanted = n * (lower - upper)
        counts.append(round(wanted + debt))
        debt += wanted - counts[-1]
    counts.append(1)
    colatitudes = [_colatitude(float(share) / n, d) for share in np.cumsum(counts)[:-1]]
    return np.array([*colatitudes, math.pi]), counts


def _centres(n: int, d: int, known: dict[tuple[int, int], Floats]) -> Floats:
    """Return the centres of n regions in R^d; `known` caches partitions."""
    if (n, d) in known:
        return known[n, d]
    if d == 2:
        azimuth = (2.0 * np.arange(n) + 1.0) * (np.pi / n)
        points = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    elif n == 1:
        points = np.zeros((1, d))
        points[0, -1] = 1.0
    else:
        bounds, counts = zones(n, d)
        points = np.zeros((n, d))
        points[0, -1] = 1.0
        points[-1, -1] = -1.0
        start = 1
        turn = 0.0
        for k in range(1, len(counts) - 1):
            colatitude = 0.5 * (bounds[k - 1] + bounds[k])
            ring = points[start : start + counts[k]]
            ring[:, :-1] = math.sin(colatitude) * _turned(_centres(counts[k], d - 1, known), turn)
            ring[:, -1] = math.cos(colatitude)
            if d == 3:
                turn += _circle_offset(counts[k], counts[k + 1])
            start += counts[k]
    known[n, d] = points
    return points


def _turned(points: Floats, turn: float) -> Floats:
    """Return points of the circle rotated by a fraction of a whole turn; points of other dimensions unchanged."""
    if points.shape[1] != 2 or turn == 0.0:
        return points
    c = math.cos(2.0 * math.pi * turn)
    s = math.sin(2.0 * math.pi * turn)
    return np.asarray(points @ np.array([[c, s], [-s, c]]))


def _circle_offset(top: int, bottom: int) -> float:
    """Return the rotation between collars of `top` and `bottom` points that maximises the distance of their points."""
    return 0.5 * (1.0 / bottom - 1.0 / top) + math.gcd(top, bottom) / (2.0 * top * bottom)


def _fraction(colatitude: float, d: int) -> float:
    """Return the fraction of the sphere of R^d within an angle of the pole: I_x((d-1)/2, 1/2)/2 up to the equator."""
    if d == 3:
        return math.sin(0.5 * colatitude) ** 2
    from scipy.special import betainc

    half = 0.5 * float(betainc(0.5 * (d - 1), 0.5, math.sin(colatitude) ** 2))
    return half if colatitude <= 0.5 * math.pi else 1.0 - half


@functools.lru_cache(maxsize=4096)
def _colatitude(fraction: float, d: int) -> float:
    """Return the angle from the pole within which that fraction of the sphere lies."""
    if d == 3:
        return 2.0 * math.asin(math.sqrt(fraction))
    from scipy.special import betaincinv

    part = 2.0 * min(fraction, 1.0 - fraction)
    angle = math.asin(math.sqrt(float(betaincinv(0.5 * (d - 1), 0.5, part))))
    return angle if fraction <= 0.5 else math.pi - angle
