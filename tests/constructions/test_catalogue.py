"""The registry: every entry has the stated properties, and every exact code that can be built has an entry."""

import numpy as np
import pytest
from invariants import assert_design, exact_rows

from tammes import constructions
from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.constructions.catalogue import CONSTRUCTIONS, by_size, construct, find

CASES = [(name, n, d) for name, family in CONSTRUCTIONS.items() for n, d in family.examples]
MARKED = [pytest.param(*case, marks=[pytest.mark.slow] * (case == ("kerdock", 66048, 256))) for case in CASES]
# Without construction: two optima known only as numbers, and 15 points whose cosine is a root of degree 5.
NOT_BUILT = {(13, 3), (14, 3), (15, 3)}
# All but these have sum zero and second moments n/d.
NO_DESIGN = {
    "schuette-7",
    "square-antiprism",
    "tricapped-prism",
    "danzer-10",
    "icosahedron-1",
    "fibonacci",
    "equal-area",
}


def largest_cosine(points):
    """Return the maximal cosine of different rows, in large codes from about 300 of the rows."""
    largest = -2.0
    for k in range(0, len(points), max(1, len(points) // 300) if len(points) > 5000 else 1):
        cosines = points @ points[k]
        cosines[k] = -2.0
        largest = max(largest, float(cosines.max()))
    return largest


@pytest.mark.parametrize(("name", "n", "d"), MARKED)
def test_every_entry_has_its_stated_size_cosine_and_design(name, n, d):
    code = CONSTRUCTIONS[name].member(n, d)
    points = code.points()
    assert (code.n, code.d) == points.shape == (n, d)
    assert points.dtype == np.float64
    assert points.flags.writeable
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=0, atol=4e-15)
    measured = largest_cosine(points)
    assert measured < 1.0 - 1e-9  # distinct rows
    if code.max_cosine is not None:
        assert abs(measured - code.max_cosine) <= 1e-12
    partial = name in {"orthoplex", "simplex"} and n not in (2 * d, d + 1)
    if name not in NO_DESIGN and not partial:
        assert_design(points)
    assert code.title
    assert code.reference
    assert np.array_equal(construct(code.name, n=n, d=d), points)  # the same bits every time


@pytest.mark.parametrize("row", exact_rows(), ids=lambda row: f"{row['n']}-{row['d']}")
def test_every_exact_code_has_a_construction(row):
    n, d = int(row["n"]), int(row["d"])
    found = by_size(n, d)
    if (n, d) in NOT_BUILT:
        assert not found
        return
    best = found[0]
    assert best.max_cosine == pytest.approx(float(row["max_cosine"]), abs=2e-16 * 4)
    if best.name not in {"simplex", "orthoplex", "polygon"}:
        same = [code.exact_max_cosine for code in found if code.max_cosine == best.max_cosine]
        assert any(text == row["exact_max_cosine"].split(";")[0] for text in same)


@pytest.mark.parametrize(("name", "n", "d"), CASES)
def test_by_size_finds_every_example(name, n, d):
    code = CONSTRUCTIONS[name].member(n, d)
    assert (code in by_size(n, d)) == (code.max_cosine is not None)


@pytest.mark.parametrize(
    ("n", "d", "names"),
    [
        (120, 4, ["600-cell"]),
        (240, 8, ["E8"]),
        (24, 4, ["24-cell", "D4", "kerdock"]),
        (27, 6, ["schlaefli", "quadric-2"]),
        (16, 5, ["clebsch", "demicube"]),
        (40, 5, ["D5"]),
        (20, 4, ["A4"]),
        (8, 3, ["square-antiprism", "cube", "hypercube"]),
        (4, 3, ["simplex", "tetrahedron", "demicube"]),
        (5, 3, ["orthoplex"]),
        (1050624, 1024, ["kerdock"]),
        (13, 3, []),
        (600, 5, []),
        (10**30, 10**20, []),
    ],
)
def test_codes_by_size(n, d, names):
    assert [code.name for code in by_size(n, d)] == names


def test_bad_sizes_are_refused():
    with pytest.raises(InvalidParameterError, match=r"`n` must be an integer of at least 2. Got 1"):
        by_size(1, 3)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("e8", {}, (240, 8)),
        ("E8", {"n": 240, "d": 8}, (240, 8)),
        ("D5", {}, (40, 5)),
        ("d5", {"d": 5, "n": 40}, (40, 5)),
        ("A_7", {}, (56, 7)),
        ("An", {"d": 7}, (56, 7)),
        ("m22", {}, (77, 21)),
        ("24-Cell", {}, (24, 4)),
        ("simplex", {"d": 7}, (8, 7)),
        ("equal-area", {"n": 30, "d": 6}, (30, 6)),
    ],
)
def test_names_in_every_spelling(name, arguments, shape):
    assert construct(name, **arguments).shape == shape


@pytest.mark.parametrize(
    ("name", "closest"), [("E9", "E8"), ("600cell", "600-cell"), ("icosahedrons", "icosahedron"), ("kerdok", "kerdock")]
)
def test_unknown_names_list_the_closest_first(name, closest):
    with pytest.raises(UnknownNameError) as caught:
        construct(name)
    message = str(caught.value)
    assert message.startswith(f"`name` must be one of: {closest}, ")
    assert all(known in message for known in CONSTRUCTIONS)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("E8", {"n": 7}, "`n` must be 240 for E8. Got 7. It can be left out."),
        ("D5", {"d": 6}, "`d` must be 5 for D5. Got 6."),
        ("D5", {"n": 41}, "`n` must be 40 for D5. Got 41."),
        ("D2", {}, "`d` must be an integer of at least 3 for the roots of D. Got 2."),
        ("A1", {}, "`d` must be an integer of at least 2. Got 1."),
        ("kerdock", {}, "`d` must be given for kerdock. Got None. On the command line --d."),
        ("kerdock", {"d": 8}, "`d` must be a power of 4: 4, 16, 64 or 256. Got 8."),
        ("kerdock", {"d": 1024}, r"`d` must be smaller: 1050624 points in R\^1024 would take 8.0 GiB"),
        ("hypercube", {"d": 40}, "`d` must be smaller: .* GiB"),
        ("demicube", {"d": 10**9}, "`d` must be an integer from 3 to 60 for a demicube"),
        ("An", {}, "`d` must be given for An"),
        ("fibonacci", {"n": "many"}, "`n` must be an integer of at least 2. Got 'many'"),
    ],
)
def test_parameters_that_match_no_code_are_refused(name, arguments, message):
    with pytest.raises(InvalidParameterError, match=message):
        construct(name, **arguments)


def test_the_command_of_an_entry_finds_it_again():
    for name, n, d in CASES:
        code = CONSTRUCTIONS[name].member(n, d)
        _, _, shown, *options = code.command.split()
        given = {option.removeprefix("--"): int(value) for option, value in zip(*[iter(options)] * 2, strict=True)}
        again = find(shown, **given)
        assert (again.name, again.n, again.d) == (code.name, n, d)


def test_the_lazy_names_of_the_package():
    assert constructions.construct is construct
    assert constructions.CONSTRUCTIONS is CONSTRUCTIONS
    assert set(dir(constructions)) >= {"binary_codes", "graphs", "lattices", "by_size"}
    assert constructions.polytopes.cube().shape == (8, 3)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        constructions.nothing  # noqa: B018
