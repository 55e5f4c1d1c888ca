"""Reference implementations: double loops in 50 digits, and named codes from their coordinates.

They are written to be read, not to be fast, and do not import `tammes`. Floats are used at their exact binary value.
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
    """Return a row of floats as numbers of 50 digits, exactly."""
    return [mpf(float(value)) for value in row]


def dot(x, y):
    """Return the dot product of two rows, in 50 digits."""
    return mpmath.fsum(a * b for a, b in zip(x, y, strict=True))


def unit(x):
    """Return a row divided by its length, in 50 digits."""
    length = mpmath.sqrt(dot(x, x))
    return [a / length for a in x]


def angle(x, y):
    """Return the angle between two rows in radians, in 50 digits.

    It is the arctangent of the component of y orthogonal to x over the component along x.
    """
    x, y = unit(vector(x)), unit(vector(y))
    cosine = dot(x, y)
    orthogonal = [b - cosine * a for a, b in zip(x, y, strict=True)]
    return mpmath.atan2(mpmath.sqrt(dot(orthogonal, orthogonal)), cosine)


def tangent(x, y):
    """Return the unit tangent at x towards y, by Gram-Schmidt in 50 digits."""
    x, y = unit(vector(x)), unit(vector(y))
    cosine = dot(x, y)
    return unit([b - cosine * a for a, b in zip(x, y, strict=True)])


def angle_matrix(points):
    """Return the angles between all pairs of rows, in 50 digits; the diagonal is None."""
    n = len(points)
    theta = [[None] * n for _ in range(n)]
    for i, j in itertools.combinations(range(n), 2):
        theta[i][j] = theta[j][i] = angle(points[i], points[j])
    return theta


def min_angle(points):
    """Return the minimal angle in radians, in 50 digits."""
    return min(angle(x, y) for x, y in itertools.combinations(points, 2))


def largest_cosine(weight):
    """Return the largest cosine between two rows of a tensor as stored, in 50 digits."""
    return mpmath.cos(min_angle(weight.detach().double().numpy()))


def cosines_without_diagonal(points):
    """Return the Gram matrix of unit rows, with -3 on its diagonal."""
    return points @ points.T - 4.0 * np.eye(len(points))


def nearest_angles(points):
    """Return the angle from every point to its nearest other point."""
    theta = angle_matrix(points)
    return [min(theta[i][j] for j in range(len(points)) if j != i) for i in range(len(points))]


def pairs_within(points, bound):
    """Return the pairs i < j at an angle of at most `bound`, in order."""
    pairs = itertools.combinations(range(len(points)), 2)
    return [(i, j) for i, j in pairs if angle(points[i], points[j]) <= bound]


def contacts(points, tolerance=1e-9):
    """Return the pairs within `tolerance` of the minimal angle."""
    return pairs_within(points, min_angle(points) + mpf(tolerance))


# --- the same for thousands of points: loops over rows in float64, from coordinate differences ---


def chords_from(points, i):
    """Return the distances from point i to all points, infinite to itself."""
    chords = np.sqrt(((points - points[i]) ** 2).sum(axis=1))
    chords[i] = np.inf
    return chords


def nearest_angles_by_rows(points):
    """Return the angle from every point to its nearest other point, in float64."""
    nearest = np.array([chords_from(points, i).min() for i in range(len(points))])
    return 2.0 * np.arcsin(nearest / 2.0)


def pairs_within_by_rows(points, bound):
    """Return the pairs i < j at an angle of at most `bound`, in order, by chords in float64."""
    chord = 2.0 * np.sin(bound / 2.0)
    pairs = []
    for i in range(len(points)):
        pairs += [(i, j) for j in np.flatnonzero(chords_from(points, i) <= chord).tolist() if i < j]
    return pairs


# --- losses -----------------------------------------------------------------------------------


def _of_nearest(phi):
    """Return the loss `(1/n) sum_i phi(theta_i)`, theta_i the angle of row i to its nearest row."""

    def loss(weight, s):
        return mpmath.fsum(phi(theta) for theta in nearest_angles(weight)) / len(weight)

    return loss


def _of_pairs(phi):
    """Return the loss `1/(n(n-1)) sum_{i != j} phi(|x_i - x_j|)`, where the chord is 2 sin(theta / 2)."""

    def loss(weight, s):
        n = len(weight)
        theta = angle_matrix(weight)
        total = mpf(0)
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
"""The losses by their names in the registry: `LOSSES[name](weight, s)` is the value in 50 digits."""

LOSSES_BY_ROWS = {
    "mma": lambda chords, s: -2.0 * np.arcsin(chords.min() / 2.0),
    "cosine": lambda chords, s: 1.0 - chords.min() ** 2 / 2.0,
    "riesz-fisher": lambda chords, s: (chords ** (-s)).mean(),
    "logarithmic": lambda chords, s: -np.log(chords).mean(),
    "orthogonal": lambda chords, s: ((1.0 - chords**2 / 2.0) ** 2).mean(),
}
"""The term of one row in the mean, from its distances to the other rows, by the name of the loss."""


def loss_by_rows(name, points, s=2.0):
    """Return the loss of unit rows in float64, fast enough for thousands."""
    rows = range(len(points))
    return np.mean([LOSSES_BY_ROWS[name](np.delete(chords_from(points, i), i), s) for i in rows])


def loss_with_options(name, weight, s=2.0, *, antipodal=False, labels=None, mask=None, reduction="mean"):
    """Return the loss with options, by a double loop over the pairs that count, in 50 digits."""
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
        others = [j for j in rows if j != i and (labels is None or labels[j] != labels[i])]
        angles = [angle(weight[i], weight[j]) for j in others]
        if name in ("mma", "cosine"):
            if antipodal:
                angles = [min(t, mpmath.pi - t) for t in angles]
            if angles:
                terms.append(by_pair(min(angles)))
        elif antipodal:
            terms += [(by_pair(t) + by_pair(mpmath.pi - t)) / 2 for t in angles]
        else:
            terms += [by_pair(t) for t in angles]
    total = mpmath.fsum(terms)
    return total if reduction == "sum" else total / max(1, len(terms))


PAIR_GRADIENTS = {
    "mma": lambda t, s: mpf(1),  # Eq. 8
    "cosine": lambda t, s: mpmath.sin(t),  # Eq. 7
    "riesz-fisher": lambda t, s: s * mpmath.cos(t / 2) / (2 * mpmath.sin(t / 2)) ** (s + 1),  # Eq. 10
    "logarithmic": lambda t, s: mpmath.cot(t / 2) / 2,  # Eq. 12
    "orthogonal": lambda t, s: mpmath.sin(2 * t),  # negative beyond a right angle
}
"""Length of the gradient of one pair at angle t times the length of the row, by the name of the loss."""


def pair_gradient(name, x, y, s=2.0):
    """Return the gradient with respect to x of the loss of the rows x and y: along the great circle towards y."""
    norm = mpmath.sqrt(dot(vector(x), vector(x)))
    length = PAIR_GRADIENTS[name](angle(x, y), mpf(s)) / norm
    return np.array([float(length * value) for value in tangent(x, y)])


# --- named codes, from their coordinates ----------------------------------------------------------


def normalized(rows):
    """Return the rows divided by their lengths, in float64."""
    rows = np.array(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_code(n, d, seed=0):
    """Return n uniformly distributed points on the sphere of R^d."""
    return normalized(np.random.default_rng(seed).normal(size=(n, d)))


def icosahedron():
    """Return the icosahedron: the cyclic permutations of (0, +-1, +-phi)."""
    corners = [(0.0, a, b * PHI) for a in (1, -1) for b in (1, -1)]
    return normalized([np.roll(corner, k) for corner in corners for k in range(3)])


def orthoplex(d):
    """Return the 2d points +-e_k."""
    return np.concatenate([np.eye(d), -np.eye(d)])


def simplex(d):
    """Return d + 1 points in R^d with all cosines -1/d."""
    return normalized(helmert(d + 1).T)


def cell24():
    """Return the 24-cell, the roots of D4: all +-e_i +- e_j."""
    pairs = itertools.combinations(np.eye(4), 2)
    return normalized([a * x + b * y for x, y in pairs for a in (1, -1) for b in (1, -1)])


def polygon(n, d=2):
    """Return n equally spaced points on the circle of the first two coordinates."""
    turn = 2.0 * np.pi * np.arange(n) / n
    return np.pad(np.stack([np.cos(turn), np.sin(turn)], axis=1), ((0, 0), (0, d - 2)))
