"""Measure what a cold `solve` reaches, size by size, and how soon; build the tables of this project's own codes.

    python benchmarks/records.py table --d 3 --sizes 4..130 --seconds 30
    python benchmarks/records.py table --d 4 --sizes 4..130 --seconds 6
    python benchmarks/records.py targets
    python benchmarks/records.py named
    python benchmarks/records.py polish
    python benchmarks/records.py codes
    python benchmarks/records.py values

Every search starts cold: no archive, no stored coordinates.

`table` runs one search a size, which ends early once it reaches the best known value, and writes `records/dD.csv`, the
codes as `records/dD.npz` and the report `records/dD.md`; sizes that are stored are not searched again. `targets` writes
the CPU seconds to given angles on one core to `records/targets.md`, `named` the search for named codes to
`records/named.md`, and `polish` time and residual of the polish to `records/polish.md`. From the stored codes, `codes`
writes those that exceed Sloane's to `sloane_tables/codes/`, and `values` the angles for the lookup to
`sloane_tables/tammes_records.csv`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tammes import bounds
from tammes.bench.machine import describe_machine
from tammes.cli.values import sizes
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search.api import search
from tammes.global_search.executors.opening import open_executor
from tammes.storage import formats as files
from tammes.storage import tables

HERE = Path(__file__).parent / "records"
CODES = Path(__file__).parents[1] / "sloane_tables" / "codes"
COLUMNS = (
    "n",
    "d",
    "degrees",
    "sloane",
    "sloane_verdict",
    "known",
    "verdict",
    "seconds",
    "status",
    "found_by",
    "group",
)

# (d, n, degrees, CPU seconds)
TARGETS = [
    (3, 30, 38.5971159538, 0.2),
    (3, 100, 21.0312020, 30.0),
    (3, 130, 18.5103521, 25.0),
    (4, 30, 54.24959, 4.0),
    (4, 30, 54.25118, 40.0),
    (5, 30, 65.60469, 1.0),
    (4, 130, 33.40295, 20.0),
    (5, 130, 43.778, 60.0),
    (4, 600, 19.80, 60.0),
    (4, 600, 19.837, 300.0),
]
# (d, n, max cosine, name)
NAMED = [
    (4, 10, 1 / 6, "Petersen code"),
    (4, 24, 1 / 2, "24-cell"),
    (4, 120, math.cos(math.radians(36.0)), "600-cell"),
    (5, 16, 1 / 5, "Clebsch code"),
    (6, 27, 1 / 4, "Schläfli code"),
    (7, 56, 1 / 3, "28 equiangular lines"),
    (8, 240, 1 / 2, "E8 roots"),
    (5, 40, 1 / 2, "D5 roots"),
]


def sloane(n: int, d: int) -> tables.KnownValue | None:
    """Return Sloane's printed value, or None."""
    try:
        values = tables.known_values(n, d)
    except tables.NotTabulatedError:
        return None
    return next((value for value in values if value.source.startswith("Sloane")), None)


def sloane_verdict(n: int, d: int, degrees: float) -> str:
    """Return `matches` if the angle rounds to at least the printed one, `beats` beyond that, else `misses by ...`."""
    printed = sloane(n, d)
    if printed is None:
        return ""
    unit = 10.0**-printed.decimals
    if round(degrees, printed.decimals) < printed.angle_degrees - 0.5 * unit:
        return f"misses by {printed.angle_degrees - degrees:.7f}"
    return "beats" if degrees > printed.angle_degrees + 1.5 * unit else "matches"


def table(d: int, wanted: list[int], seconds: float, seed: int) -> None:
    """Run one cold search a size, store the codes and write the report."""
    HERE.mkdir(exist_ok=True)
    store, codes = HERE / f"d{d}.csv", HERE / f"d{d}.npz"
    rows = {int(row["n"]): row for row in csv.DictReader(store.open())} if store.exists() else {}
    points = dict(np.load(codes)) if codes.exists() else {}
    with open_executor() as pool:
        for n in wanted:
            if n in rows:
                continue
            known = tables.best_known_or_none(n, d)
            fine = known is not None and known.decimals >= 7
            result = search(n, d, time_limit=seconds, target="best-known" if fine else None, seed=seed, pool=pool)
            degrees, phase = result.code.min_angle_degrees, result.phases[0]
            rows[n] = {
                "n": n,
                "d": d,
                "degrees": repr(degrees),
                "sloane": "" if (printed := sloane(n, d)) is None else printed.degrees,
                "sloane_verdict": sloane_verdict(n, d, degrees),
                "known": "" if known is None else known.degrees,
                "verdict": "" if known is None else known.verdict(degrees),
                "seconds": f"{result.seconds:.2f}",
                "status": result.status.code,
                "found_by": phase["found_by"],
                "group": phase["symmetry_of_start"] or "",
            }
            points[f"n{n:05d}"] = result.code.points
            with store.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows[k] for k in sorted(rows))
            np.savez_compressed(codes, **{key: points[key] for key in sorted(points)})
            print(
                f"n = {n:4d}  {degrees:.9f}  {rows[n]['sloane_verdict'] or rows[n]['verdict']}  "
                f"{result.seconds:.1f} s  {result.status.code}",
                flush=True,
            )
    report(d)


