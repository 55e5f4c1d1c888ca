"""Compiled L-BFGS on the sphere: the one minimiser of both compiled ladders.

It minimises f_p over unit columns. What differs between few points and many are the pair sums, and whether loops
over points run on several threads: both follow from the type of `forces`, a named tuple of the module that defines
the sums. Such a module registers its sums as an overload of `evaluate`.

The two-loop recursion is done on coefficients. With S the stored steps, Y the stored changes of the gradient and g
the gradient, only S'g and Y'g are summed over the points, 2m products in one pass; S'y and Y'y of the newest change
are differences of these between two iterations. A second pass over S and Y makes the direction.

References: J. Nocedal and S. J. Wright, Numerical Optimization, 2006, algorithm 7.4; R. H. Byrd, J. Nocedal,
    R. B. Schnabel, Representations of quasi-Newton matrices, 1994, section 3 (the products); W. Chen, Z. Wang,
    J. Zhou, Large-scale L-BFGS using MapReduce, 2014 (the recursion on coefficients).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numba.extending import overload

from tammes.solvers.ladder.block_sums import BLOCK, FIXED_ORDER, lane_sum

__all__ = [
    "CONVERGED",
    "ITERATIONS",
    "STALE",
    "STATE",
    "AllThreads",
    "Memory",
    "OneThread",
    "Points",
    "Settings",
    "evaluate",
    "iterate",
]

ITERATIONS, STALE, CONVERGED = range(3)
"""How `iterate` ends: all iterations done; the lists are too old for the next step; nothing left to gain."""

STATE = np.dtype(
    [
        ("known", np.int64),  # 0 where value and gradient are to be computed first
        ("value", np.float64),  # f_p
        ("least", np.float64),  # smallest squared chord; before the first evaluation, anything near it
        ("steepest", np.float64),  # norm of the longest gradient column
        ("judged", np.float64),  # f_p when the gain was last judged
        ("since", np.int64),  # steps taken since then
        ("iterations", np.int64),  # directions tried
        ("evaluations", np.int64),
        ("stored", np.int64),  # pairs in the memory
        ("newest", np.int64),  # slot of the newest
    ]
)
"""Where a descent stands: an array of one record, changed by `iterate`."""


class Points(NamedTuple):
    """Points and gradients by axis. Of n points the first m are free, the others their images."""

    x: Any
    """`(d, n)`."""
    trial: Any
    """`(d, n)`, of the line search."""
    gradient: Any
    """`(d, m)`, tangent."""
    trial_gradient: Any
    """`(d, m)`, times the sum of the weights."""
    direction: Any
    """`(d, m)`, tangent."""
    anchor: Any
    """`(d, m)`: the free points when the lists were made."""
    sizes: Any
    """`(m,)`: how many points each free one stands for. Products of vectors are weighted by them."""


class Memory(NamedTuple):
    """The last pairs of L-BFGS and their products; a ring of M slots."""

    steps: Any
    """S, `(M, d, m)`."""
    changes: Any
    """Y, of the gradient, `(M, d, m)`."""
    steps_changes: Any
    """S'Y, `(M, M)`, of which only steps that are no newer than the change are filled in."""
    changes_changes: Any
    """Y'Y, `(M, M)`."""
    along: Any
    """S'g and Y'g, `(2, M)`."""
    weights: Any
    """The direction as a combination of S, Y and g, `(2 M + 1,)`."""


class OneThread(NamedTuple):
    """Loops over blocks run on the thread that calls."""

    threads: int = 1


class AllThreads(NamedTuple):
    """Loops over blocks run on as many threads as numba has been given."""

    threads: int = 0


class Settings(NamedTuple):
    """What a descent on one rung is to do."""

    loops: Any
    """`OneThread()` or `AllThreads()`: a choice by type, so that code for one thread never loads a pool of threads."""
    p: float
    """Exponent of the rung."""
    chord_bound: float
    """Upper bound on the smallest chord: the length in which steps are counted."""
    longest_step: float
    """Chord bounds that a point may go in one step."""
    gradient_tol: float
    """Longest gradient column times the smallest chord at which the descent ends."""
    window: int
    """Steps after which the gain is judged; 0 for never."""
    margin: float
    """By how much the lists reach too far; infinite without lists."""


