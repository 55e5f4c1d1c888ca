"""`tammes table` for one size; test_cli has the whole dimensions."""

import json

import numpy as np
import oracles


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
    assert document["archive"]["degrees"] == document["best"]["degrees"] or document["optimal"]
    assert document["attained_by"] == ["icosahedron"]


def test_a_size_that_only_the_archive_knows(run, tmp_path):
    np.save(tmp_path / "code.npy", oracles.random_code(300, 9))
    run("archive", "import", "code.npy", "--archive", "mine")
    status, out, _ = run("table", "--d", 9, "--n", 300, "--archive", "mine")
    assert status == 0
    assert "no stored value for this size" in out
    assert run("table", "--d", 9, "--n", 300, "--archive", "none")[0] == 1
