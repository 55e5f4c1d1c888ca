"""Run the network experiments of the paper, and write its tables and figures: one command each.

    python -m benchmarks.paper table3 --data DIR --seeds 3
    torchrun --nproc-per-node 4 -m benchmarks.paper table5 --data DIR --device cuda --amp bf16
    python -m benchmarks.paper table3 --dry-run
    python -m benchmarks.paper --smoke --out DIR

Every run trains one network with one regulariser and one seed. Results go to `OUT/runs`, one JSON file a run, and
tables (`NAME.md`, `NAME.csv`) and figures of whatever is finished to OUT. A finished run is not repeated, and an
interrupted one continues after its last epoch. Several commands may share OUT: each takes runs that no other has.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.paper import config
from benchmarks.paper.config import Experiment
from benchmarks.paper.jobs import AMP, Job, check_precision, jobs_of
from tammes.base.errors import TammesError

if TYPE_CHECKING:
    from benchmarks.paper.processes import ProcessGroup
    from benchmarks.paper.runs import Store

TARGETS = {name: name for name in config.EXPERIMENTS}
TARGETS |= {"figure1": "table3", "figure4": "figure3", "supplement-d": "table3"}
"""Names on the command line, and the experiment whose runs each needs."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="?", help=f"one of: {', '.join(TARGETS)}; or a TOML file of your own")
    parser.add_argument("--data", type=Path, help="folder in which the data lie; docs/guide/paper.md says how")
    parser.add_argument("--out", type=Path, help="folder of the results (paper_results; of a smoke run paper_smoke)")
    parser.add_argument("--seeds", type=int, default=3, metavar="K", help="runs of each kind, seeds 0 to K - 1 (3)")
    parser.add_argument("--networks", metavar="A,B", help="only these networks of the table")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is one")
    parser.add_argument("--amp", choices=AMP, default="off", help="precision of the network (off: float32)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--refresh-every", type=int, default=1, metavar="K", help="look for nearest rows every K steps")
    parser.add_argument("--keep-weights", action="store_true", help="keep the weights of the runs that are done now")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="print the runs and what they will cost; do none")
    instead.add_argument("--report", action="store_true", help="tables and figures of what is done; do no runs")
    instead.add_argument("--smoke", action="store_true", help="run everything briefly on generated data, in minutes")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, print; returns the exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.target == "table1":
        parser.error("Table 1 has a command of its own: tammes bench")
    if not chosen.smoke and (chosen.target is None or not _known(chosen.target)):
        missing = "" if chosen.target is None else f"nothing is called {chosen.target!r}; "
        parser.error(f"{missing}name a table or figure: {', '.join(TARGETS)}")
    if chosen.seeds < 1:
        parser.error("--seeds: an integer of at least 1")
    if not (chosen.smoke or chosen.dry_run or chosen.report) and chosen.data is None:
        parser.error("--data is needed: the folder in which the data lie")
    chosen.out = chosen.out or Path("paper_smoke" if chosen.smoke else "paper_results")
    try:
        if chosen.smoke:
            from benchmarks.paper import smoke

            return smoke.run_smoke(chosen.out)
        return _run(chosen)
    except TammesError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":  # one of several processes writes
            kept = chosen.out / "runs"
            print(f"Stopped. {kept} keeps what is done; the same command goes on from there.", file=sys.stderr)
        return 130


def _known(target: str) -> bool:
    return target in TARGETS or target.endswith(".toml")


def _run(chosen: argparse.Namespace) -> int:
    """Execute the command in this process of the group."""
    import torch

    from benchmarks.paper import reports, runs
    from benchmarks.paper.processes import open_process_group

    target = chosen.target
    whole = config.read(target) if target.endswith(".toml") else config.load(TARGETS[target])
    part = whole if chosen.networks is None else whole.only([name.strip() for name in chosen.networks.split(",")])
    options = {"amp": chosen.amp, "refresh_every": chosen.refresh_every}
    jobs, asked = (jobs_of(one, range(chosen.seeds), **options) for one in (whole, part))
    store = runs.Store(chosen.out)
    command = f"python -m benchmarks.paper {shlex.join(_words(chosen))}"
    device = chosen.device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_precision(chosen.amp, device)
    with open_process_group(device) as processes:
        if chosen.dry_run:
            if processes.first:
                print("\n".join(_plan(part, asked, store, processes)))
            return 0
        if not chosen.report:
            settings = reports.Settings(chosen.data, chosen.compile, chosen.keep_weights)
            reports.run_all(part, asked, store, processes, settings)
        if processes.first:
            done = store.read_all(jobs)  # with those of other commands
            written = reports.write(chosen.out, whole, jobs, done, command)
            print("\n".join(map(str, written)))
    return 0


def _plan(experiment: Experiment, jobs: Sequence[Job], store: Store, processes: ProcessGroup) -> list[str]:
    from benchmarks.paper import cost, measurements

    there = measurements.environment(processes)
    device = there.get("gpu") or f"{there['processor']}, threads: {there['threads']}"
    done = {job.name: store.has(job) for job in jobs}
    left = [job for job in jobs if not done[job.name]]
    return [experiment.title, "", *cost.plan(jobs, done, cost.costs_of(experiment, left, processes.device), device)]


def _words(chosen: argparse.Namespace) -> list[str]:
    """Return the arguments that select the runs, for the reports."""
    words = [chosen.target, "--data", "DIR", "--seeds", str(chosen.seeds)]
    words += ["--networks", chosen.networks] if chosen.networks else []
    words += ["--amp", chosen.amp] if chosen.amp != "off" else []
    words += ["--refresh-every", str(chosen.refresh_every)] if chosen.refresh_every != 1 else []
    return words + (["--compile"] if chosen.compile else [])


if __name__ == "__main__":
    raise SystemExit(main())
