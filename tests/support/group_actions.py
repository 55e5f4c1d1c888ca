"""Groups of several dimensions for the tests of orbits and strata, and orbits by brute force."""

import numpy as np
import pytest

ACTIONS = [
    ("T", 3),
    ("I", 3),
    ("Ih", 3),
    ("Oh", 3),
    ("C3v", 3),
    ("D5d", 3),
    ("S8", 3),
    ("Cs", 3),
    ("antipodal", 4),
    ("2T", 4),
    ("hyperoctahedral", 4),
    ("screw-6:1,2", 4),
    ("screw-12:0,3", 4),
    ("cyclic-even-signs", 5),
    ("screw-5:1,2,-", 5),
    ("simplex", 4),
    ("screw-7:1", 2),
]

actions = pytest.mark.parametrize(("name", "d"), ACTIONS)


def same_sets(a, b, tolerance=1e-9):
    """Return True if two sets of distinct points are equal up to their order."""
    distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return len(a) == len(b) and distances.min(axis=0).max() < tolerance and distances.min(axis=1).max() < tolerance


def orbit(group, point):
    """Return the different images of a point, by brute force."""
    images = []
    for image in group.matrices @ point:
        if all(np.linalg.norm(image - other) > 1e-6 for other in images):
            images.append(image)
    return np.array(images)
