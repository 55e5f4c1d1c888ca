"""Vertices of polytopes, and optimal codes of up to 24 points in R^3.

Coordinates are small integers, or numbers of a quadratic or cubic field, divided once by the length of the rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from tammes.base.geometry import Floats
from tammes.base.validation import check_integer, check_size
from tammes.constructions.size_limit import check_room
from tammes.constructions.vertex_figure import unit_rows

__all__ = [
    "cell_24",
    "cell_120",
    "cell_600",
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
]

_PHI = 0.5 * (1.0 + math.sqrt(5.0))


def _signed(values: Sequence[float]) -> list[tuple[float, ...]]:
    """Return `values` with every choice of signs of its nonzero entries."""
    return list(itertools.product(*((value, -value) if value else (value,) for value in values)))


def _even_permutations(d: int) -> list[tuple[int, ...]]:
    """Return the permutations of range(d) with an even number of inversions."""
    pairs = list(itertools.combinations(range(d), 2))
    even = []
    for order in itertools.permutations(range(d)):
        inversions = sum(order[i] > order[j] for i, j in pairs)
        if inversions % 2 == 0:
            even.append(order)
    return even


def _orbit(values: Sequence[float], orders: Iterable[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Return the distinct images of one row under the given permutations and all sign changes, in a fixed order."""
    rows = {tuple(values[k] for k in order): None for order in orders}
    return [image for row in rows for image in _signed(row)]


def _cyclic(*values: float) -> list[tuple[float, ...]]:
    """Return the images of a row of three under cyclic permutations and all sign changes."""
    return _orbit(values, [(0, 1, 2), (1, 2, 0), (2, 0, 1)])


# --- regular polytopes of every dimension -------------------------------------------------------


def hypercube(d: int) -> Floats:
    """Return the hypercube: the 2^d sign vectors over sqrt(d), shape `(2^d, d)`; maximal cosine (d - 2)/d.

    Raises:
        InvalidParameterError: if d is not an integer of at least 2, or the points would take more than 1 GiB.
    """
    _, d = check_size(2, d)
    check_room(1 << min(d, 60), d)
    bits = (np.arange(1 << d)[:, None] >> np.arange(d)) & 1  # (2^d, d)
    return unit_rows(1.0 - 2.0 * bits)


def demicube(d: int) -> Floats:
    """Return the demicube: the sign vectors with an even number of minus signs, over sqrt(d), shape `(2^(d-1), d)`.

    Maximal cosine (d - 4)/d. d = 3 is the tetrahedron, d = 4 the orthoplex, d = 5 the Clebsch code.

    Raises:
        InvalidParameterError: if d is not an integer of at least 3, or the points would take more than 1 GiB.
    """
    d = check_integer("d", d, 3, purpose="for a demicube")
    check_room(1 << min(d - 1, 60), d)
    bits = (np.arange(1 << (d - 1))[:, None] >> np.arange(d - 1)) & 1
    bits = np.concatenate([bits, bits.sum(axis=1, keepdims=True) & 1], axis=1)  # (2^(d-1), d)
    return unit_rows(1.0 - 2.0 * bits)


# --- R^3 ----------------------------------------------------------------------------------------


def tetrahedron() -> Floats:
    """Return the tetrahedron: 4 points, cosine -1/3, every second vertex of the cube."""
    return demicube(3)


def cube() -> Floats:
    """Return the cube: 8 points, maximal cosine 1/3. The square antiprism has a larger minimal angle."""
    return hypercube(3)


def octahedron() -> Floats:
    """Return the octahedron: 6 points, maximal cosine 0."""
    return np.concatenate([np.eye(3), -np.eye(3)])


def icosahedron() -> Floats:
    """Return the icosahedron: 12 points, maximal cosine 1/sqrt(5), the cyclic orders of (0, +-1, +-phi)."""
    return unit_rows(_cyclic(0.0, 1.0, _PHI))


def icosahedron_minus_1() -> Floats:
    """Return the icosahedron without a point: 11 points, maximal cosine 1/sqrt(5), optimal (Danzer 1963)."""
    return icosahedron()[:-1]


def dodecahedron() -> Floats:
    """Return the dodecahedron: 20 points, maximal cosine sqrt(5)/3.

    They are (+-1, +-1, +-1) and the cyclic orders of (0, +-1/phi, +-phi).
    """
    return unit_rows(_signed((1.0, 1.0, 1.0)) + _cyclic(0.0, 1.0 / _PHI, _PHI))


