"""Measure wall time and peak memory of whole commands, each in a process of its own.

    python benchmarks/commands.py [--runs 5] [--out benchmarks/commands.md]

The commands of a group alternate, so that a drift of the machine affects all of them alike; medians over the runs are
reported. Peak memory is the maximal resident set size of the finished process. Prints the rows of the table; with
`--out` writes the report.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tammes.bench.machine import describe_machine

MEASURE = (
    "import numpy as np; from tammes import SphericalCode; "
    "c = SphericalCode(np.random.default_rng(0).normal(size=(100_000, 3)), normalize=True); "
    "c.min_angle, c.contacts(), c.nearest_angles"
)
SOLVE = ["-m", "tammes", "solve", "--no-polish", "--force", "--n", "20000", "--d", "3"]
GROUPS = {
    "start-up": {
        "tammes --help": ["-m", "tammes", "--help"],
        "tammes table --d 3 --n 30": ["-m", "tammes", "table", "--d", "3", "--n", "30"],
        'python -c "import torch"': ["-c", "import torch"],
    },
    "large n": {
        "measure 100,000 points in d = 3": ["-c", MEASURE],
        "tammes solve --loss mma --no-polish --steps 10, n = 20,000, d = 3": [*SOLVE, "--loss", "mma", "--steps", "10"],
        "tammes solve --loss riesz-fisher --no-polish --steps 2, n = 20,000, d = 3": [
            *SOLVE,
            *("--loss", "riesz-fisher", "--steps", "2"),
        ],
    },
}


def measure(arguments, folder):
    """Return wall seconds and peak memory in MiB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{arguments} failed")
    return seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    machine = describe_machine()
    lines = [
        "# Whole commands: time and peak memory",
        "",
        f"{machine['processor']}, {machine['cores']} cores; Python {platform.python_version()}. "
        f"Medians of {options.runs} runs after one that does not count.",
        "",
        "| command | wall seconds | peak memory, MiB |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for group in GROUPS.values():
            runs = {name: [] for name in group}
            for _ in range(options.runs + 1):
                for name, arguments in group.items():
                    runs[name].append(measure(arguments, folder))
            for name, figures in runs.items():
                seconds, memory = (statistics.median(column) for column in zip(*figures[1:], strict=True))
                lines.append(f"| `{name}` | {seconds:.2f} | {memory:.0f} |")
                print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join([*lines, "", "Command: `python benchmarks/commands.py`"]) + "\n")


if __name__ == "__main__":
    main()
