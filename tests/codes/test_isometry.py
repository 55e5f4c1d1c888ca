"""Isometries: orders from the literature, laws of isometries, pairs that look alike, refusals."""

import itertools
import math

import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.codes.isometry import automorphisms, compare, difference, isometry
from tammes.codes.spherical_code import SphericalCode
from tammes.groups.catalogue import parse

PHI = oracles.PHI


# --- codes, from coordinates ----------------------------------------------------------------------


def signs(*corners):
    """All changes of sign of each corner, once."""
    choices = {
        tuple(s * x for s, x in zip(flips, v, strict=True))
        for v in corners
        for flips in itertools.product((1, -1), repeat=4)
    }
    return np.unique(np.round(np.array(sorted(choices)), 13) + 0.0, axis=0)


def arranged(corner, even=False):
    """All permutations of four coordinates, or the even ones."""

    def parity(order):
        return sum(a > b for a, b in itertools.combinations(order, 2)) % 2

    orders = (order for order in itertools.permutations(range(4)) if not (even and parity(order)))
    return [tuple(corner[i] for i in order) for order in orders]


def cell600():
    corners = [*arranged((2, 0, 0, 0)), (1, 1, 1, 1), *arranged((PHI, 1, 1 / PHI, 0), even=True)]
    return oracles.normalized(signs(*corners))


def cell120():
    a, b, c = PHI, PHI**2, math.sqrt(5.0)
    corners = [arranged(v) for v in ((0, 0, 2, 2), (1, 1, 1, c), (1 / b, a, a, a), (1 / a, 1 / a, 1 / a, b))]
    corners += [arranged(v, even=True) for v in ((0, 1 / b, 1, b), (0, 1 / a, a, c), (1 / a, 1, a, 2))]
    return oracles.normalized(signs(*itertools.chain.from_iterable(corners)))


def roots_d(d):
    pairs = itertools.combinations(np.eye(d), 2)
    return oracles.normalized([a * x + b * y for x, y in pairs for a in (1, -1) for b in (1, -1)])


def e8():
    halves = [row for row in itertools.product((0.5, -0.5), repeat=8) if np.prod(row) > 0]
    return np.concatenate([roots_d(8), np.array(halves) / math.sqrt(2.0)])


def section(code, cosine):
    """The points at one cosine from the first, projected off it, in coordinates of their span."""
    seen = code[np.abs(code @ code[0] - cosine) < 1e-9]
    rest = seen - np.outer(seen @ code[0], code[0])
    _, sizes, axes = np.linalg.svd(rest)
    return oracles.normalized(rest @ axes[: np.sum(sizes > 1e-9)].T)


def roots_e7():
    return e8()[np.abs(e8() @ e8()[0]) < 1e-9]


def roots_e6():
    """Orthogonal to two roots at 120 degrees."""
    roots = e8()
    second = roots[np.argmin(np.abs(roots @ roots[0] + 0.5))]
    return roots[(np.abs(roots @ roots[0]) < 1e-9) & (np.abs(roots @ second) < 1e-9)]


def eigencode(adjacency, value):
    """The projections of the vertices of a graph on an eigenspace."""
    values, vectors = np.linalg.eigh(adjacency)
    return oracles.normalized(vectors[:, np.abs(values - value) < 1e-6])


def graph(n, edges):
    adjacency = np.zeros((n, n))
    for i, j in edges:
        adjacency[i, j] = adjacency[j, i] = 1.0
    return adjacency


def hoffman_singleton():
    """Robertson's pentagons h and pentagrams i: vertex j of h is joined to vertex h i + j of i."""
    rim = [(5 * h + j, 5 * h + (j + 1) % 5) for h in range(5) for j in range(5)]
    stars = [(25 + 5 * i + j, 25 + 5 * i + (j + 2) % 5) for i in range(5) for j in range(5)]
    cross = [(5 * h + j, 25 + 5 * i + (h * i + j) % 5) for h in range(5) for i in range(5) for j in range(5)]
    return graph(50, rim + stars + cross)


