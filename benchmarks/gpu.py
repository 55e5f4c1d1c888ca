"""Measure the search in tensors on a GPU: starts a second, time to known angles, and efficiency.

    python benchmarks/gpu.py [--rows starts,targets,ceilings,many] [--again] [--report] [--out benchmarks/gpu.md]
    python benchmarks/gpu.py --device cpu --quick

Every row alternates the device with one core of its CPU in one process; medians are reported. Writes the report and,
beside it as JSON, the finished rows, which are not measured again. Without CUDA nothing is measured, and the report
says so. `--device cpu` runs the same code on the CPU, and `--quick` at tiny sizes; both print and write nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tammes.base import geometry
from tammes.base.errors import DeviceError
from tammes.base.geometry import Floats, normalize_rows
from tammes.bench.machine import describe_machine
from tammes.bounds import best as bounds
from tammes.constructions.spread import equal_area, fibonacci
from tammes.global_search.loop import run_search
from tammes.global_search.methods import choose_on_device
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits
from tammes.solvers import device_memory
from tammes.solvers.ladder import tensor_forces as forces
from tammes.solvers.ladder import tensor_lists as neighbourhoods
from tammes.solvers.ladder.cutoffs import truncation
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.ladder.tensor import descend
from tammes.solvers.ladder.tensor_forces import All, Evaluate
from tammes.solvers.ladder.tensor_lists import Neighbourhoods, neighbours_within
from tammes.solvers.sgd import resolve_device
from tammes.storage.result import Result

REPORT = Path(__file__).with_suffix(".md")
MISSING = "not measured"
PAIRS = 5  # of alternating measurements
LADDER = ladder(4.0, 1_024.0)

# (d, n) and what follows it: nothing; degrees, seconds at most; starts, p; seconds at most
STARTS = [(3, 30), (3, 130), (4, 130), (5, 130), (4, 600), (3, 2_000)]
TARGETS = [(3, 30, 38.5971159538, 30), (3, 100, 21.0312020, 60), (4, 30, 54.25118, 60), (5, 130, 43.778, 90)]
CEILINGS = [(3, 130, 1_024, 64.0), (5, 130, 1_024, 64.0), (3, 2_000, 16, 64.0), (8, 2_000, 8, 64.0)]
MANY = [(3, 10_000, 30), (3, 100_000, 60), (3, 1_000_000, 120), (4, 10_000, 60)]
ROWS: dict[str, list[Any]] = {"starts": STARTS, "targets": TARGETS, "ceilings": CEILINGS, "many": MANY}
QUICK: dict[str, list[Any]]
QUICK = {
    "starts": [(3, 12)],
    "targets": [(3, 12, 63.4349488, 5)],
    "ceilings": [(3, 40, 8, 64.0)],
    "many": [(3, 2_100, 1)],
}


def wait(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, pairs: int) -> float:
    """Return the median wall time of some calls, after one that is not counted."""
    work()
    times = []
    for _ in range(pairs):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def random_starts(count: int, n: int, d: int) -> Floats:
    """Return random unit rows `(count, n, d)`."""
    rows = np.random.default_rng(0).standard_normal((count, n, d))
    return normalize_rows(rows)


def starts(device: torch.device, pairs: int, d: int, n: int) -> dict[str, Any]:
    """Return starts a second on the ladder 4 to 1,024: a batch, eager and as one kernel; one core, compiled."""
    from tammes.solvers.ladder.compiled import CompiledLadder

    count = device_memory.batch(n, d, device)
    points = random_starts(count, n, d)
    few = points[: max(1, min(count, 2_000 // n))]
    rates: dict[str, list[float]] = {"core": [], "eager": [], "fused": []}

    def on_device(*, fused: bool) -> float:
        wait(device)
        began = time.perf_counter()
        descend(points, exponents=LADDER, device=device, forces=All(fused=fused))
        return count / (time.perf_counter() - began)

    def on_core() -> float:
        began = time.perf_counter()
        for start in few:
            CompiledLadder(tuple(LADDER), iterations=150, gradient_tol=1e-6).run(start[None])
        return len(few) / (time.perf_counter() - began)

    on_core()  # compiles
    descend(points[:64], exponents=LADDER, device=device, forces=All(fused=True))  # likewise
    for _ in range(pairs):
        rates["core"].append(on_core())
        rates["eager"].append(on_device(fused=False))
        rates["fused"].append(on_device(fused=True))
    return {"batch": count, **{name: statistics.median(each) for name, each in rates.items()}}


def target(device: torch.device, pairs: int, d: int, n: int, degrees: float, most: float) -> dict[str, Any]:
    """Return wall seconds to an angle: batches on the device, the search of `solve` on one core."""
    from tammes.global_search.api import search
    from tammes.global_search.executors.opening import open_executor

    found: dict[str, list[float]] = {"core": [], "device": []}
    with open_executor(1) as pool:
        search(8, 3, starts=4, pool=pool)  # compiles
        for seed in range(pairs):
            began = time.perf_counter()
            result = search(n, d, time_limit=most, target=degrees, seed=seed, pool=pool)
            spent = time.perf_counter() - began
            found["core"].append(spent if result.code.min_angle_degrees >= degrees - 1e-7 else math.inf)
            found["device"].append(to_target(device, d, n, degrees, most, seed))
    return {name: statistics.median(each) for name, each in found.items()}


def search_on(device: torch.device, n: int, d: int, limits: Limits, seed: int = 0) -> Result:
    """Run the search of `solve` on a device."""
    problem = Problem(n, d, seed)
    method = choose_on_device(problem, limits, str(device))
    with method.executor() as executor:
        return run_search(
            problem,
            method.strategy,
            method.solver,
            executor,
            method.limits,
            state=method.state(problem),
        )


def to_target(device: torch.device, d: int, n: int, degrees: float, most: float, seed: int) -> float:
    """Return wall seconds of a search in batches until its code has the angle; infinite if it ends below."""
    wanted = math.radians(degrees - 1e-7)
    began = time.perf_counter()
    result = search_on(device, n, d, Limits(most, target=wanted), seed)
    spent = time.perf_counter() - began
    return spent if result.code.min_angle >= wanted else math.inf


class Traffic(TorchDispatchMode):
    """Counts the bytes that calls of torch read and write, each tensor once a call; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if any(each.alias_info is not None and not each.alias_info.is_write for each in func._schema.returns):
            return found
        for each in (*_tensors(args), *_tensors(found)):
            stored = math.prod(s for s, stride in zip(each.shape, each.stride(), strict=True) if stride)
            self.bytes += stored * each.element_size()
        return found


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    return [each for value in values for each in _tensors(value)] if isinstance(values, list | tuple) else []


