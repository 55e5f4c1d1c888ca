"""Vertices of polytopes and small optimal codes of the sphere, and the vertex figure of any code.

Coordinates are small integers, or numbers of one quadratic or cubic field, divided once by the length of
the rows. Each code is tested by its distances, counted from every point.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.constructions.closed_forms import check_size

__all__ = [
    "LARGEST",
    "cell_24",
    "cell_120",
    "cell_600",
    "check_room",
    "cube",
    "danzer_10",
    "demicube",
    "dodecahedron",
    "hypercube",
    "icosahedron",
    "icosahedron_minus_1",
    "octahedron",
    "schuette_7",
    "snub_cube",
    "square_antiprism",
    "tetrahedron",
    "tricapped_prism",
    "unit_rows",
    "vertex_figure",
]

LARGEST = 1 << 30
"""Bytes of the largest array of points that is built: 1 GiB."""

_PHI = 0.5 * (1.0 + math.sqrt(5.0))


def check_room(n: int, d: int, name: str = "d") -> None:
    """Refuse a code before any work whose points alone take more than `LARGEST` bytes.

    Args:
        n: number of points.
        d: dimension of the space.
        name: the parameter that asked for it, for the message.

    Raises:
        InvalidParameterError: with the memory that the points would need.
    """
    if 8 * n * d > LARGEST:
        need = 8 * n * d / 2**30
        size = f"{need:.1f} GiB" if need < 1e4 else f"10^{math.log10(need):.0f} GiB"
        value = d if name == "d" else n
        requirement = f"smaller: {n} points in R^{d} would take {size}, at most {LARGEST >> 30} GiB are built"
        raise InvalidParameterError(name, requirement, value)


def unit_rows(vectors: ArrayLike) -> Floats:
    """Rows of one length, given by integers or field elements, divided once by that length.

    Args:
        vectors: shape `(n, d)`, rows of equal length up to rounding.

    Returns:
        `(n, d)`: unit rows.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    return np.asarray(rows / math.sqrt(float(rows[0] @ rows[0])))


def vertex_figure(points: Floats, cosine: float, apex: int = 0) -> Floats:
    """The points at one cosine to a fixed point, seen from it: projected along it and normalised.

    y with y.x = c goes to (y - c x) / sqrt(1 - c^2), in coordinates of the hyperplane orthogonal to x: the
    Householder reflection that takes x to an axis, without that axis. Two points at cosine t go to
    (t - c^2) / (1 - c^2).

    Args:
        points: unit rows, shape `(n, d)`. Not modified.
        cosine: c, met to 1e-9.
        apex: index of the fixed point x.

    Returns:
        `(m, d - 1)`: unit rows, in the order of `points`.

    Raises:
        InvalidParameterError: if no point lies at that cosine, or it is not strictly between -1 and 1.

    References: H. Cohn and A. Kumar, Universally optimal distribution of points on spheres, 2007, section 4.

    Example:
        >>> vertex_figure(octahedron(), 0.0).shape
        (4, 2)
    """
    if not -1.0 < cosine < 1.0:
        raise InvalidParameterError("cosine", "strictly between -1 and 1", cosine)
    x = points[apex]
    near = points[np.abs(points @ x - cosine) < 1e-9]
    if not len(near):
        raise InvalidParameterError("cosine", "that of some point to the fixed one", cosine)
    mirror = x.copy()
    mirror[0] += math.copysign(1.0, x[0])
    image = near - np.outer(near @ mirror, mirror) * (2.0 / float(mirror @ mirror))
    return np.asarray(image[:, 1:] / math.sqrt(1.0 - cosine * cosine))


def _signed(values: Sequence[float]) -> list[tuple[float, ...]]:
    """`values` with every choice of signs of its entries that are not zero."""
    return list(itertools.product(*((value, -value) if value else (value,) for value in values)))


def _even_permutations(d: int) -> list[tuple[int, ...]]:
    """Permutations of range(d) with an even number of inversions."""
    orders = itertools.permutations(range(d))
    return [p for p in orders if sum(p[i] > p[j] for i, j in itertools.combinations(range(d), 2)) % 2 == 0]


