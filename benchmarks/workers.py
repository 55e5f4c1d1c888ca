"""Measure what a second worker saves of a fixed number of starts, and check that it finds the same codes.

    python benchmarks/workers.py [--pairs 5] [--starts 1500] [--out benchmarks/workers.md]

Each pair is a search with one worker and the same search with two, one after the other, in worker processes that have
already started, which takes a second or two. The machine should be idle otherwise. Prints the rows of the table; with
`--out` writes the report.
"""

import argparse
import platform
import time
from pathlib import Path
from statistics import median

from tammes.bench.machine import describe_machine
from tammes.global_search.api import search
from tammes.global_search.executors.opening import open_executor

SIZES = [(30, 3), (60, 4), (120, 5)]
LIMIT = 0.6  # target for the ratio


def timed(pool, n, d, starts):
    """Return wall seconds and the result of one search."""
    began = time.perf_counter()
    result = search(n, d, starts=starts, seed=1, pool=pool)
    return time.perf_counter() - began, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--starts", type=int, default=1_500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    machine = describe_machine()
    lines = []
    with open_executor(1) as one, open_executor(2) as two:
        for pool in (one, two):  # compiles and loads everything
            timed(pool, 20, 3, 60)
        for n, d in SIZES:
            ratios, walls, digests = [], [], set()
            for _ in range(options.pairs):
                (alone, first), (both, second) = (timed(pool, n, d, options.starts) for pool in (one, two))
                ratios.append(both / alone)
                walls.append((alone, both))
                digests |= {first.code.digest, second.code.digest}
            alone, both = (median(wall[k] for wall in walls) for k in (0, 1))
            lines.append(
                f"| ({n}, {d}) | {first.settings['starts']:,} | {alone:.1f} | {both:.1f} | {median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f}) | {'the same' if len(digests) == 1 else 'differ'} |"
            )
            print(lines[-1], flush=True)
    report = [
        "# A second worker",
        "",
        f"`python benchmarks/workers.py --pairs {options.pairs} --starts {options.starts}`: a fixed number of starts "
        f"with one worker and with two, in turn; medians of {options.pairs} pairs. Asked for: at most {LIMIT}.",
        "",
        "| (n, d) | starts | one: s | two: s | two / one (least to most) | codes |",
        "|---|---|---|---|---|---|",
        *lines,
        "",
        f"{machine['processor']}, {machine['cores']} cores, Python {platform.python_version()}.",
    ]
    if options.out:
        options.out.write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
