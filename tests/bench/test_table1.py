"""Table 1's bench: it resumes, refuses what it cannot mix, and reports what was measured."""

import json
import math

import numpy as np
import pytest

from tammes.base.errors import FileFormatError, InvalidParameterError, UnknownNameError
from tammes.bench import report as bench_report
from tammes.bench import table1 as bench


@pytest.fixture
def in_process(monkeypatch):
    """Cells run here, and are counted; worker processes are the command line's test."""
    ran = []

    def run_all(cells, settings, workers):
        for cell in cells:
            ran.append(cell.key)
            yield bench.run_cell(cell, settings)

    monkeypatch.setattr(bench, "_run_all", run_all)
    return ran


def table(out, seeds=1, losses=("mma", "cosine"), rows=((4, 3), (5, 4)), steps=60, **options):
    settings = bench.Settings(steps=steps)
    return bench.run_table1(out, rows=rows, losses=losses, seeds=seeds, settings=settings, **options)


def test_ten_rows_four_columns():
    assert bench.parse_rows(None) == [
        (4, 3),
        (30, 3),
        (130, 3),
        (5, 4),
        (30, 4),
        (130, 4),
        (600, 4),
        (6, 5),
        (30, 5),
        (130, 5),
    ]
    assert bench.parse_losses(None) == ["mma", "cosine", "riesz-fisher", "logarithmic"]
    assert bench.parse_rows("4x600, 5x130") == [(600, 4), (130, 5)]


@pytest.mark.parametrize("text", ["", "4", "4x", "x600", "600x4", "4x600;5x130", "4x601"])
def test_bad_rows(text):
    with pytest.raises(InvalidParameterError, match="3x4,3x30"):
        bench.parse_rows(text)


def test_bad_losses():
    with pytest.raises(UnknownNameError, match="riesz-fisher"):
        bench.parse_losses("mma,riesz")


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was(tmp_path, in_process):
    def stop(cell, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table(tmp_path, progress=stop)
    assert len(in_process) == 2
    first = {cell["loss"]: cell for cell in json.loads((tmp_path / "table1.json").read_text())["cells"]}
    table(tmp_path)
    assert len(in_process) == 4
    assert len(set(in_process)) == 4
    kept = json.loads((tmp_path / "table1.json").read_text())["cells"]
    assert all(cell in kept for cell in first.values())
    table(tmp_path)  # nothing is left to do
    assert len(in_process) == 4
    table(tmp_path, seeds=2)  # more seeds: only those
    assert len(in_process) == 8
    table(tmp_path, fresh=True)
    assert len(in_process) == 12


def test_other_settings_are_refused(tmp_path, in_process):
    table(tmp_path, rows=[(4, 3)])
    with pytest.raises(FileFormatError, match="other settings"):
        table(tmp_path, steps=61)
    (tmp_path / "table1.json").write_text('{"schema": "something else"}')
    with pytest.raises(FileFormatError, match=r"not a tammes\.bench/1 document"):
        table(tmp_path)
    (tmp_path / "table1.json").write_text("{")
    with pytest.raises(FileFormatError, match="not JSON"):
        table(tmp_path)


@pytest.mark.slow
def test_reports_hold_the_medians(tmp_path, in_process):
    document = table(tmp_path, seeds=3, rows=[(30, 3)], steps=150)
    cells = [cell for cell in document["cells"] if cell["loss"] == "mma"]
    row = document["rows"][0]
    assert row["measured"]["mma"] == sorted(cell["min_angle_degrees"] for cell in cells)[1]
    assert row["polished"] == sorted(cell["polished_degrees"] for cell in cells)[1]
    assert row["polished"] > row["measured"]["mma"]
    assert row["published"] == {"mma": "38.5", "cosine": "0"}
    markdown = (tmp_path / "table1.md").read_text()
    assert f"**38.5** / **{row['measured']['mma']:.2f}**" in markdown
    assert "Machine:" in markdown
    assert "Where it differs from the print" in markdown
    assert "cosine**: (3, 30) 0 printed" in markdown
    header, line = (tmp_path / "table1.csv").read_text().splitlines()
    assert header.split(",")[-1] == "polished"
    assert line.startswith("3,30,38.6,38.5,")


def test_cells_are_reproducible():
    cell = bench_report.Cell(4, 3, "mma", 7)
    first, second = (bench.run_cell(cell, bench.Settings(steps=80)) for _ in range(2))
    assert first.min_angle_degrees == second.min_angle_degrees
    assert first.polished_degrees == second.polished_degrees == pytest.approx(109.471220634491, abs=1e-9)
    assert first.key == "3x4/mma/7"


def test_only_mma_is_polished():
    assert bench.run_cell(bench_report.Cell(4, 3, "cosine", 0), bench.Settings(steps=20)).polished_degrees is None


@pytest.mark.parametrize("name", ["seeds", "workers"])
def test_bad_counts(tmp_path, name):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be an integer of at least 1"):
        table(tmp_path, **{name: 0})


def test_figure_2_is_the_closed_forms():
    """Eqs. 7, 8, 10 and 12 for a pair of unit vectors."""
    theta, curves = bench.gradient_curves(50)
    half = theta / 2
    expected = {
        "mma": np.ones_like(theta),
        "cosine": np.sin(theta),
        "riesz-fisher, s = 2": 2 * np.cos(half) / (2 * np.sin(half)) ** 3,
        "riesz-fisher, s = 1": np.cos(half) / (2 * np.sin(half)) ** 2,
        "logarithmic": 0.5 / np.tan(half),
    }
    assert theta[0] > 0
    assert theta[-1] < math.pi
    assert set(curves) == set(expected)
    for name, values in curves.items():
        assert values == pytest.approx(expected[name], rel=1e-9)
