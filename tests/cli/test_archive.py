"""`tammes archive` as a person meets it: answers on stdout, warnings on stderr, exit status."""

import csv
import functools
import io
import json

import numpy as np
import oracles
import pytest
from command_line import one_line

from tammes.codes.spherical_code import SphericalCode
from tammes.storage import formats, verification
from tammes.storage.archive import Archive


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    """Runs `tammes archive` likewise, with an archive of its own."""
    monkeypatch.setenv("TAMMES_ARCHIVE", str(tmp_path / "archive"))
    return functools.partial(run, "archive")


@pytest.fixture
def archive(run, tmp_path):
    filled = Archive(tmp_path / "archive")
    filled.offer(SphericalCode(oracles.icosahedron()), {"method": ["sgd", "polish"]})
    filled.offer(SphericalCode(oracles.random_code(200, 3)), {"method": ["sgd"]})
    filled.offer(SphericalCode(oracles.cell24()), antipodal=True)
    return filled


def test_list_for_people(run, archive):
    status, out, err = run("list")
    assert (status, err) == (0, "")
    lines = {tuple(line.split()[:2]): line for line in out.splitlines()}
    assert len(lines) == 7  # a head, three codes, three deletions
    icosahedron = lines["3", "12"]
    for part in ("63.434948822922", "63.43494882292", "matches", "0.000000", "sgd + polish"):
        assert part in icosahedron
    assert "24 ±" in lines["4", "24"]
    assert "60.000000000000" in lines["4", "24"]
    assert "deletion" in lines["3", "199"]


def test_list_as_json_and_csv(run, archive):
    rows = json.loads(run("list", "--json")[1])
    assert [(row["d"], row["n"], row["antipodal"]) for row in rows] == [
        *((3, n, False) for n in (11, 12, 199, 200)),
        *((4, n, True) for n in (22, 24)),
    ]
    assert rows[1]["best_known_degrees"].startswith("63.43494882292")  # printed digits, as text
    assert [row["verdict"] for row in rows] == ["matches", "matches", None, None, None, None]
    assert rows[1]["gap_degrees"] == pytest.approx(0.0, abs=1e-9)  # the Fejes Toth bound is attained
    table = list(csv.DictReader(io.StringIO(run("list", "--csv", "--d", 3)[1])))
    assert [row["n"] for row in table] == ["11", "12", "199", "200"]
    assert float(table[1]["min_angle_degrees"]) == archive.get(12, 3).code.min_angle_degrees
    assert table[1]["method"] == "sgd + polish"
    status, out, err = run("list", "--json", "--csv")
    assert (status, out) == (2, "")
    assert one_line(err)
    assert "`--json` and `--csv`" in err


def test_an_empty_archive(run, tmp_path):
    status, out, err = run("list")
    assert (status, out) == (0, "")
    assert err == f"No codes in the archive {tmp_path / 'archive'}.\n"
    assert run("list", "--json")[1] == "[]\n"
    assert run("list", "--csv")[1].startswith("n,d,antipodal,")
    assert "No codes in d = 5 in the archive elsewhere." in run("list", "--d", 5, "--archive", "elsewhere")[2]
    assert not (tmp_path / "archive").exists()


def test_a_corrupt_file_is_told_on_stderr(run, archive):
    archive.path_of(11, 3).write_bytes(b"<html>")
    for options in ([], ["--json"], ["--csv"]):
        status, out, err = run("list", *options)
        assert status == 0
        assert err.startswith(f"Warning: {archive.path_of(11, 3)}: not JSON")
        assert err.count("\n") == 1
        assert "63.43494882" in out
    status, out, err = run("show", "--n", 11, "--d", 3)
    assert (status, out) == (1, "")
    assert err.splitlines()[0].startswith("Warning: ")
    assert err.splitlines()[1].startswith("Error: No code with n = 11, d = 3 in the archive")


def test_show(run, archive):
    status, out, err = run("show", "--n", 12, "--d", 3)
    assert (status, err) == (0, "")
    for part in ("63.434948822922°", "this code matches", "fejes-toth", "30, 0 rattlers", "sgd + polish"):
        assert part in out
    assert str(archive.path_of(12, 3)) in out
    assert "pairs ±x" in run("show", "--n", 24, "--d", 4, "--antipodal")[1]
    document = json.loads(run("show", "--n", 12, "--d", 3, "--json")[1])
    assert document["digest"] == archive.get(12, 3).code.digest
    assert "points" not in document
    status, out, err = run("show", "--n", 24, "--d", 4)
    assert (status, out) == (1, "")
    assert one_line(err)