def report(d: int) -> None:
    """Write `records/dD.md` from the CSV, with every angle measured again from the stored coordinates."""
    rows = list(csv.DictReader((HERE / f"d{d}.csv").open()))
    points = np.load(HERE / f"d{d}.npz")
    lines = [f"# Best found from cold starts, d = {d}: codes of this project", ""]
    verdicts = [row["sloane_verdict"].split()[0] for row in rows if row["sloane_verdict"]]
    if verdicts:
        lines += [
            f"Against Sloane's printed decimals: {verdicts.count('beats')} beat, {verdicts.count('matches')} match, "
            f"{verdicts.count('misses')} miss, of {len(verdicts)}.",
            "",
        ]
    lines += [
        f"Machine: {json.dumps(describe_machine())}. "
        "Wall seconds on all cores, until the best known value or the limit.",
        "Every row is one cold search. The table was made in parts: sizes that missed were searched anew when the",
        "search had become better, and the others were not.",
        "",
    ]
    lines += [
        "| n | minimal angle (degrees) | Sloane | | best known | bound | seconds | found by |",
        "|---:|---:|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        n = int(row["n"])
        degrees = SphericalCode(points[f"n{n:05d}"]).min_angle_degrees
        assert abs(degrees - float(row["degrees"])) < 1e-12
        found = row["found_by"] + (f" ({row['group']})" if row["group"] else "")
        lines.append(
            f"| {n} | {degrees:.10f} | {row['sloane']} | {row['sloane_verdict']} | {row['known']} "
            f"| {bounds.upper_bound(n, d).degrees:.6f} | {row['seconds']} | {found} |"
        )
    (HERE / f"d{d}.md").write_text("\n".join(lines) + "\n")


def targets(seeds: int) -> None:
    """Write the CPU seconds to each target in one process, with the median over seeds."""
    lines = [
        "# CPU seconds to the targets",
        "",
        f"Machine: {json.dumps(describe_machine())}. One process, {seeds} seeds, "
        "cold starts; beyond import and compile. `>` marks a run that ended at 1.5 times the allowance.",
        "",
        "| (d, n) | target | allowed | median | runs |",
        "|---|---:|---:|---:|---|",
    ]
    with open_executor(1) as pool:
        search(8, 3, starts=40, pool=pool)  # compile
        for d, n, degrees, allowed in TARGETS:
            runs = []
            for seed in range(seeds):
                began = time.process_time()
                limit = max(1.0, 1.5 * allowed)
                result = search(n, d, seed=seed, time_limit=limit, target=degrees, pool=pool)
                spent = time.process_time() - began
                reached = result.code.min_angle_degrees >= degrees - 1e-9
                runs.append((spent if reached else math.inf, spent))
            median = statistics.median(each for each, _ in runs)
            shown = "not reached" if math.isinf(median) else f"{median:.2f}"
            every = ", ".join(f"{spent:.2f}" if each < math.inf else f"> {spent:.1f}" for each, spent in runs)
            lines.append(f"| ({d}, {n}) | {degrees} | {allowed} | {shown} | {every} |")
            print(lines[-1], flush=True)
    (HERE / "targets.md").write_text("\n".join(lines) + "\n")


def named(seconds: float) -> None:
    """Write the named codes that cold starts find within the default budget."""
    lines = [
        "# Named codes from cold starts",
        "",
        f"Machine: {json.dumps(describe_machine())}. `solve`'s default budget, all cores.",
        "",
        "| (d, n) | code | its angle | found | short by | seconds | found by |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    with open_executor() as pool:
        for d, n, cosine, name in NAMED:
            degrees = math.degrees(math.acos(cosine))
            result = search(n, d, time_limit=seconds, target=degrees - 1e-10, pool=pool)
            phase = result.phases[0]
            found = result.code.min_angle_degrees
            group = f" ({phase['symmetry_of_start']})" if phase["symmetry_of_start"] else ""
            lines.append(
                f"| ({d}, {n}) | {name} | {degrees:.10f} | {found:.10f} | {max(0.0, degrees - found):.1e} "
                f"| {result.seconds:.1f} | {phase['found_by']}{group} |"
            )
            print(lines[-1], flush=True)
    (HERE / "named.md").write_text("\n".join(lines) + "\n")


def polish_times(repeats: int) -> None:
    """Write seconds and residual of the polish of a ladder's result."""
    from threadpoolctl import threadpool_limits

    from tammes.solvers.ladder.compiled import CompiledLadder
    from tammes.solvers.ladder.exponents import ladder
    from tammes.solvers.polish.polish import polish

    lines = [
        "# Polish of a ladder's result",
        "",
        f"Machine: {json.dumps(describe_machine())}. One thread, median over starts.",
        "",
        "| (d, n) | allowed | median seconds | Newton steps | largest residual of those that closed (rad) | status |",
        "|---|---:|---:|---:|---:|---|",
    ]
    with threadpool_limits(1):
        for d, n, allowed in ((3, 30, 0.05), (4, 130, 0.5), (4, 600, 15.0), (3, 1000, 30.0)):
            climb = CompiledLadder(ladder(4.0, 1024.0), iterations=1_000, gradient_tol=1e-5)
            seen = []
            for seed in range(repeats):
                start = np.random.default_rng(seed).standard_normal((n, d))
                top = climb.run(start[None]).points[0]
                began = time.process_time()
                done = polish(top)
                seen.append((time.process_time() - began, done))
            seen.sort(key=lambda pair: pair[0])
            spent, done = seen[len(seen) // 2]
            worst = max((pair[1].residual for pair in seen if math.isfinite(pair[1].residual)), default=math.inf)
            states = Counter(pair[1].status.code for pair in seen)
            counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
            lines.append(f"| ({d}, {n}) | {allowed} | {spent:.3f} | {done.steps} | {worst:.1e} | {counted} |")
            print(lines[-1], flush=True)
    (HERE / "polish.md").write_text("\n".join(lines) + "\n")


def codes() -> None:
    """Write our codes that are better than Sloane's, with an index of the best known values."""
    CODES.mkdir(exist_ok=True)
    points = np.load(HERE / "d3.npz")
    lines = ["d,n,degrees,sloane,best_known,digest,found_by"]
    for row in csv.DictReader((HERE / "d3.csv").open()):
        n = int(row["n"])
        code = SphericalCode(points[f"n{n:05d}"])
        if sloane_verdict(n, 3, code.min_angle_degrees) != "beats":
            continue
        files.save(CODES / f"d3_n{n}.npy", code, force=True)
        found = row["found_by"] + (f" ({row['group']})" if row["group"] else "")
        lines.append(f"3,{n},{code.min_angle_degrees!r},{row['sloane']},{row['known']},{code.digest},{found}")
    (CODES / "codes.csv").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def values() -> None:
    """Write the measured angles of our codes for the lookup: d = 4 and 5, and above the published ones in d = 3."""
    lines = ["d,n,angle_degrees,file"]
    for d in (3, 4, 5):
        points = np.load(HERE / f"d{d}.npz")
        for row in csv.DictReader((HERE / f"d{d}.csv").open()):
            n = int(row["n"])
            if n <= 2 * d or (d == 3 and row["verdict"] != "beats"):
                continue
            degrees = SphericalCode(points[f"n{n:05d}"]).min_angle_degrees
            lines.append(f"{d},{n},{math.floor(degrees * 1e11) / 1e11:.11f},benchmarks/records/d{d}.npz")
    (CODES.parent / "tammes_records.csv").write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 1} values")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_table = commands.add_parser("table")
    of_table.add_argument("--d", type=int, required=True)
    of_table.add_argument("--sizes", default="4..130")
    of_table.add_argument("--seconds", type=float, default=30.0)
    of_table.add_argument("--seed", type=int, default=0)
    commands.add_parser("targets").add_argument("--seeds", type=int, default=5)
    commands.add_parser("named").add_argument("--seconds", type=float, default=30.0)
    commands.add_parser("polish").add_argument("--repeats", type=int, default=5)
    commands.add_parser("codes")
    commands.add_parser("values")
    chosen = parser.parse_args()
    if chosen.command == "table":
        table(chosen.d, sizes(chosen.sizes), chosen.seconds, chosen.seed)
    elif chosen.command == "targets":
        targets(chosen.seeds)
    elif chosen.command == "named":
        named(chosen.seconds)
    elif chosen.command == "codes":
        codes()
    elif chosen.command == "values":
        values()
    else:
        polish_times(chosen.repeats)


if __name__ == "__main__":
    main()
