"""`tammes table`: what is known of one size, and of a dimension."""

import csv
import io
import json

import numpy as np
import oracles
import pytest
from command_line import one_line

from tammes.storage import tables


def test_everything_about_the_600_cell(run):
    status, out, err = run("table", "--d", 4, "--n", 120, "--archive", "none")
    assert (status, err) == (0, "")
    for text in (
        "36.000000000000°   max cosine (1+sqrt(5))/4",
        "proved optimal  Boroczky 1978; Andreev 1999; Cohn & Kumar 2007",
        "600-cell (`tammes construct 600-cell`)",
        "met: no code is better",
    ):
        assert text in out


def test_the_command_that_it_names_runs(run):
    out = run("table", "--d", 4, "--n", 5, "--archive", "none")[1]
    command = out.partition("`tammes ")[2].partition("`")[0]
    assert run(*command.split())[0] == 0


def test_a_code_in_the_archive_is_shown(run, tmp_path):
    np.save(tmp_path / "ico.npy", oracles.icosahedron())
    assert run("archive", "import", "ico.npy", "--archive", "mine")[0] == 0
    out = run("table", "--d", 3, "--n", 12, "--archive", "mine")[1]
    assert "in the archive" in out
    document = json.loads(run("table", "--d", 3, "--n", 12, "--archive", "mine", "--json")[1])
    assert document["archive"]["degrees"] == pytest.approx(63.434948822922, abs=1e-11)
    assert document["archive"]["path"] == "mine/d3/n00012.json"
    assert document["attained_by"] == ["icosahedron"]


def test_a_size_that_only_the_archive_knows(run, tmp_path):
    np.save(tmp_path / "code.npy", oracles.random_code(300, 9))
    run("archive", "import", "code.npy", "--archive", "mine")
    status, out, _ = run("table", "--d", 9, "--n", 300, "--archive", "mine")
    assert status == 0
    assert "no stored value for this size" in out
    assert run("table", "--d", 9, "--n", 300, "--archive", "none")[0] == 1


def test_table_of_one_size(run):
    status, out, _ = run("table", "--d", 3, "--n", 30)
    assert status == 0
    assert "38.59711595387" in out
    assert "38.5971159" in out
    assert "Sloane" in out
    assert "upper bound" in out
    document = json.loads(run("table", "--d", 4, "--n", 24, "--json")[1])
    assert document["best"]["exact_max_cosine"] == "1/2"
    assert document["best"]["proved_by"]


def test_table_of_a_dimension(run):
    rows = list(csv.DictReader(io.StringIO(run("table", "--d", 3, "--csv")[1])))
    assert [int(row["n"]) for row in rows] == list(range(4, 131))
    assert len(json.loads(run("table", "--d", 3, "--json")[1])) == 127
    assert "109.47122063449" in run("table", "--d", 3)[1]


def test_a_missing_entry_exits_1_and_says_what_is_covered(run):
    status, out, err = run("table", "--d", 9, "--n", 77)
    assert (status, out) == (1, "")
    assert one_line(err)
    assert "No stored value for n = 77, d = 9. Stored for d = 9: n = 2 to 18." in err
    assert "No code has an angle above 73.6" in err
    status, out, err = run("table", "--d", 13)
    assert (status, out) == (1, "")
    assert one_line(err)


def test_json_and_csv_exclude_each_other(run):
    status, out, err = run("table", "--d", 3, "--json", "--csv")
    assert (status, out) == (2, "")
    assert one_line(err)
    assert "--json" in err
    assert "--csv" in err


def test_every_printed_digit_is_kept(run):
    out = run("table", "--d", 3, "--n", 30, "--archive", "none")[1]
    for value in tables.known_values(30, 3):
        assert value.degrees in out
