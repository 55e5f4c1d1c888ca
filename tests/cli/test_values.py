"""How the values of options are read: integers, durations, sizes, targets."""

import pytest

from tammes.base.errors import InvalidParameterError
from tammes.cli import values


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), (" 10m ", 600.0)]
)
def test_durations(text, seconds):
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "1e3", "5d", "inf", "nan", "1h30m", "9" * 400])
def test_bad_durations(text, capsys):
    with pytest.raises(SystemExit) as end:
        values.duration(text)
    assert end.value.code == 2
    assert "`time` must be a positive duration such as 90s, 10m or 2h." in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("+7", 7), (" 12 ", 12), (5, 5)])
def test_integers(text, value):
    assert values.integer("n", 2)(text) == value


@pytest.mark.parametrize("text", ["1", "2.0", "", "two", "0x10", "1_000", "9" * 30])
def test_bad_integers(text, capsys):
    with pytest.raises(SystemExit) as end:
        values.integer("n", 2)(text)
    assert end.value.code == 2
    assert "`n` must be an integer of at least 2" in capsys.readouterr().err


def test_an_integer_that_is_too_long_is_told(capsys):
    with pytest.raises(SystemExit):
        values.integer("n", 2)("9" * 19)
    assert "an integer of at least 2 and less than 10^18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("130", [130]), ("4..7", [4, 5, 6, 7]), ("4..10:3", [4, 7, 10]), (" 5 ", [5])],
)
def test_ranges_of_sizes(text, expected):
    assert values.sizes(text) == expected


@pytest.mark.parametrize("text", ["10..4", "x", "1..3", "4..", "4-7", "", "1", "4..9:0", "-3"])
def test_bad_ranges_of_sizes(text):
    with pytest.raises(InvalidParameterError, match=r"^`n` must be a "):
        values.sizes(text)


def test_targets():
    assert values.target_angle("63.4") == 63.4
    assert values.target_angle("best-known") == "best-known"
    with pytest.raises(InvalidParameterError, match=r'^`target` must be an angle in degrees, or "best-known"\.'):
        values.target_angle("much")
