"""Root systems, and the sharp codes that are successive vertex figures of E8.

Every root system gives maximal cosine 1/2. References: J. H. Conway and N. J. A. Sloane, Sphere Packings,
Lattices and Groups, chapter 4; H. Cohn and A. Kumar, Universally optimal distribution of points on
spheres, 2007, Table 1.
"""

from __future__ import annotations

import itertools

import numpy as np

from tammes.base.geometry import Floats
from tammes.base.validation import check_integer, check_size
from tammes.constructions.polytopes import demicube
from tammes.constructions.size_limit import check_room
from tammes.constructions.vertex_figure import unit_rows, vertex_figure

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

_FANO = [tuple(sorted((k % 7, (k + 1) % 7, (k + 3) % 7))) for k in range(7)]
"""Lines of the Fano plane, the projective plane of order 2."""


def roots_a(d: int) -> Floats:
    """Return the d(d + 1) roots of A_d, the differences of the vertices of a simplex, shape `(d(d + 1), d)`.

    They are the vectors e_i - e_j of R^(d+1) in the Helmert basis of the hyperplane of coordinate sum 0. The basis
    vector k is k ones and -k, so the coordinates of e_i - e_j are differences of two of its entries.

    Raises:
        InvalidParameterError: if d is not an integer of at least 2, or the points would take more than 1 GiB.
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
    """Return the 2d(d - 1) roots of D_d: (+-1, +-1, 0, ..., 0) in every order, shape `(2d(d - 1), d)`.

    D3 is the cuboctahedron, D4 the 24-cell; D5 is the best known kissing configuration of R^5.

    Raises:
        InvalidParameterError: if d is not an integer of at least 3, or the points would take more than 1 GiB.
    """
    d = check_integer("d", d, 3, purpose="for the roots of D")
    check_room(2 * d * (d - 1), d)
    return unit_rows(_two_nonzero(d))


def _two_nonzero(d: int) -> Floats:
    """Return (+-1, +-1, 0, ..., 0) in every order, shape `(2d(d - 1), d)`."""
    i, j = np.triu_indices(d, 1)
    rows = np.zeros((4, len(i), d))
    for block, (a, b) in zip(rows, itertools.product((1.0, -1.0), repeat=2), strict=True):
        block[np.arange(len(i)), i] = a
        block[np.arange(len(i)), j] = b
    return np.asarray(rows.reshape(-1, d))


def _signed_supports(supports: list[tuple[int, ...]], d: int) -> Floats:
    """Return the rows with +-1 on one of the supports, in all choices of signs, and 0 elsewhere."""
    size = len(supports[0])
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=size)))
    rows = np.zeros((len(supports), len(signs), d))
    for block, support in zip(rows, supports, strict=True):
        block[:, list(support)] = signs
    return np.asarray(rows.reshape(-1, d))


def roots_e8() -> Floats:
    """Return the roots of E8: 240 points of R^8, maximal cosine 1/2, universally optimal.

    They are 112 of (+-1, +-1, 0, ..., 0), and 128 of (+-1, ..., +-1)/2 with an even number of minus signs.
    """
    halves = np.sign(demicube(8))
    return unit_rows(np.concatenate([2.0 * _two_nonzero(8), halves]))


def roots_e7() -> Floats:
    """Return the roots of E7: 126 points of R^7, maximal cosine 1/2, the roots of E8 orthogonal to one of them.

    They are 14 of (+-2, 0, ..., 0), and +-1 on the complements of the seven lines of the Fano plane.
    """
    complements = [tuple(sorted(set(range(7)) - set(line))) for line in _FANO]
    axes = np.concatenate([2.0 * np.eye(7), -2.0 * np.eye(7)])
    return unit_rows(np.concatenate([axes, _signed_supports(complements, 7)]))


def roots_e6() -> Floats:
    """Return the roots of E6: 72 points of R^6, maximal cosine 1/2, the roots of E7 orthogonal to a point of `gosset`.

    The coordinates are those of the hyperplane that they span.
    """
    apex = np.zeros((1, 7))
    apex[0, list(_FANO[0])] = 1.0
    return vertex_figure(np.concatenate([unit_rows(apex), roots_e7()]), 0.0)


def gosset() -> Floats:
    """Return the Gosset polytope 3_21: 56 points of R^7, maximal cosine 1/3, the vertex figure of E8.

    They are +-1 on the seven lines of the Fano plane, all signs, over sqrt(3): 28 equiangular lines.
    """
    return unit_rows(_signed_supports(_FANO, 7))


def schlaefli() -> Floats:
    """Return the Schlaefli code: 27 points of R^6, maximal cosine 1/4, the vertex figure of `gosset`.

    Its points correspond to the 27 lines on a cubic surface.
    """
    return vertex_figure(gosset(), 1.0 / 3.0)


def clebsch() -> Floats:
    """Return the Clebsch code: 16 points of R^5, maximal cosine 1/5, the vertex figure of `schlaefli`; the demicube."""
    return vertex_figure(schlaefli(), 0.25)


def petersen() -> Floats:
    """Return the Petersen code: 10 points of R^4, maximal cosine 1/6, the vertex figure of `clebsch`; optimal.

    Each point is at cosine 1/6 to six others and at -2/3 to three, its neighbours in the Petersen graph. They are the
    midpoints of the edges of a simplex.

    References: C. Bachoc and F. Vallentin, Optimality and uniqueness of the (4, 10, 1/6) spherical code, 2009.
    """
    return vertex_figure(clebsch(), 0.2)
