"""Compiled L-BFGS: its direction against the recursion on vectors, a quadratic of known minimum, threads."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit
from numba.extending import overload

from tammes.solvers.ladder import cell_lists as cells
from tammes.solvers.ladder import compiled_lbfgs as lbfgs

MEMORY = 8


class Quadratic(NamedTuple):
    """f = sum of x_i' A x_i / 2 over columns, least at the eigenvector of the least eigenvalue of A."""

    matrix: Any


@njit
def quadratic(matrix, x, gradient):
    value = 0.0
    for i in range(x.shape[1]):
        image = matrix @ x[:, i].copy()
        along = x[:, i].copy() @ image
        value += 0.5 * along
        gradient[:, i] = image - along * x[:, i]
    gradient[:] *= math.exp(value)  # f_p is log of the total over p, here 1
    return math.exp(value), 1.0


@overload(lbfgs.evaluate)
def _registered(forces, x, gradient, sizes, scale):
    if getattr(forces, "instance_class", None) is not Quadratic:
        return None
    return lambda forces, x, gradient, sizes, scale: quadratic(forces.matrix, x, gradient)


def columns(d, m, seed=0):
    x = np.random.default_rng(seed).normal(size=(d, m))
    return x / np.linalg.norm(x, axis=0)


def memory_of(d, m):
    return lbfgs.Memory(
        *(np.full(shape, np.nan) for shape in ((MEMORY, d, m), (MEMORY, d, m), (MEMORY, MEMORY), (MEMORY, MEMORY),
                                               (2, MEMORY), (2 * MEMORY + 1,)))
    )  # fmt: skip


def points_of(x):
    return lbfgs.Points(x, *(np.empty_like(x) for _ in range(4)), x.copy(), np.ones(x.shape[1]))


def descend(x, matrix, loops=None, margin=np.inf, iterations=200):
    states = np.zeros(1, lbfgs.STATE)
    states["least"] = 1.0
    settings = lbfgs.Settings(lbfgs.OneThread() if loops is None else loops, 1.0, 0.5, 0.3, 1e-10, 0, margin)
    ended = lbfgs.iterate(Quadratic(matrix), points_of(x), memory_of(*x.shape), settings, states, iterations)
    return ended, states[0]


def test_a_quadratic_reaches_its_least_eigenvalue():
    matrix = np.diag([0.1, 0.4, 0.9, 1.3])
    x = columns(4, 9)
    ended, state = descend(x, matrix)
    assert ended == lbfgs.CONVERGED
    assert state["value"] == pytest.approx(9 * 0.05, abs=1e-12)
    assert state["iterations"] < 60
    np.testing.assert_allclose(np.abs(x[0]), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(x, axis=0), 1.0, rtol=0, atol=1e-15)


def test_the_number_of_iterations_is_kept():
    matrix = np.diag([0.1, 0.4, 0.9, 1.3])
    ended, state = descend(columns(4, 9), matrix, iterations=3)
    assert ended == lbfgs.ITERATIONS
    assert state["iterations"] == 3


def test_no_point_leaves_the_margin_of_its_lists():
    x = columns(4, 9)
    start = x.copy()
    ended, _ = descend(x, np.diag([0.1, 0.4, 0.9, 1.3]), margin=0.2)
    assert ended == lbfgs.STALE
    moved = np.linalg.norm(x - start, axis=0).max()
    assert 0.0 < moved <= 0.1 + 1e-15


def test_threads_change_nothing():
    matrix, found = np.diag([1e-4, 4e-4, 9e-4]), []
    for loops, count in ((lbfgs.OneThread(), 1), (lbfgs.AllThreads(), 1), (lbfgs.AllThreads(), 2)):
        x = columns(3, 700)
        with cells.threads(count):
            descend(x, matrix, loops, iterations=12)
        found.append(x)
    assert (found[0] == found[1]).all()
    assert (found[1] == found[2]).all()


def test_the_direction_is_that_of_the_recursion_on_vectors():
    """Nocedal and Wright, algorithm 7.4, word for word, on pairs that come in one after the other."""
    rng = np.random.default_rng(0)
    d, m = 3, 700  # more than two blocks
    blocks = -(-m // lbfgs.BLOCK)
    sizes = rng.integers(1, 5, m).astype(float)
    x, g = columns(d, m), rng.normal(size=(d, m))
    memory, direction = memory_of(d, m), np.zeros((d, m))
    sums, partial, alpha = np.zeros((blocks, 2 * MEMORY + 3)), np.zeros((blocks, 3)), np.zeros(MEMORY)
    products = memory.along, memory.steps_changes, memory.changes_changes
    pairs = []

    def inner(a, b):
        return (sizes * a * b).sum()

    for count in range(MEMORY + 3):
        slot, stored = count % MEMORY, min(count + 1, MEMORY)
        trial = x + 0.1 * rng.normal(size=(d, m))
        new = g + (trial - x) * rng.uniform(1.0, 3.0, (d, m))
        pairs = [*pairs, (trial - x, new - g)][-MEMORY:]
        lbfgs._update_in_threads(
            x, trial, g, 2.0 * new, 2.0, sizes, memory.steps, memory.changes, slot, stored, slot, sums
        )
        sums[:] = np.nan_to_num(sums)  # slots that hold nothing yet
        lbfgs._join(sums)
        lbfgs._keep_products(*products, slot, stored, slot, sums[0])
        assert math.sqrt(sums[0, -1]) == pytest.approx(np.linalg.norm(new, axis=0).max(), rel=1e-15)
        np.testing.assert_allclose(g, new, rtol=1e-15)

        out, alphas = -new, []
        for s, y in reversed(pairs):
            alphas.append(inner(s, out) / inner(s, y))
            out = out - alphas[-1] * y
        s, y = pairs[-1]
        out = out * inner(s, y) / inner(y, y)
        for (s, y), weight in zip(pairs, reversed(alphas), strict=True):
            out = out + (weight - inner(y, out) / inner(s, y)) * s
        out -= (out * x).sum(axis=0) * x

        lbfgs._coefficients(*products, stored, slot, alpha, memory.weights)
        lbfgs._combine_in_threads(
            x, g, direction, x, sizes, memory.steps, memory.changes, memory.weights, stored, slot, partial
        )
        np.testing.assert_allclose(direction, out, rtol=0, atol=1e-11 * np.abs(out).max())
        np.testing.assert_allclose(partial[:, 0].sum(), inner(out, new), rtol=1e-10)
        np.testing.assert_allclose(partial[:, 1].max(), (out**2).sum(axis=0).max(), rtol=1e-10)
        assert partial[:, 2].max() == 0.0  # x has not left its anchor
