"""Sums that have the same bits with any number of threads: blocks of fixed size, joined in order.

A loop over points runs block by block; every block has its own partial result, and the partial results are
joined in the order of the blocks. Within a block, values are summed in lanes.
"""

from __future__ import annotations

from numba import njit

__all__ = ["BLOCK", "FIXED_ORDER", "lane_sum"]

BLOCK = 256
"""Points that one thread takes at once."""

FIXED_ORDER = {"nsz", "nnan"}
"""Flags of `fastmath` that leave the order of sums alone, and products apart from sums.

Others let a compiler reorder sums. It does so differently when it compiles than when it loads what it compiled,
and the same seed would give other bits.
"""


@njit(cache=True, nogil=True, fastmath=FIXED_ORDER, error_model="numpy", inline="always")
def lane_sum(values, count):
    """Sum of the first `count` values in eight lanes: an order of its own, in which the loop vectorises."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = count - count % 8
    for q in range(0, whole, 8):
        a += values[q]
        b += values[q + 1]
        c += values[q + 2]
        d += values[q + 3]
        e += values[q + 4]
        f += values[q + 5]
        g += values[q + 6]
        h += values[q + 7]
    total = a + b + c + d + e + f + g + h
    for q in range(whole, count):
        total += values[q]
    return total
