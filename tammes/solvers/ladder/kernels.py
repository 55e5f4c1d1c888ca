"""Compiled loops of the soft-min ladder: pairs, neighbour lists, L-BFGS on the sphere.

The formula is that of `solvers.continuation`, which says what f_p is. Coordinates are stored by
axis, `(d, n)`, so that the loops over the neighbours of a point run along memory. Exponents are
powers of two, given as the number of squarings of `(m / D)`: a weight costs its squarings.

numba compiles each function once and keeps the result on the disk; only what needs it imports this.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["evaluate", "minimise", "predict"]

_LOG_NEGLIGIBLE = 37.0  # -log(1e-16): a lighter pair changes no digit of the sum
_SKIN = 0.35  # smallest chords
_MEMORY = 10  # pairs of L-BFGS
_ALL_PAIRS = 40  # below this many points a list costs more than it saves

_compile = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")


@_compile
def _weigh(count, squarings, smallest, chord_sq, weight):
    """Weights `(smallest / D)^(p/2) / D` from squared chords D; `(sum of the powers, smallest D)`."""
    total, least = 0.0, np.inf
    for q in range(count):
        weight[q] = smallest / chord_sq[q]
        least = min(least, chord_sq[q])
    if squarings < 0:
        for q in range(count):
            weight[q] = math.sqrt(weight[q])
    for _ in range(squarings):
        for q in range(count):
            weight[q] *= weight[q]
    for q in range(count):
        total += weight[q]
        weight[q] /= chord_sq[q]
    return total, least


@_compile
def _accumulate(x, g, i, neighbours, count, squarings, smallest, chord_sq, weight):
    """Add the pairs of point i with its listed neighbours; `(sum of weights, smallest chord squared)`."""
    d = x.shape[0]
    for q in range(count):
        chord_sq[q] = 0.0
    for k in range(d):
        at = x[k, i]
        for q in range(count):
            t = at - x[k, neighbours[q]]
            chord_sq[q] += t * t
    total, least = _weigh(count, squarings, smallest, chord_sq, weight)
    for k in range(d):
        at, own = x[k, i], 0.0
        for q in range(count):
            pull = weight[q] * (at - x[k, neighbours[q]])
            own += pull
            g[k, neighbours[q]] += pull
        g[k, i] -= own
    return total, least


@_compile
def _accumulate_all(x, g, i, squarings, smallest, chord_sq, weight):
    """As `_accumulate`, with every point before i for a neighbour: contiguous, so that it vectorises."""
    d = x.shape[0]
    for j in range(i):
        chord_sq[j] = 0.0
    for k in range(d):
        at = x[k, i]
        for j in range(i):
            t = at - x[k, j]
            chord_sq[j] += t * t
    total, least = _weigh(i, squarings, smallest, chord_sq, weight)
    for k in range(d):
        at, own = x[k, i], 0.0
        for j in range(i):
            pull = weight[j] * (at - x[k, j])
            own += pull
            g[k, j] += pull
        g[k, i] -= own
    return total, least


@_compile
def evaluate(x, g, squarings, smallest, first, neighbours, chord_sq, weight):
    """Value and tangent gradient of f_p, and the smallest squared chord; all pairs if no list is given.

    `smallest` scales the weights; any value near the smallest squared chord gives the same f_p.
    """
    d, n = x.shape
    for k in range(d):
        for i in range(n):
            g[k, i] = 0.0
    total, least = 0.0, np.inf
    for i in range(n):
        if len(first) == 0:
            added, close = _accumulate_all(x, g, i, squarings, smallest, chord_sq, weight)
        else:
            start = first[i]
            added, close = _accumulate(
                x, g, i, neighbours[start:], first[i + 1] - start, squarings, smallest, chord_sq, weight
            )
        total += added
        least = min(least, close)
    if not (total > 0.0 and total < np.inf):
        return np.inf, least
    for i in range(n):
        radial = 0.0
        for k in range(d):
            g[k, i] /= total
            radial += g[k, i] * x[k, i]
        for k in range(d):
            g[k, i] -= radial * x[k, i]
    p = 2.0 ** (squarings + 1)
    return math.log(total) / p - 0.5 * math.log(smallest), least


@_compile
def _list_pairs(x, reach_sq, first, neighbours):
    """Fill the half list (j < i) of pairs within a squared chord; their number, or -1 if it does not fit."""
    d, n = x.shape
    count = 0
    chord_sq = np.empty(n)
    for i in range(n):
        first[i] = count
        for j in range(i):
            chord_sq[j] = 0.0
        for k in range(d):
            at = x[k, i]
            for j in range(i):
                t = at - x[k, j]
                chord_sq[j] += t * t
        for j in range(i):
            if chord_sq[j] <= reach_sq:
                if count == len(neighbours):
                    return -1
                neighbours[count] = j
                count += 1
    first[n] = count
    return count


@_compile
def _dot(a, b):
    total = 0.0
    for k in range(a.shape[0]):
        for i in range(a.shape[1]):
            total += a[k, i] * b[k, i]
    return total


@_compile
def _direction(g, out, steps, changes, rho, alpha, stored, newest):
    """The two-loop recursion of L-BFGS (Nocedal and Wright, algorithm 7.4): out = -H g."""
    out[:] = -g
    for back in range(stored):
        c = (newest - back) % _MEMORY
        alpha[c] = rho[c] * _dot(steps[c], out)
        out -= alpha[c] * changes[c]
    if stored > 0:
        out *= 1.0 / (rho[newest] * _dot(changes[newest], changes[newest]))
    for forth in range(stored - 1, -1, -1):
        c = (newest - forth) % _MEMORY
        beta = rho[c] * _dot(changes[c], out)
        out += (alpha[c] - beta) * steps[c]


@_compile
def _longest(a):
    """Largest norm of a column."""
    largest = 0.0
    for i in range(a.shape[1]):
        total = 0.0
        for k in range(a.shape[0]):
            total += a[k, i] * a[k, i]
        largest = max(largest, total)
    return math.sqrt(largest)


@_compile
def minimise(x, squarings, iterations, chord_bound, gradient_tol):
    """L-BFGS on f_p over `x`, in place; evaluations, f_p, largest gradient row times the smallest chord."""
    d, n = x.shape
    p = 2.0 ** (squarings + 1)
    everything = n <= _ALL_PAIRS or p < 16.0
    first = np.empty(0 if everything else n + 1, np.int64)
    neighbours = np.empty(0 if everything else n * min(n - 1, 64), np.int64)
    chord_sq, weight = np.empty(n), np.empty(n)
    g, trial, trial_g, direction = np.empty((d, n)), np.empty((d, n)), np.empty((d, n)), np.empty((d, n))
    steps, changes = np.empty((_MEMORY, d, n)), np.empty((_MEMORY, d, n))
    rho, alpha = np.empty(_MEMORY), np.empty(_MEMORY)
    anchor = x.copy()

    least = np.inf  # of all pairs, once
    for i in range(1, n):
        for j in range(i):
            total = 0.0
            for k in range(d):
                t = x[k, i] - x[k, j]
                total += t * t
            least = min(least, total)
    stale, margin = True, 0.0
    evaluations, stored, newest, since = 0, 0, 0, 0
    value, measured = np.inf, np.inf
    for iteration in range(iterations):
        if stale:
            if not everything:
                chord = math.sqrt(least)
                margin = _SKIN * max(chord, 0.5 * chord_bound)
                reach = max(chord, 0.5 * chord_bound) * min(math.exp(_LOG_NEGLIGIBLE / p), 4.0) + margin
                while _list_pairs(x, reach * reach, first, neighbours) < 0:
                    neighbours = np.empty(min(2 * len(neighbours), n * (n - 1) // 2), np.int64)
                anchor[:] = x
            value, least = evaluate(x, g, squarings, least, first, neighbours, chord_sq, weight)
            evaluations += 1
            stale = False
            if iteration == 0:
                measured = value
        slope = _longest(g) * math.sqrt(least)
        if slope < gradient_tol:
            break
        _direction(g, direction, steps, changes, rho, alpha, stored, newest)
        for i in range(n):
            radial = 0.0
            for k in range(d):
                radial += direction[k, i] * x[k, i]
            for k in range(d):
                direction[k, i] -= radial * x[k, i]
        descent = _dot(direction, g)
        if not descent < 0.0:
            direction[:] = -g
            descent, stored = -_dot(g, g), 0
        longest = _longest(direction)
        step = min(1.0, 0.3 * chord_bound / longest)
        if stored == 0:
            step = 0.1 * chord_bound / (longest * max(1.0, p / 16.0))
        accepted, trial_value, trial_least = False, 0.0, least
        for _ in range(25):
            for i in range(n):
                norm = 0.0
                for k in range(d):
                    trial[k, i] = x[k, i] + step * direction[k, i]
                    norm += trial[k, i] * trial[k, i]
                norm = 1.0 / math.sqrt(norm)
                for k in range(d):
                    trial[k, i] *= norm
            trial_value, trial_least = evaluate(trial, trial_g, squarings, least, first, neighbours, chord_sq, weight)
            evaluations += 1
            if trial_value <= value + 1e-4 * step * descent:
                accepted = True
                break
            if trial_value < np.inf:  # the minimum of the parabola through what is known
                step *= min(0.5, max(0.1, -0.5 * step * descent / (trial_value - value - step * descent)))
            else:
                step *= 0.25
        if not accepted:
            if stored == 0:
                break
            stored = 0
            continue
        slot = (newest + 1) % _MEMORY
        for k in range(d):
            for i in range(n):
                steps[slot, k, i] = trial[k, i] - x[k, i]
                changes[slot, k, i] = trial_g[k, i] - g[k, i]
        curvature = _dot(steps[slot], changes[slot])
        if curvature > 1e-14 * _dot(changes[slot], changes[slot]):
            rho[slot] = 1.0 / curvature
            newest, stored = slot, min(stored + 1, _MEMORY)
        x[:] = trial
        g[:] = trial_g
        value, least = trial_value, trial_least
        since += 1
        if since == 20:
            if measured - value < 1e-4 * gradient_tol / p:
                break
            measured, since = value, 0
        if not everything:
            trial[:] = x - anchor
            stale = 2.0 * _longest(trial) > margin
    return evaluations, value, _longest(g) * math.sqrt(least)


@_compile
def predict(x, squarings):
    """Mean cosine of the pairs, each weighted by its share in the gradient of f_p."""
    d, n = x.shape
    least = np.inf
    for sweep in range(2):
        total, mean = 0.0, 0.0
        for i in range(1, n):
            for j in range(i):
                chord_sq = 0.0
                for k in range(d):
                    t = x[k, i] - x[k, j]
                    chord_sq += t * t
                if sweep == 0:
                    least = min(least, chord_sq)
                elif chord_sq < 4.0 * least:
                    share = least / chord_sq
                    for _ in range(squarings):
                        share *= share
                    share /= chord_sq
                    total += share
                    mean += share * (1.0 - 0.5 * chord_sq)
    return mean / total
