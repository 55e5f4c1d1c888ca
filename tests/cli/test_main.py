"""The command line as a whole: version, odd names, odd streams."""

import os
import subprocess
import sys

import pytest


def test_the_version(run):
    status, out, err = run("--version")
    assert (status, err) == (0, "")
    assert out.startswith("tammes 0.")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_start_loads_no_library_of_numbers(option):
    script = (
        "import sys\n"
        "from tammes.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "loaded = {'matplotlib', 'mpmath', 'msgspec', 'numba', 'numpy', 'scipy', 'torch'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script, option], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_brackets_in_a_name_are_no_markup(run):
    status, out, _ = run("solve", "--n", 5, "--d", 4, "-o", "[red]x.npy")
    assert status == 0
    assert "[red]x.npy, [red]x.json" in out


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_streams_that_speak_only_ascii(tmp_path, extra):
    command = [
        sys.executable,
        "-m",
        "tammes",
        "solve",
        "--n",
        "12",
        "--d",
        "3",
        "--loss",
        "mma",
        "--steps",
        "50",
        *extra,
    ]
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "63.43494882292" in done.stdout
    assert (tmp_path / "tammes_d3_n12.json").exists()


def test_output_into_a_closed_pipe(tmp_path):
    command = f"{sys.executable} -m tammes table --d 3 | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.split()[:2] == ["d", "n"]
    assert done.stderr == ""