_serial = njit(cache=True, nogil=True, fastmath=FIXED_ORDER, error_model="numpy")
_parallel = njit(cache=True, nogil=True, parallel=True, fastmath=FIXED_ORDER, error_model="numpy")

_TRIES = 25  # lengths of one direction
_ARMIJO = 1e-4  # part of the predicted decrease that a step must reach
_CURVATURE = 1e-14  # s.y over y.y: pairs below it are not stored
_BUFFERS = 4  # rows of scratch for a block
_LINKED: Any = {"forceinline": True}  # a call with so many arrays costs more than the loops over few points


def evaluate(forces, x, gradient, sizes, scale):
    """Sum of the weights over pairs, smallest squared chord; the tangent gradient times that sum is written.

    The images among `x` are placed first. Modules of pair sums register it for their named tuple.
    """
    raise NotImplementedError


@_serial
def f_p(total, scale, p):
    """f_p from the sum of the weights at a scale."""
    return math.log(total) / p - 0.5 * math.log(scale)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _slot(newest, back, slots):
    """The slot that was filled `back` steps before the newest: a remainder, without the division."""
    c = newest - back
    return c + slots if c < 0 else c


@_serial
def _combine_block(
    block, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
):
    """Of one block: the direction as a combination of the stored vectors and g; slope, longest and farthest."""
    d, m = gradient.shape
    slots = len(steps)
    low, high = block * BLOCK, min(m, (block + 1) * BLOCK)
    radial, slope, square, moved = scratch[0], scratch[1], scratch[2], scratch[3]
    for i in range(high - low):
        radial[i], slope[i], square[i], moved[i] = 0.0, 0.0, 0.0, 0.0
    for k in range(d):
        for i in range(low, high):
            direction[k, i] = weights[2 * slots] * gradient[k, i]
        for back in range(0, stored - 1, 2):  # two pairs at once: the direction is read and written half as often
            c, e = _slot(newest, back, slots), _slot(newest, back + 1, slots)
            of_step, of_change, of_step_before, of_change_before = (
                weights[c], weights[slots + c], weights[e], weights[slots + e],
            )  # fmt: skip
            for i in range(low, high):
                direction[k, i] += (of_step * steps[c, k, i] + of_change * changes[c, k, i]) + (
                    of_step_before * steps[e, k, i] + of_change_before * changes[e, k, i]
                )
        if stored % 2 == 1:
            c = _slot(newest, stored - 1, slots)
            of_step, of_change = weights[c], weights[slots + c]
            for i in range(low, high):
                direction[k, i] += of_step * steps[c, k, i] + of_change * changes[c, k, i]
        for i in range(low, high):
            radial[i - low] += direction[k, i] * x[k, i]
            t = x[k, i] - anchor[k, i]
            moved[i - low] += t * t
    for k in range(d):
        for i in range(low, high):
            direction[k, i] -= radial[i - low] * x[k, i]
            slope[i - low] += direction[k, i] * gradient[k, i]
            square[i - low] += direction[k, i] * direction[k, i]
    longest, farthest = 0.0, 0.0
    for i in range(high - low):
        slope[i] *= sizes[low + i]
        longest = max(longest, square[i])
        farthest = max(farthest, moved[i])
    partial[block, 0], partial[block, 1], partial[block, 2] = lane_sum(slope, high - low), longest, farthest


@_serial
def _combine_in_turn(x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch):
    for block in range(len(partial)):
        _combine_block(
            block, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
        )


@_parallel
def _combine_in_threads(x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial):
    for block in prange(len(partial)):
        scratch = np.empty((_BUFFERS, BLOCK))
        _combine_block(
            block, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
        )


def _combine(loops, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch):
    raise NotImplementedError


