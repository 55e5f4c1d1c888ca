"""Root systems, and the sharp codes that E8 holds as successive vertex figures.

Every root system gives maximal cosine 1/2. References: J. H. Conway and N. J. A. Sloane, Sphere Packings,
Lattices and Groups, chapter 4; H. Cohn and A. Kumar, Universally optimal distribution of points on
spheres, 2007, Table 1.
"""

from __future__ import annotations

import itertools

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.constructions.closed_forms import check_size
from tammes.constructions.polytopes import check_room, demicube, unit_rows, vertex_figure

__all__ = [
    "clebsch",
    "gosset",
    "petersen",
    "roots_a",
    "roots_d",
    "roots_e6",
    "roots_e7",
    "roots_e8",
    "schlaefli",
]

_FANO = [tuple(sorted((k % 7, (k + 1) % 7, (k + 3) % 7))) for k in range(7)]  # lines of the projective plane of order 2


def roots_a(d: int) -> Floats:
    """The d(d + 1) roots of A_d: differences of the vertices of a simplex, shape `(d(d + 1), d)`.

    e_i - e_j in R^(d+1), written in the Helmert basis of the hyperplane of coordinate sum 0: the basis
    vector k is k ones and -k, so the coordinates of e_i - e_j are differences of two of its entries.

    Raises:
        InvalidParameterError: if d is no integer of at least 2, or the points take more than 1 GiB.
    """
    _, d = check_size(2, d)
    check_room(d * (d + 1), d)
    k = np.arange(1, d + 1)
    vertices = np.where(np.arange(d + 1)[:, None] < k, 1.0, 0.0)  # (d + 1, d)
    vertices[k, k - 1] = -k
    vertices /= np.sqrt(k * (k + 1.0))
    i, j = np.nonzero(~np.eye(d + 1, dtype=bool))
    return unit_rows(vertices[i] - vertices[j])


def roots_d(d: int) -> Floats:
    """The 2d(d - 1) roots of D_d: (+-1, +-1, 0, ..., 0) in every order, shape `(2d(d - 1), d)`.

    D3 is the cuboctahedron, D4 the 24-cell; D5 is the best known kissing configuration of R^5.

    Raises:
        InvalidParameterError: if d is no integer of at least 3, or the points take more than 1 GiB.
    """
    _, d = check_size(2, d)
    if d < 3:
        raise InvalidParameterError("d", "an integer of at least 3 for the roots of D", d)
    check_room(2 * d * (d - 1), d)
    return unit_rows(_two_nonzero(d))


def _two_nonzero(d: int) -> Floats:
    """(+-1, +-1, 0, ..., 0) in every order, shape `(2d(d - 1), d)`."""
    i, j = np.triu_indices(d, 1)
    rows = np.zeros((4, len(i), d))
    for block, (a, b) in zip(rows, itertools.product((1.0, -1.0), repeat=2), strict=True):
        block[np.arange(len(i)), i], block[np.arange(len(i)), j] = a, b
    return np.asarray(rows.reshape(-1, d))


def _signed_supports(supports: list[tuple[int, ...]], d: int) -> Floats:
    """Rows with +-1 on one of the supports and 0 elsewhere, all signs."""
    size = len(supports[0])
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=size)))
    rows = np.zeros((len(supports), len(signs), d))
    for block, support in zip(rows, supports, strict=True):
        block[:, list(support)] = signs
    return np.asarray(rows.reshape(-1, d))


def roots_e8() -> Floats:
    """240 points of R^8, maximal cosine 1/2: the best kissing configuration, universally optimal.

    112 of (+-1, +-1, 0, ..., 0), and 128 of (+-1, ..., +-1)/2 with an even number of minus signs.
    """
    halves = np.sign(demicube(8))
    return unit_rows(np.concatenate([2.0 * _two_nonzero(8), halves]))


def roots_e7() -> Floats:
    """126 points of R^7, maximal cosine 1/2: the roots of E8 orthogonal to one root.

    In coordinates: 14 of (+-2, 0, ..., 0), and +-1 on the complements of the seven lines of the Fano plane.
    """
    complements = [tuple(sorted(set(range(7)) - set(line))) for line in _FANO]
    axes = np.concatenate([2.0 * np.eye(7), -2.0 * np.eye(7)])
    return unit_rows(np.concatenate([axes, _signed_supports(complements, 7)]))


def roots_e6() -> Floats:
    """72 points of R^6, maximal cosine 1/2: the roots of E7 orthogonal to a point of its dual, as Gosset's 56.

    The 56 are +-1 on the lines of the Fano plane; the roots of E7 orthogonal to one of them, in coordinates
    of the hyperplane that they span.
    """
    apex = np.zeros((1, 7))
    apex[0, list(_FANO[0])] = 1.0
    return vertex_figure(np.concatenate([unit_rows(apex), roots_e7()]), 0.0)


def gosset() -> Floats:
    """56 points of R^7, maximal cosine 1/3: the neighbours of a root of E8; 28 equiangular lines.

    In coordinates: +-1 on the seven lines of the Fano plane, all signs, over sqrt(3).
    """
    return unit_rows(_signed_supports(_FANO, 7))


def schlaefli() -> Floats:
    """27 points of R^6, maximal cosine 1/4: the vertex figure of Gosset's 56, the 27 lines on a cubic surface."""
    return vertex_figure(gosset(), 1.0 / 3.0)


def clebsch() -> Floats:
    """16 points of R^5, maximal cosine 1/5: the vertex figure of Schlaefli's 27, the demicube of R^5."""
    return vertex_figure(schlaefli(), 0.25)


def petersen() -> Floats:
    """10 points of R^4, maximal cosine 1/6: the vertex figure of Clebsch's 16; optimal.

    Cosines 1/6 to 6 points and -2/3 to 3: the edge midpoints of a simplex, adjacent at -2/3 as in the Petersen
    graph.

    References: C. Bachoc and F. Vallentin, Optimality and uniqueness of the (4, 10, 1/6) spherical code, 2009.
    """
    return vertex_figure(clebsch(), 0.2)
