"""What fits in memory is asked before the work."""

import pytest

from tammes.base import memory
from tammes.base.errors import InvalidParameterError


def test_there_is_some_memory_and_less_than_a_petabyte():
    there = memory.available()
    assert there is None or 2**20 < there < 2**50


def test_what_does_not_fit_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**33)
    memory.require("n", 5, 2**33, "work")
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: work would take about 16\.0 GiB, and there"):
        memory.require("n", 5, 2**34, "work")
    monkeypatch.setattr(memory, "available", lambda: None)  # nothing tells: nothing is refused
    memory.require("n", 5, 2.0**60, "work")


def test_a_container_has_less_than_its_machine(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "none"), str(limit)))
    limit.write_text("max\n")
    whole = memory.available()
    limit.write_text("1048576\n")
    assert memory.available() == 1048576
    assert whole is None or whole > 1048576


@pytest.mark.parametrize(("size", "text"), [(3 * 2**20, "3 MiB"), (1.5 * 2**30, "1.5 GiB"), (2.0**70, "1.1e+12 GiB")])
def test_sizes_for_people(size, text):
    assert memory.shown(size) == text
