"""`tammes bound`, and what a bound is."""

import json
import math

import pytest

from tammes.bounds.bound import LARGEST, Bound, check_size
from tammes.errors import InvalidParameterError


def test_degrees():
    assert Bound("name", math.pi / 5, "reference", "formula", "attained").degrees == pytest.approx(36.0)


@pytest.mark.parametrize(("n", "d"), [(10**400, 3), (LARGEST + 1, 3), (3, LARGEST + 1)])
def test_sizes_beyond_all_use(n, d):
    with pytest.raises(InvalidParameterError, match="10\\^15"):
        check_size(n, d)


def test_a_table(run):
    status, out, err = run("bound", "--d", 4, "--n", 120)
    assert (status, err) == (0, "")
    assert "boroczky (best)" in out
    assert "36.000000000" in out
    assert "best known 36.000000000000° (exact codes), gap 0.000000000°" in out


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


def test_without_the_program(run):
    assert "delsarte" not in run("bound", "--d", 3, "--n", 30, "--no-lp")[1]


def test_the_inverse_question(run):
    status, out, _ = run("bound", "--d", 8, "--angle", 60)
    assert status == 0
    assert "no more than 240 points of R^8 can keep 60°" in out
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
    ],
)
def test_wrong_usage(run, options):
    status, out, err = run("bound", "--d", 3, *options)
    assert (status, out) == (2, "")
    assert err.startswith("Error: `")
    assert run("bound", "--d", 1, "--n", 5)[0] == 2
