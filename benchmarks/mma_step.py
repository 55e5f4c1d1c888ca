"""Measure one optimiser step on the MMA loss against the plain autograd loop, on one thread.

    python benchmarks/mma_step.py [--dtype float32] [--pairs 15] [--out benchmarks/mma_step.md]

Plain: normalize -> gram -> masked max -> arccos -> mean -> backward -> torch.optim.SGD. Ours: the step of
`tammes.solvers.sgd`. The two alternate in one process, so that a drift of the machine affects both; ratios are taken
pair by pair, and their median is reported. A second table compares, at sizes with many rows, the search for nearest
rows by tiles of cosines with that by a tree. Prints the rows of the tables; with `--out` writes the report.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import torch

from tammes import losses
from tammes.base import processors
from tammes.base import torch_geometry as pairs
from tammes.bench.machine import describe_machine
from tammes.solvers.sgd import DTYPES

MANY = [(1_500, 3), (2_000, 4), (4_000, 8), (10_000, 5), (50_000, 3)]
SIZES = [(30, 3), (130, 3), (30, 4), (130, 4), (600, 4), (30, 5), (130, 5)]


def plain(n, d, dtype):
    """Return the step of the plain autograd loop."""
    weight = torch.randn(n, d, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    mask = 2.0 * torch.eye(n, dtype=dtype)

    def step():
        optimizer.zero_grad()
        unit = torch.nn.functional.normalize(weight, dim=1)
        largest = (unit @ unit.T - mask).max(dim=1).values
        loss = -torch.arccos(largest.clamp(-0.99999, 0.99999)).mean()
        loss.backward()
        optimizer.step()

    return step


def ours(n, d, dtype):
    """Return the step of `tammes.solvers.sgd`."""
    weight = torch.randn(1, n, d, dtype=dtype, generator=torch.Generator().manual_seed(0))
    velocity, total, rate = torch.zeros_like(weight), weight.new_zeros(1), weight.new_full((1, 1, 1), 0.1)
    loss = losses.MMA()

    def step():
        with torch.inference_mode():
            value, grad = loss.value_and_grad(weight)
            velocity.mul_(0.9).add_(grad)
            weight.addcmul_(velocity, rate, value=-1.0)
            total.add_(value)

    return step


def seconds(step, repeats):
    """Return the mean wall time of a step."""
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def many_rows(repeats):
    """Return the second table: nearest rows by tiles of cosines and by a tree, on all cores."""
    cores = processors.cores()
    torch.set_num_threads(cores)
    lines = [
        "",
        "## Many rows",
        "",
        f"Ours, float64, {cores} threads: neighbours by tiles of cosines, and by a tree. Target at (3, 50000): 0.3 s.",
        "",
        "| (d, n) | tiles, s a step | tree, s a step | ratio, median |",
        "|---|---|---|---|",
    ]
    limit = pairs._TREE_DIMENSION
    for n, d in MANY:
        step, columns = ours(n, d, torch.float64), []
        step()
        for _ in range(repeats if n < 10_000 else min(repeats, 3)):
            pairs._TREE_DIMENSION = 0
            tiles = seconds(step, 1)
            pairs._TREE_DIMENSION = limit
            columns.append((tiles, seconds(step, 1)))
        medians = [statistics.median(column) for column in zip(*columns, strict=True)]
        ratio = statistics.median(a / b for a, b in columns)
        lines.append(f"| ({d}, {n}) | {medians[0]:.3f} | {medians[1]:.3f} | {ratio:.1f} |")
        print(lines[-1], flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe_machine()
    lines = [
        "# One step of MMA against the plain autograd loop",
        "",
        f"{machine['processor']}, {machine['cores']} cores, one thread; Python {platform.python_version()}, "
        f"torch {torch.__version__}. Medians of {options.pairs} alternating pairs.",
        "",
        "| (d, n) | dtype | plain, µs a step | ours, µs a step | ratio, median | ratio, least to most |",
        "|---|---|---|---|---|---|",
    ]
    for dtype in [options.dtype] if options.dtype else list(DTYPES):
        for n, d in SIZES:
            steps = plain(n, d, DTYPES[dtype]), ours(n, d, DTYPES[dtype])
            repeats = 100 if n > 200 else 300
            for step in steps:
                seconds(step, 50)
            pairs = [[seconds(step, repeats) for step in steps] for _ in range(options.pairs)]
            ratios = [a / b for a, b in pairs]
            medians = [1e6 * statistics.median(column) for column in zip(*pairs, strict=True)]
            lines.append(
                f"| ({d}, {n}) | {dtype} | {medians[0]:.0f} | {medians[1]:.0f} | {statistics.median(ratios):.1f} "
                f"| {min(ratios):.1f} to {max(ratios):.1f} |"
            )
            print(lines[-1], flush=True)
    lines += many_rows(options.pairs)
    if options.out:
        options.out.write_text("\n".join([*lines, "", "Command: `python benchmarks/mma_step.py`"]) + "\n")


if __name__ == "__main__":
    main()
