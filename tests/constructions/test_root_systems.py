"""Root systems and the vertex figures of E8, by the distances that the literature gives."""

import numpy as np
import pytest
from invariants import assert_code, assert_design, assert_seen_alike, exact_cosine

from tammes.base.errors import InvalidParameterError
from tammes.constructions import root_systems
from tammes.constructions.polytopes import demicube
from tammes.constructions.root_systems import roots_a, roots_d
from tammes.constructions.vertex_figure import vertex_figure

# Conway and Sloane, chapter 4; Cohn and Kumar 2007, Table 1.
CODES = {
    "roots_e8": (240, 8, {1: 1, 0.5: 56, 0: 126, -0.5: 56, -1: 1}),
    "roots_e7": (126, 7, {1: 1, 0.5: 32, 0: 60, -0.5: 32, -1: 1}),
    "roots_e6": (72, 6, {1: 1, 0.5: 20, 0: 30, -0.5: 20, -1: 1}),
    "gosset": (56, 7, {1: 1, 1 / 3: 27, -1 / 3: 27, -1: 1}),
    "schlaefli": (27, 6, {1: 1, 1 / 4: 16, -1 / 2: 10}),
    "clebsch": (16, 5, {1: 1, 1 / 5: 10, -3 / 5: 5}),
    "petersen": (10, 4, {1: 1, 1 / 6: 6, -2 / 3: 3}),
}


@pytest.mark.parametrize("name", CODES)
def test_codes_of_e8(name):
    n, d, distribution = CODES[name]
    points = getattr(root_systems, name)()
    assert_code(points, n, d, exact_cosine(n, d))
    assert_seen_alike(points, distribution)
    assert_design(points)


@pytest.mark.parametrize(
    ("whole", "cosine", "part"),
    [
        ("roots_e8", 1 / 2, "gosset"),
        ("gosset", 1 / 3, "schlaefli"),
        ("schlaefli", 1 / 4, "clebsch"),
        ("clebsch", 1 / 5, "petersen"),
    ],
)
@pytest.mark.parametrize("apex", [0, 3, -1])
def test_each_is_the_vertex_figure_of_the_one_before(whole, cosine, part, apex):
    n, d, distribution = CODES[part]
    figure = vertex_figure(getattr(root_systems, whole)(), cosine, apex)
    assert_code(figure, n, d, sorted(distribution)[-2])
    assert_seen_alike(figure, distribution)


def test_root_systems_contain_each_other():
    e8, e7 = root_systems.roots_e8(), root_systems.roots_e7()
    assert_seen_alike(vertex_figure(e8, 0.0), CODES["roots_e7"][2])
    assert (np.abs(e7 @ e7[0]) < 1e-9).sum() == 60  # D6
    assert_seen_alike(demicube(5), CODES["clebsch"][2])


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 16])
def test_roots_a(d):
    points = roots_a(d)
    assert_code(points, d * (d + 1), d, 0.5)
    zero = {0: (d - 1) * (d - 2)} if d > 2 else {}
    assert_seen_alike(points, {1: 1, 0.5: 2 * (d - 1), -0.5: 2 * (d - 1), -1: 1, **zero})
    assert_design(points)


@pytest.mark.parametrize("d", [3, 4, 5, 8, 16])
def test_roots_d(d):
    points = roots_d(d)
    assert_code(points, 2 * d * (d - 1), d, 0.5)
    zero = 2 * d * (d - 1) - 2 - 8 * (d - 2)
    assert_seen_alike(points, {1: 1, 0.5: 4 * (d - 2), 0: zero, -0.5: 4 * (d - 2), -1: 1})
    assert_design(points)


@pytest.mark.parametrize("build", [roots_a, roots_d])
@pytest.mark.parametrize("d", [1, 0, -4, 2.0, True, "5"])
def test_dimensions_out_of_range_are_refused(build, d):
    with pytest.raises(InvalidParameterError, match="`d` must be an integer of at least"):
        build(d)


def test_roots_that_take_too_much_memory_are_refused():
    with pytest.raises(InvalidParameterError, match=r"`d` must be an integer of at least 3 for the roots of D. Got 2"):
        roots_d(2)
    for build in (roots_a, roots_d):
        with pytest.raises(InvalidParameterError, match="`d` must be smaller"):
            build(2000)
