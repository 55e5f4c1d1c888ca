"""Measure `solve` on large codes: minimal chord, wall time and memory; and how the cost of an evaluation grows with n.

    python benchmarks/scale.py [--rows 3x100000,4x10000] [--again] [--report]

Every row runs in a process of its own, whose peak memory is read at the end. Writes each finished row to
`benchmarks/scale.json` and does not measure it again, then writes `benchmarks/scale.md` and `benchmarks/scale.png`.
Wall times are upper limits where the machine is shared.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
STORE = FOLDER / "scale.json"

# d, n, chord over the simplex bound's, seconds, GiB: issue 6.
TARGETS = [
    (3, 3_000, 0.980, 60, 1.0),
    (3, 100_000, 0.972, 180, 1.5),
    (3, 1_000_000, 0.968, 1_200, 5.0),
    (4, 10_000, 0.945, 300, 2.0),
    (5, 10_000, 0.92, 600, 3.0),
]
CHECKS = [(3, 1_000_000, 30, 2.0), (8, 100_000, 600, None)]
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def solve(d, n):
    """Return a row of `solve` with its defaults."""
    import tammes

    began = time.perf_counter()
    result = tammes.solve(n, d)
    phase = result.phases[0]
    return {
        "ratio": phase["chord_over_bound"],
        "seconds": time.perf_counter() - began,
        "degrees": result.code.min_angle_degrees,
        "bound": result.bound.name,
        "status": result.status.code,
        "found_by": phase["found_by"],
        "stages": phase["stages"],
        "evaluations": phase["evaluations"],
        "digest": result.code.digest,
    }


def predicted(n, d):
    """Return the memory in GiB that the search expects to need."""
    from tammes.global_search.methods import staged_memory

    return staged_memory(n, d) / 2**30


def verify(d, n):
    """Return the time of `tammes verify` on a well-spread set with a record beside it."""
    import tempfile

    import numpy as np

    from tammes.base.geometry import normalize_rows
    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions.spread import equal_area, fibonacci
    from tammes.storage import formats as files
    from tammes.storage import verification

    points = fibonacci(n) if d == 3 else equal_area(n, d)
    points = points + 1e-6 * np.random.default_rng(0).standard_normal(points.shape)  # no shells of equal angles
    points = normalize_rows(points)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.npy"
        files.save(path, SphericalCode(points))
        began = time.perf_counter()
        check = verification.verify(path)
        check.to_dict()
        return {"seconds": time.perf_counter() - began, "degrees": check.code.min_angle_degrees}


def evaluation(d, n):
    """Return seconds of an evaluation over neighbour lists at p = 8 and 1,024, and of a list; medians of 5."""
    from statistics import median

    import numpy as np

    from tammes.base.processors import cores
    from tammes.bounds import best as bounds
    from tammes.constructions.spread import fibonacci
    from tammes.solvers.ladder import cell_lists as cells
    from tammes.solvers.ladder import many_points as large

    spacing = 2 * math.sin(bounds.upper_bound(n, d).angle / 2)
    x = np.ascontiguousarray(fibonacci(n).T)
    x = np.ascontiguousarray(x[:, cells.curve_order(x)])
    found = {}
    with cells.threads(cores()):
        for p in (8.0, 1024.0):
            rung = large._Rung(x, p, spacing, None)
            rung.evaluate((0.8 * spacing) ** 2)
            times, lists = [], []
            for _ in range(5):
                began = time.perf_counter()
                rung.evaluate((0.8 * spacing) ** 2)
                times.append(time.perf_counter() - began)
                began = time.perf_counter()
                rung.list()
                lists.append(time.perf_counter() - began)
            found |= {f"p{p:.0f}": median(times), f"list{p:.0f}": median(lists)}
    return found


KINDS = {"solve": solve, "verify": verify, "evaluation": evaluation}


def child(kind, d, n):
    """Print a row with its peak memory as JSON, in a process of its own."""
    import resource

    row = KINDS[kind](d, n)
    unit = 2**30 if sys.platform == "darwin" else 2**20
    row["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    usage = resource.getrusage(resource.RUSAGE_SELF)
    row["cpu_seconds"] = usage.ru_utime + usage.ru_stime
    row["load"] = list(os.getloadavg())
    print(json.dumps(row))


def machine():
    """Return the machine with the versions of the packages."""
    import numba
    import scipy  # noqa: F401 - `versions` names what is loaded

    from tammes.bench.machine import describe_machine
    from tammes.storage.result import versions

    return describe_machine() | versions() | {"numba": numba.__version__}


def stored():
    """Return the document of earlier rows."""
    return json.loads(STORE.read_text()) if STORE.exists() else {"rows": {}}


def run(kind, d, n, again):
    """Measure one row in a process of its own, unless it is stored, and store it."""
    name = f"{kind} {d}x{n}"
    document = stored()
    if name in document["rows"] and not again:
        return
    print(name, flush=True)
    done = subprocess.run(
        [sys.executable, __file__, "--child", kind, str(d), str(n)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr[-2_000:], flush=True)
        return
    document = stored()
    document["rows"][name] = json.loads(done.stdout.splitlines()[-1])
    document["machine"] = machine()
    STORE.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def slope(points):
    """Return the exponent of growth from the first to the last size."""
    (n0, t0), (n1, t1) = points[0], points[-1]
    return math.log(t1 / t0) / math.log(n1 / n0)


def report():
    """Write `scale.md`, and `scale.png` where evaluations were measured."""
    document = stored()
    rows, here = document["rows"], document.get("machine", {})
    lines = [
        "# Large codes",
        "",
        f"{here.get('processor')}, {here.get('cores')} cores; "
        + ", ".join(f"{k} {here.get(k)}" for k in ("python", "numpy", "scipy", "numba", "tammes"))
        + ". Each row is a process of its own with `solve`'s defaults, seed 0. Others used the machine meanwhile: "
        "walls are upper limits, the load of the last minute at the end of a row stands beside them.",
        "",
        "| d | n | chord over bound | target | wall, s | target | CPU, s | load | GiB | target | predicted | by |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for d, n, ratio, seconds, gib in TARGETS:
        row = rows.get(f"solve {d}x{n}")
        if row is None:
            lines.append(f"| {d} | {n:,} | not measured | {ratio} | | {seconds} | | | | {gib} | | |")
        else:
            lines.append(
                f"| {d} | {n:,} | {row['ratio']:.4f} | {ratio} | {row['seconds']:.0f} | {seconds} | "
                f"{row['cpu_seconds']:.0f} | {row['load'][0]:.1f} | {row['peak_gib']:.2f} | {gib} | "
                f"{predicted(n, d):.2f} | {row['found_by']} |"
            )
    lines += [
        "",
        "## `tammes verify`",
        "",
        "| d | n | wall, s | target | peak, GiB | target |",
        "|---|---|---|---|---|---|",
    ]
    for d, n, seconds, gib in CHECKS:
        row = rows.get(f"verify {d}x{n}")
        got = (
            f"not measured | {seconds} | "
            if row is None
            else f"{row['seconds']:.1f} | {seconds} | {row['peak_gib']:.2f}"
        )
        lines.append(f"| {d} | {n:,} | {got} | {'' if gib is None else gib} |")
    lines += [
        "",
        "## An evaluation, d = 3",
        "",
        "Value and gradient over lists, at p = 8 (every pair within 2.6 spacings) and at p = 1,024; and the making of "
        "the lists. Milliseconds, medians of 5.",
        "",
        "| n | p = 8 | its lists | p = 1,024 | its lists |",
        "|---|---|---|---|---|",
    ]
    curves = {key: [] for key in ("p8", "list8", "p1024", "list1024")}
    for n in SIZES:
        row = rows.get(f"evaluation 3x{n}")
        if row is not None:
            lines.append(f"| {n:,} | " + " | ".join(f"{1e3 * row[key]:.2f}" for key in curves) + " |")
            for key, points in curves.items():
                points.append((n, row[key]))
    if len(curves["p8"]) > 1:
        exponents = ", ".join(f"{key} n^{slope(points):.2f}" for key, points in curves.items())
        lines += ["", f"From the smallest to the largest: {exponents}. Target: at most n^1.1. Curve: scale.png."]
        draw(curves)
    (FOLDER / "scale.md").write_text("\n".join([*lines, "", "Command: `python benchmarks/scale.py`"]) + "\n")


def draw(curves):
    """Write the curves of the evaluation to `scale.png`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    names = {"p8": "evaluation, p = 8", "p1024": "evaluation, p = 1,024", "list8": "lists, p = 8"}
    for key, label in names.items():
        n, seconds = zip(*curves[key], strict=True)
        axes.loglog(n, seconds, "o-", label=label)
    n0, t0 = curves["p8"][0]
    axes.loglog(SIZES, [t0 * (n / n0) ** 1.1 for n in SIZES], "k:", label="n^1.1")
    axes.set_xlabel("points, d = 3")
    axes.set_ylabel("seconds")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.2)
    FigureCanvasAgg(figure).print_png(FOLDER / "scale.png")


def main():
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="some rows of solve, as 3x100000,4x10000 (d x n)")
    parser.add_argument("--again", action="store_true", help="measure rows that are stored again")
    parser.add_argument("--report", action="store_true", help="write the report alone")
    options = parser.parse_args()
    if not options.report:
        wanted = None if options.rows is None else options.rows.split(",")
        if wanted is None:
            for n in SIZES:
                run("evaluation", 3, n, options.again)
            for d, n, *_ in CHECKS:
                run("verify", d, n, options.again)
        for d, n, *_ in TARGETS:
            if wanted is None or f"{d}x{n}" in wanted:
                run("solve", d, n, options.again)
    report()


if __name__ == "__main__":
    main()
