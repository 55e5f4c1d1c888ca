"""How the command line reads numbers and durations."""

import pytest

from tammes.cli import options


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), (" 10m ", 600.0)]
)
def test_durations(text, seconds):
    assert options.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "1e3", "5d", "inf", "nan", "1h30m", "9" * 400])
def test_bad_durations(text, capsys):
    with pytest.raises(SystemExit) as end:
        options.duration(text)
    assert end.value.code == 2
    assert "`time` must be a positive duration such as 90s, 10m or 2h." in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("+7", 7), (" 12 ", 12), (5, 5)])
def test_integers(text, value):
    assert options.integer("n", 2)(text) == value


@pytest.mark.parametrize("text", ["1", "2.0", "", "two", "0x10", "1_000", "9" * 30])
def test_bad_integers(text, capsys):
    with pytest.raises(SystemExit) as end:
        options.integer("n", 2)(text)
    assert end.value.code == 2
    assert "`n` must be an integer of at least 2" in capsys.readouterr().err
