"""Compare `tammes` with pymanopt, geoopt and plain SGD: CPU seconds to the same minimal angle, on one core.

    pip install -c constraints.txt -e ".[peers]"
    python benchmarks/peers.py [--rows 3x30,4x600] [--seeds 3] [--seconds 20] [--out benchmarks/peers.md]

For every row of the paper's Table 1 that is not a simplex, and every seed, each peer restarts at random until its
allowance of CPU seconds is spent; then our search runs, from a cold start, to the best angle that the peer reached.
Peers:

* `pymanopt`: as its packing example. Conjugate gradients on the oblique manifold, on the log-sum-exp of the cosines
  with epsilon = 0.0015. The gradient is given in closed form, which is faster than autograd.
* `geoopt`: Riemannian Adam on the sphere, on the MMA loss.
* `torch SGD`: the plain loop of the paper. Momentum 0.9 on the MMA loss, autograd through arccos.

The two on the MMA loss divide their rate on a plateau, and restart when it can be divided no further.

Every angle is measured by `tammes.SphericalCode`, and that time is not counted for the peer. Imports, compilation and a
first short run of everything are not counted either. Writes the report and, beside it as JSON after every row, the
figures; an interrupted command continues from them.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from tammes import SphericalCode
from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats, normalize_rows
from tammes.bench.cells import parse_rows
from tammes.bench.machine import describe_machine
from tammes.global_search.api import search
from tammes.global_search.executors.executor import TaskExecutor
from tammes.global_search.executors.opening import open_executor
from tammes.global_search.problem import Problem
from tammes.global_search.strategies.portfolio import Portfolio
from tammes.storage import formats as files
from tammes.storage.result import versions

SCHEMA = "tammes.peers/1"
ENOUGH = 20.0  # a ratio under this is pointed out
LARGE, LONGER = 1_000, 3.0  # from this many coordinates, the allowance is this many times as long
PATIENCE = 3.0  # allowances that our search may take, in wall seconds
NEAR, ROUNDING = 1e-6, 1e-11  # degrees: a peer's best but for its last digits; ours is exact to this

EPSILON = 0.0015  # of the log-sum-exp: its excess over the largest cosine is at most EPSILON log(pairs)
LEAST = -700.0  # exponents below this are raised to it: `exp` is slow where it underflows
RATES = {"geoopt": 0.03, "torch SGD": 1.0}  # the best of a few tried; the paper's 0.1 is slower and ends lower
WINDOW, PLATEAU, FACTOR, DIVISIONS, GAIN = 100, 5, 0.2, 6, 1e-4  # steps, windows, of the rate, at most, radians
MEASURED = 25  # steps or gradients from one measurement to the next


class Spent(Exception):  # noqa: N818 - not an error
    """The allowance is spent; raised within a peer's loop that has no other way out."""


