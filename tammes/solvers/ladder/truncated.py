"""Compiled loops of the soft-min ladder over neighbour lists: forces with a smooth end, L-BFGS on the sphere.

`solvers.continuation` says what f_p is. Here the pairs beyond a radius R are left out, and the weights of
those near it fade:

    f = (1/p) log sum_{i<j} (m / D_ij)^(p/2) T(D_ij) - (1/2) log m,

with D the squared chord, m any scale, and T falling from 1 at D = A to 0 at D = R^2 with two continuous
derivatives. A sharp end at low exponents makes points clump beyond it.

Coordinates are stored by axis, `(d, n)`; every point sums its own pairs; sums run over blocks of fixed
size which are joined in order, so that the bits do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from tammes.solvers.ladder.cell_lists import BLOCK

__all__ = ["evaluate", "expand", "loads"]

LANES = 8
"""Numbers that are summed side by side."""

# Nothing that lets a compiler change the order of sums, or fuse products into them: it does so differently
# when it compiles than when it loads what it compiled, and the same seed would give other bits.
_fast = {"nsz", "nnan"}
_compile = njit(cache=True, nogil=True, parallel=True, fastmath=_fast, error_model="numpy")
_inline = njit(cache=True, nogil=True, fastmath=_fast, error_model="numpy", inline="always")


@_inline
def _sum(values, count, lanes):
    """Sum of the first `count` values, in lanes, so that it vectorises in an order of its own."""
    for lane in range(LANES):
        lanes[lane] = 0.0
    whole = count - count % LANES
    for q in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[q + lane]
    total = 0.0
    for lane in range(LANES):
        total += lanes[lane]
    for q in range(whole, count):
        total += values[q]
    return total


@_compile
def evaluate(x, g, sizes, first, neighbours, squarings, scale, fade_sq, end_sq, widest):
    """Sum of the weights over pairs, smallest squared chord, and the tangent gradient times that sum.

    Args:
        x: points on the unit sphere, `(d, n)`; the first m are free, the others their images.
        g: the gradient of f times the sum of the weights, for each free point alone, `(d, m)`; overwritten.
        sizes: how many points each free point stands for, `(m,)`.
        first: where the list of each free point begins, as `cells.neighbours_within`.
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
        chord_sq, weight, fall, lanes = np.empty(widest), np.empty(widest), np.empty(widest), np.empty(LANES)
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
                sum_ += sizes[i] * _sum(weight, count, lanes)
                for q in range(count):
                    weight[q] = weight[q] / chord_sq[q] + fall[q]
            else:
                sum_ += sizes[i] * _sum(weight, count, lanes)
                for q in range(count):
                    weight[q] /= chord_sq[q]
            radial = 0.0
            for k in range(d):
                at = x[k, i]
                for q in range(count):
                    fall[q] = weight[q] * (x[k, neighbours[begin + q]] - at)
                g[k, i] = _sum(fall, count, lanes)
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
def expand(x, m, representative, transforms):
    """Place the images: x[:, j] = transforms[j - m] x[:, representative[j - m]] for j from m on."""
    d, n = x.shape
    for block in prange((n - m + BLOCK - 1) // BLOCK):
        for j in range(m + block * BLOCK, min(n, m + (block + 1) * BLOCK)):
            for a in range(d):
                total = 0.0
                for b in range(d):
                    total += transforms[j - m, a, b] * x[b, representative[j - m]]
                x[a, j] = total
