"""What is known: complete, unaltered, consistent with itself, ranked, and judged to the last digit."""

import csv
import math
import re
from pathlib import Path

import mpmath
import numpy as np
import oracles
import pytest

from tammes.base.errors import FileAccessError, InvalidParameterError, NotTabulatedError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import tables
from tammes.storage.formats import load
from tammes.storage.tables import KnownValue, best_known, best_known_or_none, known_values

FOLDER = Path(__file__).resolve().parents[2] / "sloane_tables"
BETTER_THAN_SLOANE = [97, 111, 118, 121, 122, 125, 127]
ONE_UNIT_LOW = [7, 16, 17, 25, 30, 36, 47, 48, 56, 58, 89, 90, 114]


def rows(name):
    with (FOLDER / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def of_source(n, d, source):
    (value,) = [value for value in known_values(n, d) if value.source.startswith(source)]
    return value


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "source"), [("sloane_d3.csv", "Sloane"), ("best_known_d3.csv", "best known")])
def test_three_dimensions_are_complete_and_printed_as_they_are(name, source):
    stored = {int(row["n"]): row["angle_degrees"] for row in rows(name)}
    assert sorted(stored) == list(range(4, 131))
    assert {n: of_source(n, 3, source).degrees for n in range(4, 131)} == stored
    angles = [float(stored[n]) for n in range(4, 131)]
    assert angles == sorted(angles, reverse=True)  # taking a point away keeps the angle


@pytest.mark.parametrize("row", rows("exact_codes.csv"), ids=lambda row: f"{row['n']}-{row['d']}")
def test_exact_codes_are_printed_as_they_are(row):
    value = of_source(int(row["n"]), int(row["d"]), "exact codes")
    assert (value.degrees, value.name) == (row["angle_degrees"], row["name"])
    assert value.exact_max_cosine == (row["exact_max_cosine"] or None)
    assert value.optimal == (row["proved_optimal"] == "yes")
    assert value.proved_by == (row["reference"] if value.optimal else None)


@pytest.mark.parametrize("name", ["best_known_d3.csv", "exact_codes.csv"])
def test_angle_and_cosine_columns_agree(name):
    for row in rows(name):
        cosine, degrees = mpmath.mpf(row["max_cosine"]), mpmath.mpf(row["angle_degrees"])
        angle = mpmath.acos(cosine)
        unit = mpmath.mpf(10) ** -len(row["angle_degrees"].partition(".")[2])
        blur = mpmath.degrees(mpmath.mpf(10) ** -len(row["max_cosine"].partition(".")[2]) / mpmath.sin(angle))
        assert abs(mpmath.degrees(angle) - degrees) <= unit + blur, row


def polynomial(text, letter):
    """`3x^3-9x^2-3x+1` as a poly1d."""
    return np.poly1d(evaluate(text, **{letter: np.poly1d([1, 0])}) * np.poly1d([1]))


def evaluate(text, **names):
    """A formula with ^, sqrt and products without a sign, such as `1-(t^2+1)/(3t^2+2t+2)`."""
    code = re.sub(r"(\d)([a-z])", r"\1*\2", text.replace("^", "**"))
    return eval(code, {"__builtins__": {}, "sqrt": math.sqrt}, names)


def exact_cosine(text, near):
    if text.startswith("root of "):
        roots = polynomial(text.removeprefix("root of "), "x").roots
        return float(min(roots, key=lambda root: abs(root - near)).real)
    formula, _, equation = text.partition(", ")
    if not equation:
        return float(evaluate(formula))
    left, right = equation.split("=")
    roots = (polynomial(left, "t") - polynomial(right, "t")).roots
    (t,) = roots[abs(roots.imag) < 1e-9].real
    return float(evaluate(formula, t=t))


def test_the_evaluator_of_formulas():
    assert exact_cosine("-1/4", 0.0) == -0.25
    assert exact_cosine("1/sqrt(4)", 0.0) == 0.5
    assert exact_cosine("root of 2x^2-3x+1", 0.6) == pytest.approx(0.5)
    assert exact_cosine("root of 2x^2-3x+1", 0.9) == pytest.approx(1.0)
    assert exact_cosine("(t^2+1)/2t, t^3=t^2+t+1", 0.0) == pytest.approx(
        1.8392867552141612**3 / 2 + 1.8392867552141612 / 2
    )