@overload(_combine, jit_options=_LINKED)
def _choose_combine(
    loops, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
):
    def on_one_thread(
        loops, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
    ):
        _combine_in_turn(
            x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
        )

    def on_all_threads(
        loops, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
    ):
        _combine_in_threads(x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial)

    return on_one_thread if loops.instance_class is OneThread else on_all_threads


@_serial
def _advance_block(block, x, direction, step, trial, scratch):
    """Of one block: trial = x + step * direction for the free points, columns scaled to length 1."""
    d, m = direction.shape
    low, high = block * BLOCK, min(m, (block + 1) * BLOCK)
    norm = scratch[0]
    for i in range(high - low):
        norm[i] = 0.0
    for k in range(d):
        for i in range(low, high):
            trial[k, i] = x[k, i] + step * direction[k, i]
            norm[i - low] += trial[k, i] * trial[k, i]
    for i in range(high - low):
        norm[i] = 1.0 / math.sqrt(norm[i])
    for k in range(d):
        for i in range(low, high):
            trial[k, i] *= norm[i - low]


@_serial
def _advance_in_turn(x, direction, step, trial, blocks, scratch):
    for block in range(blocks):
        _advance_block(block, x, direction, step, trial, scratch)


@_parallel
def _advance_in_threads(x, direction, step, trial, blocks):
    for block in prange(blocks):
        _advance_block(block, x, direction, step, trial, np.empty((_BUFFERS, BLOCK)))


def _advance(loops, x, direction, step, trial, blocks, scratch):
    raise NotImplementedError


@overload(_advance, jit_options=_LINKED)
def _choose_advance(loops, x, direction, step, trial, blocks, scratch):
    def on_one_thread(loops, x, direction, step, trial, blocks, scratch):
        _advance_in_turn(x, direction, step, trial, blocks, scratch)

    def on_all_threads(loops, x, direction, step, trial, blocks, scratch):
        _advance_in_threads(x, direction, step, trial, blocks)

    return on_one_thread if loops.instance_class is OneThread else on_all_threads


@_serial
def _update_block(block, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch):
    """Of one block: move to the trial; store step and change in a slot; products of g with the memory.

    The new gradient comes times `total`; it is left times the sizes.
    """
    d, m = gradient.shape
    n = x.shape[1]
    slots = len(steps)
    low, high = block * BLOCK, max(block * BLOCK, min(m, (block + 1) * BLOCK))
    square, first, second = scratch[0], scratch[1], scratch[2]
    for i in range(high - low):
        square[i], first[i], second[i] = 0.0, 0.0, 0.0
    inverse = 1.0 / total
    for k in range(d):
        if slot >= 0:
            for i in range(low, high):
                step, change = trial[k, i] - x[k, i], new[k, i] * inverse - gradient[k, i]
                steps[slot, k, i] = step
                changes[slot, k, i] = change
                first[i - low] += step * change
                second[i - low] += change * change
        for i in range(low, high):
            now = new[k, i] * inverse
            gradient[k, i] = now
            square[i - low] += now * now
            new[k, i] = sizes[i] * now
        for i in range(low, min(n, (block + 1) * BLOCK)):
            x[k, i] = trial[k, i]
    longest = 0.0
    for i in range(high - low):
        first[i] *= sizes[low + i]
        second[i] *= sizes[low + i]
        longest = max(longest, square[i])
    partial[block, 2 * slots] = lane_sum(first, high - low)
    partial[block, 2 * slots + 1] = lane_sum(second, high - low)
    partial[block, 2 * slots + 2] = longest
    whole = low + (high - low) // 4 * 4
    for back in range(stored):
        c = _slot(newest, back, slots)
        s0, s1, s2, s3, y0, y1, y2, y3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # lanes, so that it vectorises
        for k in range(d):
            for i in range(low, whole, 4):
                s0 += new[k, i] * steps[c, k, i]
                s1 += new[k, i + 1] * steps[c, k, i + 1]
                s2 += new[k, i + 2] * steps[c, k, i + 2]
                s3 += new[k, i + 3] * steps[c, k, i + 3]
                y0 += new[k, i] * changes[c, k, i]
                y1 += new[k, i + 1] * changes[c, k, i + 1]
                y2 += new[k, i + 2] * changes[c, k, i + 2]
                y3 += new[k, i + 3] * changes[c, k, i + 3]
            for i in range(whole, high):
                s0 += new[k, i] * steps[c, k, i]
                y0 += new[k, i] * changes[c, k, i]
        partial[block, c] = (s0 + s1) + (s2 + s3)
        partial[block, slots + c] = (y0 + y1) + (y2 + y3)


