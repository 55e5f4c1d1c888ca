"""Compiled neighbour search: cell lists of points on a sphere, for any number of them.

Coordinates are stored by axis, `(d, n)`. The sphere is cut into cubes of at least the reach along a few
axes; a point's neighbours then lie in its own cube and those around it. Every list is full (j in the list
of i and i in that of j), so that each point sums its own pairs and threads share nothing.

Loops run over blocks of points of a fixed size, as in `block_sums`: the bits depend on the points alone, not on
the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Threads that spin while they wait take the core from whoever else needs it: on a busy machine tenfold slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numba
import numpy as np
from numba import njit, prange

from tammes.solvers.ladder.block_sums import BLOCK

__all__ = ["at_once", "curve_order", "neighbours_within", "threads"]

_AXES = 4  # along which cubes are cut; more would make more cubes to look into than it leaves out points

_ALONE = threading.Lock()

_compile = njit(cache=True, nogil=True, parallel=True, error_model="numpy")
_serial = njit(cache=True, nogil=True, error_model="numpy")


@_serial
def _sort_into_cells(x, axes, side, cell, starts, members):
    """Cell of every point, first member of every cell, members cell by cell (in order of their index)."""
    n = x.shape[1]
    starts[:] = 0
    for i in range(n):
        index = 0
        for k in range(axes):
            index = index * side + min(side - 1, max(0, int((x[k, i] + 1.0) * 0.5 * side)))
        cell[i] = index
        starts[index + 1] += 1
    for c in range(len(starts) - 1):
        starts[c + 1] += starts[c]
    for i in range(n - 1, -1, -1):
        starts[cell[i] + 1] -= 1
        members[starts[cell[i] + 1]] = i
    # starts[c + 1] is now the first member of cell c: moved back by one place.
    for c in range(len(starts) - 1):
        starts[c] = starts[c + 1]
    starts[len(starts) - 1] = n


@_serial
def _scan(y, i, own, axes, side, starts, members, reach_sq, chord_sq, found, write):
    """Number of neighbours of the i-th member, which lies in the cell `own`; written to `found` if asked for."""
    d = y.shape[0]
    count = 0
    low, high = max(0, own % side - 1), min(side - 1, own % side + 1)
    for row in range(3 ** (axes - 1)):
        # The cells of a row along the last axis follow each other, and so do their members.
        base, step, rest, left, inside = 0, side, row, own // side, True
        for _ in range(axes - 1):
            at = left % side + rest % 3 - 1
            inside = inside and 0 <= at < side
            base += at * step
            step *= side
            left //= side
            rest //= 3
        if not inside:
            continue
        begin = starts[base + low]
        many = starts[base + high + 1] - begin
        for q in range(many):
            chord_sq[q] = 0.0
        for k in range(d):
            at_k = y[k, i]
            for q in range(many):
                t = at_k - y[k, begin + q]
                chord_sq[q] += t * t
        if write:
            for q in range(many):
                if chord_sq[q] <= reach_sq and begin + q != i:
                    found[count] = members[begin + q]
                    count += 1
        else:
            for q in range(many):
                count += chord_sq[q] <= reach_sq
    return count if write else count - 1


@_compile
def _gather(x, members):
    """The points in the order of the cells."""
    d, n = x.shape
    y = np.empty((d, n))
    for i in prange(n):
        for k in range(d):
            y[k, i] = x[k, members[i]]
    return y


@_compile
def _lists(y, cell, axes, side, starts, members, reach_sq, widest, first, neighbours, write):
    """Count the neighbours of every point into `first`, one place on; or write them to `neighbours`."""
    n = y.shape[1]
    for block in prange((n + BLOCK - 1) // BLOCK):
        chord_sq = np.empty(widest)
        for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
            own = members[i]
            if own >= len(first) - 1:  # an image: only the free points have lists
                continue
            found = neighbours[first[own] :] if write else neighbours
            count = _scan(y, i, cell[own], axes, side, starts, members, reach_sq, chord_sq, found, write)
            if not write:
                first[own + 1] = count


def neighbours_within(x, reach, free=-1):
    """For every point, all others within a chord.

    Cost: O(n) for even sets while the reach is a small part of the radius, O(n^2) where it is not.

    Args:
        x: points on the unit sphere, `(d, n)`, C-contiguous.
        reach: the longest chord that counts.
        free: lists of the first so many points only; of all if negative.

    Returns:
        `first`, `(free + 1,)`, and `neighbours`, int32: those of point i are
        `neighbours[first[i]:first[i + 1]]`, always in the same order for the same points.
    """
    d, n = x.shape
    axes = min(d, _AXES)
    side = max(1, int(2.0 / (reach * (1.0 + 1e-12))))
    side = min(side, max(1, int(max(64.0, 8.0 * n) ** (1.0 / axes))))
    cells = side**axes
    cell, starts, members = np.empty(n, np.int32), np.zeros(cells + 1, np.int32), np.empty(n, np.int32)
    _sort_into_cells(x, axes, side, cell, starts, members)
    row = np.concatenate([[0, 0], starts, [n, n]])
    widest = int((row[3:] - row[:-3]).max()) + 1
    y = _gather(x, members)
    first, none = np.zeros((n if free < 0 else free) + 1, np.int64), np.empty(0, np.int32)
    _lists(y, cell, axes, side, starts, members, reach * reach, widest, first, none, False)
    np.cumsum(first, out=first)
    neighbours = np.empty(int(first[-1]), np.int32)
    _lists(y, cell, axes, side, starts, members, reach * reach, widest, first, neighbours, True)
    return first, neighbours


def curve_order(x):
    """Indices of the points along Morton's curve through the first axes: neighbours come near each other.

    Args:
        x: points on the unit sphere, `(d, n)`.
    """
    axes = min(x.shape[0], _AXES)
    bits = 63 // axes if axes > 3 else 21
    bits = min(bits, 16)
    code = np.zeros(x.shape[1], np.uint64)
    for k in range(axes):
        level = np.clip((x[k] + 1.0) * 0.5 * (1 << bits), 0, (1 << bits) - 1).astype(np.uint64)
        for bit in range(bits):
            code |= ((level >> np.uint64(bit)) & np.uint64(1)) << np.uint64(bit * axes + k)
    return np.argsort(code, kind="stable")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for the compiled loops of this thread of Python; runs with several take turns."""
    before = numba.get_num_threads()
    if count > 1:
        _ALONE.acquire()
    try:
        numba.set_num_threads(max(1, min(count, numba.config.NUMBA_NUM_THREADS)))  # type: ignore[attr-defined]
        yield
    finally:
        numba.set_num_threads(before)
        if count > 1:
            _ALONE.release()


def at_once(count: int) -> int:
    """How many threads of Python may run compiled loops at the same time: `count`, or 1 where they must not."""
    _gather(np.zeros((2, 1)), np.zeros(1, np.int32))  # what layer there is shows once a loop has run
    layer = numba.threading_layer()  # type: ignore[attr-defined]
    return 1 if layer == "workqueue" else count
