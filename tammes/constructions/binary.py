"""Spherical codes from binary codes and quadratic forms: Golay, Leech, Barnes-Wall, Kerdock.

References: J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, chapters 4, 5 and 11;
A. R. Calderbank, P. J. Cameron, W. M. Kantor and J. J. Seidel, Z4-Kerdock codes, orthogonal spreads, and
extremal Euclidean line-sets, 1997.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.constructions.closed_forms import check_size
from tammes.constructions.polytopes import check_room, unit_rows
from tammes.constructions.roots import roots_d

__all__ = [
    "barnes_wall",
    "golay_code",
    "golay_octads",
    "kerdock",
    "kerdock_forms",
    "kerdock_signs",
    "leech",
    "leech_integers",
    "multiply",
    "shortened_64",
]

Bits = NDArray[np.int8]

_MODULUS = {1: 0b10, 2: 0b111, 3: 0b1011, 5: 0b100101, 7: 0b10000011}
"""Irreducible polynomials over GF(2) by degree, as bits; of degree 1 it is x, whose field is GF(2)."""


def multiply(a: int, b: int, degree: int) -> int:
    """The product of two elements of GF(2^degree), polynomials as bits: shift, add, reduce.

    Args:
        a: bits below 2^degree.
        b: bits below 2^degree.
        degree: 1, 2, 3, 5 or 7.
    """
    product = 0
    for k in range(degree):
        if b >> k & 1:
            product ^= a << k
    for k in range(2 * degree - 2, degree - 1, -1):
        if product >> k & 1:
            product ^= _MODULUS[degree] << (k - degree)
    return product


def _trace(a: int, degree: int) -> int:
    """The sum of the conjugates of a: 0 or 1."""
    total = 0
    for _ in range(degree):
        total ^= a
        a = multiply(a, a, degree)
    return total


def _words(generators: Bits) -> Bits:
    """All sums of rows of a k x n matrix over GF(2), shape `(2^k, n)`."""
    k = len(generators)
    choices = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1
    return np.asarray(choices @ generators.astype(np.int64) & 1, dtype=np.int8)


# --- Golay and Leech ----------------------------------------------------------------------------


@functools.cache
def golay_code() -> Bits:
    """The 4096 words of the extended binary Golay code, shape `(4096, 24)`, read-only.

    The quadratic residues mod 23 generate it, cyclically; the last coordinate makes every weight even.
    """
    residues = sorted({k * k % 23 for k in range(1, 23)})  # 11 of them
    word = np.zeros(23, dtype=np.int8)
    word[residues] = 1  # as a polynomial it generates the code of dimension 12, or with 1 added its even half
    shifts = np.stack([np.roll(word, k) for k in range(23)])
    basis = _row_basis(np.concatenate([shifts, shifts.sum(axis=1, keepdims=True) & 1], axis=1))
    words = _words(basis)
    words.setflags(write=False)
    return words


def _row_basis(rows: Bits) -> Bits:
    """Independent rows over GF(2) with the same span: Gauss elimination."""
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
    """The 759 words of weight 8, shape `(759, 24)`, read-only: the Steiner system S(5, 8, 24)."""
    words = golay_code()
    octads = np.asarray(words[words.sum(axis=1) == 8])
    octads.setflags(write=False)
    return octads


def leech() -> Floats:
    """The 196560 minimal vectors of the Leech lattice, maximal cosine 1/2: optimal, 38 MB.

    In coordinates over sqrt(32): 1104 of (+-4, +-4, 0, ..., 0); 759 * 128 of +-2 on an octad, with an even
    number of minus signs; 24 * 4096 of (-3, 1, ..., 1) with the signs changed on a Golay word.

    Returns:
        `(196560, 24)`: unit rows, these three kinds one after the other.

    References: J. Leech, Notes on sphere packings, 1967. V. I. Levenshtein, and A. M. Odlyzko and
        N. J. A. Sloane, 1979: no more points fit at 60 degrees.
    """
    return unit_rows(leech_integers())


def leech_integers() -> NDArray[np.int8]:
    """The minimal vectors of the Leech lattice times sqrt(8), shape `(196560, 24)`, of norm 32."""
    pairs = np.rint(4.0 * np.sqrt(2.0) * roots_d(24)).astype(np.int8)
    octads = 2 * _even_signs(golay_octads())
    flips = 1 - 2 * golay_code()  # (4096, 24)
    threes = np.repeat(flips[None, :, :], 24, axis=0)  # (24, 4096, 24)
    place = np.arange(24)
    threes[place, :, place] *= -3
    return np.concatenate([pairs, octads, threes.reshape(-1, 24)])


def _even_signs(supports: Bits) -> Bits:
    """+-1 on each support of 8 with an even number of minus signs, shape `(128 m, d)`."""
    signs = 1 - 2 * _words(np.array([[int(i in (k, 7)) for i in range(8)] for k in range(7)], dtype=np.int8))
    rows = np.zeros((len(supports), len(signs), supports.shape[1]), dtype=np.int8)
    for block, support in zip(rows, supports, strict=True):
        block[:, np.flatnonzero(support)] = signs
    return np.asarray(rows.reshape(-1, supports.shape[1]))


def barnes_wall() -> Floats:
    """The 4320 minimal vectors of the Barnes-Wall lattice of R^16, maximal cosine 1/2: the best known.

    480 of (+-2, +-2, 0, ..., 0), and 30 * 128 of +-1 on a word of weight 8 of the Reed-Muller code RM(1, 4),
    with an even number of minus signs; over sqrt(8).
    """
    words = _words(_affine(4))
    octads = words[words.sum(axis=1) == 8]
    pairs = np.rint(2.0 * np.sqrt(2.0) * roots_d(16)).astype(np.int8)
    return unit_rows(np.concatenate([pairs, _even_signs(octads)]))


def _affine(m: int) -> Bits:
    """Generators of RM(1, m): the constant 1 and the m coordinates, as functions on GF(2)^m."""
    points = (np.arange(1 << m)[:, None] >> np.arange(m)) & 1  # (2^m, m)
    return np.concatenate([np.ones((1, 1 << m), dtype=np.int8), points.T.astype(np.int8)])


# --- Kerdock ------------------------------------------------------------------------------------


def kerdock_forms(m: int) -> Bits:
    """A Kerdock set: 2^(m-1) alternating forms on GF(2)^m, all differences nonsingular.

    On pairs (x, e) of GF(2^(m-1)) and GF(2), for each a of GF(2^(m-1)):
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
        traces = [_trace(ax, degree) for ax in scaled]
        for i in range(degree):
            for j in range(degree):
                form[i, j] = _trace(multiply(scaled[i], scaled[j], degree), degree) ^ (traces[i] & traces[j])
        form[degree, :degree] = form[:degree, degree] = traces
    return forms


