"""Compiled pair sums of f_p for few points: all pairs, or half neighbour lists, on one thread.

`tensor_forces` says what f_p is. Coordinates are stored by axis, `(d, n)`, so that the loops over the neighbours of a
point run along memory. Exponents are powers of two, given as the number of squarings of `(m / D)`: a weight costs
its squarings.

numba compiles each function once and keeps the result on the disk; only what needs it imports this.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from tammes.solvers.ladder import compiled_lbfgs as lbfgs
from tammes.solvers.ladder.compiled_lbfgs import STALE, STATE, Memory, OneThread, Points, Settings, iterate
from tammes.solvers.ladder.cutoffs import NEGLIGIBLE

__all__ = ["Pairs", "evaluate", "minimise", "predict"]

_SKIN = 0.45  # smallest chords by which lists reach too far: those of few points are cheap to make long
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


class Pairs(NamedTuple):
    """Pairs of few points, for the minimiser: those of half lists, or all."""

    first: Any
    """Where the list of each point begins, `(n + 1,)`; empty for all pairs."""
    neighbours: Any
    """The lists: of each pair, the one with the smaller index."""
    squarings: int
    """p = 2^(squarings + 1)."""
    chord_sq: Any
    """Scratch, `(n,)`."""
    weight: Any
    """Scratch, `(n,)`."""


@_compile
def evaluate(pairs, x, g, scale):
    """Sum of the weights, smallest squared chord; the tangent gradient of f_p times that sum is written to `g`.

    Any scale near the smallest squared chord will do.
    """
    d, n = x.shape
    first, neighbours, squarings = pairs.first, pairs.neighbours, pairs.squarings
    chord_sq, weight = pairs.chord_sq, pairs.weight
    for k in range(d):
        for i in range(n):
            g[k, i] = 0.0
    total, least = 0.0, np.inf
    for i in range(n):
        if len(first) == 0:
            added, close = _accumulate_all(x, g, i, squarings, scale, chord_sq, weight)
        else:
            start = first[i]
            added, close = _accumulate(
                x, g, i, neighbours[start:], first[i + 1] - start, squarings, scale, chord_sq, weight
            )
        total += added
        least = min(least, close)
    for i in range(n):
        radial = 0.0
        for k in range(d):
            radial += g[k, i] * x[k, i]
        for k in range(d):
            g[k, i] -= radial * x[k, i]
    return total, least


@overload(lbfgs.evaluate, jit_options={"forceinline": True})
def _registered(forces, x, gradient, sizes, scale):
    if getattr(forces, "instance_class", None) is not Pairs:
        return None
    return lambda forces, x, gradient, sizes, scale: evaluate(forces, x, gradient, scale)


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
def _least(x):
    """Smallest squared chord of all pairs."""
    d, n = x.shape
    least = np.inf
    for i in range(1, n):
        for j in range(i):
            chord_sq = 0.0
            for k in range(d):
                t = x[k, i] - x[k, j]
                chord_sq += t * t
            least = min(least, chord_sq)
    return least


@_compile
def minimise(x, squarings, iterations, chord_bound, gradient_tol):
    """L-BFGS on f_p over `x`, in place; evaluations, f_p, largest gradient row times the smallest chord."""
    d, n = x.shape
    p = 2.0 ** (squarings + 1)
    listed = n > _ALL_PAIRS and p >= 16.0
    first = np.empty(n + 1 if listed else 0, np.int64)
    neighbours = np.empty(n * min(n - 1, 64) if listed else 0, np.int64)
    points = Points(x, np.empty((d, n)), np.empty((d, n)), np.empty((d, n)), np.empty((d, n)), x.copy(), np.ones(n))
    memory = Memory(
        np.empty((_MEMORY, d, n)),
        np.empty((_MEMORY, d, n)),
        np.empty((_MEMORY, _MEMORY)),
        np.empty((_MEMORY, _MEMORY)),
        np.empty((2, _MEMORY)),
        np.empty(2 * _MEMORY + 1),
    )
    states = np.zeros(1, STATE)
    states[0].least = _least(x)
    chord_sq, weight = np.empty(n), np.empty(n)
    margin, ended = np.inf, STALE
    while ended == STALE:
        if listed:
            chord = max(math.sqrt(states[0].least), 0.5 * chord_bound)
            margin = _SKIN * chord
            reach = chord * min(math.exp(NEGLIGIBLE / p), 4.0) + margin
            while _list_pairs(x, reach * reach, first, neighbours) < 0:
                neighbours = np.empty(min(2 * len(neighbours), n * (n - 1) // 2), np.int64)
            points.anchor[:] = x
            states[0].known = 0  # at low exponents, the pairs that lists leave out weigh a little
        settings = Settings(OneThread(1), p, chord_bound, 0.3, gradient_tol, 20, margin)
        ended = iterate(
            Pairs(first, neighbours, squarings, chord_sq, weight), points, memory, settings, states, iterations
        )
    state = states[0]
    return state.evaluations, state.value, state.steepest * math.sqrt(state.least)


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
