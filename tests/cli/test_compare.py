"""`tammes compare` as a person meets it: the block, the JSON, the exit status, what it refuses."""

import json
import math

import numpy as np
import oracles
import pytest


@pytest.fixture
def put(tmp_path):
    """Stores points; the name of the file comes back."""

    def store(name, points):
        np.save(tmp_path / f"{name}.npy", points)
        return f"{name}.npy"

    return store


def turned(points, seed=0, determinant=1):
    """The points, turned and shuffled."""
    rng = np.random.default_rng(seed)
    matrix = np.linalg.qr(rng.normal(size=(points.shape[1],) * 2))[0]
    if np.linalg.det(matrix) * determinant < 0:
        matrix[:, 0] *= -1.0
    return rng.permutation(points) @ matrix.T


def row(out, name):
    """What the block says in one line."""
    lines = [line for line in out.splitlines() if line.startswith(name)]
    assert len(lines) == 1, out
    return lines[0].removeprefix(name).strip()


def test_one_code(run, put):
    status, out, err = run("compare", put("ico", oracles.icosahedron()))
    assert (status, err) == (0, "")
    assert row(out, "points") == "12 in R^3"
    assert row(out, "minimal angle") == "63.434948822922°"
    assert row(out, "automorphisms") == "120 (Ih), half of them rotations"
    assert row(out, "orbits") == "1, of 12 points"
    assert "isometry" not in out


def test_the_same_code(run, put):
    first, second = put("a", oracles.icosahedron()), put("b", turned(oracles.icosahedron()))
    status, out, err = run("compare", first, second)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["a.npy", "b.npy"]
    assert row(out, "minimal angle").split() == ["63.434948822922°"] * 2
    assert row(out, "automorphisms").count("120 (Ih)") == 2
    assert row(out, "isometry").startswith("the same code by rotation and by reflection; no point misses by more than")


@pytest.mark.parametrize(
    ("determinant", "kind"), [(1, "by rotation, not by reflection"), (-1, "by reflection, not by rotation")]
)
def test_handedness(run, put, determinant, kind):
    code = oracles.random_code(9, 3)
    status, out, _ = run("compare", put("a", code), put("b", turned(code, 1, determinant)))
    assert status == 0
    assert f"the same code {kind};" in row(out, "isometry")
    assert row(out, "automorphisms").split() == ["1", "(C1)", "1", "(C1)"]
    assert row(out, "orbits").count("9, of 1 point") == 2


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (oracles.icosahedron()[:11], "12 points in R^3 and 11 in R^3"),
        (np.pad(oracles.icosahedron(), ((0, 0), (0, 1))), "12 points in R^3 and 12 in R^4"),
        (oracles.random_code(12, 3), "the minimal angles differ by 53°"),
    ],
)
def test_another_code(run, put, other, reason):
    status, out, err = run("compare", put("a", oracles.icosahedron()), put("b", other))
    assert status == 1
    assert err == f"Error: a.npy and b.npy differ: {reason}.\n"
    assert row(out, "isometry") == f"none: {reason}"
    assert "120 (Ih)" in out


def test_the_tolerance(run, put):
    nudge = 1e-5 * np.random.default_rng(1).normal(size=(12, 3))
    first, second = put("a", oracles.icosahedron()), put("b", oracles.normalized(oracles.icosahedron() + nudge))
    assert run("compare", first, second)[0] == 1
    status, out, _ = run("compare", first, second, "--tolerance", "1e-3")
    assert status == 0
    assert row(out, "automorphisms").count("120") == 2


def test_points_of_a_subspace(run, put):
    status, out, _ = run("compare", put("flat", oracles.polygon(7, 3)))
    assert status == 0
    assert row(out, "points") == "7 in R^3, their span R^2"
    assert row(out, "automorphisms") == "14, half of them rotations"


def test_two_points(run, put):
    pair, corner = put("pair", [[0.0, 1.0], [0.0, -1.0]]), put("corner", [[0.0, 1.0], [1.0, 0.0]])
    assert run("compare", pair, pair)[0] == 0
    assert run("compare", corner, corner)[0] == 0
    status, _, err = run("compare", pair, corner)
    assert (status, err) == (1, "Error: pair.npy and corner.npy differ: the minimal angles differ by 90°.\n")


