"""Vertex figures by their Gram matrix."""

import math

import numpy as np
import pytest
from invariants import assert_seen_alike

from tammes.base.errors import InvalidParameterError
from tammes.constructions import polytopes
from tammes.constructions.vertex_figure import unit_rows, vertex_figure

R5 = math.sqrt(5.0)


def test_rows_are_divided_by_their_length():
    assert unit_rows([[3, 4], [-4, 3]]).tolist() == [[0.6, 0.8], [-0.8, 0.6]]


@pytest.mark.parametrize("apex", [0, 5, 11])
def test_the_gram_matrix_is_that_of_the_formula(apex):
    points = polytopes.icosahedron()
    c = 1 / R5
    near = points[np.abs(points @ points[apex] - c) < 1e-9]
    figure = vertex_figure(points, c, apex)
    wanted = (near @ near.T - c * c) / (1 - c * c)
    np.testing.assert_allclose(figure @ figure.T, wanted, atol=1e-14)
    assert figure.shape == (5, 2)
    assert_seen_alike(figure, {1: 1, math.cos(0.4 * math.pi): 2, math.cos(0.8 * math.pi): 2})  # a regular pentagon


@pytest.mark.parametrize("cosine", [0.3, 1.0, -1.0, 1.5])
def test_cosines_that_do_not_occur_are_refused(cosine):
    with pytest.raises(InvalidParameterError, match="`cosine` must be"):
        vertex_figure(polytopes.icosahedron(), cosine)
