"""Ctrl-C around commands, and what goes to stdout."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tammes.base.budget import Progress
from tammes.cli import terminal


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
    with terminal.progress_bar(30, 3) as show:
        show(Progress("sgd", 1, 10, 0.5))
    assert capsys.readouterr() == ("", "")


def test_files_as_lines_or_json(capsys):
    terminal.print_files(Path("a.png"), Path("b.csv"), as_json=False)
    assert capsys.readouterr().out == "a.png\nb.csv\n"
    terminal.print_files(Path("a.png"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"files": ["a.png"]}