EXACT = [row for row in rows("exact_codes.csv") if row["exact_max_cosine"]]


@pytest.mark.parametrize("row", EXACT, ids=lambda row: f"{row['n']}-{row['d']}")
def test_exact_cosines_are_the_printed_ones(row):
    printed = float(row["max_cosine"])
    for formula in row["exact_max_cosine"].split("; "):
        assert exact_cosine(formula, printed) == pytest.approx(printed, abs=1e-12)


def test_exact_forms_are_stored_where_they_are_known():
    assert len(EXACT) == len(rows("exact_codes.csv")) - 2  # (13, 3) and (14, 3) are printed only


# --- the best known -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "d", "degrees", "exact", "proved"),
    [
        (30, 3, "38.59711595387", None, False),
        (130, 3, "18.51035216679", None, False),
        (600, 4, "19.8", None, False),
        (130, 5, "43.8", None, False),
        (24, 4, "60.000000000000", "1/2", True),
        (120, 4, "36.000000000000", "(1+sqrt(5))/4", True),
        (5, 4, "104.477512185930", "-1/4", True),
        (12, 3, "63.434948822922", "1/sqrt(5)", True),
        (15, 3, "53.657850129933", "root of 13x^5-x^4+6x^3+2x^2-3x-1", False),
        (40, 5, "60.000000000000", "1/2", False),
        (240, 8, "60.000000000000", "1/2", True),
        (3, 40, "120.000000000000", "-1/2", True),
        (2, 2, "180.000000000000", "-1", True),
        (7, 2, "51.428571428571", "cos(2 pi/7)", True),
        (150, 100, "90.000000000000", "0", True),
    ],
)
def test_best_known(n, d, degrees, exact, proved):
    value = best_known(n, d)
    assert (value.n, value.d, value.degrees, value.optimal) == (n, d, degrees, proved)
    if exact is not None:
        assert value.exact_max_cosine == exact
    assert best_known_or_none(n, d) == value


@pytest.mark.parametrize(("n", "d"), [(n, d) for n, d in tables.sizes() if d < 25])
def test_proved_values_come_first_then_larger_ones(n, d):
    values = known_values(n, d)
    assert {(value.n, value.d) for value in values} == {(n, d)}
    proved = [value.optimal for value in values]
    assert proved == sorted(proved, reverse=True)
    for group in (True, False):
        sure = [value.angle_degrees - 0.5 * 10.0**-value.decimals for value in values if value.optimal == group]
        assert sure == sorted(sure, reverse=True)
    assert len({value.source for value in values}) == len(values)


def test_a_proof_outranks_a_larger_number_and_sure_digits_a_coarse_one():
    printed = [("19.8", None), ("19.76", None), ("19.7", "a proof"), ("19.745", None), ("19.6", "a proof")]
    values = [KnownValue(600, 4, degrees, degrees, proved_by=proof) for degrees, proof in printed]
    assert [value.degrees for value in tables.ranked(values[::-1])] == ["19.7", "19.6", "19.76", "19.8", "19.745"]


def test_best_known_beats_sloane_at_seven_sizes():
    better = [
        n for n in range(4, 131) if best_known(n, 3).angle_degrees - of_source(n, 3, "Sloane").angle_degrees > 2e-7
    ]
    assert better == BETTER_THAN_SLOANE


# --- verdicts -------------------------------------------------------------------------------------


def test_thirteen_of_sloanes_values_are_a_unit_low_and_still_match():
    low = []
    for n in range(4, 131):
        sloane, best = of_source(n, 3, "Sloane"), float(of_source(n, 3, "best known").degrees)
        if 0.5001e-7 < best - float(sloane.degrees) < 2e-7:
            low.append(n)
            assert sloane.verdict(best) == "matches"
            assert sloane.gap(best) < 0.0
    assert low == ONE_UNIT_LOW