def test_a_record_of_strange_values_is_shown(run, archive):
    record = {"points": oracles.simplex(3).tolist(), "method": {"no": "list"}, "archived": 7}
    archive.path_of(4, 3).write_text(json.dumps(record))
    assert run("list")[0] == 0
    assert "not recorded" in run("show", "--n", 4, "--d", 3)[1]


def test_export(run, archive, tmp_path):
    assert run("export", "--n", 12, "--d", 3) == (0, "tammes_d3_n12.npy\ntammes_d3_n12.json\n", "")
    assert (np.load("tammes_d3_n12.npy") == oracles.icosahedron()).all()
    assert verification.verify("tammes_d3_n12.npy").holds
    status, out, err = run("export", "--n", 12, "--d", 3)
    assert (status, out) == (1, "")
    assert one_line(err)
    assert "--force" in err
    assert run("export", "--n", 12, "--d", 3, "--force")[0] == 0
    assert json.loads(run("export", "--n", 12, "--d", 3, "-o", "a.json", "--json")[1]) == {"files": ["a.json"]}
    assert run("export", "--n", 24, "--d", 4, "--antipodal", "-o", "lines.csv")[0] == 0
    assert formats.load("lines.csv").digest == archive.get(24, 4, True).code.digest
    assert run("export", "--n", 12, "--d", 3, "-o", "a.xyz")[0] == 2
    assert run("export", "--n", 99, "--d", 3)[0] == 1
    assert run("export", "--n", 1, "--d", 3)[0] == 2


def test_import(run, tmp_path):
    formats.save("a.npy", SphericalCode(oracles.simplex(3)))
    formats.save("b.npy", SphericalCode(oracles.random_code(4, 3)))
    status, out, err = run("import", "a.npy", "b.npy")
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == "a.npy: 4 points in d = 3, 109.471220634491°: kept (before: none), and 1 with fewer points"
    assert second.startswith("b.npy: 4 points in d = 3, ")
    assert second.endswith(": not kept; the archive has 109.471220634491°")
    assert (Archive().get(4, 3).code.points == oracles.simplex(3)).all()


def test_import_as_json(run, archive, tmp_path):
    (tmp_path / "found").mkdir()
    formats.save("found/a.npy", SphericalCode(oracles.orthoplex(3)))
    (tmp_path / "found" / "b.csv").write_bytes(b"words\n")
    status, out, err = run("import", "found", "--json", "--archive", "mine")
    assert status == 0
    assert err.startswith("Skipped: found/b.csv: ")
    document = json.loads(out)
    assert document["archive"] == "mine"
    assert [one["source"] for one in document["skipped"]] == ["found/b.csv"]
    points, lines = document["offered"]
    assert (points["n"], points["kept"], points["previous_degrees"], points["antipodal"]) == (6, True, None, False)
    assert points["min_angle_degrees"] == pytest.approx(90.0)
    assert [one["n"] for one in points["deletions"]] == [5]
    assert lines["antipodal"]
    assert Archive("mine").get(6, 3, True).code.n == 6
    assert archive.get(6, 3) is None


def test_what_was_named_and_held_no_code_exits_1(run, tmp_path):
    formats.save("a.npy", SphericalCode(oracles.simplex(3)))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    status, out, err = run("import", "broken.npy", "a.npy")
    assert status == 1
    assert out.startswith("a.npy: 4 points in d = 3")  # the others are taken all the same
    assert err.splitlines()[0].startswith("Skipped: broken.npy: ")
    assert err.splitlines()[1] == "Error: No code was found in broken.npy."
    status, out, err = run("import", "missing.npy")
    assert (status, out) == (1, "")
    assert one_line(err)
    assert run("import")[0] == 2


def test_ctrl_c_exits_130(run, archive, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tammes.storage.exchange.import_codes", interrupted)
    formats.save("a.npy", SphericalCode(oracles.simplex(3)))
    status, _, err = run("import", "a.npy")
    assert status == 130
    assert err == "Error: Interrupted; the codes offered so far are in the archive.\n"


def test_other_warnings_go_their_own_way(run, archive, monkeypatch):
    import warnings

    from tammes.storage import tables

    bound = tables.upper_bound

    def doubtful(n, d):
        warnings.warn("doubtful", stacklevel=1)
        return bound(n, d)

    monkeypatch.setattr(tables, "upper_bound", doubtful)
    with pytest.warns(UserWarning, match="doubtful"):
        run("list")
