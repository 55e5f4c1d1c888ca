"""Where pair sums over neighbour lists end, for every realisation of the ladder. Lengths are in chord bounds."""

from __future__ import annotations

import math

__all__ = ["NEGLIGIBLE", "SKIN", "list_capacity", "skin", "truncation"]

NEGLIGIBLE = 37.0
"""-log(1e-16): a pair whose weight is smaller by this factor changes no digit of the sum."""

SKIN = 0.35
"""How much too far lists reach, so that they serve while points move."""

_WIDE_SKIN = 0.7  # while points of d = 3 go far: new lists cost more than long ones
_CUTOFFS = {2: 4.0, 3: 2.6, 4: 2.6, 5: 2.2, 6: 1.9, 7: 1.7, 8: 1.6}  # some hundreds of neighbours at most
_SWITCH = 0.7  # of the cutoff, where the switching function begins to fall


def truncation(p: float, d: int) -> tuple[float, float]:
    """Return the chords where the switching function begins to fall, and where it is 0; equal where nothing fades.

    Where pairs at the cutoff would still count, they fade before it; else nothing but weights below the last digit
    of the sum is left out.
    """
    negligible = math.exp(NEGLIGIBLE / p) if p > 8.0 else math.inf
    cutoff = _CUTOFFS[d]
    return (_SWITCH * cutoff, cutoff) if cutoff < negligible else (negligible, negligible)


def skin(p: float, d: int) -> float:
    """Return how much too far compiled lists reach."""
    begin, end = truncation(p, d)
    return _WIDE_SKIN if begin < end and d == 3 else SKIN


def list_capacity(d: int) -> int:
    """Return about how many neighbours a point has in the longest lists."""
    return {2: 12, 3: 40, 4: 160, 5: 420, 6: 500, 7: 500}.get(d, 700)
