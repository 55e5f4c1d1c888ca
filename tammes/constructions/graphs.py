"""Spherical codes of strongly regular graphs and of elliptic quadrics, and Smith's 40 points.

A strongly regular graph with least eigenvalue s of multiplicity m gives points in R^m: the projections of the unit
vectors to that eigenspace, normalised. Adjacent vertices are at cosine s/k < 0, the others at -(1 + s)/(n - k - 1).

References: P. Delsarte, J. M. Goethals and J. J. Seidel, Spherical codes and designs, 1977; A. E. Brouwer
and H. Van Maldeghem, Strongly Regular Graphs, 2022, chapter 10.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, normalize_rows
from tammes.constructions.binary_codes import golay_octads
from tammes.constructions.finite_fields import field_tables
from tammes.constructions.vertex_figure import unit_rows

__all__ = [
    "gewirtz",
    "gewirtz_graph",
    "higman_sims",
    "higman_sims_graph",
    "hoffman_singleton",
    "hoffman_singleton_graph",
    "lowest_eigenspace",
    "m22",
    "m22_graph",
    "quadric",
    "quadric_graph",
    "smith_40",
]

Graph = NDArray[np.bool_]
"""Adjacency matrix, symmetric, False on the diagonal, shape `(n, n)`."""


def lowest_eigenspace(adjacency: Graph) -> Floats:
    """Return the projections of the unit vectors to the eigenspace of the least eigenvalue, normalised.

    Args:
        adjacency: of a graph whose vertices have projections of the same length, such as a strongly regular graph,
            shape `(n, n)`.

    Returns:
        `(n, m)`: unit rows, m the multiplicity of the least eigenvalue.
    """
    values, vectors = np.linalg.eigh(adjacency.astype(np.float64))
    rows = vectors[:, values < values[0] + 1e-6]  # eigenvalues of a strongly regular graph are far apart
    return normalize_rows(rows)


# --- graphs of the Golay code ---------------------------------------------------------------------


@functools.cache
def _hexads() -> NDArray[np.bool_]:
    """Return the 77 blocks of S(3, 6, 22), shape `(77, 22)`, read-only: octads through two points, without these."""
    octads = golay_octads()
    blocks = octads[(octads[:, -2:] == 1).all(axis=1), :-2].astype(bool)
    blocks.setflags(write=False)
    return blocks


def _disjoint(blocks: NDArray[np.bool_]) -> Graph:
    """Return the graph of the blocks, adjacent when they are disjoint."""
    sizes = blocks.astype(np.int64)
    return np.asarray(sizes @ sizes.T == 0)


def m22_graph() -> Graph:
    """Return the M22 graph, srg(77, 16, 0, 4): the blocks of S(3, 6, 22), adjacent when disjoint."""
    return _disjoint(_hexads())


def m22() -> Floats:
    """Return 77 points of R^21, maximal cosine 1/12: the code of the M22 graph."""
    return lowest_eigenspace(m22_graph())


def gewirtz_graph() -> Graph:
    """Return the Gewirtz graph, srg(56, 10, 0, 2): the blocks of the M22 graph that avoid one point."""
    blocks = _hexads()
    return _disjoint(blocks[~blocks[:, 0]])


def gewirtz() -> Floats:
    """Return 56 points of R^20, maximal cosine 1/15: the code of the Gewirtz graph."""
    return lowest_eigenspace(gewirtz_graph())


def higman_sims_graph() -> Graph:
    """Return the Higman-Sims graph, srg(100, 22, 0, 6).

    Its vertices are one further vertex, the 22 points and the 77 blocks of S(3, 6, 22). The first is adjacent to all
    points, a point to the blocks that contain it, a block to the blocks disjoint from it.

    References: D. G. Higman and C. C. Sims, A simple group of order 44,352,000, 1968.
    """
    blocks = _hexads()
    graph = np.zeros((100, 100), dtype=bool)
    graph[0, 1:23] = graph[1:23, 0] = True
    graph[23:, 1:23], graph[1:23, 23:] = blocks, blocks.T
    graph[23:, 23:] = m22_graph()
    return graph


def higman_sims() -> Floats:
    """Return 100 points of R^22, maximal cosine 1/11: the code of the Higman-Sims graph."""
    return lowest_eigenspace(higman_sims_graph())


def hoffman_singleton_graph() -> Graph:
    """Return the Hoffman-Singleton graph, srg(50, 7, 0, 1): pentagons P_h, pentagrams Q_i, P_h(j) beside Q_i(hi + j).

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
    """Return 50 points of R^21, maximal cosine 1/21: the code of the Hoffman-Singleton graph."""
    return lowest_eigenspace(hoffman_singleton_graph())


