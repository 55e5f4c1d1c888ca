"""Binary codes and spherical codes of their words: Golay, Kerdock, Nordstrom-Robinson shortened.

References: J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, chapters 5 and 11; A. R. Calderbank,
P. J. Cameron, W. M. Kantor and J. J. Seidel, Z4-Kerdock codes, orthogonal spreads, and extremal Euclidean line-sets,
1997.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.validation import check_size
from tammes.constructions.finite_fields import multiply, trace
from tammes.constructions.size_limit import check_room
from tammes.constructions.vertex_figure import unit_rows

__all__ = [
    "Bits",
    "binary_span",
    "golay_code",
    "golay_octads",
    "kerdock",
    "kerdock_forms",
    "kerdock_signs",
    "reed_muller_generators",
    "shortened_64",
]

Bits = NDArray[np.int8]
"""Words of zeros and ones, or signs."""


def binary_span(generators: Bits) -> Bits:
    """Return all sums of rows of a k x n matrix over GF(2), shape `(2^k, n)`."""
    k = len(generators)
    choices = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1
    return np.asarray(choices @ generators.astype(np.int64) & 1, dtype=np.int8)


# --- Golay --------------------------------------------------------------------------------------


@functools.cache
def golay_code() -> Bits:
    """Return the 4096 words of the extended binary Golay code, shape `(4096, 24)`, read-only.

    The cyclic shifts of the word of quadratic residues mod 23 generate it; the last coordinate makes weights even.
    """
    residues = sorted({k * k % 23 for k in range(1, 23)})  # 11 of them
    word = np.zeros(23, dtype=np.int8)
    word[residues] = 1  # its shifts generate the Golay code of length 23 and dimension 12
    shifts = np.stack([np.roll(word, k) for k in range(23)])
    basis = _row_basis(np.concatenate([shifts, shifts.sum(axis=1, keepdims=True) & 1], axis=1))
    words = binary_span(basis)
    words.setflags(write=False)
    return words


def _row_basis(rows: Bits) -> Bits:
    """Return independent rows over GF(2) with the same span, by Gaussian elimination."""
    rows = rows.copy()
    rank = 0
    for column in range(rows.shape[1]):
        pivots = np.flatnonzero(rows[rank:, column])
        if not len(pivots):
            continue
        pivot = rank + int(pivots[0])
        rows[[rank, pivot]] = rows[[pivot, rank]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != rank]] ^= rows[rank]
        rank += 1
    return np.asarray(rows[:rank])


@functools.cache
def golay_octads() -> Bits:
    """Return the 759 words of weight 8 of the Golay code, the Steiner system S(5, 8, 24): `(759, 24)`, read-only."""
    words = golay_code()
    octads = np.asarray(words[words.sum(axis=1) == 8])
    octads.setflags(write=False)
    return octads


def reed_muller_generators(m: int) -> Bits:
    """Return generators of the Reed-Muller code RM(1, m): 1 and the m coordinates as functions on GF(2)^m."""
    points = (np.arange(1 << m)[:, None] >> np.arange(m)) & 1  # (2^m, m)
    return np.concatenate([np.ones((1, 1 << m), dtype=np.int8), points.T.astype(np.int8)])


# --- Kerdock ------------------------------------------------------------------------------------


def kerdock_forms(m: int) -> Bits:
    """Return a Kerdock set: 2^(m-1) alternating forms on GF(2)^m with nonsingular differences.

    GF(2)^m is written as pairs (x, e) of GF(2^(m-1)) and GF(2). For each a of GF(2^(m-1)) the form is
    B_a((x, e), (y, f)) = Tr(a^2 x y) + Tr(a x) Tr(a y) + e Tr(a y) + f Tr(a x). Coordinate k < m - 1 is
    the coefficient of t^k of x, the last is e.

    Returns:
        `(2^(m-1), m, m)`: matrices over GF(2), the first one zero.

    Raises:
        InvalidParameterError: if m is not 2, 4, 6 or 8.

    References: A. M. Kerdock, A class of low-rate nonlinear binary codes, 1972. W. M. Kantor, Spreads,
        translation planes and Kerdock sets, 1982.
    """
    if m not in (2, 4, 6, 8):
        raise InvalidParameterError("m", "2, 4, 6 or 8", m)
    degree = m - 1
    forms = np.zeros((1 << degree, m, m), dtype=np.int8)
    for a, form in enumerate(forms):
        scaled = [multiply(a, 1 << k, degree) for k in range(degree)]  # a x for x = t^k
        traces = [trace(ax, degree) for ax in scaled]
        for i in range(degree):
            for j in range(degree):
                form[i, j] = trace(multiply(scaled[i], scaled[j], degree), degree) ^ (traces[i] & traces[j])
        form[degree, :degree] = form[:degree, degree] = traces
    return forms


def kerdock_signs(m: int) -> Bits:
    """Return the Kerdock code of length 2^m as signs, shape `(2^(2m), 2^m)`: RM(1, m) times each quadratic form."""
    points = (np.arange(1 << m)[:, None] >> np.arange(m)) & 1
    affine = 1 - 2 * binary_span(reed_muller_generators(m))  # (2^(m+1), 2^m)
    blocks = []
    for form in kerdock_forms(m):
        quadratic = np.einsum("pi,ij,pj->p", points, np.triu(form, 1).astype(np.int64), points) & 1
        blocks.append(affine * (1 - 2 * quadratic).astype(np.int8))
    return np.concatenate(blocks)


def kerdock(d: int) -> Floats:
    """Return d(d + 2) points of R^d, d = 4^k: d/2 + 1 orthogonal frames, maximal cosine 1/sqrt(d).

    They are the 2d points +-e_k and the d^2 sign vectors (-1)^(Q_a(x) + L(x) + c) / sqrt(d), x in GF(2)^m, d = 2^m,
    with Q_a the quadratic form of the upper triangle of B_a, L linear and c constant. Q_a + Q_b + L is bent, so rows
    of different forms are at cosine +-1/sqrt(d). For d = 4 this is the 24-cell.

    Args:
        d: 4, 16, 64 or 256 (130 MB).

    Returns:
        `(d(d + 2), d)`: unit rows, beginning with the frame of the axes.

    Raises:
        InvalidParameterError: for other d; for 1024 the points would take 8 GiB.

    References: V. I. Levenshtein, Bounds on the maximal cardinality of a code with bounded modulus of the
        inner product, 1982. H. Cohn, D. de Laat and N. Leijenhorst, Optimality of spherical codes via exact
        semidefinite programming bounds, 2024.
    """
    _, d = check_size(2, d)
    m = d.bit_length() - 1
    if d != 1 << m or m % 2:
        raise InvalidParameterError("d", "a power of 4: 4, 16, 64 or 256", d)
    check_room(d * (d + 2), d)
    points = np.empty((d * (d + 2), d))
    points[:d], points[d : 2 * d] = np.eye(d), -np.eye(d)
    points[2 * d :] = kerdock_signs(m)
    points[2 * d :] *= 2.0 ** (-m // 2)  # exact: sqrt(d) is a power of 2
    return points


def shortened_64() -> Floats:
    """Return 64 points of R^14, maximal cosine 1/7: the Nordstrom-Robinson code shortened twice.

    They are the sign vectors of the Kerdock code in R^16 with + in the last two places, without these places. The code
    is conjectured to be universally optimal.

    References: B. Ballinger et al., Experimental study of energy-minimizing point configurations on spheres,
        2009, section 3.
    """
    words = kerdock_signs(4)
    return unit_rows(words[(words[:, -2:] == 1).all(axis=1), :-2])