def operations(d: int, p: float) -> float:
    """Return the operations of one ordered pair: chord 3d - 1, weight and sums 6 + log2(p/2), force 2d."""
    return 5.0 * d + 5.0 + math.log2(0.5 * p)


def evaluation(device: torch.device, pairs: int, d: int, n: int, count: int, p: float) -> dict[str, Any]:
    """Return the time of one evaluation of all pairs, eager and as one kernel, with its share of the device's rates."""
    x = torch.tensor(random_starts(count, n, d), device=device)
    eager, fused = All(fused=False), All(fused=True)
    with Traffic() as traffic:
        eager(x, p)
    times = {"eager": seconds(lambda: eager(x, p), device, pairs), "fused": seconds(lambda: fused(x, p), device, pairs)}
    work = operations(d, p) * count * n * n
    copied, multiplied = ceilings(device, pairs)
    return {
        **{f"{name}_ms": 1e3 * each for name, each in times.items()},
        "eager_of_memory": traffic.bytes / times["eager"] / copied,
        **{f"{name}_of_arithmetic": work / each / multiplied for name, each in times.items()},
        "copied_gb_s": copied / 1e9,
        "multiplied_gflops": multiplied / 1e9,
    }


def ceilings(device: torch.device, pairs: int) -> tuple[float, float]:
    """Return bytes a second of a copy, read and written, and float64 operations a second of a matrix product."""
    numbers, edge = (1 << 27, 8_192) if device.type == "cuda" else (1 << 22, 512)
    source, to = (torch.zeros(numbers, dtype=torch.float64, device=device) for _ in range(2))
    matrix = torch.ones(edge, edge, dtype=torch.float64, device=device)
    copy = 2 * 8 * numbers / seconds(lambda: to.copy_(source), device, pairs)
    return copy, 2.0 * edge**3 / seconds(lambda: matrix @ matrix, device, pairs)