class Stopwatch:
    """CPU seconds of a peer, without the time of measurements, and the best angle so far.

    Args:
        allowance: CPU seconds.
        clock: CPU seconds, from any origin.
    """

    def __init__(self, allowance: float, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._began = clock()
        self._paused = 0.0
        self.allowance = allowance
        self._gains: list[tuple[float, float]] = [(0.0, 0.0)]  # seconds, degrees

    @property
    def degrees(self) -> float:
        """Best minimal angle so far."""
        return self._gains[-1][1]

    @property
    def seconds(self) -> float:
        """Seconds until it was reached."""
        return self._gains[-1][0]

    @property
    def near_seconds(self) -> float:
        """Seconds until an angle within `NEAR` of it was reached."""
        return next(seconds for seconds, degrees in self._gains if degrees >= self.degrees - NEAR)

    def elapsed(self) -> float:
        """Return the CPU seconds so far."""
        return self._clock() - self._began - self._paused

    def spent(self) -> bool:
        """Return True once the allowance has passed."""
        return self.elapsed() >= self.allowance

    def measure(self, rows: Floats) -> None:
        """Measure rows of any length, shape `(n, d)`, without counting the time."""
        now = self.elapsed()
        try:
            found = SphericalCode(rows, normalize=True).min_angle_degrees
        except InvalidPointsError:  # the peer diverged
            found = 0.0
        if found > self.degrees:
            self._gains.append((now, found))
        self._paused += self.elapsed() - now


# --- peers: each is one descent from one start --------------------------------------------------

Peer = Callable[[Floats, Stopwatch], None]


def softmax_cosine(columns: Floats) -> tuple[float, Floats]:
    """Return `s + epsilon log sum_{i<j} exp((x_i . x_j - s) / epsilon)`, s the largest cosine, and its gradient.

    Args:
        columns: unit columns, shape `(d, n)`.

    Returns:
        The smoothed largest cosine, and its Euclidean gradient, shape `(d, n)`.
    """
    weights = columns.T @ columns  # (n, n): the cosines, then the weights of the pairs
    np.fill_diagonal(weights, -1.0)
    top = float(weights.max())
    weights -= top
    weights /= EPSILON
    np.maximum(weights, LEAST, out=weights)
    np.exp(weights, out=weights)
    np.fill_diagonal(weights, 0.0)
    total = 0.5 * float(weights.sum())  # every pair is there twice
    return top + EPSILON * math.log(total), columns @ weights / total


def pymanopt_cg(start: Floats, watch: Stopwatch) -> None:
    """Run conjugate gradients of pymanopt on unit columns, with its packing example's tolerances."""
    import pymanopt
    from pymanopt.manifolds import Oblique
    from pymanopt.optimizers import ConjugateGradient

    n, d = start.shape
    manifold = Oblique(d, n)
    gradients = 0

    @pymanopt.function.numpy(manifold)
    def cost(columns: Floats) -> float:
        if watch.spent():
            raise Spent
        return softmax_cosine(columns)[0]

    @pymanopt.function.numpy(manifold)
    def gradient(columns: Floats) -> Floats:
        nonlocal gradients
        gradients += 1
        if gradients % MEASURED == 0:
            watch.measure(columns.T)
        return softmax_cosine(columns)[1]

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(min_gradient_norm=1e-8, max_iterations=100_000, max_time=math.inf, verbosity=0)
    columns = normalize_rows(start).T
    watch.measure(optimizer.run(problem, initial_point=columns).point.T)


def mma(weight: torch.Tensor) -> torch.Tensor:
    """Return the official MMA loss with its clamp: minus the mean angle of a row to its nearest row, radians."""
    unit = torch.nn.functional.normalize(weight, dim=1)
    cosines = unit @ unit.T
    others = cosines - 2.0 * torch.diag(cosines.diagonal())
    return -torch.acos(others.amax(dim=1).clamp(-0.99999, 0.99999)).mean()


def descend(weight: torch.Tensor, optimizer: torch.optim.Optimizer, watch: Stopwatch) -> None:
    """Take steps on the MMA loss until the rate has been divided often enough."""
    # Losses are negative: a relative threshold would count a slightly worse one as an improvement.
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=FACTOR, patience=PLATEAU, threshold=GAIN, threshold_mode="abs", eps=0.0
    )
    least = optimizer.param_groups[0]["lr"] * FACTOR ** (DIVISIONS + 0.5)
    total = 0.0
    step = 0
    while optimizer.param_groups[0]["lr"] > least:
        step += 1
        optimizer.zero_grad()
        loss = mma(weight)
        loss.backward()
        optimizer.step()
        total += loss.item()
        if step % MEASURED == 0:
            watch.measure(weight.detach().numpy())
            if watch.spent():
                raise Spent
        if step % WINDOW == 0:
            schedule.step(total / WINDOW)
            total = 0.0


def geoopt_adam(start: Floats, watch: Stopwatch) -> None:
    """Run Riemannian Adam of geoopt on the MMA loss."""
    import geoopt

    sphere = geoopt.Sphere()
    weight = geoopt.ManifoldParameter(sphere.projx(torch.from_numpy(start)), manifold=sphere)
    descend(weight, geoopt.optim.RiemannianAdam([weight], lr=RATES["geoopt"]), watch)


def torch_sgd(start: Floats, watch: Stopwatch) -> None:
    """Run the paper's SGD on the MMA loss."""
    weight = torch.nn.Parameter(torch.from_numpy(start))
    descend(weight, torch.optim.SGD([weight], lr=RATES["torch SGD"], momentum=0.9), watch)


PEERS: dict[str, Peer] = {"pymanopt": pymanopt_cg, "geoopt": geoopt_adam, "torch SGD": torch_sgd}


# --- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A run of a peer with one seed, and our search to the same angle."""

    n: int
    d: int
    peer: str
    seed: int
    degrees: float
    """The best angle that the peer reached."""
    seconds: float
    """CPU seconds of the peer until then."""
    near_seconds: float
    """CPU seconds of the peer until it was within `NEAR` of it."""
    our_degrees: float
    """The angle at which our search ended."""
    our_seconds: float
    """CPU seconds of our search, to the end of the round in which it reached the peer's best."""
    setup_seconds: float
    """CPU seconds of ours that this size cost once, before all its runs: bound and groups."""

    @property
    def ours(self) -> float:
        """CPU seconds of our search to the peer's best; infinite if it ended below."""
        return self.our_seconds if self.our_degrees >= self.degrees - ROUNDING else math.inf


