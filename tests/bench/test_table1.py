"""The run of Table 1: it resumes, refuses results of other settings, and reports what was measured."""

import json

import pytest

from tammes.base.errors import FileFormatError, InvalidParameterError
from tammes.bench.cells import Settings, run_cell
from tammes.bench.table1 import run_table1


class InThisProcess:
    """Runs cells in this process and notes their keys; the tests of the command line use worker processes."""

    def __init__(self):
        self.ran = []

    def __call__(self, cells, settings, workers):
        for cell in cells:
            self.ran.append(cell.key)
            yield run_cell(cell, settings)


@pytest.fixture
def runner():
    return InThisProcess()


def table(out, runner, seeds=1, losses=("mma", "cosine"), rows=((4, 3), (5, 4)), steps=60, **options):
    settings = Settings(steps=steps)
    return run_table1(out, rows=rows, losses=losses, seeds=seeds, settings=settings, run_cells=runner, **options)


@pytest.mark.slow
def test_a_stopped_run_is_resumed(tmp_path, runner):
    def stop(cell, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table(tmp_path, runner, progress=stop)
    assert len(runner.ran) == 2
    first = {cell["loss"]: cell for cell in json.loads((tmp_path / "table1.json").read_text())["cells"]}
    table(tmp_path, runner)
    assert len(runner.ran) == 4
    assert len(set(runner.ran)) == 4
    kept = json.loads((tmp_path / "table1.json").read_text())["cells"]
    assert all(cell in kept for cell in first.values())
    table(tmp_path, runner)  # nothing is left to do
    assert len(runner.ran) == 4
    table(tmp_path, runner, seeds=2)  # more seeds: only those
    assert len(runner.ran) == 8
    table(tmp_path, runner, fresh=True)
    assert len(runner.ran) == 12


def test_other_settings_are_refused(tmp_path, runner):
    table(tmp_path, runner, rows=[(4, 3)])
    with pytest.raises(FileFormatError, match="other settings"):
        table(tmp_path, runner, steps=61)
    (tmp_path / "table1.json").write_text('{"schema": "something else"}')
    with pytest.raises(FileFormatError, match=r"not a tammes\.bench/1 document"):
        table(tmp_path, runner)
    (tmp_path / "table1.json").write_text("{")
    with pytest.raises(FileFormatError, match="not JSON"):
        table(tmp_path, runner)


@pytest.mark.slow
def test_reports_hold_the_medians(tmp_path, runner):
    document = table(tmp_path, runner, seeds=3, rows=[(30, 3)], steps=150)
    cells = [cell for cell in document["cells"] if cell["loss"] == "mma"]
    row = document["rows"][0]
    assert row["measured"]["mma"] == sorted(cell["min_angle_degrees"] for cell in cells)[1]
    assert row["polished"] == sorted(cell["polished_degrees"] for cell in cells)[1]
    assert row["polished"] > row["measured"]["mma"]
    assert row["published"] == {"mma": "38.5", "cosine": "0"}
    markdown = (tmp_path / "table1.md").read_text()
    assert f"**38.5** / **{row['measured']['mma']:.2f}**" in markdown
    assert "Machine:" in markdown
    assert "Differences from the published table" in markdown
    assert "cosine**: (3, 30) 0 published" in markdown
    header, line = (tmp_path / "table1.csv").read_text().splitlines()
    assert header.split(",")[-1] == "polished"
    assert line.startswith("3,30,38.6,38.5,")


@pytest.mark.parametrize("name", ["seeds", "workers"])
def test_counts_below_one_are_refused(tmp_path, runner, name):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be an integer of at least 1"):
        table(tmp_path, runner, **{name: 0})