def many(device: torch.device, pairs: int, d: int, n: int, most: float) -> dict[str, Any]:
    """Return times of lists and evaluations at p = 8 and 1,024, also on one core, and the chord at the end."""
    from tammes.solvers.ladder import cell_lists as cells
    from tammes.solvers.ladder import many_points as large

    spacing = 2.0 * math.sin(0.5 * bounds.upper_bound(n, d).angle)
    points = fibonacci(n) if d == 3 else equal_area(n, d)
    x = torch.tensor(points, device=device)[None]
    row: dict[str, Any] = {}
    for p in (8.0, 1_024.0):
        reach = truncation(p, d)[1] * spacing
        row[f"list{p:.0f}"] = seconds(lambda reach=reach: neighbours_within(x[0], reach), device, pairs)
        for name, fused in (("eager", False), ("fused", True)):
            near: Evaluate = Neighbourhoods(spacing, fused=fused)
            row[f"{name}{p:.0f}"] = seconds(lambda near=near, p=p: near(x, p), device, pairs)
        order = cells.curve_order(np.ascontiguousarray(points.T))
        rung = large._Rung(np.ascontiguousarray(points[order].T), p, spacing, None)
        with cells.threads(1):
            row[f"core{p:.0f}"] = seconds(lambda rung=rung: rung.evaluate(spacing**2), torch.device("cpu"), pairs)
    before = 2.0 * math.sin(0.5 * geometry.min_angle(points)) / spacing
    result = search_on(device, n, d, Limits(most))
    phase = result.phases[0]
    return row | {
        "start_over_bound": before,
        "chord_over_bound": phase["chord_over_bound"],
        "status": result.status.code,
        "evaluations": phase["evaluations"],
        "seconds": result.seconds,
    }


KINDS: dict[str, Callable[..., dict[str, Any]]]
KINDS = {"starts": starts, "targets": target, "ceilings": evaluation, "many": many}


def name_of(kind: str, row: tuple[Any, ...]) -> str:
    """Return the key of a row in the store."""
    return " ".join([kind, *(f"{value:.12g}" for value in row)])


def measure(
    device: torch.device, kinds: list[str], rows: dict[str, list[Any]], pairs: int, document: dict[str, Any],
    *, again: bool, done: Callable[[], None],
) -> None:  # fmt: skip
    """Put the rows that are missing into the document; `done` is called after each."""
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else str(describe_machine()["processor"])
    for kind in kinds:
        for row in rows[kind]:
            name = name_of(kind, row)
            if name in document["rows"] and not again:
                continue
            print(name, flush=True)
            figures = KINDS[kind](device, pairs, *row)
            if any(form.failure for form in (forces._DENSE, neighbourhoods._FADING, neighbourhoods._FULL)):
                figures = {key: each for key, each in figures.items() if not key.startswith("fused")}
            document["rows"][name] = figures | {"on": on}
            done()


def cell(row: dict[str, Any] | None, key: str, form: str = "{:.3g}", scale: int = 1) -> str:
    """Return a figure of a row; "not measured" without one, "not reached" where it is infinite."""
    if row is None or key not in row:
        return MISSING
    return "not reached" if math.isinf(row[key]) else form.format(scale * row[key])


def ratio(row: dict[str, Any] | None, over: str, under: str) -> str:
    """Return the quotient of two figures of a row."""
    if row is None or over not in row:
        return MISSING
    return f"{row[over] / row[under]:.3g}" if math.isfinite(row[over]) and math.isfinite(row[under]) else ""


def head(names: str) -> list[str]:
    """Return the head of a table."""
    return [f"| {names} |", "|" + "---|" * len(names.split(" | "))]


