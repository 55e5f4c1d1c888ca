"""Spherical codes of strongly regular graphs, of quadrics, and of the Leech lattice; Smith's 40 points.

A strongly regular graph with least eigenvalue s of multiplicity m gives points in R^m: the projections of
the unit vectors to that eigenspace, normalised. Adjacent points are at cosine s/k, the others at
-(1 + s)/(n - k - 1): a few large negative cosines allow all others to be small.

References: P. Delsarte, J. M. Goethals and J. J. Seidel, Spherical codes and designs, 1977; A. E. Brouwer
and H. Van Maldeghem, Strongly Regular Graphs, 2022, chapter 10.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.constructions.binary import golay_octads, leech, leech_integers, multiply
from tammes.constructions.polytopes import unit_rows, vertex_figure

__all__ = [
    "gewirtz",
    "gewirtz_graph",
    "higman_sims",
    "higman_sims_graph",
    "hoffman_singleton",
    "hoffman_singleton_graph",
    "leech_162",
    "leech_552",
    "leech_891",
    "leech_4600",
    "lowest_eigenspace",
    "m22",
    "m22_graph",
    "mclaughlin",
    "quadric",
    "quadric_graph",
    "smith_40",
]

Graph = NDArray[np.bool_]
"""Adjacency matrix, symmetric, False on the diagonal, shape `(n, n)`."""


def lowest_eigenspace(adjacency: Graph) -> Floats:
    """The projections of the unit vectors to the eigenspace of the least eigenvalue, normalised.

    Args:
        adjacency: of a graph whose points all have projections of the same length, as of a strongly regular
            one, shape `(n, n)`.

    Returns:
        `(n, m)`: unit rows, m the multiplicity of the least eigenvalue.
    """
    values, vectors = np.linalg.eigh(adjacency.astype(np.float64))
    rows = vectors[:, values < values[0] + 1e-6]  # eigenvalues of a strongly regular graph are far apart
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


# --- graphs of the Golay code ---------------------------------------------------------------------


@functools.cache
def _hexads() -> NDArray[np.bool_]:
    """The 77 blocks of S(3, 6, 22), shape `(77, 22)`: octads through two points, these deleted. Read-only."""
    octads = golay_octads()
    blocks = octads[(octads[:, -2:] == 1).all(axis=1), :-2].astype(bool)
    blocks.setflags(write=False)
    return blocks


def _disjoint(blocks: NDArray[np.bool_]) -> Graph:
    """Blocks, adjacent when they are disjoint."""
    sizes = blocks.astype(np.int64)
    return np.asarray(sizes @ sizes.T == 0)


def m22_graph() -> Graph:
    """The 77 blocks of S(3, 6, 22), adjacent when disjoint: srg(77, 16, 0, 4)."""
    return _disjoint(_hexads())


def m22() -> Floats:
    """77 points of R^21, maximal cosine 1/12: the M22 graph."""
    return lowest_eigenspace(m22_graph())


def gewirtz_graph() -> Graph:
    """The 56 blocks of S(3, 6, 22) that miss one point, adjacent when disjoint: srg(56, 10, 0, 2)."""
    blocks = _hexads()
    return _disjoint(blocks[~blocks[:, 0]])


def gewirtz() -> Floats:
    """56 points of R^20, maximal cosine 1/15: the Gewirtz graph."""
    return lowest_eigenspace(gewirtz_graph())


def higman_sims_graph() -> Graph:
    """A point, the 22 points and the 77 blocks of S(3, 6, 22): srg(100, 22, 0, 6).

    The first is adjacent to the 22; these to the blocks that hold them; blocks to disjoint blocks.

    References: D. G. Higman and C. C. Sims, A simple group of order 44,352,000, 1968.
    """
    blocks = _hexads()
    graph = np.zeros((100, 100), dtype=bool)
    graph[0, 1:23] = graph[1:23, 0] = True
    graph[23:, 1:23], graph[1:23, 23:] = blocks, blocks.T
    graph[23:, 23:] = m22_graph()
    return graph


def higman_sims() -> Floats:
    """100 points of R^22, maximal cosine 1/11: the Higman-Sims graph."""
    return lowest_eigenspace(higman_sims_graph())


def hoffman_singleton_graph() -> Graph:
    """Five pentagons P_h and five pentagrams Q_i, P_h(j) adjacent to Q_i(hi + j): srg(50, 7, 0, 1).

    References: A. J. Hoffman and R. R. Singleton, On Moore graphs with diameters 2 and 3, 1960; the
        description is Robertson's.
    """
    graph = np.zeros((50, 50), dtype=bool)
    for h, j in itertools.product(range(5), repeat=2):
        graph[5 * h + j, 5 * h + (j + 1) % 5] = True
        graph[25 + 5 * h + j, 25 + 5 * h + (j + 2) % 5] = True
        for i in range(5):
            graph[5 * h + j, 25 + 5 * i + (h * i + j) % 5] = True
    return np.asarray(graph | graph.T)


def hoffman_singleton() -> Floats:
    """50 points of R^21, maximal cosine 1/21: the Hoffman-Singleton graph."""
    return lowest_eigenspace(hoffman_singleton_graph())


# --- elliptic quadrics ------------------------------------------------------------------------------


def _field(q: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tables of addition and multiplication of GF(q), q in 2, 3, 4, 5, each `(q, q)`."""
    a, b = np.meshgrid(np.arange(q), np.arange(q), indexing="ij")
    if q == 4:
        products = [[multiply(i, j, 2) for j in range(4)] for i in range(4)]
        return a ^ b, np.array(products, dtype=np.int64)
    return (a + b) % q, (a * b) % q


