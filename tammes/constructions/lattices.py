"""Spherical codes from the Leech and Barnes-Wall lattices: minimal vectors, and codes among them.

References: J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, chapters 4, 5 and 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tammes.base.geometry import Floats
from tammes.constructions.binary_codes import Bits, binary_span, golay_code, golay_octads, reed_muller_generators
from tammes.constructions.root_systems import roots_d
from tammes.constructions.vertex_figure import unit_rows, vertex_figure

__all__ = [
    "barnes_wall",
    "leech",
    "leech_162",
    "leech_552",
    "leech_891",
    "leech_4600",
    "leech_integers",
    "mclaughlin",
]


def leech() -> Floats:
    """Return the 196560 minimal vectors of the Leech lattice: maximal cosine 1/2, optimal, 38 MB.

    Their coordinates times sqrt(32) are of three kinds: 1104 of (+-4, +-4, 0, ..., 0); 759 * 128 with +-2 on an octad
    and an even number of minus signs; 24 * 4096 of (-3, 1, ..., 1) with the signs changed on a Golay word.

    Returns:
        `(196560, 24)`: unit rows, in the order of the three kinds.

    References: J. Leech, Notes on sphere packings, 1967. V. I. Levenshtein, and A. M. Odlyzko and
        N. J. A. Sloane, 1979 (optimality: the kissing number of R^24).
    """
    return unit_rows(leech_integers())


def leech_integers() -> NDArray[np.int8]:
    """Return the minimal vectors of the Leech lattice times sqrt(8): integers of norm 32, shape `(196560, 24)`."""
    pairs = np.rint(4.0 * np.sqrt(2.0) * roots_d(24)).astype(np.int8)
    octads = 2 * _even_signs(golay_octads())
    flips = 1 - 2 * golay_code()  # (4096, 24)
    threes = np.repeat(flips[None, :, :], 24, axis=0)  # (24, 4096, 24)
    place = np.arange(24)
    threes[place, :, place] *= -3
    return np.concatenate([pairs, octads, threes.reshape(-1, 24)])


def _even_signs(supports: Bits) -> Bits:
    """Return the rows with +-1 on a support of 8 and an even number of minus signs, shape `(128 m, d)`."""
    signs = 1 - 2 * binary_span(np.array([[int(i in (k, 7)) for i in range(8)] for k in range(7)], dtype=np.int8))
    rows = np.zeros((len(supports), len(signs), supports.shape[1]), dtype=np.int8)
    for block, support in zip(rows, supports, strict=True):
        block[:, np.flatnonzero(support)] = signs
    return np.asarray(rows.reshape(-1, supports.shape[1]))


def barnes_wall() -> Floats:
    """Return the 4320 minimal vectors of the Barnes-Wall lattice of R^16: maximal cosine 1/2, the best known.

    Their coordinates times sqrt(8) are 480 of (+-2, +-2, 0, ..., 0), and 30 * 128 with +-1 on a word of weight 8 of
    the Reed-Muller code RM(1, 4) and an even number of minus signs.
    """
    words = binary_span(reed_muller_generators(4))
    octads = words[words.sum(axis=1) == 8]
    pairs = np.rint(2.0 * np.sqrt(2.0) * roots_d(16)).astype(np.int8)
    return unit_rows(np.concatenate([pairs, _even_signs(octads)]))


def leech_4600() -> Floats:
    """Return 4600 points of R^23, maximal cosine 1/3: the vertex figure of the Leech lattice."""
    return vertex_figure(leech(), 0.5)


def leech_891() -> Floats:
    """Return 891 points of R^22, maximal cosine 1/4: the vertex figure of `leech_4600`."""
    return vertex_figure(leech_4600(), 1.0 / 3.0)


def leech_552() -> Floats:
    """Return 552 points of R^23, maximal cosine 1/5: the 276 equiangular lines, the most in R^23.

    For w of norm 6 in the Leech lattice, the minimal vectors x (of norm 4) with x.w = 3, projected along w to x - w/2
    of norm 5/2. The projections of x and w - x are antipodal.

    References: J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups, chapter 10.
    """
    w = np.zeros((1, 24))
    w[0, 0], w[0, 1:] = 5.0, 1.0  # times sqrt(8): norm 25 + 23 = 48
    vectors = leech_integers()
    near = vectors[vectors @ w[0] == 24.0]
    units = np.concatenate([w / np.sqrt(48.0), near / np.sqrt(32.0)])
    return vertex_figure(units, 3.0 / np.sqrt(24.0))


def mclaughlin() -> Floats:
    """Return 275 points of R^22, maximal cosine 1/6: the vertex figure of `leech_552`, the McLaughlin graph."""
    return vertex_figure(leech_552(), 0.2)


def leech_162() -> Floats:
    """Return 162 points of R^21, maximal cosine 1/7: the vertex figure of `mclaughlin`."""
    return vertex_figure(mclaughlin(), 1.0 / 6.0)
