"""`tammes bound`, and what a bound is."""

import dataclasses
import json
import math

import mpmath
import numpy as np
import pytest

from tammes.base.errors import InvalidParameterError
from tammes.bounds.bound import LARGEST, Bound, angle_of, check_size


@pytest.mark.parametrize(("n", "d"), [(10**400, 3), (LARGEST + 1, 3), (3, LARGEST + 1)])
def test_sizes_beyond_all_use(n, d):
    with pytest.raises(InvalidParameterError, match="10\\^15"):
        check_size(n, d)


def test_a_table(run):
    status, out, err = run("bound", "--d", 4, "--n", 120)
    assert (status, err) == (0, "")
    assert "boroczky *" in out
    assert "36.000000000" in out
    assert "best known: 36.000000000000° (exact codes" in out
    assert "the bound is attained" in out


def test_json(run):
    status, out, _ = run("bound", "--d", 3, "--n", 30, "--json")
    document = json.loads(out)
    assert status == 0
    assert document["best"] == "delsarte_lp"
    assert document["bounds"]["boroczky"]["degrees"] == pytest.approx(39.966368, abs=5e-7)
    assert document["bounds"]["levenshtein"]["degrees"] == pytest.approx(40.088086, abs=5e-7)
    assert document["bounds"]["delsarte_lp"]["degrees"] <= 39.872612
    for bound in document["bounds"].values():
        assert math.cos(bound["radians"]) == bound["max_cosine"]
        assert bound["reference"]


def test_the_gap_is_never_rounded_down(run):
    assert "39.872543041" in run("bound", "--d", 3, "--n", 30)[1]
    out = run("bound", "--d", 3, "--n", 30, "--no-lp")[1]
    assert "39.966368461" in out  # 39.9663684602
    assert "gap 1.369252507°" in out  # to 38.59711595387


def test_without_the_program(run):
    assert "delsarte" not in run("bound", "--d", 3, "--n", 30, "--no-lp")[1]


def test_the_inverse_question(run):
    status, out, _ = run("bound", "--d", 8, "--angle", 60)
    assert status == 0
    assert "at most 240 points in d = 8 have a minimal angle of 60°" in out
    document = json.loads(run("bound", "--d", 4, "--angle", 60, "--json")[1])
    assert (document["most_points"]["delsarte_lp"], document["best"]) == (25, "delsarte_lp")


def test_a_size_without_a_stored_value(run):
    assert "no stored value" in run("bound", "--d", 17, "--n", 900, "--no-lp")[1]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--n", 5, "--angle", 60],
        ["--n", 1],
        ["--n", "x"],
        ["--n", "9" * 400],
        ["--n", 10**16],
        ["--angle", 0],
        ["--angle", 181],
        ["--angle", "nan"],
        ["--angle", 1e-12],
        ["--n", 30, "--degree", 300],
        ["--n", 30, "--degree", 0],
        ["--n", 30, "--degree", 20, "--no-lp"],
    ],
)
def test_wrong_usage(run, options):
    status, out, err = run("bound", "--d", 3, *options)
    assert (status, out) == (2, "")
    assert err.startswith("Error: `")
    assert run("bound", "--d", 1, "--n", 5)[0] == 2


def test_a_bound_in_degrees_and_as_a_cosine():
    bound = Bound("any", math.pi / 5, "none")
    assert bound.degrees == pytest.approx(36.0, abs=1e-13)
    assert bound.max_cosine == pytest.approx((1 + math.sqrt(5)) / 4, abs=1e-15)
    assert (bound.formula, bound.attained) == ("", "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        bound.angle = 1.0


@pytest.mark.parametrize("versine", [1e-300, 1e-16, 1e-8, 0.5, 1.0, 1.5, 2.0])
def test_an_angle_from_its_versine_to_full_precision(versine):
    with mpmath.workdps(400):
        exact = float(2 * mpmath.asin(mpmath.sqrt(mpmath.mpf(versine) / 2)))
    assert math.isclose(angle_of(versine), exact, rel_tol=4e-16)


def test_an_angle_is_at_most_pi():
    assert angle_of(2.0 + 1e-15) == math.pi


@pytest.mark.parametrize("good", [2, LARGEST, np.int64(7), np.uint8(200)])
def test_integers_pass_as_int(good):
    assert check_size(good, good) == (int(good), int(good))
    assert type(check_size(good, good)[0]) is int


@pytest.mark.parametrize(
    ("large", "shown"),
    [
        (LARGEST + 1, "1000000000000001"),
        (10**30, "about 10^30"),
        (10**400, "about 10^400"),
        (10**5000, "about 10^5000"),  # more digits than Python prints
    ],
    ids=["just above", "30 digits", "above float64", "above what is printed"],
)
def test_what_is_too_large(large, shown):
    with pytest.raises(InvalidParameterError, match=r"^`n` must be at most 10\^15\. Got ") as caught:
        check_size(large, 3)
    assert str(caught.value).endswith(f"Got {shown}.")