@pytest.mark.parametrize("n", [4, 30, 97, 130])
@pytest.mark.parametrize(("source", "unit", "beyond"), [("Sloane", 1e-7, 1.01), ("best known", 1e-11, 2.5)])
def test_a_match_is_one_unit_of_the_last_printed_digit(n, source, unit, beyond):
    value = of_source(n, 3, source)  # float64 noise widens a unit of 1e-11 degrees, not one of 1e-7
    for units in (0.0, 0.99, -0.99):
        assert value.verdict(float(value.degrees) + units * unit) == "matches"
    for units in (beyond, 1e5):
        assert value.verdict(float(value.degrees) + units * unit) == "beats"
        assert value.verdict(float(value.degrees) - units * unit) == "misses"


@pytest.mark.parametrize(
    ("degrees", "verdict"),
    [(19.75, "matches"), (19.8, "matches"), (19.9, "matches"), (19.7, "matches"), (19.65, "misses"), (19.95, "beats")],
)
def test_verdict_of_a_coarse_source(degrees, verdict):
    value = of_source(600, 4, "Wang")
    assert (value.degrees, value.decimals, value.optimal) == ("19.8", 1, False)
    assert value.verdict(degrees) == verdict
    assert value.gap(degrees) == pytest.approx(19.8 - degrees)


def test_digits_of_a_value_without_a_point():
    value = KnownValue(4, 2, "90", "a whole number")
    assert (value.decimals, value.angle_degrees, value.optimal) == (0, 90.0, False)
    assert [value.verdict(x) for x in (88.9, 89.1, 91.0, 91.1)] == ["misses", "matches", "matches", "beats"]


# --- what is not there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "d", "covered"),
    [
        (131, 3, "2 to 130"),
        (150, 4, "2 to 130, 600"),
        (131, 5, "2 to 130"),
        (20, 9, "2 to 18"),
        (100, 8, "2 to 16, 240"),
        (7000, 100, "2 to 200"),
    ],
)
def test_what_is_not_stored_is_said_with_what_is(n, d, covered):
    with pytest.raises(NotTabulatedError) as caught:
        best_known(n, d)
    assert str(caught.value) == f"No stored value for n = {n}, d = {d}. Stored for d = {d}: n = {covered}."
    assert best_known_or_none(n, d) is None


@pytest.mark.parametrize("function", [known_values, best_known, best_known_or_none])
@pytest.mark.parametrize("bad", [1, -4, 3.0, "3", True, None], ids=repr)
def test_bad_sizes_are_refused(function, bad):
    for name, arguments in (("n", (bad, 3)), ("d", (30, bad))):
        with pytest.raises(InvalidParameterError, match=f"^`{name}` must be an integer of at least 2. Got {bad!r}.$"):
            function(*arguments)


def test_integers_of_numpy_are_sizes():
    assert best_known(np.int64(30), np.int32(3)) == best_known(30, 3)


def test_sizes_are_ordered_by_dimension_then_number():
    everything = tables.sizes()
    assert everything == sorted(set(everything), key=lambda size: (size[1], size[0]))
    assert tables.sizes(3) == [(n, 3) for n in range(4, 131)]
    assert tables.sizes(4) == [(n, 4) for n in (*range(5, 131), 600)]
    assert tables.sizes(8) == [(n, 8) for n in (*range(9, 17), 240)]
    assert tables.sizes(99) == []


def test_table_1_as_published():
    printed = [(int(row["d"]), int(row["n"]), row["optimal"], row["mma"]) for row in tables.published_table1()]
    assert printed == [
        (3, 4, "109.5", "109.5"),
        (3, 30, "38.6", "38.5"),
        (3, 130, "18.5", "17.6"),
        (4, 5, "104.5", "104.5"),
        (4, 30, "54.3", "54.0"),
        (4, 130, "33.4", "32.0"),
        (4, 600, "19.8", "19.3"),
        (5, 6, "101.5", "101.5"),
        (5, 30, "65.6", "65.5"),
        (5, 130, "43.8", "42.9"),
    ]


# --- where the files lie --------------------------------------------------------------------------


def test_the_folder_is_found_and_has_its_sources():
    found = tables.folder()
    assert (found / "SOURCES.md").is_file()
    for path in FOLDER.glob("*.csv"):
        assert (found / path.name).read_bytes() == path.read_bytes()
        assert f"`{path.name}`" in (found / "SOURCES.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("inside", [True, False], ids=["wheel", "checkout"])
def test_the_folder_may_lie_in_the_package_or_beside_it(inside, tmp_path):
    package = tmp_path / "tammes"
    expected = (package if inside else tmp_path) / "sloane_tables"
    expected.mkdir(parents=True)
    (expected / "sloane_d3.csv").touch()
    assert tables.find_folder(package) == expected


def test_missing_tables_are_said(tmp_path):
    with pytest.raises(FileAccessError, match=r"the bundled tables are missing. Reinstall tammes"):
        tables.find_folder(tmp_path / "tammes")


def own_codes():
    return rows("codes/codes.csv")


@pytest.mark.parametrize("row", own_codes(), ids=lambda row: f"{row['d']}-{row['n']}")
def test_our_own_codes_are_measured_anew_and_beat_sloane(row):
    code = load(FOLDER / "codes" / f"d{row['d']}_n{row['n']}.npy")
    assert (code.n, code.d) == (int(row["n"]), int(row["d"]))
    assert code.digest == row["digest"]
    assert code.min_angle_degrees == pytest.approx(float(row["degrees"]), abs=1e-12)
    printed = of_source(code.n, code.d, "Sloane")
    assert printed.degrees == row["sloane"]
    assert printed.verdict(code.min_angle_degrees) == "beats"
    assert math.degrees(oracles.min_angle(code.points)) == pytest.approx(float(row["degrees"]), abs=1e-9)


@pytest.mark.parametrize("d", [3, 4, 5])
def test_our_own_values_are_measured_anew(d):
    stored = {int(row["n"]): row["angle_degrees"] for row in rows("tammes_records.csv") if int(row["d"]) == d}
    points = np.load(FOLDER.parent / "benchmarks" / "records" / f"d{d}.npz")
    assert len(stored) >= (3 if d == 3 else 120)
    for n, degrees in stored.items():
        rows_of_code = points[f"n{n:05d}"]
        assert rows_of_code.shape == (n, d)
        measured = SphericalCode(rows_of_code).min_angle_degrees
        assert 0.0 <= measured - float(degrees) <= 1.0001e-11
        if n in (20, 30):  # the oracle is slow
            assert math.degrees(oracles.min_angle(rows_of_code)) == pytest.approx(measured, abs=1e-9)


# --- consequences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "d", "degrees", "source"),
    [
        (119, 4, "36.000000000000", "exact codes: 600-cell, less 1 point"),
        (23, 4, "60.000000000000", "exact codes: 24-cell (D4 roots), less 1 point"),
        (230, 8, "60.000000000000", "exact codes: E8 roots, less 10 points"),
        (195_000, 24, "60.000000000000", "exact codes: Leech minimal vectors, less 1560 points"),
    ],
)
def test_fewer_points_are_at_least_as_good(n, d, degrees, source):
    value = best_known(n, d)
    assert (value.degrees, value.source, value.optimal) == (degrees, source, False)


def test_a_value_of_its_own_is_kept_where_more_points_are_no_better():
    assert "less" not in best_known(25, 3).source
    assert best_known(11, 3).optimal


def test_coarse_values_have_no_consequences():
    """19.8 at 600 points says nothing about 590 that one decimal could hold."""
    assert best_known_or_none(590, 4) is None


@pytest.mark.parametrize(
    ("n", "d", "name", "degrees"),
    [
        (13, 3, "proved optimum", 57.136703077578),
        (25, 3, "optimum of 24 points", 43.690767107676),
        (25, 4, "optimum of 24 points", 60.0),
        (120, 4, "boroczky", 36.0),
        (240, 8, "levenshtein", 60.0),
        (30, 3, "fejes-toth", 39.966368),
    ],
)
def test_proved_optima_are_bounds(n, d, name, degrees):
    bound = tables.upper_bound(n, d)
    assert bound.name == name
    assert bound.degrees == pytest.approx(degrees, abs=1e-6 if n == 30 else 1e-11)
    assert bound.degrees >= degrees - 5e-7 if n == 30 else bound.degrees >= degrees - 1e-13


def test_no_stored_value_is_above_the_bound():
    for n, d in tables.sizes():
        for value in known_values(n, d):
            assert value.angle_degrees - 0.5 * 10.0**-value.decimals <= tables.upper_bound(n, d).degrees + 1e-12