def run_peer(peer: Peer, n: int, d: int, seed: int, watch: Stopwatch) -> None:
    """Restart at random until the allowance is spent."""
    rng = np.random.default_rng([seed, n, d])
    try:
        while not watch.spent():
            peer(rng.standard_normal((n, d)), watch)
    except Spent:
        pass


def run_ours(n: int, d: int, seed: int, degrees: float, limit: float, pool: TaskExecutor) -> tuple[float, float]:
    """Return the degrees and CPU seconds of our search, which ends at `degrees`, or after `limit` wall seconds."""
    began = time.process_time()
    result = search(n, d, seed=seed, time_limit=limit, target=degrees, pool=pool)
    return result.code.min_angle_degrees, time.process_time() - began


def allowance(n: int, d: int, seconds: float) -> float:
    """Return the CPU seconds that a peer may use."""
    return seconds * (LONGER if n * d > LARGE else 1.0)


def run_row(n: int, d: int, seeds: int, seconds: float, pool: TaskExecutor) -> list[Cell]:
    """Return the cells of one row: every peer and seed, each followed by our search."""
    cells = []
    allowed = allowance(n, d, seconds)
    began = time.process_time()
    Portfolio(Problem(n, d))
    setup = time.process_time() - began
    for seed in range(seeds):
        for name, peer in PEERS.items():
            watch = Stopwatch(allowed)
            run_peer(peer, n, d, seed, watch)
            found, spent = run_ours(n, d, seed, watch.degrees, PATIENCE * allowed, pool)
            cells.append(Cell(n, d, name, seed, watch.degrees, watch.seconds, watch.near_seconds, found, spent, setup))
            print(
                f"({d}, {n})  seed {seed}  {name:10s} {watch.degrees:.7f} @ {watch.seconds:.2f} s "
                f"({watch.near_seconds:.2f} s)   ours {found:.7f} @ {spent:.2f} s",
                flush=True,
            )
    return cells


def warm_up(pool: TaskExecutor) -> None:
    """Compile, import, and run everything once."""
    search(8, 3, starts=40, pool=pool)
    for peer in PEERS.values():
        run_peer(peer, 8, 3, 0, Stopwatch(0.2))


# --- what is kept, and the report ---------------------------------------------------------------


def settings_of(seeds: int, seconds: float) -> dict[str, Any]:
    """Return what all rows of a report share; stored rows are used only with the same settings."""
    return {
        "seeds": seeds,
        "seconds": seconds,
        "machine": describe_machine(),
        "versions": versions() | {name: version(name) for name in ("pymanopt", "geoopt")},
    }


def stored(store: Path, settings: dict[str, Any]) -> list[Cell]:
    """Return the cells of an earlier run."""
    if not store.exists():
        return []
    document = files.read_json(store)
    if document.get("schema") != SCHEMA or document.get("settings") != settings:
        raise SystemExit(f"{store} was made with other settings or versions, or elsewhere. Choose another --out.")
    return [Cell(**cell) for cell in document["cells"]]


def store_cells(store: Path, settings: dict[str, Any], cells: Sequence[Cell]) -> None:
    """Write all cells so far, sorted."""
    ordered = sorted(cells, key=lambda cell: (cell.d, cell.n, list(PEERS).index(cell.peer), cell.seed))
    document = {"schema": SCHEMA, "settings": settings, "cells": [asdict(cell) for cell in ordered]}
    files.write_atomically(store, (json.dumps(document, indent=1) + "\n").encode(), force=True)


@dataclass(frozen=True)
class Line:
    """Medians over the seeds of one row and peer."""

    n: int
    d: int
    peer: str
    degrees: float
    seconds: float
    near_seconds: float
    ours: float

    @property
    def ratio(self) -> float:
        """Peer's CPU seconds to its best over ours; 0 if ours did not get there."""
        return self.seconds / self.ours

    @property
    def near_ratio(self) -> float:
        """The same with the peer's CPU seconds to within `NEAR` of its best; ours are to all of it."""
        return self.near_seconds / self.ours


def lines_of(cells: Sequence[Cell]) -> list[Line]:
    """Return a line for each row and peer, in the order of the report."""
    lines = []
    for d, n in sorted({(cell.d, cell.n) for cell in cells}):
        for peer in PEERS:
            own = [cell for cell in cells if (cell.d, cell.n, cell.peer) == (d, n, peer)]
            columns = zip(*((cell.degrees, cell.seconds, cell.near_seconds, cell.ours) for cell in own), strict=True)
            lines.append(Line(n, d, peer, *(statistics.median(column) for column in columns)))
    return lines


def slow(lines: Sequence[Line], ratio: Callable[[Line], float]) -> str:
    """Return the names of the lines whose ratio is under `ENOUGH`."""
    found = [f"({line.d}, {line.n}) {line.peer} {ratio(line):.1f}" for line in lines if ratio(line) < ENOUGH]
    return "; ".join(found) if found else "none"


