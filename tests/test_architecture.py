"""The structure of the package: which layer may import which, what importing it and running a command loads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_layers_hold():
    command = [Path(sys.executable).with_name("lint-imports")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["solve", "--help"],
        ["table", "--d", "3", "--n", "30"],
        ["verify", "{file}"],
        ["search", "--help"],
        ["polish", "--help"],
        ["inspect", "--help"],
        ["archive", "export", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(command, tmp_path):
    import numpy as np

    file = tmp_path / "square.npy"
    np.save(file, [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    script = (
        "import sys\n"
        "from tammes.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numba', 'matplotlib.pyplot', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = [part.format(file=file) for part in command]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout
