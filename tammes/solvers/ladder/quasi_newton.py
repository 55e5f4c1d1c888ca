"""Compiled L-BFGS on the sphere for many points: two passes over the memory in each iteration.

The two-loop recursion is done on coefficients, from the dot products of the stored vectors, so that these
are read once for the products and once for the direction. Sums run over blocks of fixed size which are
joined in order, as in `solvers.truncated`, whose f this minimises.

References: J. Nocedal and S. J. Wright, Numerical Optimization, 2006, algorithm 7.4; W. Chen, Z. Wang,
    J. Zhou, Large-scale L-BFGS using MapReduce, 2014 (the recursion on coefficients).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from tammes.solvers.ladder.cell_lists import BLOCK
from tammes.solvers.ladder.truncated import evaluate, expand

__all__ = ["MEMORY", "iterate"]

MEMORY = 8
"""Pairs of L-BFGS."""

_LONGEST = 0.15  # spacings that a point may go in one step

_fast = {"nsz", "nnan"}  # nothing that changes sums: see `solvers.truncated`
_compile = njit(cache=True, nogil=True, parallel=True, fastmath=_fast, error_model="numpy")
_serial = njit(cache=True, nogil=True, error_model="numpy")


@_compile
def _update(trial, trial_g, weight, sizes, x, g, steps, changes, slot, dots):
    """Move to the trial: store the step and the change of the gradient, and their dot products with all stored.

    Products are those of all points: each free point counts as often as its size.

    Args:
        trial: the new points, `(d, n)`; copied to `x`.
        trial_g: their gradient times `weight`, `(d, m)`; divided by it and copied to `g`.
        weight: what to divide by.
        sizes: `(m,)`.
        x: overwritten.
        g: overwritten.
        steps: `(MEMORY, d, m)`; row `slot` is overwritten, unless `slot` is negative.
        changes: likewise, of gradients.
        slot: where in the memory.
        dots: `(3, 2 MEMORY)`: products of step, change and new gradient with the rows of `steps` and of
            `changes`; overwritten.

    Returns:
        The longest row of the new gradient.
    """
    d, m = g.shape
    n = x.shape[1]
    blocks = (n + BLOCK - 1) // BLOCK
    partial, longest = np.zeros((blocks, 3, 2 * MEMORY)), np.zeros(blocks)
    for block in prange(blocks):
        low, high, last = block * BLOCK, min(m, (block + 1) * BLOCK), min(n, (block + 1) * BLOCK)
        rows, ours, theirs, here = np.zeros(BLOCK), np.zeros(BLOCK), np.zeros(BLOCK), np.zeros(BLOCK)
        for k in range(d):
            for i in range(low, high):
                new = trial_g[k, i] / weight
                if slot >= 0:
                    steps[slot, k, i] = trial[k, i] - x[k, i]
                    changes[slot, k, i] = new - g[k, i]
                    ours[i - low] = sizes[i] * steps[slot, k, i]
                    theirs[i - low] = sizes[i] * changes[slot, k, i]
                    here[i - low] = sizes[i] * new
                g[k, i] = new
                rows[i - low] += new * new
            for i in range(low, last):
                x[k, i] = trial[k, i]
            if slot >= 0:
                for c in range(MEMORY):
                    ss, sy, sg, ys, yy, yg = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                    for i in range(low, high):
                        s, y = steps[c, k, i], changes[c, k, i]
                        ss += ours[i - low] * s
                        sy += ours[i - low] * y
                        ys += theirs[i - low] * s
                        yy += theirs[i - low] * y
                        sg += here[i - low] * s
                        yg += here[i - low] * y
                    partial[block, 0, c] += ss
                    partial[block, 0, MEMORY + c] += sy
                    partial[block, 1, c] += ys
                    partial[block, 1, MEMORY + c] += yy
                    partial[block, 2, c] += sg
                    partial[block, 2, MEMORY + c] += yg
        for i in range(high - low):
            longest[block] = max(longest[block], rows[i])
    dots[:] = 0.0
    most = 0.0
    for block in range(blocks):
        for a in range(3):
            for c in range(2 * MEMORY):
                dots[a, c] += partial[block, a, c]
        most = max(most, longest[block])
    return math.sqrt(most)


@_serial
def _coefficients(gram, along, stored, newest, out):
    """The two-loop recursion on coefficients: out, such that -H g = sum_c out_c b_c over the stored vectors and g.

    Args:
        gram: dot products of the stored vectors (steps, then changes), `(2 MEMORY, 2 MEMORY)`.
        along: their dot products with g, `(2 MEMORY,)`.
        stored: pairs in use.
        newest: slot of the newest.
        out: `(2 MEMORY + 1,)`, the last of g; overwritten.
    """
    out[:] = 0.0
    out[2 * MEMORY] = -1.0
    alpha = np.zeros(MEMORY)
    for back in range(stored):
        c = (newest - back) % MEMORY
        dot = out[2 * MEMORY] * along[c]
        for e in range(2 * MEMORY):
            dot += out[e] * gram[c, e]
        alpha[c] = dot / gram[c, MEMORY + c]
        out[MEMORY + c] -= alpha[c]
    if stored > 0:
        size = gram[newest, MEMORY + newest] / gram[MEMORY + newest, MEMORY + newest]
        for e in range(2 * MEMORY + 1):
            out[e] *= size
    for forth in range(stored - 1, -1, -1):
        c = (newest - forth) % MEMORY
        dot = out[2 * MEMORY] * along[MEMORY + c]
        for e in range(2 * MEMORY):
            dot += out[e] * gram[MEMORY + c, e]
        out[c] += alpha[c] - dot / gram[c, MEMORY + c]


@_compile
def _combine(x, g, sizes, steps, changes, stored, newest, weights, direction):
    """direction = sum of the stored vectors and g with these weights, made tangent; `(slope, longest row)`."""
    d, m = g.shape
    blocks = (m + BLOCK - 1) // BLOCK
    slopes, longest = np.zeros(blocks), np.zeros(blocks)
    for block in prange(blocks):
        low, high = block * BLOCK, min(m, (block + 1) * BLOCK)
        radial, square = np.zeros(BLOCK), np.zeros(BLOCK)
        for k in range(d):
            for i in range(low, high):
                direction[k, i] = weights[2 * MEMORY] * g[k, i]
            for back in range(stored):
                c = (newest - back) % MEMORY
                a, b = weights[c], weights[MEMORY + c]
                for i in range(low, high):
                    direction[k, i] += a * steps[c, k, i] + b * changes[c, k, i]
            for i in range(low, high):
                radial[i - low] += direction[k, i] * x[k, i]
        for k in range(d):
            part = 0.0
            for i in range(low, high):
                direction[k, i] -= radial[i - low] * x[k, i]
                part += sizes[i] * direction[k, i] * g[k, i]
                square[i - low] += direction[k, i] * direction[k, i]
            slopes[block] += part
        for i in range(high - low):
            longest[block] = max(longest[block], square[i])
    slope, most = 0.0, 0.0
    for block in range(blocks):
        slope += slopes[block]
        most = max(most, longest[block])
    return slope, math.sqrt(most)


@_compile
def _advance(x, direction, step, trial):
    """trial = x + step * direction for the free points, rows scaled to length 1."""
    d, m = direction.shape
    for block in prange((m + BLOCK - 1) // BLOCK):
        low, high = block * BLOCK, min(m, (block + 1) * BLOCK)
        norm = np.zeros(BLOCK)
        for k in range(d):
            for i in range(low, high):
                trial[k, i] = x[k, i] + step * direction[k, i]
                norm[i - low] += trial[k, i] * trial[k, i]
        for i in range(high - low):
            norm[i] = 1.0 / math.sqrt(norm[i])
        for k in range(d):
            for i in range(low, high):
                trial[k, i] *= norm[i - low]


@_compile
def _farthest(x, anchor):
    """The longest chord that a point of `anchor`, `(d, m)`, has moved."""
    d, m = anchor.shape
    blocks = (m + BLOCK - 1) // BLOCK
    longest = np.zeros(blocks)
    for block in prange(blocks):
        low, high = block * BLOCK, min(m, (block + 1) * BLOCK)
        square = np.zeros(BLOCK)
        for k in range(d):
            for i in range(low, high):
                t = x[k, i] - anchor[k, i]
                square[i - low] += t * t
        for i in range(high - low):
            longest[block] = max(longest[block], square[i])
    most = 0.0
    for block in range(blocks):
        most = max(most, longest[block])
    return math.sqrt(most)


@_serial
def iterate(
    iterations,
    x,
    trial,
    g,
    trial_g,
    direction,
    anchor,
    sizes,
    representative,
    transforms,
    first,
    neighbours,
    widest,
    steps,
    changes,
    gram,
    along,
    dots,
    weights,
    squarings,
    fade_sq,
    end_sq,
    chord_bound,
    margin,
    gradient_tol,
    state,
    counts,
):
    """L-BFGS on f, from where `state` and `counts` say it is.

    Args:
        iterations: at most so many.
        x: the points, `(d, n)`; moved.
        trial: as x, for the line search.
        g: the gradient at x, `(d, m)`.
        trial_g: as g, for the line search.
        direction: as g, of the search.
        anchor: the free points when the lists were made, `(d, m)`.
        sizes: how many points each free one stands for.
        representative: of the images, as `expand`.
        transforms: likewise.
        first: lists that hold every pair within `sqrt(end_sq) + margin` at the anchor.
        neighbours: likewise.
        widest: neighbours of a point, at most.
        steps: the memory: steps.
        changes: and what they changed of the gradient.
        gram: dot products of these.
        along: and of these with the gradient.
        dots: scratch for `_update`.
        weights: scratch for `_coefficients`.
        squarings: as `evaluate`.
        fade_sq: likewise.
        end_sq: likewise.
        chord_bound: steps are counted in it.
        margin: by which the lists reach too far.
        gradient_tol: longest gradient row times the smallest chord, at which the descent ends.
        state: value, smallest squared chord, longest gradient row.
        counts: iterations and one, evaluations, pairs stored, slot of the newest.

    Returns:
        0 if all iterations were done, 1 if the lists are too old for the next step, 2 where nothing is left to gain.
    """
    m = g.shape[1]
    p = 2.0 ** (squarings + 1)
    if counts[0] == 0:  # the first call: where we are
        total, least = evaluate(x, trial_g, sizes, first, neighbours, -1, 1.0, end_sq, end_sq, widest)
        total, least = evaluate(x, trial_g, sizes, first, neighbours, squarings, least, fade_sq, end_sq, widest)
        counts[1] += 1
        state[0] = math.log(total) / p - 0.5 * math.log(least)
        state[1] = least
        trial[:] = x
        state[2] = _update(trial, trial_g, total, sizes, x, g, steps, changes, -1, dots)
        counts[0] = 1
    for _ in range(iterations):
        value, least, longest = state[0], state[1], state[2]
        stored, newest = counts[2], counts[3]
        if not longest * math.sqrt(least) >= gradient_tol:
            return 2
        _coefficients(gram, along, stored, newest, weights)
        slope, far = _combine(x, g, sizes, steps, changes, stored, newest, weights, direction)
        if not slope < 0.0:
            stored = 0
            weights[:] = 0.0
            weights[2 * MEMORY] = -1.0
            slope, far = _combine(x, g, sizes, steps, changes, 0, 0, weights, direction)
        step = min(1.0, _LONGEST * chord_bound / far)
        if stored == 0:
            step = 0.1 * chord_bound / (far * max(1.0, p / 16.0))
        if 2.0 * (_farthest(x, anchor) + step * far) > margin:
            return 1
        accepted, trial_value, total = False, np.inf, np.inf
        for _ in range(25):
            _advance(x, direction, step, trial)
            expand(trial, m, representative, transforms)
            total, near = evaluate(trial, trial_g, sizes, first, neighbours, squarings, least, fade_sq, end_sq, widest)
            counts[1] += 1
            if total > 0.0 and total < np.inf:
                trial_value = math.log(total) / p - 0.5 * math.log(least)
                if trial_value <= value + 1e-4 * step * slope:
                    accepted = True
                    break
                step *= min(0.5, max(0.1, -0.5 * step * slope / (trial_value - value - step * slope)))
            else:
                step *= 0.25
        if not accepted:
            if stored == 0:
                return 2
            counts[2] = 0
            continue
        slot = (newest + 1) % MEMORY
        state[2] = _update(trial, trial_g, total, sizes, x, g, steps, changes, slot, dots)
        state[0], state[1] = trial_value, near
        gram[slot, :] = dots[0]
        gram[:, slot] = dots[0]
        gram[MEMORY + slot, :] = dots[1]
        gram[:, MEMORY + slot] = dots[1]
        along[:] = dots[2]
        curved = gram[slot, MEMORY + slot] > 1e-14 * gram[MEMORY + slot, MEMORY + slot]
        counts[0] += 1
        counts[2] = min(stored + 1, MEMORY) if curved else 0
        counts[3] = slot
    return 0