def kerdock_signs(m: int) -> Bits:
    """The Kerdock code of length 2^m as signs, shape `(2^(2m), 2^m)`: each form, times RM(1, m)."""
    points = (np.arange(1 << m)[:, None] >> np.arange(m)) & 1
    affine = 1 - 2 * _words(_affine(m))  # (2^(m+1), 2^m)
    blocks = []
    for form in kerdock_forms(m):
        quadratic = np.einsum("pi,ij,pj->p", points, np.triu(form, 1).astype(np.int64), points) & 1
        blocks.append(affine * (1 - 2 * quadratic).astype(np.int8))
    return np.concatenate(blocks)


def kerdock(d: int) -> Floats:
    """d(d + 2) points of R^d, d = 4^k: d/2 + 1 orthogonal frames, maximal cosine 1/sqrt(d).

    The 2d points +-e_k, and d^2 sign vectors (-1)^(Q_a(x) + L(x) + c) / sqrt(d), x in GF(2)^m, d = 2^m: Q_a a
    quadratic form of a Kerdock set, the upper triangle of B_a; L linear, c constant. Q_a + Q_b + L is
    bent, so that rows of different forms are at cosine +-1/sqrt(d). d = 4 is the 24-cell.

    Args:
        d: 4, 16, 64 or 256 (130 MB).

    Returns:
        `(d(d + 2), d)`: unit rows, the frame of the axes first.

    Raises:
        InvalidParameterError: for other d; from 1024 on the points would take 8 GiB and more.

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
    """64 points of R^14, maximal cosine 1/7: the Nordstrom-Robinson code shortened twice.

    Of the 256 sign vectors of the Kerdock code in R^16, those with + in the last two places, which are
    deleted. Conjectured to be universally optimal.

    References: B. Ballinger et al., Experimental study of energy-minimizing point configurations on spheres,
        2009, section 3.
    """
    words = kerdock_signs(4)
    return unit_rows(words[(words[:, -2:] == 1).all(axis=1), :-2])
