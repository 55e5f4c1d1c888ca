"""Assertions on named codes and graphs: unit rows, distinct points, distances from every point, designs."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

EXACT_CODES = Path(__file__).parents[2] / "sloane_tables" / "exact_codes.csv"


def exact_rows():
    """Return the rows of the bundled table of exact codes."""
    with EXACT_CODES.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def exact_cosine(n, d):
    """Return the tabulated maximal cosine."""
    found = [row for row in exact_rows() if (int(row["n"]), int(row["d"])) == (n, d)]
    assert len(found) == 1
    return float(found[0]["max_cosine"])


def profile(points, k):
    """Return the cosines of point k with all points, to nine decimals, with their multiplicities."""
    cosines = np.round(points @ points[k], 9) + 0.0  # no -0.0
    return Counter(cosines.tolist())


def counted(distribution):
    """Return a distribution {cosine: count} with its cosines to nine decimals."""
    return Counter({round(float(cosine), 9) + 0.0: count for cosine, count in distribution.items()})


def assert_seen_alike(points, distribution, rows=None):
    """Every point, or each of `rows`, has so many points at each of these cosines, itself included."""
    wanted = counted(distribution)
    assert sum(wanted.values()) == len(points)
    for k in range(len(points)) if rows is None else rows:
        assert profile(points, k) == wanted, k


def assert_code(points, n, d, cosine, tolerance=1e-12):
    """Size, unit rows, and a maximal cosine below 1, so that rows are distinct."""
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


def assert_strongly_regular(graph, n, k, common, apart):
    """Each vertex has k neighbours; `common` are shared by adjacent pairs, `apart` by other pairs."""
    adjacency = graph.astype(int)
    assert adjacency.shape == (n, n)
    assert (adjacency == adjacency.T).all()
    eye = np.eye(n, dtype=int)
    assert (adjacency @ adjacency == k * eye + common * adjacency + apart * (1 - eye - adjacency)).all()