def quadric_graph(q: int) -> Graph:
    """Points of the elliptic quadric Q-(5, q), adjacent when they are on one of its lines.

    The singular points of x0 x1 + x2 x3 + N(x4, x5) over GF(q), N(x, y) = x^2 + xy + r y^2 without zeros;
    adjacent when orthogonal. A generalized quadrangle of order (q, q^2), so with n = (q + 1)(q^3 + 1),
    srg(n, q(q^2 + 1), q - 1, q^2 + 1).

    Args:
        q: 2, 3, 4 or 5.

    Returns:
        `(n, n)`: 27, 112, 325 or 756 points.

    Raises:
        InvalidParameterError: for other q.
    """
    if q not in (2, 3, 4, 5):
        raise InvalidParameterError("q", "2, 3, 4 or 5", q)
    add, times = _field(q)
    r = next(r for r in range(1, q) if all(add[add[times[t, t], t], r] for t in range(q)))

    def form(x: NDArray[np.int64]) -> NDArray[np.int64]:
        """x0 x1 + x2 x3 + x4^2 + x4 x5 + r x5^2."""
        y, z = x[..., 4], x[..., 5]
        norm = add[add[times[y, y], times[y, z]], times[r, times[z, z]]]
        return np.asarray(add[add[times[x[..., 0], x[..., 1]], times[x[..., 2], x[..., 3]]], norm])

    vectors = np.array(list(itertools.product(range(q), repeat=6)))[1:]
    leading = vectors[np.arange(len(vectors)), (vectors != 0).argmax(axis=1)]
    points = vectors[(leading == 1) & (form(vectors) == 0)]  # one vector a projective point
    # Both are singular: they are orthogonal exactly if their sum is singular too.
    graph = form(add[points[:, None, :], points[None, :, :]]) == 0  # (n, n)
    np.fill_diagonal(graph, val=False)
    return np.asarray(graph)


def quadric(q: int) -> Floats:
    """(q + 1)(q^3 + 1) points of R^(q(q^2 - q + 1)), maximal cosine 1/q^2: the quadric Q-(5, q).

    27 in R^6, 112 in R^21, 325 in R^52, 756 in R^105: sharp codes.

    Args:
        q: 2, 3, 4 or 5.

    Raises:
        InvalidParameterError: for other q.

    References: P. J. Cameron, J. M. Goethals and J. J. Seidel, Strongly regular graphs having strongly
        regular subconstituents, 1978.
    """
    return lowest_eigenspace(quadric_graph(q))


# --- inside the Leech lattice -----------------------------------------------------------------------


def leech_4600() -> Floats:
    """4600 points of R^23, maximal cosine 1/3: the neighbours of a minimal vector of the Leech lattice."""
    return vertex_figure(leech(), 0.5)


def leech_891() -> Floats:
    """891 points of R^22, maximal cosine 1/4: the vertex figure of the 4600."""
    return vertex_figure(leech_4600(), 1.0 / 3.0)


def leech_552() -> Floats:
    """552 points of R^23, maximal cosine 1/5: 276 equiangular lines, the most in R^23.

    With w of norm 6 in the Leech lattice, the minimal vectors x (norm 4) with x.w = 3, projected along w:
    x - w/2 of norm 5/2. As pairs x, w - x they are opposite.

    References: J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, chapter 10.
    """
    w = np.zeros((1, 24))
    w[0, 0], w[0, 1:] = 5.0, 1.0  # times sqrt(8): norm 25 + 23 = 48
    vectors = leech_integers()
    near = vectors[vectors @ w[0] == 24.0]
    units = np.concatenate([w / np.sqrt(48.0), near / np.sqrt(32.0)])
    return vertex_figure(units, 3.0 / np.sqrt(24.0))


def mclaughlin() -> Floats:
    """275 points of R^22, maximal cosine 1/6: the vertex figure of the 552, the McLaughlin graph."""
    return vertex_figure(leech_552(), 0.2)


def leech_162() -> Floats:
    """162 points of R^21, maximal cosine 1/7: the vertex figure of McLaughlin's 275."""
    return vertex_figure(mclaughlin(), 1.0 / 6.0)


# --- R^10 -------------------------------------------------------------------------------------------


def smith_40() -> Floats:
    """40 points of R^10, maximal cosine 1/6: W. D. Smith's code, conjectured universally optimal.

    In the regular tournament on five vertices i beats i + 1 and i + 2. The coordinates are the ten edges of
    K5. For each vertex i, the eight sign vectors on the six edges that avoid i such that, for each other
    vertex j, the signs of the triangle that avoids i and j multiply to +1 if i beats j, else to -1.

    References: B. Ballinger et al., Experimental study of energy-minimizing point configurations on spheres,
        2009, section 3.
    """
    edges = list(itertools.combinations(range(5), 2))
    rows = []
    for i in range(5):
        own = [k for k, edge in enumerate(edges) if i not in edge]
        for signs in itertools.product((1, -1), repeat=6):
            row = np.zeros(10)
            row[own] = signs
            triangles = (
                (j, np.prod([row[k] for k in own if j not in edges[k]])) for j in range(5) if j != i
            )  # the triangle avoiding i and j
            if all(product == (1 if (j - i) % 5 in (1, 2) else -1) for j, product in triangles):
                rows.append(row)
    return unit_rows(np.stack(rows))
