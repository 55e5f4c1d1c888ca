"""A sweep over sizes: one budget, tables as it goes, verdicts against what is known."""

import csv
from dataclasses import replace

import pytest

from tammes.base.errors import FileAccessError
from tammes.base.status import Status
from tammes.global_search import sweep
from tammes.storage.archive import Archive

SETTINGS = {
    "target": None,
    "starts": 24,
    "seed": 0,
    "workers": 1,
    "symmetry": "none",
    "antipodal": False,
    "resume": True,
}


def test_tables_are_written_with_verdicts(tmp_path):
    shown = []
    rows, interrupted = sweep.run(
        3,
        [7, 8, 9],
        6.0,
        SETTINGS | {"archive": Archive(tmp_path / "archive")},
        tmp_path / "out",
        lambda *a: shown.append(a),
    )
    assert not interrupted
    assert [row.n for row in rows] == [7, 8, 9]
    assert [row.verdict for row in rows] == ["matches"] * 3
    assert sweep.summary(rows) == "3 matches"
    stored = list(csv.DictReader((tmp_path / "out" / sweep.CSV).read_text().splitlines()))
    assert [float(row["degrees"]) for row in stored] == [row.degrees for row in rows]
    page = (tmp_path / "out" / sweep.MARKDOWN).read_text()
    assert "| 9 | 70.5287793655 |" in page
    assert shown[0][1:] == (1, 3)


def test_what_is_not_tabulated_is_new(tmp_path):
    rows, _ = sweep.run(9, [20], 1.5, SETTINGS | {"archive": None, "starts": 4}, tmp_path)
    assert rows[0].verdict == "new"
    assert rows[0].known == ""


def test_ctrl_c_ends_it_with_what_there_is(tmp_path, monkeypatch):
    real = sweep.search

    def interrupted(n, d, **settings):
        def progress(_):
            raise KeyboardInterrupt

        return real(n, d, **settings, progress=progress)

    monkeypatch.setattr(sweep, "search", interrupted)
    rows, stopped = sweep.run(3, [13, 14], 10.0, SETTINGS | {"archive": None}, tmp_path)
    assert stopped
    assert len(rows) == 1
    assert (tmp_path / sweep.CSV).exists()


def test_lost_workers_end_it_as_what_they_are(tmp_path, monkeypatch, run):
    real = sweep.search

    def lost(n, d, **settings):
        return replace(real(n, d, **settings), status=Status.WORKERS_LOST)

    monkeypatch.setattr(sweep, "search", lost)
    rows, stopped = sweep.run(3, [13, 14], 10.0, SETTINGS | {"archive": None}, tmp_path)
    assert not stopped
    assert [(row.n, row.status) for row in rows] == [(13, "workers-lost")]
    options = ("--time", "2s", "--starts", 8, "--workers", 1, "--archive", "a", "-o", "out")
    status, out, err = run("search", "--d", 3, "--n", "13..14", *options)
    assert status == 1
    assert "sweep.md" in out
    assert "The workers are lost: the sweep ended at n = 13" in err
    assert (tmp_path / "out" / sweep.CSV).exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    target = tmp_path / "file"
    target.write_text("")
    with pytest.raises(FileAccessError):
        sweep.run(3, [7], 1.0, SETTINGS | {"archive": None}, target)
