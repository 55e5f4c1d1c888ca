"""Measure `tammes.codebook` on class prototypes in high dimensions: largest cosine, time and memory, and other methods.

    python benchmarks/prototypes.py [--out benchmarks/prototypes.md]

Every size runs in a process of its own, on one thread, and its peak memory is read at the end. Cosines of `codebook`
are the guaranteed ones of the float32 rows; those of random sets and of the other methods are measured in float64.
Prints the report; with `--out` also writes it.
"""

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

SIZES = [(10_000, 128), (2_000, 512), (1_000, 64), (1_000, 128), (100, 32)]
METHODS = [(1_000, 64), (1_000, 128)]
COMMAND = "python benchmarks/prototypes.py --out benchmarks/prototypes.md"


def peak_mib():
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def max_cosine(points):
    """Return the largest cosine of distinct rows, measured in float64."""
    from tammes.base import geometry

    return math.cos(geometry.min_angle(geometry.as_points(points, normalize=True)))


def start(n, d):
    """Return the random start that all methods share."""
    import numpy as np

    return np.random.default_rng([0, 0]).standard_normal((n, d))


def one_size(n, d):
    """Return a row of the first table; memory is the peak beyond the imports."""
    import tammes
    import tammes.nn.codebook
    from tammes.solvers.ladder import products as prototypes  # noqa: F401 - its memory is not the run's

    before = peak_mib()
    began = time.perf_counter()
    book = tammes.codebook(n, d)
    seconds = time.perf_counter() - began
    memory = peak_mib() - before
    return {
        "random": max_cosine(start(n, d)),
        "ours": book.max_cosine,
        "bound": book.bound.max_cosine,
        "degrees": book.min_angle_degrees,
        "bound_degrees": book.bound.degrees,
        "source": book.source,
        "seconds": seconds,
        "memory": memory,
    }


# --- the methods --------------------------------------------------------------------------------------


def ladder(n, d):
    """The soft-min ladder of `products`, as `codebook` runs it."""
    from tammes.solvers.ladder.products import ProductLadder

    return ProductLadder(iterations=100).run(start(n, d)[None]).points[0]


def chords(n, d):
    """The tensor ladder of `tensor`: chords, one axis at a time, float64."""
    from tammes.solvers.ladder import tensor as continuation
    from tammes.solvers.ladder.exponents import ladder

    rungs = ladder(4.0, 16_384.0, 4.0)
    return continuation.descend(start(n, d), exponents=rungs, iterations=30).points[0]


def sgd(n, d):
    """The paper's solver on MMA: SGD with momentum, the rate divided on plateaus; the best of some rates.

    The loss is a mean over rows, so that a row moves by the rate over n: the paper's 0.1 hardly moves 1,000 rows.
    """
    from tammes.base.geometry import normalize_rows
    from tammes.losses import MMA
    from tammes.solvers.sgd import SGD

    points = normalize_rows(start(n, d))
    rates = (0.003, 0.01, 0.03)
    runs = [SGD(dtype="float32", steps=3_000, learning_rate=rate * n, threshold=1e-3) for rate in rates]
    return min((run.run(MMA(), points[None]).points[0] for run in runs), key=max_cosine)


def projections(n, d, steps=100):
    """Alternating projections of the Gram matrix, cut at the cosine that the ladder reached."""
    import numpy as np

    from tammes.base.geometry import normalize_rows

    aim = max_cosine(ladder(n, d))
    points = normalize_rows(start(n, d))
    best = points
    for _ in range(steps):
        gram = points @ points.T
        np.minimum(gram, aim, out=gram)
        np.fill_diagonal(gram, 1.0)
        values, vectors = np.linalg.eigh(gram)
        points = vectors[:, -d:] * np.sqrt(np.maximum(values[-d:], 0.0))
        points = normalize_rows(points)
        if max_cosine(points) < max_cosine(best):
            best = points
    return best


def one_method(name, n, d):
    """Return the largest cosine and the seconds of one method."""
    began = time.perf_counter()
    points = globals()[name](n, d)
    return {"cosine": max_cosine(points), "seconds": time.perf_counter() - began}


def child(*arguments):
    """Return one row or cell, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def report():
    """Yield the lines of the report."""
    import numpy
    import torch

    from tammes.bench.machine import describe_machine

    machine = describe_machine()
    yield "# Class prototypes: `tammes.codebook`"
    yield ""
    yield (
        f"{machine['processor']}, one thread of {machine['cores']} cores, shared; Python {platform.python_version()}, "
        f"torch {torch.__version__}, NumPy {numpy.__version__}. Default settings, seed 0, float32. Seconds are wall "
        "time on a busy machine; memory is the peak beyond what importing takes."
    )
    yield ""
    yield "| (n, d) | random set | `codebook` | bound | angle | bound | seconds | MiB | source |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for n, d in SIZES:
        row = child("size", n, d)
        yield (
            f"| ({n:,}, {d}) | {row['random']:.4f} | **{row['ours']:.4f}** | {row['bound']:.4f} "
            f"| {row['degrees']:.2f}° | {row['bound_degrees']:.2f}° "
            f"| {row['seconds']:.0f} | {row['memory']:.0f} | {row['source']} |"
        )
    yield ""
    yield (
        "Columns 2 to 4 are largest cosines: smaller is better. The bound holds for every code; nothing says that "
        "it can be attained."
    )
    yield ""
    yield "## Methods, from the same random start"
    yield ""
    yield "| (n, d) | ladder in products | ladder in chords | MMA, SGD | alternating projections |"
    yield "|---|---|---|---|---|"
    for n, d in METHODS:
        cells = [child("method", name, n, d) for name in ("ladder", "chords", "sgd", "projections")]
        yield f"| ({n:,}, {d}) | " + " | ".join(f"{c['cosine']:.4f} @ {c['seconds']:.0f} s" for c in cells) + " |"
    yield ""
    yield (
        "Ladder in products: 9 rungs of at most 100 L-BFGS iterations, float32. In chords: 7 rungs of 30, float64. "
        "SGD: 3,000 steps from unit rows, stagnation at 1e-3, the best of the rates 0.003 n, 0.01 n and 0.03 n, "
        "the time of all three. Projections: 100, each an eigendecomposition of an n x n matrix, aimed at the cosine "
        "of the ladder, whose time is included."
    )
    yield ""
    yield f"Command: `{COMMAND}`"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import torch

        torch.set_num_threads(1)
        kind, *rest = options.child
        if kind == "size":
            print(json.dumps(one_size(int(rest[0]), int(rest[1]))))
        else:
            print(json.dumps(one_method(rest[0], int(rest[1]), int(rest[2]))))
        return
    lines = []
    for line in report():
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