@_serial
def _update_in_turn(x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch):
    for block in range(len(partial)):
        _update_block(
            block, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch
        )


@_parallel
def _update_in_threads(x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial):
    for block in prange(len(partial)):
        scratch = np.empty((_BUFFERS, BLOCK))
        _update_block(
            block, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch
        )


def _update(loops, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch):
    raise NotImplementedError


@overload(_update, jit_options=_LINKED)
def _choose_update(
    loops, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch
):
    def on_one_thread(
        loops, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch
    ):
        _update_in_turn(x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch)

    def on_all_threads(
        loops, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial, scratch
    ):
        _update_in_threads(x, trial, gradient, new, total, sizes, steps, changes, slot, stored, newest, partial)

    return on_one_thread if loops.instance_class is OneThread else on_all_threads


@_serial
def _coefficients(along, steps_changes, changes_changes, stored, newest, alpha, weights):
    """The two-loop recursion on coefficients: -H g = sum of the weights times (S, Y, g)."""
    slots = len(alpha)
    for back in range(stored):  # q = -g - sum of alpha_e y_e over newer e
        c = _slot(newest, back, slots)
        product = -along[0, c]
        for newer in range(back):
            e = _slot(newest, newer, slots)
            product -= alpha[e] * steps_changes[c, e]
        alpha[c] = product / steps_changes[c, c]
    gamma = 1.0
    if stored > 0:
        gamma = steps_changes[newest, newest] / changes_changes[newest, newest]
    for back in range(stored - 1, -1, -1):  # r = gamma q + sum of weights_e s_e over older e
        c = _slot(newest, back, slots)
        product = -along[1, c]
        for other in range(stored):
            e = _slot(newest, other, slots)
            product -= alpha[e] * changes_changes[c, e]
        product *= gamma
        for older in range(back + 1, stored):
            e = _slot(newest, older, slots)
            product += weights[e] * steps_changes[e, c]
        weights[c] = alpha[c] - product / steps_changes[c, c]
        weights[slots + c] = -gamma * alpha[c]
    weights[2 * slots] = -gamma


@_serial
def _keep_products(along, steps_changes, changes_changes, slot, stored, newest, sums):
    """Bring the products of the memory up to date: of the new gradient, and of the pair in `slot` unless negative."""
    slots = along.shape[1]
    if slot >= 0:
        for back in range(1, stored):
            c = _slot(newest, back, slots)
            steps_changes[c, slot] = sums[c] - along[0, c]
            changes_changes[c, slot] = sums[slots + c] - along[1, c]
            changes_changes[slot, c] = changes_changes[c, slot]
        steps_changes[slot, slot] = sums[2 * slots]
        changes_changes[slot, slot] = sums[2 * slots + 1]
    for back in range(stored):
        c = _slot(newest, back, slots)
        along[0, c], along[1, c] = sums[c], sums[slots + c]


@_serial
def _join(partial):
    """Join all blocks, in order, into the first: sums of the columns, and of the last the largest."""
    last = partial.shape[1] - 1
    for block in range(1, len(partial)):
        for c in range(last):
            partial[0, c] += partial[block, c]
        partial[0, last] = max(partial[0, last], partial[block, last])


