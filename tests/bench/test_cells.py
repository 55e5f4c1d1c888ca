"""The cells of Table 1: their choice on the command line, and the run of one."""

import math

import pytest

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.bench.cells import Cell, Settings, parse_losses, parse_rows, run_cell


def test_by_default_all_ten_rows_and_four_losses_of_the_paper():
    assert parse_rows(None) == [
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
    assert parse_losses(None) == ["mma", "cosine", "riesz-fisher", "logarithmic"]
    assert parse_rows("4x600, 5x130") == [(600, 4), (130, 5)]


@pytest.mark.parametrize("text", ["", "4", "4x", "x600", "600x4", "4x600;5x130", "4x601"])
def test_rows_that_are_not_in_the_table_are_refused(text):
    with pytest.raises(InvalidParameterError, match="3x4,3x30"):
        parse_rows(text)


def test_losses_that_are_not_in_the_table_are_refused():
    with pytest.raises(UnknownNameError, match="riesz-fisher"):
        parse_losses("mma,riesz")


def test_cells_are_reproducible():
    cell = Cell(4, 3, "mma", 7)
    first = run_cell(cell, Settings(steps=80))
    second = run_cell(cell, Settings(steps=80))
    assert first.min_angle_degrees == second.min_angle_degrees
    assert first.polished_degrees == second.polished_degrees == pytest.approx(math.degrees(math.acos(-1 / 3)), abs=1e-9)
    assert first.key == "3x4/mma/7"


def test_only_mma_is_polished():
    assert run_cell(Cell(4, 3, "cosine", 0), Settings(steps=20)).polished_degrees is None
