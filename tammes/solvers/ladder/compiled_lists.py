"""Compiled pair sums over neighbour lists: forces with a smooth end, for any number of points.

`tensor_forces` says what f_p is. Here the pairs beyond a cutoff R are left out, and the weights of those near it
are multiplied by a switching function:

    f = (1/p) log sum_{i<j} (m / D_ij)^(p/2) T(D_ij) - (1/2) log m,

with D the squared chord, m any scale, and T falling from 1 at D = A to 0 at D = R^2 with two continuous
derivatives. A sharp end at low exponents makes points clump beyond it.

Coordinates are stored by axis, `(d, n)`; every point sums its own pairs, over a full list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numba.extending import overload

from tammes.solvers.ladder import compiled_lbfgs as lbfgs
from tammes.solvers.ladder.block_sums import BLOCK, FIXED_ORDER, lane_sum

__all__ = ["Lists", "evaluate", "loads", "place_images"]

_compile = njit(cache=True, nogil=True, parallel=True, fastmath=FIXED_ORDER, error_model="numpy")


class Lists(NamedTuple):
    """Pairs of many points, for the minimiser, and where the images of the free points are."""

    first: Any
    """Where the list of each free point begins, as `cell_lists.neighbours_within`, `(m + 1,)`."""
    neighbours: Any
    """The lists, full."""
    widest: int
    """Length of the longest list."""
    squarings: int
    """p = 2^(squarings + 1)."""
    fade_sq: float
    """Squared chord where T begins to fall; not below `end_sq` where it never does."""
    end_sq: float
    """Squared chord where T is 0."""
    representative: Any
    """Of each image, the free point that it follows, `(n - m,)`."""
    transforms: Any
    """Of each image, `(n - m, d, d)`."""


@_compile
def evaluate(x, g, sizes, first, neighbours, squarings, scale, fade_sq, end_sq, widest):
    """Sum of the weights over pairs, smallest squared chord, and the tangent gradient times that sum.

    Args:
        x: points on the unit sphere, `(d, n)`; the first m are free, the others their images.
        g: the gradient of f times the sum of the weights, for each free point alone, `(d, m)`; overwritten.
        sizes: how many points each free point stands for, `(m,)`.
        first: where the list of each free point begins, as `cell_lists.neighbours_within`.
        neighbours: the lists, full.
        squarings: p = 2^(squarings + 1).
        scale: m of the formula; the sum overflows, and is infinite, far above the smallest squared chord.
        fade_sq: squared chord where T begins to fall; not below `end_sq` for no fading.
        end_sq: squared chord where T is 0.
        widest: neighbours of a point, at most.
    """
    d, m = g.shape
    blocks = (m + BLOCK - 1) // BLOCK
    totals, leasts = np.zeros(blocks), np.full(blocks, np.inf)
    fading = fade_sq < end_sq
    slope = 2.0 / 2.0 ** (squarings + 1)
    steep = 1.0 / (end_sq - fade_sq) if fading else 0.0
    for block in prange(blocks):
        chord_sq, weight, fall = np.empty(widest), np.empty(widest), np.empty(widest)
        sum_, near = 0.0, np.inf
        for i in range(block * BLOCK, min(m, (block + 1) * BLOCK)):
            begin = first[i]
            count = first[i + 1] - begin
            for q in range(count):
                chord_sq[q] = 0.0
            for k in range(d):
                at = x[k, i]
                for q in range(count):
                    t = at - x[k, neighbours[begin + q]]
                    chord_sq[q] += t * t
            for q in range(count):
                weight[q] = scale / chord_sq[q]
                near = min(near, chord_sq[q])
            for _ in range(squarings):
                for q in range(count):
                    weight[q] *= weight[q]
            if fading:
                for q in range(count):
                    u = min(1.0, max(0.0, (chord_sq[q] - fade_sq) * steep))
                    fall[q] = weight[q] * (30.0 * slope * steep) * (u * u) * ((1.0 - u) * (1.0 - u))
                    weight[q] *= 1.0 - u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)
                sum_ += sizes[i] * lane_sum(weight, count)
                for q in range(count):
                    weight[q] = weight[q] / chord_sq[q] + fall[q]
            else:
                sum_ += sizes[i] * lane_sum(weight, count)
                for q in range(count):
                    weight[q] /= chord_sq[q]
            radial = 0.0
            for k in range(d):
                at = x[k, i]
                for q in range(count):
                    fall[q] = weight[q] * (x[k, neighbours[begin + q]] - at)
                g[k, i] = lane_sum(fall, count)
                radial += g[k, i] * at
            for k in range(d):
                g[k, i] -= radial * x[k, i]
        totals[block], leasts[block] = sum_, near
    total, least = 0.0, np.inf
    for block in range(blocks):
        total += totals[block]
        least = min(least, leasts[block])
    return 0.5 * total, least


@_compile
def loads(x, sizes, first, neighbours, squarings, scale, out):
    """Sum of the weights of the pairs of every free point: how hard it is pressed."""
    d, m = x.shape[0], len(sizes)
    for i in prange(m):
        out[i] = 0.0
        for e in range(first[i], first[i + 1]):
            chord_sq = 0.0
            for k in range(d):
                t = x[k, i] - x[k, neighbours[e]]
                chord_sq += t * t
            weight = scale / chord_sq
            for _ in range(squarings):
                weight *= weight
            out[i] += weight


@_compile
def place_images(x, m, representative, transforms):
    """Place the images: x[:, j] = transforms[j - m] x[:, representative[j - m]] for j from m on."""
    d, n = x.shape
    for block in prange((n - m + BLOCK - 1) // BLOCK):
        for j in range(m + block * BLOCK, min(n, m + (block + 1) * BLOCK)):
            for a in range(d):
                total = 0.0
                for b in range(d):
                    total += transforms[j - m, a, b] * x[b, representative[j - m]]
                x[a, j] = total


@overload(lbfgs.evaluate)
def _registered(forces, x, gradient, sizes, scale):
    if getattr(forces, "instance_class", None) is not Lists:
        return None

    def sums(forces, x, gradient, sizes, scale):
        place_images(x, gradient.shape[1], forces.representative, forces.transforms)
        return evaluate(
            x, gradient, sizes, forces.first, forces.neighbours, forces.squarings, scale, forces.fade_sq,
            forces.end_sq, forces.widest,
        )  # fmt: skip

    return sums