@_serial
def iterate(forces, points, memory, settings, states, until):
    """L-BFGS on f_p, from where `states` says it is.

    Args:
        forces: named tuple for which `evaluate` is registered.
        points: `Points`; moved.
        memory: `Memory`; changed.
        settings: `Settings`.
        states: one record of `STATE`; changed.
        until: number of iterations, those done before included, at which it ends.

    Returns:
        `ITERATIONS`, `STALE` or `CONVERGED`.
    """
    state, loops = states[0], settings.loops
    x, trial, gradient, new, direction, anchor, sizes = points
    steps, changes, steps_changes, changes_changes, along, weights = memory
    p, bound, slots = settings.p, settings.chord_bound, len(steps)
    blocks = (gradient.shape[1] + BLOCK - 1) // BLOCK
    partial = np.zeros((blocks, 3))
    sums = np.zeros(((x.shape[1] + BLOCK - 1) // BLOCK, 2 * slots + 3))
    scratch, alpha = np.empty((_BUFFERS, BLOCK)), np.empty(slots)
    if state.known == 0:
        trial[:] = x
        total, near = evaluate(forces, trial, new, sizes, state.least)
        state.evaluations += 1
        state.value, state.least = f_p(total, state.least, p), near
        stored, newest = state.stored, state.newest
        _update(loops, x, trial, gradient, new, total, sizes, steps, changes, -1, stored, newest, sums, scratch)
        _join(sums)
        _keep_products(along, steps_changes, changes_changes, -1, stored, newest, sums[0])
        state.steepest = math.sqrt(sums[0, 2 * slots + 2])
        if state.iterations == 0:
            state.judged = state.value
        state.known = 1
    while state.iterations < until:
        if not state.steepest * math.sqrt(state.least) >= settings.gradient_tol:
            return CONVERGED
        stored, newest = state.stored, state.newest
        while True:
            _coefficients(along, steps_changes, changes_changes, stored, newest, alpha, weights)
            _combine(
                loops, x, gradient, direction, anchor, sizes, steps, changes, weights, stored, newest, partial, scratch
            )
            slope, longest, farthest = 0.0, 0.0, 0.0
            for block in range(blocks):
                slope += partial[block, 0]
                longest, farthest = max(longest, partial[block, 1]), max(farthest, partial[block, 2])
            if slope < 0.0 or stored == 0:
                break
            stored = 0  # not downhill: down the gradient instead
        longest, farthest = math.sqrt(longest), math.sqrt(farthest)
        step = min(1.0, settings.longest_step * bound / longest)
        if stored == 0:
            step = 0.1 * bound / (longest * max(1.0, p / 16.0))
        if 2.0 * (farthest + step * longest) > settings.margin:
            if farthest > 0.0:
                return STALE
            step = 0.5 * settings.margin / longest
        state.iterations += 1
        accepted, total, near, value = False, np.inf, np.inf, np.inf
        for _ in range(_TRIES):
            _advance(loops, x, direction, step, trial, blocks, scratch)
            total, near = evaluate(forces, trial, new, sizes, state.least)
            state.evaluations += 1
            if total > 0.0 and total < np.inf:
                value = f_p(total, state.least, p)
                if value <= state.value + _ARMIJO * step * slope:
                    accepted = True
                    break
                # The minimum of the parabola through what is known.
                step *= min(0.5, max(0.1, -0.5 * step * slope / (value - state.value - step * slope)))
            else:
                step *= 0.25
        if not accepted:
            if stored == 0:
                return CONVERGED
            state.stored = 0
            continue
        slot = (newest + 1) % slots
        stored = min(stored + 1, slots)
        _update(loops, x, trial, gradient, new, total, sizes, steps, changes, slot, stored, slot, sums, scratch)
        _join(sums)
        _keep_products(along, steps_changes, changes_changes, slot, stored, slot, sums[0])
        state.value, state.least, state.steepest = value, near, math.sqrt(sums[0, 2 * slots + 2])
        if steps_changes[slot, slot] > _CURVATURE * changes_changes[slot, slot]:
            state.stored, state.newest = stored, slot
        else:
            state.stored = stored - 1  # the slot held the oldest pair, or none
        state.since += 1
        if state.since == settings.window:
            if state.judged - value < 1e-4 * settings.gradient_tol / p:
                return CONVERGED
            state.judged, state.since = value, 0
    return ITERATIONS