# --- elliptic quadrics ------------------------------------------------------------------------------


def quadric_graph(q: int) -> Graph:
    """Return the graph of the elliptic quadric Q-(5, q): its points, adjacent when they lie on a common line of it.

    The points are the singular points of x0 x1 + x2 x3 + N(x4, x5) over GF(q), N(x, y) = x^2 + xy + r y^2 without
    zeros; they are adjacent when orthogonal. This is a generalized quadrangle of order (q, q^2), so the graph is
    srg(n, q(q^2 + 1), q - 1, q^2 + 1) with n = (q + 1)(q^3 + 1).

    Args:
        q: 2, 3, 4 or 5.

    Returns:
        `(n, n)`: 27, 112, 325 or 756 points.

    Raises:
        InvalidParameterError: for other q.
    """
    if q not in (2, 3, 4, 5):
        raise InvalidParameterError("q", "2, 3, 4 or 5", q)
    add, times = field_tables(q)
    r = next(r for r in range(1, q) if all(add[add[times[t, t], t], r] for t in range(q)))

    def form(x: NDArray[np.int64]) -> NDArray[np.int64]:
        """Evaluate x0 x1 + x2 x3 + x4^2 + x4 x5 + r x5^2."""
        y, z = x[..., 4], x[..., 5]
        norm = add[add[times[y, y], times[y, z]], times[r, times[z, z]]]
        return np.asarray(add[add[times[x[..., 0], x[..., 1]], times[x[..., 2], x[..., 3]]], norm])

    vectors = np.array(list(itertools.product(range(q), repeat=6)))[1:]
    leading = vectors[np.arange(len(vectors)), (vectors != 0).argmax(axis=1)]
    points = vectors[(leading == 1) & (form(vectors) == 0)]  # one vector for each projective point
    # Two singular vectors are orthogonal if and only if their sum is singular.
    graph = form(add[points[:, None, :], points[None, :, :]]) == 0  # (n, n)
    np.fill_diagonal(graph, val=False)
    return np.asarray(graph)


def quadric(q: int) -> Floats:
    """Return (q + 1)(q^3 + 1) points of R^(q(q^2 - q + 1)), maximal cosine 1/q^2: the code of the quadric Q-(5, q).

    They are sharp codes: 27 in R^6, 112 in R^21, 325 in R^52, 756 in R^105.

    Args:
        q: 2, 3, 4 or 5.

    Raises:
        InvalidParameterError: for other q.

    References: P. J. Cameron, J. M. Goethals and J. J. Seidel, Strongly regular graphs having strongly
        regular subconstituents, 1978.
    """
    return lowest_eigenspace(quadric_graph(q))


# --- R^10 -------------------------------------------------------------------------------------------


def smith_40() -> Floats:
    """Return W. D. Smith's 40 points of R^10, maximal cosine 1/6, conjectured to be universally optimal.

    The coordinates are the ten edges of K5. In the regular tournament on its five vertices, i beats i + 1 and i + 2.
    For each vertex i there are eight sign vectors on the six edges that avoid i: those for which, for each other
    vertex j, the signs of the triangle that avoids i and j multiply to +1 if i beats j, and to -1 otherwise.

    References: B. Ballinger et al., Experimental study of energy-minimizing point configurations on spheres,
        2009, section 3.
    """
    edges = list(itertools.combinations(range(5), 2))
    rows = []
    for i in range(5):
        support = [k for k, edge in enumerate(edges) if i not in edge]
        for signs in itertools.product((1, -1), repeat=6):
            row = np.zeros(10)
            row[support] = signs
            if all(_triangle_sign(row, edges, i, j) == _tournament_sign(i, j) for j in range(5) if j != i):
                rows.append(row)
    return unit_rows(np.stack(rows))


def _tournament_sign(i: int, j: int) -> int:
    """Return 1 if i beats j in the regular tournament on five vertices, else -1."""
    return 1 if (j - i) % 5 in (1, 2) else -1


def _triangle_sign(row: Floats, edges: list[tuple[int, int]], i: int, j: int) -> float:
    """Return the product of the entries on the triangle that avoids the vertices i and j."""
    return float(np.prod([row[k] for k, edge in enumerate(edges) if i not in edge and j not in edge]))
