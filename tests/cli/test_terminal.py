"""What commands share with a terminal: Ctrl-C, progress, stdout and stderr."""

import json
import math
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest

from tammes.base.budget import Progress
from tammes.cli import terminal
from tammes.storage.tables import KnownValue


def test_ctrl_c_waits_for_the_files():
    reached = []

    def save():
        with terminal.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        save()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_write_as_they_are():
    done = []

    def work():
        with terminal.uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_an_interruption_is_one_line_and_130(capsys):
    with pytest.raises(SystemExit) as end, terminal.interruptible("cells are kept"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "Error: Interrupted; cells are kept.\n"


def test_no_bar_off_a_terminal(capsys):
    with terminal.search_progress(30, 3) as report:
        report(Progress("sgd", 1, 10, 0.5))
    with terminal.progress_bar() as bar:
        bar.show("bench", 1, 10, note="first")
        assert not bar.visible
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_every_column(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with terminal.progress_bar(("label", "bar", "count", "percent", "elapsed", "note")) as bar:
        bar.show("row", 3, 12, label="[red]x", note="a [note]")
        bar.print("a [line]")
        assert bar.visible
    err = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    for part in ("[red]x", "3/12", "25%", "0:00:0", "a [note]", "a [line]"):
        assert part in err


def test_the_best_angle_shown_never_falls():
    notes = []
    report = terminal.search_rows(lambda _row, _done, _total, note: notes.append(note), None)
    for angle in (0.5, 0.4, 0.6, 0.1):
        report(Progress("sgd", 1, 10, angle))
    report(Progress("polish", 1, 10, 0.3))
    shown = [float(note.removeprefix("best ").rstrip("°")) for note in notes]
    assert shown == pytest.approx([math.degrees(angle) for angle in (0.5, 0.5, 0.6, 0.6, 0.6)], abs=1e-6)


def test_the_gap_to_the_best_known_value_is_shown():
    notes = []
    known = KnownValue(600, 4, "19.8", "paper")
    report = terminal.search_rows(lambda _row, _done, _total, note: notes.append(note), known)
    report(Progress("sgd", 1, 10, math.radians(19.5)))
    report(Progress("sgd", 2, 10, math.radians(20.5)))
    assert notes == ["best 19.500000°  known 19.8°  gap 0.3°", "best 20.500000°  known 19.8°  gap 0.0°"]


def test_long_work_is_announced_on_stderr(capsys):
    terminal.announce_long_work("Measuring 3 pairs", 99, least=100)
    assert capsys.readouterr() == ("", "")
    terminal.announce_long_work("Measuring 28680 pairs", 100, least=100)
    assert capsys.readouterr() == ("", "Measuring 28680 pairs: this may take minutes.\n")


def test_rows_as_comma_separated_values(capsys):
    terminal.print_csv([{"a": 1, "b": "x,y"}])
    terminal.print_csv([], ["a", "b"])
    assert capsys.readouterr().out == 'a,b\n1,"x,y"\na,b\n'


def test_files_as_lines_or_json(capsys):
    terminal.print_files(Path("a.png"), Path("b.csv"), as_json=False)
    assert capsys.readouterr().out == "a.png\nb.csv\n"
    terminal.print_files(Path("a.png"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"files": ["a.png"]}
