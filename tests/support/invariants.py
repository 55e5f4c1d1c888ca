"""What a named code is held to: rows on the sphere, all distinct, the same distances seen from every point."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

EXACT_CODES = Path(__file__).parents[2] / "sloane_tables" / "exact_codes.csv"


def exact_rows():
    with EXACT_CODES.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def exact_cosine(n, d, name=None):
    """The tabulated maximal cosine."""
    found = [row for row in exact_rows() if (int(row["n"]), int(row["d"])) == (n, d)]
    assert len(found) == 1
    return float(found[0]["max_cosine"])


def profile(points, k):
    """Cosines of point k with all points, to nine decimals, with their multiplicities."""
    cosines = np.round(points @ points[k], 9) + 0.0  # no -0.0
    return Counter(cosines.tolist())


def counted(distribution):
    """A distribution written as {cosine: count}, to nine decimals."""
    return Counter({round(float(cosine), 9) + 0.0: count for cosine, count in distribution.items()})


def assert_seen_alike(points, distribution, rows=None):
    """Every point (or each of `rows`) sees the others at these cosines, so many at each."""
    wanted = counted(distribution)
    assert sum(wanted.values()) == len(points)
    for k in range(len(points)) if rows is None else rows:
        assert profile(points, k) == wanted, k


def assert_code(points, n, d, cosine, tolerance=1e-12):
    """Size, unit rows, distinct rows, maximal cosine (which also parts the rows)."""
    assert points.shape == (n, d)
    assert points.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=4e-15)
    gram = points @ points.T
    np.fill_diagonal(gram, -2.0)
    assert abs(gram.max() - cosine) <= tolerance
    assert cosine < 1.0 - 1e-6


def assert_design(points):
    """Sum zero and second moment n/d: a spherical 2-design."""
    n, d = points.shape
    np.testing.assert_allclose(points.sum(axis=0), 0.0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(points.T @ points, n / d * np.eye(d), rtol=0, atol=1e-9 * n)