def _orbit(values: Sequence[float], orders: Iterable[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Distinct rows that signs and the given permutations make of one row, in a fixed order."""
    rows = {tuple(values[k] for k in order): None for order in orders}
    return [image for row in rows for image in _signed(row)]


def _cyclic(*values: float) -> list[tuple[float, ...]]:
    """A row of three with all signs in its three cyclic orders."""
    return _orbit(values, [(0, 1, 2), (1, 2, 0), (2, 0, 1)])


# --- regular polytopes of every dimension -------------------------------------------------------


def hypercube(d: int) -> Floats:
    """The 2^d sign vectors over sqrt(d), shape `(2^d, d)`; maximal cosine (d - 2)/d.

    Raises:
        InvalidParameterError: if d is no integer of at least 2, or the points take more than `LARGEST` bytes.
    """
    _, d = check_size(2, d)
    check_room(1 << min(d, 60), d)
    bits = (np.arange(1 << d)[:, None] >> np.arange(d)) & 1  # (2^d, d)
    return unit_rows(1.0 - 2.0 * bits)


def demicube(d: int) -> Floats:
    """Every second vertex of the hypercube: an even number of minus signs, shape `(2^(d-1), d)`.

    Maximal cosine (d - 4)/d. d = 3 is the tetrahedron, d = 4 the orthoplex, d = 5 the Clebsch code.

    Raises:
        InvalidParameterError: if d is no integer of at least 3, or the points take more than `LARGEST` bytes.
    """
    _, d = check_size(2, d)
    if d < 3:
        raise InvalidParameterError("d", "an integer of at least 3 for a demicube", d)
    check_room(1 << min(d - 1, 60), d)
    bits = (np.arange(1 << (d - 1))[:, None] >> np.arange(d - 1)) & 1
    bits = np.concatenate([bits, bits.sum(axis=1, keepdims=True) & 1], axis=1)  # (2^(d-1), d)
    return unit_rows(1.0 - 2.0 * bits)


# --- R^3 ----------------------------------------------------------------------------------------


def tetrahedron() -> Floats:
    """4 points, cosine -1/3: every second vertex of the cube."""
    return demicube(3)


def cube() -> Floats:
    """8 points, maximal cosine 1/3; the square antiprism is better."""
    return hypercube(3)


def octahedron() -> Floats:
    """6 points, maximal cosine 0."""
    return np.concatenate([np.eye(3), -np.eye(3)])


def icosahedron() -> Floats:
    """12 points, maximal cosine 1/sqrt(5): (0, +-1, +-phi) and its cyclic orders."""
    return unit_rows(_cyclic(0.0, 1.0, _PHI))


def icosahedron_minus_1() -> Floats:
    """11 points, maximal cosine 1/sqrt(5): no 11 points do better than 12 (Danzer 1963)."""
    return icosahedron()[:-1]


def dodecahedron() -> Floats:
    """20 points, maximal cosine sqrt(5)/3: the cube, and (0, +-1/phi, +-phi) in its cyclic orders."""
    return unit_rows(_signed((1.0, 1.0, 1.0)) + _cyclic(0.0, 1.0 / _PHI, _PHI))


def snub_cube() -> Floats:
    """24 points, maximal cosine 1 - (t^2 + 1)/(3t^2 + 2t + 2), t the tribonacci constant.

    (+-1, +-1/t, +-t): even permutations with an even number of plus signs, odd ones with an odd number.

    References: R. M. Robinson, Arrangement of 24 points on a sphere, 1961.
    """
    root = math.sqrt(33.0)
    t = (1.0 + math.cbrt(19.0 + 3.0 * root) + math.cbrt(19.0 - 3.0 * root)) / 3.0
    values = (1.0, 1.0 / t, t)
    even = set(_even_permutations(3))
    rows = []
    for order in itertools.permutations(range(3)):
        for row in _signed([values[k] for k in order]):
            if sum(value > 0.0 for value in row) % 2 == (order not in even):
                rows.append(row)
    return unit_rows(rows)


def _ring(k: int, height: float, turn: float) -> Floats:
    """k points at equal angles on the circle of latitude z = height, the first at azimuth `turn`."""
    azimuth = turn + 2.0 * math.pi * np.arange(k) / k
    radius = math.sqrt(1.0 - height * height)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), np.full(k, height)], axis=1)


def square_antiprism() -> Floats:
    """8 points, maximal cosine c = (2 sqrt(2) - 1)/7: two squares at z^2 = c, one turned by 45 degrees.

    The sides of a square are at cosine z^2, the others at (1 - z^2)/sqrt(2) - z^2; both are c.

    References: K. Schuette and B. L. van der Waerden, Auf welcher Kugel haben 5, 6, 7, 8 oder 9 Punkte mit
        Mindestabstand Eins Platz?, 1951.
    """
    height = math.sqrt((2.0 * math.sqrt(2.0) - 1.0) / 7.0)
    return np.concatenate([_ring(4, height, 0.0), _ring(4, -height, 0.25 * math.pi)])


def tricapped_prism() -> Floats:
    """9 points, maximal cosine 1/3: triangles at z^2 = 5/9, and three points of the equator between them.

    References: K. Schuette and B. L. van der Waerden, 1951.
    """
    height = math.sqrt(5.0) / 3.0
    third = math.pi / 3.0
    return np.concatenate([_ring(3, height, 0.0), _ring(3, -height, 0.0), _ring(3, 0.0, third)])


def _root(coefficients: Sequence[float], near: float) -> float:
    """The root of a polynomial next to `near`, to the last digit: Newton's method."""
    slope = np.polyder(np.asarray(coefficients))
    for _ in range(20):
        near -= float(np.polyval(coefficients, near) / np.polyval(slope, near))
    return near


def schuette_7() -> Floats:
    """7 points, maximal cosine c the root 0.2101... of 3x^3 - 9x^2 - 3x + 1.

    A pole; a triangle at cosine c to it; below, a triangle turned by 60 degrees, its sides at cosine c too.

    References: K. Schuette and B. L. van der Waerden, 1951.
    """
    c = _root([3.0, -9.0, -3.0, 1.0], 0.21)
    lower = -math.sqrt((2.0 * c + 1.0) / 3.0)  # (3 z^2 - 1)/2 = c
    return np.concatenate([[[0.0, 0.0, 1.0]], _ring(3, c, 0.0), _ring(3, lower, math.pi / 3.0)])


def danzer_10() -> Floats:
    """10 points, maximal cosine c the root 0.4043... of 7x^3 - 4x^2 - 2x + 1; symmetry C2v.

    Pairs (0, +-s, z) and (+-s, 0, z), and the four (+-x, +-y, z). With the pair (+-x, 0, z3) below them at
    cosine c, z3^2 = (1 + c)/2 and x^2 = (1 - c)/2; the four are at c along x, which gives the same x, and to
    that pair, which gives their z; the others follow contact by contact.

    References: L. Danzer, Finite point-sets on S^2 with minimum distance as large as possible, 1986
        (habilitation thesis of 1963).
    """
    c = _root([7.0, -4.0, -2.0, 1.0], 0.404)
    x, low = math.sqrt(0.5 * (1.0 - c)), -math.sqrt(0.5 * (1.0 + c))
    z = (c - x * x) / low
    y = math.sqrt(1.0 - x * x - z * z)
    plane = x * x + z * z  # (s, 0, t) with s x + t z = c, the upper of the two
    upper = (c * z + x * math.sqrt(plane - c * c)) / plane
    side = (c - upper * z) / x
    across = c / upper  # (0, s, t) at cosine c to it
    rise = math.sqrt(1.0 - across * across)
    pairs = [(0.0, rise, across), (0.0, -rise, across), (side, 0.0, upper), (-side, 0.0, upper)]
    rows = [*pairs, (x, 0.0, low), (-x, 0.0, low), *((u, v, z) for u in (x, -x) for v in (y, -y))]
    return np.asarray(rows)


# --- R^4 ----------------------------------------------------------------------------------------


def cell_24() -> Floats:
    """24 points of R^4, maximal cosine 1/2: (+-1, +-1, 0, 0) in every order, the roots of D4."""
    return unit_rows(_orbit((1.0, 1.0, 0.0, 0.0), itertools.permutations(range(4))))


def cell_600() -> Floats:
    """120 points of R^4, maximal cosine (1 + sqrt(5))/4: the unit icosians.

    8 axes, 16 of (+-1, +-1, +-1, +-1)/2, and 96 even permutations of (+-phi, +-1, +-1/phi, 0)/2.

    References: H. S. M. Coxeter, Regular Polytopes, section 8.7.
    """
    axes = _orbit((2.0, 0.0, 0.0, 0.0), itertools.permutations(range(4)))
    mixed = _orbit((_PHI, 1.0, 1.0 / _PHI, 0.0), _even_permutations(4))
    return unit_rows(axes + _signed((1.0, 1.0, 1.0, 1.0)) + mixed)


def cell_120() -> Floats:
    """600 points of R^4, maximal cosine (1 + 3 sqrt(5))/8: the centres of the facets of the 600-cell.

    References: H. S. M. Coxeter, Regular Polytopes, section 8.7.
    """
    phi, every, even = _PHI, list(itertools.permutations(range(4))), _even_permutations(4)
    root = math.sqrt(5.0)
    rows = _orbit((0.0, 0.0, 2.0, 2.0), every)  # 24
    for row in ((1.0, 1.0, 1.0, root), (phi**-2, phi, phi, phi), (1.0 / phi, 1.0 / phi, 1.0 / phi, phi**2)):
        rows += _orbit(row, every)  # 64 each
    for row in ((0.0, phi**-2, 1.0, phi**2), (0.0, 1.0 / phi, phi, root), (1.0 / phi, 1.0, phi, 2.0)):
        rows += _orbit(row, even)  # 96, 96, 192
    return unit_rows(rows)
