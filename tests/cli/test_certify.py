"""`tammes certify` and `tammes verify` on certificates."""

import json
import subprocess
import sys

import numpy as np
import oracles
import pytest

from tammes.codes import checker


@pytest.fixture
def icosahedron(tmp_path):
    np.save(tmp_path / "ico.npy", oracles.icosahedron())
    return "ico.npy"


def test_a_certificate_and_a_checker(run, icosahedron, tmp_path):
    status, out, err = run("certify", icosahedron, "--checker", "check.py")
    assert (status, err) == (0, "")
    assert "at most 0.447213595499958" in out
    assert "at least 63.43494882292" in out
    assert "strict local maximum" in out
    assert "ico.npy.cert.json, check.py" in out
    status, out, err = run("verify", "ico.npy.cert.json")
    assert (status, err) == (0, "")
    assert "holds: 12 points in R^3" in out
    assert "holds: strict" in out
    done = subprocess.run(
        [sys.executable, "-I", "-S", "check.py", "ico.npy.cert.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout[:6]) == (0, "holds:")


def test_json(run, icosahedron):
    status, out, _ = run("certify", icosahedron, "--json")
    document = json.loads(out)
    assert status == 0
    assert (document["n"], document["d"], document["scale"]) == (12, 3, "10^15")
    assert document["local_optimality"]["verdict"] == "strict"
    assert document["files"] == ["ico.npy.cert.json"]
    status, out, _ = run("verify", "ico.npy.cert.json", "--json")
    assert json.loads(out)["holds"] is True


def test_digits_and_a_polynomial(run, icosahedron):
    status, out, _ = run("certify", icosahedron, "--digits", 60)
    assert status == 0
    assert "coordinates times 10^60" in out
    assert "0.44721359549995793928183473374625524708812367192230514485417" in out
    assert "5c^2 - 1 of the max cosine c" in out
    assert run("verify", "ico.npy.cert.json")[0] == 0


@pytest.mark.slow
def test_no_polynomial_is_said(run, tmp_path):
    """A local maximum of 25 points: its cosine has no small polynomial that 40 digits could prove."""
    from tammes.global_search.api import solve

    np.save(tmp_path / "code.npy", solve(25, 3, "mma", steps=300, seed=1).code.points)
    status, out, _ = run("certify", "code.npy", "--digits", 40)
    assert status == 0
    assert "none found up to degree 16" in out
    assert run("verify", "code.npy.cert.json")[0] == 0


def test_too_few_digits_for_a_polynomial(run, icosahedron):
    assert run("certify", icosahedron, "--digits", 20)[0] == 0


def test_lattice(run, tmp_path):
    np.save(tmp_path / "cell.npy", oracles.cell24())
    status, out, _ = run("certify", "cell.npy", "--lattice")
    assert status == 0
    assert "exact integer vectors, divided by sqrt(2)" in out
    assert "at least 60.000000000000000°" in out
    assert run("verify", "cell.npy.cert.json")[0] == 0


@pytest.mark.parametrize("options", [["--decimals", 20], ["--digits", 40]])
def test_lattice_goes_with_no_rounding(run, icosahedron, options):
    status, _, err = run("certify", icosahedron, "--lattice", *options)
    assert status == 2
    assert f"`--lattice` and `{options[0]}`" in err


def test_points_of_no_lattice(run, icosahedron, tmp_path):
    status, _, err = run("certify", icosahedron, "--lattice")
    assert status == 2
    assert "short integer vectors" in err
    assert not (tmp_path / "ico.npy.cert.json").exists()


def test_an_improvable_code_is_certified_and_said_to_be_one(run, tmp_path):
    np.save(tmp_path / "random.npy", oracles.random_code(10, 3))
    status, out, _ = run("certify", "random.npy")
    assert status == 0
    assert "no local maximum: a displacement widens every contact" in out
    status, out, _ = run("verify", "random.npy.cert.json")
    assert status == 0
    assert "improvable; a step along the direction gains" in out


def test_a_code_too_large_for_rigidity(run, tmp_path):
    np.save(tmp_path / "large.npy", oracles.random_code(3001, 3))
    status, out, _ = run("certify", "large.npy")
    assert status == 0
    assert "left out: more than 6000 degrees of freedom" in out
    assert run("verify", "large.npy.cert.json")[0] == 0


def test_without_the_local_part(run, icosahedron):
    assert "local optimality" not in run("certify", icosahedron, "--no-local")[1]
    assert "local optimality" not in run("verify", "ico.npy.cert.json")[1]


def _changed(path, change):
    document = checker.read(path.read_text())
    change(document)
    document["digest"] = checker.digest_of(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d["local_optimality"].update(rank=20), "`rank` must be 21 of 21 degrees of freedom"),
        (lambda d: d["local_optimality"].update(verdict="first-order"), "`verdict` must be strict, as measured"),
        (lambda d: d["local_optimality"]["multipliers_times_10_18"].__setitem__(0, 10**17), "in balance"),
        (lambda d: d["local_optimality"]["multipliers_times_10_18"].pop(), "one for each"),
        (lambda d: d["local_optimality"]["contacts"].__setitem__(0, [0, 40]), "pairs of distinct indices"),
        (lambda d: d["local_optimality"].pop("contacts"), "not as this version writes it"),
        (lambda d: d.update(local_optimality=[]), "not as this version writes it"),
        (lambda d: d["local_optimality"].update(verdict="perfect"), "not as this version writes it"),
        (lambda d: d["local_optimality"].update(tolerance="x"), "not as this version writes it"),
        (lambda d: d["points"][0].__setitem__(0, 10**14), "larger cosine than max_cosine"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_forged_claim_is_refused(run, icosahedron, tmp_path, change, reason):
    run("certify", icosahedron)
    _changed(tmp_path / "ico.npy.cert.json", change)
    status, out, err = run("verify", "ico.npy.cert.json")
    assert status == 1
    assert reason in " ".join(out.split())
    assert "the certificate does not hold" in err


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"n": 1.5}', b"\xff\xfe", b"null"])
def test_what_is_no_certificate(run, tmp_path, content):
    (tmp_path / "x.cert.json").write_bytes(content)
    status, _, err = run("verify", "x.cert.json")
    assert status == 1
    assert "does not hold" in err


@pytest.mark.parametrize("name", ["nothing.cert.json", "empty.cert.json"])
def test_files_that_cannot_be_read(run, tmp_path, name):
    (tmp_path / "empty.cert.json").touch()
    assert run("verify", name)[0] == 1


def test_an_existing_certificate_is_kept(run, icosahedron):
    assert run("certify", icosahedron)[0] == 0
    status, _, err = run("certify", icosahedron)
    assert status == 1
    assert "--force" in err
    assert run("certify", icosahedron, "--force")[0] == 0


def test_duplicates_have_no_certificate(run, tmp_path):
    np.save(tmp_path / "twins.npy", oracles.icosahedron()[[0, 1, 2, 1]])
    status, _, err = run("certify", "twins.npy")
    assert status == 2
    assert "rows 1 and 3" in err
    assert not (tmp_path / "twins.npy.cert.json").exists()


@pytest.mark.parametrize(
    ("points", "cosine"),
    [(oracles.orthoplex(3)[[0, 3]], "-1.000000000000000000"), (oracles.orthoplex(2)[:2], "0.000000000000000000")],
)
def test_two_points(run, tmp_path, points, cosine):
    np.save(tmp_path / "two.npy", points)
    status, out, _ = run("certify", "two.npy")
    assert status == 0
    assert cosine in out


@pytest.mark.parametrize("options", [["--decimals", 2], ["--decimals", "x"], ["--digits", 5], ["--decimals", 5000]])
def test_options_out_of_range(run, icosahedron, options):
    assert run("certify", icosahedron, *options)[0] == 2


def test_an_unpolished_code_has_no_digits(run, tmp_path):
    np.save(tmp_path / "random.npy", oracles.random_code(10, 3))
    status, _, err = run("certify", "random.npy", "--digits", 50)
    assert status == 2
    assert "Polish them first" in err
