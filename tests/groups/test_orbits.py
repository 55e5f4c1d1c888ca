"""The orbits of a given code."""

import numpy as np
import oracles
import pytest

from tammes.base import geometry
from tammes.base.errors import InvalidPointsError
from tammes.groups.catalogue import parse
from tammes.groups.orbits import orbits_of, random_orbits


@pytest.mark.parametrize(("name", "n", "d"), [("T", 22, 3), ("C5", 17, 3), ("D3d", 20, 3), ("antipodal", 12, 4)])
def test_a_symmetric_code_is_taken_apart_and_put_together(name, n, d):
    group = parse(name, d)
    known, points = random_orbits(group, n, np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(points)
    found = orbits_of(group, shuffled)
    assert np.abs(found.symmetrize(shuffled) - shuffled).max() < 1e-12
    assert len(found.bases) == len(known.bases)
    assert sorted(basis.shape[1] for basis in found.bases) == sorted(basis.shape[1] for basis in known.bases)
    # A kicked copy comes back to the family.
    kicked = geometry.as_points(shuffled + 1e-3 * np.random.default_rng(2).normal(size=(n, d)), normalize=True)
    again = orbits_of(group, found.symmetrize(kicked))
    assert len(again.bases) == len(known.bases)


def test_a_code_without_the_symmetry_is_refused():
    with pytest.raises(InvalidPointsError, match="symmetric under T"):
        orbits_of(parse("T", 3), np.asarray(oracles.random_code(12, 3)))