def higman_sims():
    """A point, 22 points, and the 77 hexads of S(3, 6, 22): octads of the Golay code on two points."""
    generator, octads = 0b101011100011, []
    for message in range(1 << 12):
        word = 0
        for i in range(12):
            word ^= (generator << i) * (message >> i & 1)
        word |= (word.bit_count() % 2) << 23
        if word.bit_count() == 8:
            octads.append(word)
    hexads = [octad & ((1 << 22) - 1) for octad in octads if octad >> 22 == 3]
    assert (len(octads), len(hexads)) == (759, 77)
    edges = [(0, 1 + i) for i in range(22)]
    edges += [(1 + i, 23 + k) for k, hexad in enumerate(hexads) for i in range(22) if hexad >> i & 1]
    pairs = itertools.combinations(range(77), 2)
    return graph(100, edges + [(23 + k, 23 + m) for k, m in pairs if not hexads[k] & hexads[m]])


def rook():
    """Strongly regular (16, 6, 2, 2), in R^6."""
    pairs = itertools.combinations(range(16), 2)
    return eigencode(graph(16, [(i, j) for i, j in pairs if i // 4 == j // 4 or i % 4 == j % 4]), 2)


def shrikhande():
    """The other graph with these parameters: the same angles at every point."""
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    pairs = itertools.combinations(range(16), 2)
    edges = [(i, j) for i, j in pairs if ((i // 4 - j // 4) % 4, (i % 4 - j % 4) % 4) in steps]
    return eigencode(graph(16, edges), 2)


def snub_cube():
    """Even permutations with an even number of minus signs, odd ones with an odd number, of (1, 1/t, t)."""
    t = 1.839286755214161
    rows = []
    for order in itertools.permutations(range(3)):
        odd = sum(a > b for a, b in itertools.combinations(order, 2)) % 2
        for flips in itertools.product((1, -1), repeat=3):
            if (flips.count(-1) + odd) % 2 == 0:
                rows.append([flips[i] * (1.0, 1.0 / t, t)[order[i]] for i in range(3)])
    return oracles.normalized(rows)


def on_circle(places, of=8):
    turns = 2.0 * np.pi * np.array(places) / of
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def together(*codes):
    """Codes in orthogonal subspaces."""
    d, start, parts = sum(code.shape[1] for code in codes), 0, []
    for code in codes:
        parts.append(np.pad(code, ((0, 0), (start, d - start - code.shape[1]))))
        start += code.shape[1]
    return np.concatenate(parts)


def orthogonal(d, seed, determinant=None):
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    if determinant is not None and np.linalg.det(matrix) * determinant < 0:
        matrix[:, 0] *= -1.0
    return matrix


def turned(code, seed, determinant=None):
    """The code, turned and shuffled, and the new place of each point."""
    place = np.random.default_rng(seed).permutation(len(code))
    moved = np.empty_like(code)
    moved[place] = code @ orthogonal(code.shape[1], seed, determinant).T
    return moved, place


def nudged(code, size, seed=99):
    """Every point moved by about `size`."""
    steps = np.random.default_rng(seed).normal(size=code.shape) / math.sqrt(code.shape[1])
    return oracles.normalized(code + size * steps)


# --- orders of groups -------------------------------------------------------------------------------

WEYL_E6, WEYL_E7, WEYL_E8 = 51840, 2903040, 696729600
ORDERS = {
    "icosahedron": (oracles.icosahedron, 120),
    "24-cell": (oracles.cell24, 1152),
    "600-cell": (cell600, 14400),
    "120-cell": (cell120, 14400),
    "D5": (lambda: roots_d(5), 3840),
    "E6": (roots_e6, 2 * WEYL_E6),
    "E7": (roots_e7, WEYL_E7),
    "E8": (e8, WEYL_E8),
    "Schläfli 27": (lambda: section(section(e8(), 0.5), 1 / 3), WEYL_E6),
    "Gosset 56": (lambda: section(e8(), 0.5), WEYL_E7),
    "Hoffman-Singleton in R^21": (lambda: eigencode(hoffman_singleton(), -3), 252000),
    "Hoffman-Singleton in R^28": (lambda: eigencode(hoffman_singleton(), 2), 252000),
    "Higman-Sims": (lambda: eigencode(higman_sims(), -8), 88704000),
    "rook": (rook, 1152),
    "Shrikhande": (shrikhande, 192),
    "snub cube": (snub_cube, 24),
    "simplex": (lambda: oracles.simplex(9), math.factorial(10)),
    "large simplex": (lambda: oracles.simplex(60), math.factorial(61)),
    "orthoplex": (lambda: oracles.orthoplex(7), 2**7 * math.factorial(7)),
    "polygon": (lambda: oracles.polygon(17), 34),
    "large polygon": (lambda: oracles.polygon(500), 1000),
    "five icosahedra": (lambda: together(*[oracles.icosahedron()] * 5), 120**5 * math.factorial(5)),
    "mixed": (lambda: together(rook(), rook(), shrikhande()), 2 * 1152**2 * 192),
}
SIZES = {"120-cell": 600, "600-cell": 120, "E6": 72, "E7": 126, "E8": 240, "Schläfli 27": 27, "Gosset 56": 56}


@pytest.mark.parametrize("name", ORDERS)
def test_orders_of_the_literature(name):
    build, order = ORDERS[name]
    code = build()
    assert len(code) == SIZES.get(name, len(code))
    found = automorphisms(code)
    assert found.order == order
    assert found.orbits.max() == (1 if name == "mixed" else 0)
    assert found.deviation < 1e-11
    assert found.rotations in (order, order // 2)


@pytest.mark.parametrize("name", sorted(set(ORDERS) - {"large simplex", "120-cell", "large polygon"}))
def test_generators_are_isometries_and_generate_that_many(name):
    combinatorics = pytest.importorskip("sympy.combinatorics")
    code = ORDERS[name][0]()
    found = automorphisms(code)
    gram = code @ code.T
    for permutation in found.generators:
        assert np.abs(gram[np.ix_(permutation, permutation)] - gram).max() < 1e-11
    group = combinatorics.PermutationGroup([combinatorics.Permutation(row.tolist()) for row in found.generators])
    assert group.order() == found.order


@pytest.mark.parametrize("name", ["icosahedron", "snub cube", "E6", "Hoffman-Singleton in R^21", "polygon"])
def test_determinants_are_those_of_the_maps(name):
    code = ORDERS[name][0]()
    found = automorphisms(code)
    for permutation, determinant in zip(found.generators, found.determinants, strict=True):
        span = np.linalg.svd(code)[2][: found.rank]
        inside = code @ span.T
        matrix = np.linalg.lstsq(inside, inside[permutation], rcond=None)[0]
        assert np.linalg.det(matrix) == pytest.approx(determinant, abs=1e-9)


def test_rotations():
    assert automorphisms(snub_cube()).rotations == 24
    assert automorphisms(oracles.icosahedron()).rotations == 60
    assert automorphisms(oracles.random_code(9, 3)).rotations == 1


@pytest.mark.slow
def test_the_barnes_wall_code():
    """4,320 minimal vectors in R^16: 2 (e_i +- e_j), and signs of even number on 30 octads of Reed and Muller."""
    words = np.array([[i >> k & 1 for i in range(16)] for k in range(4)] + [[1] * 16])
    octads = {tuple(np.array(c) @ words % 2) for c in itertools.product((0, 1), repeat=5)}
    rows = [
        np.bincount(np.flatnonzero(octad), weights=flips, minlength=16)
        for octad in octads
        if sum(octad) == 8
        for flips in itertools.product((1, -1), repeat=8)
        if np.prod(flips) > 0
    ]
    code = np.concatenate([roots_d(16), oracles.normalized(rows)])
    assert len(code) == 4320
    assert automorphisms(code).order == 89181388800  # Conway and Sloane, chapter 4, section 10


# --- small and flat codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "order", "rank"),
    [
        (oracles.polygon(2), 2, 1),
        (oracles.polygon(2, 5), 2, 1),
        (on_circle([0, 1]), 2, 2),
        (oracles.polygon(9, 4), 18, 2),
        (np.pad(oracles.icosahedron(), ((0, 0), (0, 2))), 120, 3),
        (np.pad(snub_cube(), ((0, 0), (0, 1))), 24, 3),
    ],
)
def test_points_of_a_subspace(code, order, rank):
    found = automorphisms(code)
    assert (found.order, found.rank, found.name) == (order, rank, None)
    back = isometry(code, turned(code, 3)[0])
    assert (back.rotation, back.reflection) == (True, True)
    if rank < code.shape[1]:
        assert back.determinant == 1


def test_generic_points_have_no_symmetry():
    found = automorphisms(oracles.random_code(40, 4))
    assert (found.order, found.rotations, found.generators.shape) == (1, 1, (0, 40))
    assert found.orbits.tolist() == list(range(40))


def test_rattlers_count_as_they_lie():
    code = oracles.icosahedron()
    loose = np.concatenate([code, oracles.random_code(1, 3, seed=5)])
    assert automorphisms(loose).order == 1
    centred = np.concatenate([code, oracles.normalized(code[[0]] + code[[np.argsort(-code[0] @ code.T)[1]]])])
    assert automorphisms(centred).order == 4  # on the middle of an edge
    assert automorphisms(centred).name == "C2v"


def test_a_thousand_points():
    found = automorphisms(oracles.random_code(1000, 4))
    assert found.order == 1
    code = oracles.random_code(1000, 4)
    moved, place = turned(code, 2)
    assert isometry(code, moved).permutation.tolist() == place.tolist()


# --- names ------------------------------------------------------------------------------------------

NAMES = [f"C{k}{kind}" for k in (2, 3, 4, 5, 8) for kind in ("", "v", "h")]
NAMES += [f"D{k}{kind}" for k in (2, 3, 4, 5, 6, 12) for kind in ("", "d", "h")]
NAMES += [f"S{k}" for k in (4, 6, 8, 10)] + ["Ci", "Cs", "T", "Td", "Th", "O", "Oh", "I", "Ih"]


@pytest.mark.parametrize("name", NAMES)
def test_groups_in_space_by_name(name):
    """Orbits of a few generic points have the group that made them, and no larger one."""
    group = parse(name, 3)
    starts = oracles.random_code(3 if group.order > 2 else 6, 3, seed=7)
    code, _ = turned(np.concatenate([group.matrices @ start for start in starts]), 4)
    found = automorphisms(code)
    assert (found.order, found.name) == (group.order, name)
    assert sorted(np.bincount(found.orbits)) == [group.order] * len(starts)
    assert automorphisms(nudged(code, 1e-6), 1e-4).name == name


def test_names_of_the_smallest_and_of_none():
    assert automorphisms(oracles.random_code(9, 3)).name == "C1"
    assert automorphisms(oracles.polygon(9)).name is None
    prism = np.concatenate([oracles.polygon(300, 3) + np.array([0.0, 0.0, h]) for h in (0.01, -0.01)])
    assert automorphisms(oracles.normalized(prism)).name is None  # 1,200 elements are not listed


# --- laws -------------------------------------------------------------------------------------------

SYMMETRIC = st.sampled_from(["icosahedron", "24-cell", "E6", "rook", "Shrikhande", "snub cube", "polygon", "simplex"])


@settings(deadline=None, max_examples=40)
@given(SYMMETRIC, st.integers(0, 1000))
def test_nothing_changes_under_isometries(name, seed):
    code, order = ORDERS[name][0](), ORDERS[name][1]
    moved, _ = turned(code, seed)
    before, after = automorphisms(code), automorphisms(moved)
    assert (before.order, before.rotations, before.rank) == (after.order, after.rotations, after.rank)
    assert after.order == order
    found = isometry(code, moved)
    assert np.abs(code @ found.matrix.T - moved[found.permutation]).max() < 1e-12
    assert found.deviation < 1e-12


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 25), st.integers(2, 5), st.integers(0, 10**6), st.sampled_from([1, -1]))
def test_random_codes_are_found_again(n, d, seed, determinant):
    code = oracles.random_code(n, d, seed)
    assume(oracles.nearest_angles_by_rows(code).min() > 1e-5)
    moved, place = turned(code, seed, determinant)
    found = isometry(code, moved)
    assert np.abs(found.matrix @ found.matrix.T - np.eye(d)).max() < 1e-12
    if automorphisms(code).order == 1 and n > d:
        assert found.permutation.tolist() == place.tolist()
        assert np.abs(found.matrix - orthogonal(d, seed, determinant)).max() < 1e-6
        assert found.determinant == determinant
        assert (found.rotation, found.reflection) == (determinant > 0, determinant < 0)
    before, after = automorphisms(code).orbits, automorphisms(moved).orbits
    assert sorted(np.bincount(before)) == sorted(np.bincount(after))


def test_orbits_go_with_the_points():
    code = together(oracles.icosahedron(), on_circle([0, 1, 3]))
    moved, place = turned(code, 6)
    before, after = automorphisms(code).orbits, automorphisms(moved).orbits
    same = before[:, None] == before
    assert ((after[place][:, None] == after[place]) == same).all()
    assert before[:12].tolist() == [0] * 12


def test_spherical_codes_and_lists_do():
    square = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert automorphisms(SphericalCode(square)).order == automorphisms(square).order == 8
    assert isometry(SphericalCode(square), square).deviation == 0.0


# --- handedness -------------------------------------------------------------------------------------


def test_a_chiral_code_and_its_mirror_image():
    mirror = snub_cube() * [1.0, 1.0, -1.0]
    found = isometry(snub_cube(), mirror)
    assert (found.rotation, found.reflection, found.determinant) == (False, True, -1)
    again = isometry(snub_cube(), turned(snub_cube(), 1, determinant=1)[0])
    assert (again.rotation, again.reflection, again.determinant) == (True, False, 1)
    assert automorphisms(snub_cube()).name == "O"


@pytest.mark.parametrize("seed", range(4))
def test_a_rotation_is_given_where_there_is_one(seed):
    for determinant in (1, -1):
        found = isometry(oracles.icosahedron(), turned(oracles.icosahedron(), seed, determinant)[0])
        assert (found.rotation, found.reflection, found.determinant) == (True, True, 1)
        assert np.linalg.det(found.matrix) == pytest.approx(1.0)


# --- alike, but not the same --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (on_circle([0, 1, 3, 4]), on_circle([0, 1, 2, 5])),  # Patterson 1944: cyclotomic homometric sets
        (rook(), shrikhande()),
        (together(rook(), shrikhande()), together(rook(), rook())),
    ],
    ids=["circle", "graphs", "two graphs"],
)
def test_equal_angles_are_not_enough(a, b):
    pairs = np.triu_indices(len(a), 1)
    assert np.abs(np.sort((a @ a.T)[pairs]) - np.sort((b @ b.T)[pairs])).max() < 1e-12
    assert isometry(a, b) is None
    assert difference(a, b) == "no isometry, though all sorted angles agree"


def test_differences():
    code = oracles.random_code(8, 3)
    assert difference(code, turned(code, 1)[0]) is None
    assert difference(code, code[:7]) == "8 points in R^3 and 7 in R^3"
    assert difference(code, oracles.random_code(8, 4)) == "8 points in R^3 and 8 in R^4"
    assert isometry(code, code[:7]) is None
    assert "minimal angles differ by" in difference(code, oracles.random_code(8, 3, seed=1))
    assert difference(oracles.orthoplex(2), on_circle([0, 1, 2, 4])) == "the minimal angles differ by 45°"
    assert difference(on_circle([0, 1, 4]), on_circle([0, 1, 3])) == "the sorted angles differ by 45° at place 2 of 3"


@pytest.mark.parametrize("size", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("build", [oracles.icosahedron, lambda: oracles.random_code(30, 4)])
def test_nudged_codes_are_others(build, size):
    """Until the tolerance is wider than the nudge."""
    moved, _ = turned(nudged(build(), size), 3)
    assert isometry(build(), moved) is None
    found = isometry(build(), moved, min(1e-3, 10.0 * size)) if size < 1e-3 else None
    assert found is None or found.deviation < 5.0 * size


@pytest.mark.parametrize("tolerance", [1e-8, 1e-5, 1e-3])
@pytest.mark.parametrize("name", ["600-cell", "E8", "Higman-Sims", "snub cube"])
def test_noise_below_the_tolerance_changes_nothing(name, tolerance):
    build, order = ORDERS[name]
    noisy = nudged(build(), 0.1 * tolerance)
    found = automorphisms(noisy, tolerance)
    assert found.order == order
    assert 0.01 * tolerance < found.deviation <= tolerance
    assert isometry(build(), noisy, tolerance).deviation < tolerance


@pytest.mark.parametrize(("n", "d", "tolerance"), [(100, 3, 1e-4), (200, 5, 1e-3), (300, 4, 1e-5)])
def test_a_coarse_tolerance_joins_all_products_but_decides(n, d, tolerance):
    code = oracles.random_code(n, d, seed=3)
    moved, place = turned(nudged(code, 0.1 * tolerance), 5)
    assert automorphisms(code, tolerance).order == 1
    assert isometry(code, moved, tolerance).permutation.tolist() == place.tolist()


def test_a_near_miss_is_told():
    """One point moved by 1.5 tolerances: no angle changes by more than two, but no map follows."""
    code = oracles.random_code(12, 3, seed=2)
    away = code.copy()
    across = oracles.normalized([np.cross(code[0], code[1])])
    away[0] = oracles.normalized(code[:1] + 1.5e-8 * across)[0]
    reason = difference(code, turned(away, 1)[0])
    assert reason.startswith("no isometry, though all sorted angles agree: one map misses a point by 1.")
    assert reason.endswith("e-08 only")
    assert isometry(code, away, 3e-8).deviation < 1.5e-8


# --- refusals -----------------------------------------------------------------------------------------


def test_a_tolerance_as_wide_as_the_error_is_refused():
    noisy = nudged(oracles.icosahedron(), 2e-8)
    assert automorphisms(noisy, 1e-9).order == 1
    assert automorphisms(noisy, 1e-7).order == 120
    with pytest.raises(InvalidParameterError, match=r"well above or well below .* misses a point by"):
        automorphisms(noisy, 1.5e-8)


@pytest.mark.parametrize("tolerance", [0.0, -1e-8, 2e-3, math.inf, math.nan])
def test_tolerances_out_of_range(tolerance):
    with pytest.raises(InvalidParameterError, match=r"`tolerance` must be above 0 and at most 0\.001"):
        automorphisms(oracles.icosahedron(), tolerance)


def test_duplicates_are_refused():
    code = oracles.icosahedron()
    with pytest.raises(InvalidPointsError, match="rows 4 and 12 at 0 radians"):
        automorphisms(np.concatenate([code, code[[4]]]))
    near = np.concatenate([code, nudged(code[[4]], 1e-4)])
    assert automorphisms(near).order in (1, 2)
    with pytest.raises(InvalidPointsError, match="further apart than 20 tolerances of 1e-05"):
        compare(near, near, 1e-5)


def test_too_many_points():
    with pytest.raises(InvalidPointsError, match=r"at most 5,000\. Got 5,001 points"):
        automorphisms(oracles.polygon(5001))


def test_bad_points():
    with pytest.raises(InvalidPointsError, match="unit sphere"):
        isometry([[2.0, 0.0], [0.0, 1.0]], oracles.orthoplex(2))


def test_a_search_that_may_not_go_on_decides_nothing():
    with pytest.raises(InvalidParameterError, match=r"`rounds` must be enough to decide\. Got 3"):
        automorphisms(eigencode(higman_sims(), -8), rounds=3)
    with pytest.raises(InvalidParameterError, match="`rounds`"):
        isometry(rook(), shrikhande(), rounds=1)


def test_it_gives_up_where_alikes_multiply():
    """Equal angles in five orthogonal parts: three parts would have to fail in every way before the whole does."""
    a = together(*[rook()] * 3, *[shrikhande()] * 2)
    b = together(*[rook()] * 2, *[shrikhande()] * 3)
    with pytest.raises(InvalidParameterError, match="given up undecided"):
        isometry(a, b, rounds=3000)


def test_the_limit_is_on_points_not_on_dimensions():
    assert automorphisms(oracles.simplex(150)).order == math.factorial(151)