def report(document: dict[str, Any], rows: dict[str, list[Any]], pairs: int = PAIRS) -> str:
    """Return the whole report as Markdown."""
    stored = document["rows"]

    def of(kind: str, row: tuple[Any, ...]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = stored.get(name_of(kind, row))
        return found

    devices = sorted({row["on"] for row in stored.values()})
    lines = [
        "# The search in tensors",
        "",
        f"Device: {', '.join(devices) if devices else MISSING}. "
        + "".join(f"{key}: {value}. " for key, value in document.get("machine", {}).items())
        + f"Medians of {pairs}, the device and one core of its machine in turn.",
        "",
        "## Starts a second",
        "",
        "Random starts up the ladder p = 4 to 1,024, not polished: a batch on the device, and compiled loops on one "
        "core.",
        "",
        *head("(d, n) | batch | eager | one kernel | one core | kernel over core"),
    ]
    for d, n in rows["starts"]:
        row = of("starts", (d, n))
        lines.append(
            f"| ({d}, {n}) | {cell(row, 'batch', '{:,}')} | {cell(row, 'eager')} | {cell(row, 'fused')} | "
            f"{cell(row, 'core')} | {ratio(row, 'fused', 'core')} |"
        )
    lines += [
        "",
        "## Seconds to an angle",
        "",
        "Wall time from a cold start to the measured angle: batches on the device, the search of `solve` on one core.",
        "",
        *head("(d, n) | degrees | limit | device | one core | core over device"),
    ]
    for d, n, degrees, most in rows["targets"]:
        row = of("targets", (d, n, degrees, most))
        lines.append(
            f"| ({d}, {n}) | {degrees} | {most} | {cell(row, 'device')} | {cell(row, 'core')} | "
            f"{ratio(row, 'core', 'device')} |"
        )
    lines += [
        "",
        "## Ceilings",
        "",
        "One evaluation of f_p and its gradient, all pairs. Memory: what the eager calls read and write, over the time "
        "and the rate of a plain copy; above 1 where caches serve. Arithmetic: 5d + 5 + log2(p/2) operations an "
        "ordered pair, over the rate of a float64 product of matrices.",
        "",
        *head(
            "(d, n) | starts | p | eager, ms | of memory | of arithmetic | one kernel, ms | of arithmetic | "
            "copy, GB/s | product, GFLOP/s"
        ),
    ]
    for d, n, count, p in rows["ceilings"]:
        row = of("ceilings", (d, n, count, p))
        keys = ("eager_ms", "eager_of_memory", "eager_of_arithmetic", "fused_ms", "fused_of_arithmetic")
        figures = [cell(row, key) for key in (*keys, "copied_gb_s", "multiplied_gflops")]
        lines.append(f"| ({d}, {n}) | {count:,} | {p:g} | " + " | ".join(figures) + " |")
    lines += [
        "",
        "## Many points",
        "",
        "Milliseconds of an evaluation over neighbour lists, and of the making of the lists; the compiled one on one "
        "core beside it. Width: smallest chord over the bound's, at the start and after the seconds.",
        "",
        *head("(d, n) | p | lists | eager | one kernel | one core | width at the start | width | seconds"),
    ]
    for d, n, most in rows["many"]:
        row = of("many", (d, n, most))
        for p in (8, 1_024):
            figures = [cell(row, f"{key}{p}", scale=1_000) for key in ("list", "eager", "fused", "core")]
            width = [cell(row, "start_over_bound", "{:.4f}"), cell(row, "chord_over_bound", "{:.4f}")]
            lines.append(f"| ({d}, {n:,}) | {p:,} | {' | '.join([*figures, *width])} | {cell(row, 'seconds')} |")
    return "\n".join([*lines, "", "Command: `python benchmarks/gpu.py`"]) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure as the command line says, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="kinds of rows, as starts,many")
    parser.add_argument("--again", action="store_true", help="measure stored rows again")
    parser.add_argument("--report", action="store_true", help="write the report alone")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu: printed, not stored")
    parser.add_argument("--quick", action="store_true", help="tiny sizes; printed, not stored")
    parser.add_argument("--out", type=Path, default=REPORT, help="the report; finished rows go beside it as .json")
    options = parser.parse_args(arguments)
    kinds = list(KINDS) if options.rows is None else options.rows.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"--rows knows {', '.join(KINDS)}. Got {', '.join(unknown)}.")
    rows, pairs = (QUICK, 1) if options.quick else (ROWS, PAIRS)
    if options.quick or options.device == "cpu":
        document: dict[str, Any] = {"rows": {}}
        torch.set_num_threads(1)  # as one core beside it
        measure(resolve_device(options.device), kinds, rows, pairs, document, again=True, done=lambda: None)
        print(report(document, rows, pairs))
        return
    store = options.out.with_suffix(".json")
    document = json.loads(store.read_text()) if store.exists() else {"rows": {}}

    def keep() -> None:
        document["machine"] = {
            "processor": describe_machine()["processor"],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "CUDA": torch.version.cuda,
        }
        store.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")

    if not options.report:
        try:
            measure(resolve_device(options.device), kinds, rows, pairs, document, again=options.again, done=keep)
        except DeviceError as error:
            print(f"{error} Nothing is measured.")
    options.out.write_text(report(document, rows))


if __name__ == "__main__":
    main()
