"""L-BFGS on coefficients: the direction of the recursion on vectors."""

import numpy as np

from tammes.solvers.ladder import quasi_newton
from tammes.solvers.ladder.quasi_newton import MEMORY


def test_the_direction_is_that_of_the_recursion_on_vectors():
    """Nocedal and Wright, algorithm 7.4, word for word, on pairs that come in one after the other."""
    rng = np.random.default_rng(0)
    d, m = 3, 700  # more than two blocks
    sizes = rng.integers(1, 5, m).astype(float)
    x = rng.normal(size=(d, m))
    x /= np.linalg.norm(x, axis=0)
    g = rng.normal(size=(d, m))
    steps, changes = np.zeros((MEMORY, d, m)), np.zeros((MEMORY, d, m))
    gram, along = np.zeros((2 * MEMORY, 2 * MEMORY)), np.zeros(2 * MEMORY)
    dots, weights, direction = np.zeros((3, 2 * MEMORY)), np.zeros(2 * MEMORY + 1), np.zeros((d, m))
    pairs = []

    def inner(a, b):
        return (sizes * a * b).sum()

    for count in range(MEMORY + 3):
        slot = count % MEMORY
        trial = x + 0.1 * rng.normal(size=(d, m))
        new = g + (trial - x) * rng.uniform(1.0, 3.0, (d, m))
        pairs = [*pairs, (trial - x, new - g)][-MEMORY:]
        longest = quasi_newton._update(trial, 2.0 * new, 2.0, sizes, x, g, steps, changes, slot, dots)
        assert longest == np.float64(np.linalg.norm(new, axis=0).max())
        np.testing.assert_allclose(g, new, rtol=1e-15)
        gram[slot], gram[:, slot] = dots[0], dots[0]
        gram[MEMORY + slot], gram[:, MEMORY + slot] = dots[1], dots[1]
        along[:] = dots[2]

        out, alphas = -new, []
        for s, y in reversed(pairs):
            alphas.append(inner(s, out) / inner(s, y))
            out = out - alphas[-1] * y
        s, y = pairs[-1]
        out = out * inner(s, y) / inner(y, y)
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            out = out + (alpha - inner(y, out) / inner(s, y)) * s
        out -= (out * x).sum(axis=0) * x

        quasi_newton._coefficients(gram, along, len(pairs), slot, weights)
        slope, far = quasi_newton._combine(x, g, sizes, steps, changes, len(pairs), slot, weights, direction)
        np.testing.assert_allclose(direction, out, rtol=0, atol=1e-11 * np.abs(out).max())
        np.testing.assert_allclose(slope, inner(out, new), rtol=1e-10)
        np.testing.assert_allclose(far, np.linalg.norm(out, axis=0).max(), rtol=1e-10)


def test_steps_stay_on_the_sphere_and_the_longest_way_is_measured():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 600))
    x /= np.linalg.norm(x, axis=0)
    direction, trial = rng.normal(size=(4, 600)), np.empty((4, 600))
    quasi_newton._advance(x, direction, 0.3, trial)
    moved = x + 0.3 * direction
    np.testing.assert_allclose(trial, moved / np.linalg.norm(moved, axis=0), atol=1e-15)
    np.testing.assert_allclose(quasi_newton._farthest(trial, x), np.linalg.norm(trial - x, axis=0).max(), rtol=1e-14)
