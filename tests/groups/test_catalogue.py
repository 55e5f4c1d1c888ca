"""The catalogue: every name is a group of the right order, and what is tried first fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.groups.catalogue import known_names, parse
from tammes.groups.finite_groups import MAX_ORDER
from tammes.groups.named_matrices import FAMILIES

ORDERS = [
    *((name, 3, order) for name, order in (("T", 12), ("O", 24), ("I", 60), ("Td", 24), ("Th", 24))),
    *((name, 3, order) for name, order in (("Oh", 48), ("Ih", 120), ("Ci", 2), ("Cs", 2), ("S4", 4), ("S10", 10))),
    *((f"C{k}{suffix}", 3, k * (1 + bool(suffix))) for k in (1, 2, 3, 7) for suffix in ("", "v", "h")),
    *((f"D{k}{suffix}", 3, 2 * k * (1 + bool(suffix))) for k in (1, 2, 3, 6) for suffix in ("", "d", "h")),
    *((name, 4, order) for name, order in (("2T", 24), ("2O", 48), ("2I", 120), ("2D2", 8), ("2D5", 20), ("2Ir", 120))),
    ("2T*2Tr", 4, 288),
    ("2T*hyperoctahedral", 4, 1152),
    ("2O*2Or", 4, 1152),
    ("I@3", 4, 60),
    ("Ih@3*antipodal@-1", 4, 240),
    ("D3h@3*screw-5:1@-2", 5, 60),
    ("antipodal*cyclic", 5, 10),
    ("antipodal*cyclic", 2, 4),
    ("screw-5:1,2", 4, 5),
    ("screw-6:2,4", 4, 3),
    ("screw-5:1,2,-", 5, 10),
    ("screw-4:1,-", 3, 4),
    ("screw-1000:1", 2, 1000),
    *((name, d, order(d)) for d in (2, 3, 4, 5) for name, (order, _) in FAMILIES.items()),
]


def closed(matrices):
    """Whether products and inverses of elements are elements, each once."""
    flat = matrices.reshape(len(matrices), -1)
    overlap = flat @ flat.T  # trace(g^T h) = d where g = h
    d = matrices.shape[1]
    alone = np.count_nonzero(overlap > d - 1e-7) == len(matrices)
    some = np.random.default_rng(0).permutation(len(matrices))[:4]
    products = (matrices[some][:, None].transpose(0, 1, 3, 2) @ matrices).reshape(-1, d * d)
    return alone and bool(((products @ flat.T).max(axis=1) > d - 1e-10).all())


class TestParse:
    @pytest.mark.slow
    @pytest.mark.parametrize(("name", "d", "order"), ORDERS)
    def test_a_group_of_that_order(self, name, d, order):
        group = parse(name, d)
        assert (group.name, group.order, group.d) == (name, order, d)
        transposed = group.matrices.transpose(0, 2, 1)
        assert np.abs(transposed @ group.matrices - np.eye(d)).max() < 2e-15
        np.testing.assert_allclose(group.matrices[0], np.eye(d), atol=2e-15)
        assert closed(group.matrices)
        assert not group.matrices.flags.writeable

    @pytest.mark.parametrize(
        ("name", "improper"),
        [
            ("T", 0),
            ("O", 0),
            ("I", 0),
            ("Ih", 60),
            ("Th", 12),
            ("Td", 12),
            ("S6", 3),
            ("C5v", 5),
            ("C5h", 5),
            ("D4d", 8),
        ],
    )
    def test_rotations_and_reflections(self, name, improper):
        assert np.count_nonzero(np.linalg.det(parse(name, 3).matrices) < 0) == improper

    @pytest.mark.parametrize(
        ("name", "inversion"),
        [
            *((name, True) for name in ("Ih", "Oh", "Th", "Ci", "S6", "D3d", "D2h", "C2h")),
            *((name, False) for name in ("Td", "S4", "D2d", "D3h", "C3h", "I")),
        ],
    )
    def test_which_point_groups_hold_the_inversion(self, name, inversion):
        assert bool((np.abs(parse(name, 3).matrices + np.eye(3)).max(axis=(1, 2)) < 1e-9).any()) == inversion

    @pytest.mark.parametrize(
        ("one", "other", "d"),
        [
            ("D1", "C2", 3),
            ("C1v", "C1h", 3),
            ("S2", "Ci", 3),
            ("Ci", "antipodal", 3),
            ("T", "cyclic-even-signs", 3),
            ("Oh", "hyperoctahedral", 3),
            ("Th", "cyclic-signs", 3),
            ("Td", "simplex", 3),
            ("T", "simplex-alternating", 3),
            ("simplex-cyclic", "screw-5:1,2", 4),
            ("cyclic", "screw-5:1,2", 5),
            ("2T", "2Tr", 4),
            ("S8", "screw-8:1,-", 3),
        ],
    )
    def test_different_names_of_conjugate_groups(self, one, other, d):
        a, b = parse(one, d), parse(other, d)
        traces = [np.sort(np.trace(group.matrices, axis1=1, axis2=2)) for group in (a, b)]
        np.testing.assert_allclose(*traces, atol=1e-12)
        assert [kind.size for kind in a.strata] == [kind.size for kind in b.strata]

    def test_left_and_right_quaternions_commute(self):
        left, right = parse("2I", 4).matrices, parse("2Ir", 4).matrices
        np.testing.assert_allclose(left[:, None] @ right, right @ left[:, None], atol=1e-14)
        dicyclic = parse("2D3r", 4).matrices
        np.testing.assert_allclose(left[:, None] @ dicyclic, dicyclic @ left[:, None], atol=1e-14)

    @pytest.mark.parametrize(("name", "angle"), [("2T", 60.0), ("2I", 36.0)])
    def test_orbits_of_binary_groups_are_the_famous_polytopes(self, name, angle):
        """The 24-cell and the 600-cell."""
        points = parse(name, 4).matrices[:, :, 0]
        np.testing.assert_allclose(np.degrees(geometry.nearest_neighbours(points)[0]), angle, atol=1e-10)

    def test_forty_roots_are_two_orbits(self):
        group = parse("cyclic-even-signs", 5)
        near, far = np.eye(5)[0] + np.eye(5)[1], np.eye(5)[0] + np.eye(5)[2]
        images = [np.unique(np.round(group.matrices @ root), axis=0) for root in (near, far)]
        assert [len(points) for points in images] == [20, 20]
        roots = geometry.as_points(np.concatenate(images), normalize=True)
        np.testing.assert_allclose(np.degrees(geometry.nearest_neighbours(roots)[0]), 60.0)

    def test_blocks_leave_the_rest_alone(self):
        front, back = parse("I@3", 5).matrices, parse("I@-3", 5).matrices
        np.testing.assert_array_equal(front[:, 3:], np.tile(np.eye(5)[3:], (60, 1, 1)))
        np.testing.assert_array_equal(back[:, :2], np.tile(np.eye(5)[:2], (60, 1, 1)))

    @pytest.mark.parametrize(("name", "d", "canonical"), [("ih", 3, "Ih"), ("d3D", 3, "D3d"), ("CI", 3, "Ci")])
    def test_case_is_ignored(self, name, d, canonical):
        assert parse(name, d).name == canonical

    def test_more_spellings(self):
        assert parse("2dr@4".replace("d", "T"), 5).name == "2Tr@4"
        assert parse("Cyclic * ANTIPODAL", 4).name == "cyclic*antipodal"
        assert parse("screw-5:+1".replace("+", ""), 2).name == "screw-5:1"

    @pytest.mark.parametrize("d", [2, 3, 4, 5])
    def test_known_forms_parse(self, d):
        for form in known_names(d):
            name = form
            for i in range(d // 2, 0, -1):
                name = name.replace(f"m{i}", "1")
            if form not in FAMILIES:
                name = name.replace("2k", "4").replace("k", "4") if "screw" not in form else name.replace("-k", "-4")
            assert parse(name, d).order > 1 or name == "alternating"

    @pytest.mark.parametrize(
        "name", ["", "X", "C0", "D2v", "C4d", "S3", "S4h", "T5", "icosahedral", "2T", "Dk", "*", "@3"]
    )
    def test_unknown_names(self, name):
        with pytest.raises(UnknownNameError) as caught:
            parse(name, 3)
        assert "Ckv" in str(caught.value)

    def test_the_closest_form_comes_first(self):
        with pytest.raises(UnknownNameError, match="must be one of: cyclic-even-signs,"):
            parse("cyclic-evensigns", 5)

    def test_schoenflies_names_are_of_space(self):
        with pytest.raises(UnknownNameError):
            parse("Ih", 4)

    @pytest.mark.parametrize(
        ("name", "d"),
        [
            ("hyperoctahedral", 6),
            ("simplex", 6),
            ("signs", 100),
            ("screw-5000:1,1", 4),
            ("D2001", 3),
            ("C1001h*O", 3),
            ("2D1001", 4),
            ("2I*2Ir", 4),
            ("I*C7", 3),
        ],
    )
    def test_too_many_elements(self, name, d):
        with pytest.raises(
            InvalidParameterError, match=r"`symmetry` must be a group of at most 4,000 elements"
        ) as caught:
            parse(name, d)
        assert name in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "d", "words"),
        [
            ("screw-5:1", 4, "2 turns"),
            ("screw-5:1,2,3", 5, "2 turns, and `,-`"),
            ("screw-5:1,2,-", 4, "2 turns"),
            ("screw-0:1,2", 4, "k >= 1"),
            ("I@5", 4, "from 1 to d = 4"),
            ("I@0", 4, "from 1 to d = 4"),
            ("I@x", 4, "from 1 to d = 4"),
            ("2D0", 4, "k >= 1"),
        ],
    )
    def test_numbers_that_do_not_fit(self, name, d, words):
        with pytest.raises(InvalidParameterError, match=words):
            parse(name, d)

    @pytest.mark.parametrize("d", [1, True, 3.0, "3"])
    def test_no_dimension(self, d):
        with pytest.raises(InvalidParameterError, match="`d` must be"):
            parse("antipodal", d)

    @given(st.text(alphabet="cdstoi2345vhr*@-:,", max_size=8), st.integers(2, 5))
    def test_any_text_is_a_group_or_a_clear_error(self, name, d):
        try:
            group = parse(name, d)
        except (UnknownNameError, InvalidParameterError):
            return
        assert 1 <= group.order <= MAX_ORDER
        assert parse(group.name, d).order == group.order
