"""Matrices that are equal but for rounding: their labels, and what is new among them."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from tammes.base.geometry import Floats, Ints

__all__ = ["SAME", "distinct", "equal_labels", "is_new"]

SAME = 1e-6
"""Entries of equal matrices agree to this; those of different elements of a group differ by 1e-3 or more."""

_GAP = 1e-10  # keys of equal matrices differ by rounding, 1e-14


def equal_labels(arrays: Floats) -> Ints:
    """Return a label for each matrix of `(..., p, q)`, flat, the same for matrices that differ by rounding alone.

    A grid would part equal entries on its border. Random linear keys are sorted and cut at the gaps;
    should two different matrices share a key, other keys are drawn.
    """
    rows = arrays.reshape(-1, arrays.shape[-2] * arrays.shape[-1])
    labels = np.zeros(len(rows), dtype=np.intp)
    for seed in itertools.count():
        keys = rows @ np.random.default_rng(seed).standard_normal(rows.shape[1])
        order = np.argsort(keys, kind="stable")
        new = np.diff(keys[order], prepend=-np.inf) > _GAP
        labels[order] = np.cumsum(new) - 1
        if (np.abs(rows - rows[order[new]][labels]) < SAME).all():
            break
    return labels


def distinct(matrices: Floats) -> Floats:
    """Return each of several matrices `(m, p, q)` once, where it comes first."""
    first = np.unique(equal_labels(matrices), return_index=True)[1]
    return np.asarray(matrices[np.sort(first)])


def is_new(matrices: Floats, known: Floats) -> NDArray[np.bool_]:
    """Return a mask `(m,)` of the matrices that are not among the known ones."""
    labels = equal_labels(np.concatenate([known, matrices]))
    return ~np.isin(labels[len(known) :], labels[: len(known)])
