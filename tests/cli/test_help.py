"""Help of every command, asked of the live app: it is complete, in order, and in panels."""

import subprocess
import sys

import pytest
import typer

from tammes.cli.main import app

PANELS = {
    "Find": ["solve", "search", "construct"],
    "Check": ["verify", "certify", "polish", "compare"],
    "Know": ["table", "bound"],
    "Files and pictures": ["convert", "plot", "archive"],
    "Networks": ["inspect"],
    "Paper": ["bench"],
}


def commands(command=None, path=()):
    """Every command of the live app with the words that call it."""
    command = typer.main.get_command(app) if command is None else command
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


EVERY_COMMAND = pytest.mark.parametrize(
    ("path", "command"), [pytest.param(path, command, id=" ".join(("tammes", *path))) for path, command in commands()]
)


@pytest.fixture
def shown(run, monkeypatch):
    """The help of a command on a screen so wide that nothing is folded, spaces run together."""
    monkeypatch.setenv("COLUMNS", "500")

    def call(*path):
        status, out, err = run(*path, "--help")
        assert (status, err) == (0, "")
        return " ".join(out.replace("│", " ").split())

    return call


@EVERY_COMMAND
def test_help_texts_reach_the_screen_whole(shown, path, command):
    """rich takes what stands in square brackets for markup: such a text is not shown whole."""
    screen = shown(*path)
    texts = [command.help, *(parameter.help for parameter in command.params)]
    for text in texts:
        assert text, f"{path}: help is missing"
        assert " ".join(text.split()) in screen
    for name in getattr(command, "commands", {}):
        assert name in screen


@EVERY_COMMAND
def test_flags_have_no_type_and_defaults_are_told(shown, path, command):
    screen = shown(*path)
    assert "<bool>" not in screen
    assert "[default: ]" not in screen
    for parameter in command.params:
        if isinstance(parameter.show_default, str):
            assert f"[default: ({parameter.show_default})]" in screen


def test_commands_are_listed_in_the_order_of_use(run):
    lines = run("--help")[1].splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("╭─ Find "))
    listed = {}
    for line in lines[start:]:
        if line.startswith("╭─ "):
            panel = line.strip("╭─╮ ")
            listed[panel] = []
        elif line.startswith("│ ") and line[2] != " ":
            listed[panel].append(line.split()[1])
    assert listed == PANELS
    assert list(listed) == list(PANELS)


@pytest.mark.parametrize(
    ("path", "panels"),
    [
        (["solve"], ["Problem", "Method", "Limits", "Output"]),
        (["search"], ["Problem", "Method", "Limits", "Files", "Output"]),
        (["bench"], ["Problem", "Method", "Limits", "Output", "Commands"]),
        (["inspect"], ["Arguments", "Layers", "Output"]),
        (["polish"], ["Arguments", "Method", "Limits", "Files", "Output"]),
        (["certify"], ["Arguments", "Method", "Files", "Output"]),
    ],
    ids=str,
)
def test_options_of_long_commands_are_in_panels(run, path, panels):
    titles = [line.strip("╭─╮ ") for line in run(*path, "--help")[1].splitlines() if line.startswith("╭─ ")]
    assert titles == panels


def test_no_arguments_show_the_help():
    done = subprocess.run([sys.executable, "-m", "tammes"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Find" in done.stdout + done.stderr
