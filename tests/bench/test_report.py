"""The report of Table 1: rows, differences from the published table, Markdown."""

import pytest

from tammes.bench import report as bench_report
from tammes.bench.cells import Cell

CELLS = [
    Cell(30, 3, "mma", 0, 38.4, 38.5971, "step-limit", 10, 1.0),
    Cell(30, 3, "mma", 1, 38.52, 38.5, "learning-rate-exhausted", 10, 1.0),
    Cell(30, 3, "mma", 2, 36.0, 38.0, "learning-rate-exhausted", 10, 1.0),
    *(Cell(30, 3, "cosine", seed, angle, None, "step-limit", 10, 1.0) for seed, angle in enumerate((0.0, 38.6, 5.0))),
]
LOSSES = ["mma", "cosine"]


@pytest.fixture
def table():
    return bench_report.table_rows(CELLS, {cell.key: cell for cell in CELLS}, LOSSES)


def test_rows_hold_medians_spread_and_counts(table):
    (row,) = table
    assert row["measured"] == {"mma": 38.4, "cosine": 5.0}
    assert row["spread"] == {"mma": [36.0, 38.52], "cosine": [0.0, 38.6]}
    assert (row["polished"], row["best_polished"]) == (38.5, 38.5971)
    assert row["unfinished"] == {"mma": 1, "cosine": 3}
    assert row["runs"] == 3
    assert row["optimal"] == "38.6"


def test_cells_that_do_not_round_to_the_published_value_are_listed(table):
    mma, cosine, best = bench_report.differences(table, LOSSES)
    assert "(3, 30) 38.5 published, 38.40 measured (36.00 to 38.52)" in mma
    assert "1 of all 3 runs of this loss ended at the step limit" in mma
    assert "(3, 30) 0 published, 5.00 measured (0.00 to 38.60)" in cosine
    assert best == "- MMA is the best of the losses in every row with n > d + 1."


def test_rows_in_which_another_loss_is_best_are_listed(table):
    table[0]["measured"]["cosine"] = 38.41
    assert bench_report.differences(table, LOSSES)[-1].endswith("but (3, 30) (cosine).")


def test_cells_that_round_to_the_published_value_are_no_difference(table):
    table[0]["measured"] = {"mma": 38.5499, "cosine": 0.0499}
    assert len(bench_report.differences(table, LOSSES)) == 1


def test_the_best_published_and_the_best_measured_angle_are_bold(table):
    header, rule, line = bench_report.markdown_table(table, LOSSES)
    assert header == "| (d, n) | optimal | mma | cosine | polished |"
    assert rule == "|---|---|---|---|---|"
    assert line == "| (3, 30) | 38.6 | **38.5** / **38.40** | 0 / 5.00 | 38.500000 |"