def test_large_orders_are_shown_rounded(run, put):
    assert row(run("compare", put("e", oracles.simplex(30)))[1], "automorphisms").startswith("about 8.223e33,")
    assert row(run("compare", put("f", oracles.simplex(14)))[1], "automorphisms").startswith("1,307,674,368,000,")


def test_several_orbits(run, put):
    cube_and_more = np.concatenate([oracles.orthoplex(3), [[0.6, 0.8, 0.0]]])
    assert row(run("compare", put("mixed", cube_and_more))[1], "orbits") == "6, of 1 to 2 points"


def test_json(run, put):
    code = oracles.random_code(9, 3)
    other = turned(code, 1)
    status, out, err = run("compare", put("a", code), put("b", other), "--json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert (document["same"], document["rotation"], document["reflection"]) == (True, True, False)
    assert np.abs(code @ np.array(document["matrix"]).T - other[document["permutation"]]).max() < 1e-12
    assert document["deviation"] < 1e-12
    assert document["tolerance"] == 1e-8
    assert [each["file"] for each in document["codes"]] == ["a.npy", "b.npy"]
    assert document["codes"][0]["automorphisms"]["order"] == 1


def test_json_of_others_and_of_one(run, put):
    first, second = put("a", oracles.icosahedron()), put("b", oracles.random_code(12, 3))
    status, out, err = run("compare", first, second, "--json")
    document = json.loads(out)
    assert status == 1
    assert (document["same"], document["difference"]) == (False, "the minimal angles differ by 53°")
    assert err.startswith("Error: a.npy and b.npy differ")
    group = document["codes"][0]["automorphisms"]
    assert (group["order"], group["rotations"], group["name"]) == (120, 60, "Ih")
    assert group["log10_order"] == pytest.approx(math.log10(120))
    assert len(group["generators"][0]) == len(group["orbits"]) == 12
    assert "same" not in json.loads(run("compare", first, "--json")[1])


@pytest.mark.parametrize("tolerance", ["0", "-1e-8", "0.01", "nan", "inf"])
def test_tolerances_out_of_range(run, put, tolerance):
    status, out, err = run("compare", put("a", oracles.icosahedron()), "--tolerance", tolerance)
    assert (status, out) == (2, "")
    assert err.startswith("Error: `tolerance` must be above 0 and at most 0.001. Got ")


def test_bad_points(run, put, tmp_path):
    code = oracles.icosahedron()
    good = put("good", code)
    status, _, err = run("compare", good, put("twice", np.concatenate([code, code[:1]])))
    assert (status, err.count("\n")) == (2, 1)
    assert "rows 0 and 12 at 0 radians" in err
    status, _, err = run("compare", put("many", oracles.polygon(5001)))
    assert (status, "at most 5,000. Got 5,001 points" in err) == (2, True)
    (tmp_path / "bad.csv").write_text("1,0\nnan,1\n")
    status, _, err = run("compare", good, "bad.csv")
    assert (status, err.startswith("Error: bad.csv: ")) == (1, True)
    assert run("compare", good, "missing.npy")[0] == 1
    put("single", code.astype(np.float32))
    assert run("compare", good, "single.npy", "--tolerance", "1e-6")[0] == 1
    assert run("compare", good, "single.npy", "--tolerance", "1e-6", "--normalize")[0] == 0


def test_an_undecided_search_is_no_verdict(run, put):
    status, out, err = run("compare", put("a", oracles.simplex(9)), "--rounds", 2)
    assert (status, out) == (2, "")
    assert "The search was given up undecided" in err
    assert run("compare", "a.npy", "--rounds", 0)[0] == 2


def test_interrupted(run, put, monkeypatch):
    from tammes.codes import isometry

    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(isometry, "automorphisms", interrupt)
    status, _, err = run("compare", put("a", oracles.icosahedron()))
    assert (status, err) == (130, "Error: Interrupted; nothing was decided.\n")
