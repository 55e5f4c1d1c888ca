"""Readable reference implementations: naive double loops in 50 digits, and named codes.

Everything here is slow and obvious on purpose. Nothing imports `tammes`. Floats are taken at
their exact binary value.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
from mpmath import mpf
from scipy.linalg import helmert

mpmath.mp.dps = 50

PHI = (1.0 + np.sqrt(5.0)) / 2.0


# --- angles -----------------------------------------------------------------------------------


def vector(row):
    """A row of floats as exact 50-digit numbers."""
    return [mpf(float(value)) for value in row]


def dot(x, y):
    return mpmath.fsum(a * b for a, b in zip(x, y, strict=True))


def unit(x):
    length = mpmath.sqrt(dot(x, x))
    return [a / length for a in x]


def angle(x, y):
    """Angle of two rows, in 50 digits: arctangent of the part of y across x over the part along it."""
    x, y = unit(vector(x)), unit(vector(y))
    cosine = dot(x, y)
    across = [b - cosine * a for a, b in zip(x, y, strict=True)]  # y without its part along x
    return mpmath.atan2(mpmath.sqrt(dot(across, across)), cosine)


def tangent(x, y):
    """Unit tangent at x towards y: Gram-Schmidt, in 50 digits."""
    x, y = unit(vector(x)), unit(vector(y))
    cosine = dot(x, y)
    return unit([b - cosine * a for a, b in zip(x, y, strict=True)])


def angle_matrix(points):
    """All angles, in 50 digits; the diagonal is never read."""
    n = len(points)
    theta = [[None] * n for _ in range(n)]
    for i, j in itertools.combinations(range(n), 2):
        theta[i][j] = theta[j][i] = angle(points[i], points[j])
    return theta


def min_angle(points):
    return min(angle(x, y) for x, y in itertools.combinations(points, 2))


def nearest_angles(points):
    """Angle of every point to its nearest other point."""
    theta = angle_matrix(points)
    return [min(theta[i][j] for j in range(len(points)) if j != i) for i in range(len(points))]


def pairs_within(points, bound):
    """Pairs i < j at an angle of at most `bound`, in order."""
    pairs = itertools.combinations(range(len(points)), 2)
    return [(i, j) for i, j in pairs if angle(points[i], points[j]) <= bound]


def contacts(points, tolerance=1e-9):
    """Pairs within `tolerance` of the minimal angle."""
    return pairs_within(points, min_angle(points) + mpf(tolerance))


# --- the same for thousands of points: a loop over rows, float64, coordinate differences --------


def chords_from(points, i):
    """Distances of point i to all points; infinite to itself."""
    chords = np.sqrt(((points - points[i]) ** 2).sum(axis=1))
    chords[i] = np.inf
    return chords


def nearest_angles_by_rows(points):
    nearest = np.array([chords_from(points, i).min() for i in range(len(points))])
    return 2.0 * np.arcsin(nearest / 2.0)


def pairs_within_by_rows(points, bound):
    pairs, chord = [], 2.0 * np.sin(bound / 2.0)
    for i in range(len(points)):
        pairs += [(i, j) for j in np.flatnonzero(chords_from(points, i) <= chord).tolist() if i < j]
    return pairs


# --- losses -----------------------------------------------------------------------------------


def _of_nearest(phi):
    """`(1/n) sum_i phi(theta_i)`, theta_i the angle of row i to its nearest row."""

    def loss(weight, s):
        return mpmath.fsum(phi(theta) for theta in nearest_angles(weight)) / len(weight)

    return loss


def _of_pairs(phi):
    """`1/(n(n-1)) sum_{i != j} phi(|x_i - x_j|)`, the chord being 2 sin(theta / 2)."""

    def loss(weight, s):
        n, theta, total = len(weight), angle_matrix(weight), mpf(0)
        for i in range(n):
            for j in range(n):
                if i != j:
                    total += phi(2 * mpmath.sin(theta[i][j] / 2), mpf(s))
        return total / (n * (n - 1))

    return loss


LOSSES = {
    "mma": _of_nearest(lambda theta: -theta),
    "cosine": _of_nearest(mpmath.cos),
    "riesz-fisher": _of_pairs(lambda chord, s: chord ** (-s)),
    "logarithmic": _of_pairs(lambda chord, s: -mpmath.log(chord)),
    "orthogonal": _of_pairs(lambda chord, s: (1 - chord**2 / 2) ** 2),
}
"""Value of every loss by its name in the registry: `LOSSES[name](weight, s)`."""

LOSSES_BY_ROWS = {
    "mma": lambda chords, s: -2.0 * np.arcsin(chords.min() / 2.0),
    "cosine": lambda chords, s: 1.0 - chords.min() ** 2 / 2.0,
    "riesz-fisher": lambda chords, s: (chords ** (-s)).mean(),
    "logarithmic": lambda chords, s: -np.log(chords).mean(),
    "orthogonal": lambda chords, s: ((1.0 - chords**2 / 2.0) ** 2).mean(),
}
"""What one row adds to the mean, from its distances to the other rows."""


def loss_by_rows(name, points, s=2.0):
    """The loss of thousands of unit rows, in float64."""
    rows = range(len(points))
    return np.mean([LOSSES_BY_ROWS[name](np.delete(chords_from(points, i), i), s) for i in rows])


def loss_with_options(name, weight, s=2.0, *, antipodal=False, labels=None, mask=None, reduction="mean"):
    """The loss of the pairs that count, by a double loop in 50 digits."""
    rows = [i for i in range(len(weight)) if mask is None or mask[i]]
    by_pair = {
        "mma": lambda t: -t,
        "cosine": mpmath.cos,
        "riesz-fisher": lambda t: (2 * mpmath.sin(t / 2)) ** -mpf(s),
        "logarithmic": lambda t: -mpmath.log(2 * mpmath.sin(t / 2)),
        "orthogonal": lambda t: mpmath.cos(t) ** 2,
    }[name]
    terms = []
    for i in rows:
        rivals = [j for j in rows if j != i and (labels is None or labels[j] != labels[i])]
        angles = [angle(weight[i], weight[j]) for j in rivals]
        if name in ("mma", "cosine"):
            if antipodal:
                angles = [min(t, mpmath.pi - t) for t in angles]
            terms += [by_pair(min(angles))] if angles else []
        else:
            terms += [(by_pair(t) + by_pair(mpmath.pi - t)) / 2 if antipodal else by_pair(t) for t in angles]
    total = mpmath.fsum(terms)
    return total if reduction == "sum" else total / max(1, len(terms))


PAIR_GRADIENTS = {
    "mma": lambda t, s: mpf(1),  # Eq. 8
    "cosine": lambda t, s: mpmath.sin(t),  # Eq. 7
    "riesz-fisher": lambda t, s: s * mpmath.cos(t / 2) / (2 * mpmath.sin(t / 2)) ** (s + 1),  # Eq. 10
    "logarithmic": lambda t, s: mpmath.cot(t / 2) / 2,  # Eq. 12
    "orthogonal": lambda t, s: mpmath.sin(2 * t),  # negative beyond a right angle: antipodes draw nearer
}
"""Length of the gradient of one pair at angle t, times the norm of the row."""


def pair_gradient(name, x, y, s=2.0):
    """Gradient of the loss of the two rows x, y with respect to x: along the great circle, uphill to y."""
    norm = mpmath.sqrt(dot(vector(x), vector(x)))
    length = PAIR_GRADIENTS[name](angle(x, y), mpf(s)) / norm
    return np.array([float(length * value) for value in tangent(x, y)])


# --- named codes, from their coordinates ----------------------------------------------------------


def normalized(rows):
    rows = np.array(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_code(n, d, seed=0):
    return normalized(np.random.default_rng(seed).normal(size=(n, d)))


def icosahedron():
    """The cyclic permutations of (0, +-1, +-phi)."""
    corners = [(0.0, a, b * PHI) for a in (1, -1) for b in (1, -1)]
    return normalized([np.roll(corner, k) for corner in corners for k in range(3)])


def orthoplex(d):
    return np.concatenate([np.eye(d), -np.eye(d)])


def simplex(d):
    """d + 1 points in R^d, all cosines -1/d."""
    return normalized(helmert(d + 1).T)


def cell24():
    """The roots of D4: all +-e_i +- e_j."""
    pairs = itertools.combinations(np.eye(4), 2)
    return normalized([a * x + b * y for x, y in pairs for a in (1, -1) for b in (1, -1)])


def polygon(n, d=2):
    """n equally spaced points on the circle of the first two coordinates."""
    turn = 2.0 * np.pi * np.arange(n) / n
    return np.pad(np.stack([np.cos(turn), np.sin(turn)], axis=1), ((0, 0), (0, d - 2)))