def notes() -> str:
    """Return the notes below the table."""
    return f"""
The second ratio takes the peer's time until it was within 1e-6° of its best, and ours to all of it:
a restart that finds the same code once more may gain a last digit, late.

## Settings and limitations

* pymanopt: oblique manifold, log-sum-exp of the cosines with epsilon = {EPSILON}, conjugate gradients, until
  the gradient is below 1e-8 or the line search finds no descent. The gradient is in closed form, not by autograd.
* geoopt: `RiemannianAdam` on `Sphere`, official MMA loss by autograd, rate {RATES["geoopt"]:g}.
* torch SGD: momentum 0.9, official MMA loss by autograd, rate {RATES["torch SGD"]:g}; the paper's 0.1 is slower.
* On the MMA loss, the rate is divided by {1 / FACTOR:g} when the mean loss of {WINDOW} steps has not improved by
  {GAIN:g} rad in {PLATEAU + 1} windows; the run ends at the next plateau after {DIVISIONS} divisions.
* A peer is measured every {MEASURED} steps or gradients, and its clock stands still meanwhile. Ours runs from
  the making of the search to the end of the round in which the angle is reached, with all the starts and
  polishes of that round: its least is the time of a round, whatever the angle.
* Our search may take {PATIENCE:g} allowances of wall time; beyond, the angle counts as not reached.
* All in float64. Imports, compilation and a short run of everything are not counted, on either side.
"""


def report(settings: dict[str, Any], cells: Sequence[Cell]) -> str:
    """Return the report as Markdown."""
    machine, found = settings["machine"], dict(settings["versions"])
    python = found.pop("python")
    seeds, seconds = settings["seeds"], settings["seconds"]
    lines = lines_of(cells)
    setups = {(cell.d, cell.n): cell.setup_seconds for cell in cells}
    once = ", ".join(f"({d}, {n}) {setups[d, n]:.2f}" for d, n in sorted(setups))
    text = [
        "# What a user would pick instead, and how soon our search has the same angle",
        "",
        f"{machine['processor']}, {machine['cores']} cores, of which one is used; {machine['system']}, "
        f"Python {python}, {', '.join(f'{name} {number}' for name, number in found.items())}.",
        "",
        f"CPU seconds of one process with one thread; medians of {seeds} seeds. A peer restarts at random for "
        f"{seconds:g} CPU seconds ({LONGER * seconds:g} from {LARGE} coordinates on); then our search runs from a cold "
        "start, to the best angle that the peer reached with that seed. The ratio is that of the medians.",
        "",
        "| (d, n) | peer | its best angle | its CPU s | to 1e-6° less | our CPU s | ratio | to 1e-6° less |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        ours = "not reached" if math.isinf(line.ours) else f"{line.ours:.3f}"
        text.append(
            f"| ({line.d}, {line.n}) | {line.peer} | {line.degrees:.7f} | {line.seconds:.2f} | {line.near_seconds:.2f} "
            f"| {ours} | {line.ratio:.1f} | {line.near_ratio:.1f} |"
        )
    text += [
        "",
        f"Ratios under {ENOUGH:g}: {slow(lines, lambda line: line.ratio)}.",
        "",
        f"Ratios to 1e-6° less under {ENOUGH:g}: {slow(lines, lambda line: line.near_ratio)}.",
        "",
        f"Not in our CPU seconds is what a size costs a process once, its bound and its groups: {once}.",
        "",
        notes().strip(),
        "",
        f"Command: `python benchmarks/peers.py --seeds {seeds} --seconds {seconds:g}`",
    ]
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="d x n, as 3x30,4x600; all but the simplices by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU seconds of a peer; thrice that for (4, 600)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--fresh", action="store_true", help="begin anew; stored rows are dropped")
    chosen = parser.parse_args()
    rows = [(n, d) for n, d in parse_rows(chosen.rows) if n > d + 1]
    if not rows:
        parser.error("--rows: a simplex is no search; choose a row with n > d + 1")
    settings = settings_of(chosen.seeds, chosen.seconds)
    store = chosen.out.with_suffix(".json")
    cells = [] if chosen.fresh else stored(store, settings)
    torch.set_num_threads(1)
    with threadpool_limits(1), open_executor(1) as pool:
        warm_up(pool)
        for n, d in rows:
            if any((cell.n, cell.d) == (n, d) for cell in cells):
                continue
            cells += run_row(n, d, chosen.seeds, chosen.seconds, pool)
            store_cells(store, settings, cells)
            chosen.out.write_text(report(settings, cells))
    print(report(settings, cells))


if __name__ == "__main__":
    main()