def snub_cube() -> Floats:
    """Return the snub cube: 24 points, maximal cosine 1 - (t^2 + 1)/(3t^2 + 2t + 2), t the tribonacci constant.

    They are the even permutations of (+-1, +-1/t, +-t) with an even number of plus signs, and the odd ones with an
    odd number.

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
    """Return k points at equal angles on the circle of latitude z = height, the first at azimuth `turn`."""
    azimuth = turn + 2.0 * math.pi * np.arange(k) / k
    radius = math.sqrt(1.0 - height * height)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), np.full(k, height)], axis=1)


def square_antiprism() -> Floats:
    """Return the square antiprism: 8 points, maximal cosine c = (2 sqrt(2) - 1)/7, optimal.

    Two squares at heights +-z, one turned by 45 degrees. The sides of a square are at cosine z^2, the edges between
    the squares at (1 - z^2)/sqrt(2) - z^2; both are c.

    References: K. Schuette and B. L. van der Waerden, Auf welcher Kugel haben 5, 6, 7, 8 oder 9 Punkte mit
        Mindestabstand Eins Platz?, 1951.
    """
    height = math.sqrt((2.0 * math.sqrt(2.0) - 1.0) / 7.0)
    return np.concatenate([_ring(4, height, 0.0), _ring(4, -height, 0.25 * math.pi)])


def tricapped_prism() -> Floats:
    """Return the tricapped trigonal prism: 9 points, maximal cosine 1/3, optimal.

    Two triangles at z^2 = 5/9, and three points on the equator between them.

    References: K. Schuette and B. L. van der Waerden, 1951.
    """
    height = math.sqrt(5.0) / 3.0
    third = math.pi / 3.0
    return np.concatenate([_ring(3, height, 0.0), _ring(3, -height, 0.0), _ring(3, 0.0, third)])


def _root(coefficients: Sequence[float], near: float) -> float:
    """Return the root of a polynomial next to `near`, by Newton's method, to the last digit."""
    slope = np.polyder(np.asarray(coefficients))
    for _ in range(20):
        near -= float(np.polyval(coefficients, near) / np.polyval(slope, near))
    return near


def schuette_7() -> Floats:
    """Return the optimal 7 points: maximal cosine c, the root 0.2101... of 3x^3 - 9x^2 - 3x + 1.

    A pole, a triangle at cosine c to it, and below it a triangle turned by 60 degrees whose sides are at cosine c.

    References: K. Schuette and B. L. van der Waerden, 1951.
    """
    c = _root([3.0, -9.0, -3.0, 1.0], 0.21)
    lower = -math.sqrt((2.0 * c + 1.0) / 3.0)  # (3 z^2 - 1)/2 = c
    return np.concatenate([[[0.0, 0.0, 1.0]], _ring(3, c, 0.0), _ring(3, lower, math.pi / 3.0)])


def danzer_10() -> Floats:
    """Return the optimal 10 points: maximal cosine c, the root 0.4043... of 7x^3 - 4x^2 - 2x + 1, symmetry C2v.

    Three pairs, of the forms (0, +-s, z) and (+-s, 0, z), and four points (+-x, +-y, z). The lowest pair (+-x, 0, z3)
    is at cosine c, so z3^2 = (1 + c)/2 and x^2 = (1 - c)/2. The four points are at cosine c along x, which gives the
    same x, and at cosine c to the lowest pair, which gives their z. The other two pairs follow from their contacts.

    References: L. Danzer, Finite point-sets on S^2 with minimum distance as large as possible, 1986
        (habilitation thesis of 1963).
    """
    c = _root([7.0, -4.0, -2.0, 1.0], 0.404)
    x = math.sqrt(0.5 * (1.0 - c))
    low = -math.sqrt(0.5 * (1.0 + c))
    z = (c - x * x) / low
    y = math.sqrt(1.0 - x * x - z * z)
    plane = x * x + z * z  # (side, 0, upper) solves side x + upper z = c; the upper of the two solutions
    upper = (c * z + x * math.sqrt(plane - c * c)) / plane
    side = (c - upper * z) / x
    across = c / upper  # (0, rise, across) is at cosine c to it
    rise = math.sqrt(1.0 - across * across)
    pairs = [(0.0, rise, across), (0.0, -rise, across), (side, 0.0, upper), (-side, 0.0, upper)]
    rows = [*pairs, (x, 0.0, low), (-x, 0.0, low), *((u, v, z) for u in (x, -x) for v in (y, -y))]
    return np.asarray(rows)


# --- R^4 ----------------------------------------------------------------------------------------


def cell_24() -> Floats:
    """Return the 24-cell: 24 points of R^4, maximal cosine 1/2, all orders of (+-1, +-1, 0, 0): the roots of D4."""
    return unit_rows(_orbit((1.0, 1.0, 0.0, 0.0), itertools.permutations(range(4))))


def cell_600() -> Floats:
    """Return the 600-cell: 120 points of R^4, maximal cosine (1 + sqrt(5))/4, the unit icosians.

    They are the 8 axes, 16 of (+-1, +-1, +-1, +-1)/2, and the 96 even permutations of (+-phi, +-1, +-1/phi, 0)/2.

    References: H. S. M. Coxeter, Regular Polytopes, section 8.7.
    """
    axes = _orbit((2.0, 0.0, 0.0, 0.0), itertools.permutations(range(4)))
    mixed = _orbit((_PHI, 1.0, 1.0 / _PHI, 0.0), _even_permutations(4))
    return unit_rows(axes + _signed((1.0, 1.0, 1.0, 1.0)) + mixed)


def cell_120() -> Floats:
    """Return the 120-cell: 600 points of R^4, maximal cosine (1 + 3 sqrt(5))/8, the facet centres of the 600-cell.

    References: H. S. M. Coxeter, Regular Polytopes, section 8.7.
    """
    phi = _PHI
    root = math.sqrt(5.0)
    every = list(itertools.permutations(range(4)))
    even = _even_permutations(4)
    rows = _orbit((0.0, 0.0, 2.0, 2.0), every)  # 24
    for row in ((1.0, 1.0, 1.0, root), (phi**-2, phi, phi, phi), (1.0 / phi, 1.0 / phi, 1.0 / phi, phi**2)):
        rows += _orbit(row, every)  # 64 each
    for row in ((0.0, phi**-2, 1.0, phi**2), (0.0, 1.0 / phi, phi, root), (1.0 / phi, 1.0, phi, 2.0)):
        rows += _orbit(row, even)  # 96, 96, 192
    return unit_rows(rows)
