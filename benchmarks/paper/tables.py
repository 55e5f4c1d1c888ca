"""The tables: mean and standard error over paired seeds, the difference to the baseline, and the paper's figure."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paper.config import Arm, Experiment
from benchmarks.paper.jobs import Job
from benchmarks.paper.runs import SMOKE, Result
from tammes.base.errors import FileFormatError
from tammes.storage import formats as files

__all__ = [
    "NOTHING",
    "Mean",
    "Row",
    "as_csv",
    "as_markdown",
    "layers_as_csv",
    "mean_of",
    "published",
    "quantities",
    "rows_of",
]

NOTHING = "—"
"""A cell without a figure: not run, or not verified."""
PUBLISHED = Path(__file__).resolve().parent / "published.csv"
_KEYS = ("experiment", "network", "arm", "quantity")
_ACCURACIES = {"accuracy": "accuracy", "lfw": "LFW", "cfp_fp": "CFP-FP", "agedb_30": "AgeDB-30"}
_COSTS = {
    "batch_seconds": "ms a batch",
    "time_ratio": "time a batch, to the baseline's",
    "peak_bytes": "peak MiB",
    "memory_ratio": "memory, to the baseline's",
}
_ANGLE = "angle "

Figures = dict[tuple[str, ...], tuple[float, str] | None]


@dataclass(frozen=True)
class Mean:
    """Mean and standard error of a figure over seeds; the error is nan of a single one."""

    value: float
    error: float
    count: int

    def shown(self, digits: int = 2, *, signed: bool = False) -> str:
        """Return mean and error as text: "71.20 ± 0.11"."""
        sign = "+" if signed and round(self.value, digits) else ""
        error = NOTHING if math.isnan(self.error) else f"{self.error:.{digits}f}"
        return f"{self.value:{sign}.{digits}f} ± {error}"


def mean_of(values: Sequence[float]) -> Mean | None:
    """Return the mean with its standard error over independent seeds; None without values."""
    if not values:
        return None
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Mean(statistics.fmean(values), error, len(values))


@dataclass(frozen=True)
class Row:
    """One arm on one network."""

    network: str
    arm: Arm
    seeds: int
    """Runs that are done, those that diverged among them."""
    asked: int
    diverged: int
    values: Mapping[str, Mean | None]
    """By quantity, of the seeds that did not diverge."""
    differences: Mapping[str, Mean | None]
    """Differences of accuracies to the baseline, over the seeds that both have."""


def quantities(experiment: Experiment) -> tuple[str, ...]:
    """Return the quantities of a table's columns."""
    found: list[str] = []
    if "accuracy" in experiment.columns:
        found += ["lfw", "cfp_fp", "agedb_30"] if experiment.data.name == "faces" else ["accuracy"]
    if "cost" in experiment.columns:
        found += ["batch_seconds", "time_ratio", "peak_bytes", "memory_ratio"]
    if "angles" in experiment.columns:
        found += [_ANGLE + layer for layer in experiment.layers]
    return tuple(found)


def rows_of(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result]) -> list[Row]:
    """Return the rows of a table, network by network, of the runs that are done.

    Args:
        experiment: the table.
        jobs: its runs, done or not.
        results: those that are done, by the name of the job.
    """
    found = []
    for network in experiment.recipes:
        base = _by_seed(jobs, results, network, experiment.baseline(network))
        for arm in experiment.arms_of(network):
            own = _by_seed(jobs, results, network, arm)
            asked = sum(job.network == network and job.arm == arm for job in jobs)
            whole = {seed: one for seed, one in own.items() if not one.diverged}
            firm = {seed: one for seed, one in base.items() if not one.diverged}
            paired = {seed: (one, firm[seed]) for seed, one in whole.items() if seed in firm}
            names = quantities(experiment)
            values = {name: mean_of(_values(name, whole, paired)) for name in names}
            differences = {
                name: mean_of([a.measures[name] - b.measures[name] for a, b in paired.values()])
                for name in names
                if _is_accuracy(name) and arm.loss != "none"
            }
            diverged = sum(one.diverged for one in own.values())
            found.append(Row(network, arm, len(own), asked, diverged, values, differences))
    return found


def _by_seed(jobs: Sequence[Job], results: Mapping[str, Result], network: str, arm: Arm) -> dict[int, Result]:
    mine = [job for job in jobs if job.network == network and job.arm == arm and job.name in results]
    return {job.seed: results[job.name] for job in mine}


def _values(name: str, whole: Mapping[int, Result], paired: Mapping[int, tuple[Result, Result]]) -> list[float]:
    """Return one figure a seed, of the seeds that have it."""
    if name == "time_ratio":
        return _ratios(paired, lambda one: one.batch_seconds)
    if name == "memory_ratio":
        return _ratios(paired, lambda one: one.peak_bytes)
    if name in {"batch_seconds", "peak_bytes"}:
        found = [getattr(one, name) for one in whole.values()]
    elif name.startswith(_ANGLE):
        layer = name.removeprefix(_ANGLE)
        found = [one.angles.get(layer, {}).get("min_angle_degrees") for one in whole.values()]
    else:
        found = [one.measures.get(name) for one in whole.values()]
    return [float(one) for one in found if one is not None]


def _ratios(paired: Mapping[int, tuple[Result, Result]], figure: Callable[[Result], float | None]) -> list[float]:
    """Return the ratios of pairs that ran on one machine."""
    found = []
    for a, b in paired.values():
        over, under = figure(a), figure(b)
        if over and under and _machine(a) == _machine(b):
            found.append(over / under)
    return found


def _machine(result: Result) -> tuple[object, ...]:
    keys = ("processor", "gpu", "device", "processes", "threads")
    return tuple(result.environment.get(key) for key in keys)


# --- the paper's own figures -----------------------------------------------------------------------------


def published(path: Path = PUBLISHED) -> Figures:
    """Return the paper's figures and where each was verified, by experiment, network, arm and quantity.

    None where the paper has a figure that could not be verified.

    Raises:
        FileFormatError: if the file is not what it should be.
    """
    rows = list(csv.DictReader(io.StringIO(files.read_bytes(path).decode())))
    found: Figures = {}
    for number, row in enumerate(rows, 2):
        try:
            key = tuple(row[name] for name in _KEYS)
            found[key] = None if row["value"] == NOTHING else (float(row["value"]), row["source"].strip())
        except (KeyError, TypeError, ValueError, AttributeError):
            raise FileFormatError(path, f"line {number} is no figure: {dict(row)}") from None
        if found[key] is not None and not found[key][1]:  # type: ignore[index]
            raise FileFormatError(path, f"line {number} has a figure without a source")
    return found


# --- for people and programs -------------------------------------------------------------------------------


def _key(experiment: Experiment, row: Row, name: str) -> tuple[str, ...]:
    return experiment.name, row.network, row.arm.name, name


def as_markdown(
    experiment: Experiment, rows: Sequence[Row], *, smoke: bool, machines: Sequence[str], command: str
) -> str:
    """Return the table as Markdown, with its assumptions and the machines of the runs."""
    figures = published()
    names = quantities(experiment)
    own = [name for name in names if any(row.values[name] or _key(experiment, row, name) in figures for row in rows)]
    titles = ["network", "regulariser", "coefficient", "seeds"]
    for name in own:
        titles.append(_title(name))
        if _is_accuracy(name):
            titles.append("difference to baseline")
        if _is_compared(experiment, name, figures):
            titles.append("paper")
    lines = [f"# {experiment.title}", ""]
    if smoke:
        lines += [f"**{SMOKE}**", ""]
    lines += [experiment.contents, "", "| " + " | ".join(titles) + " |", "|---|---|" + "---:|" * (len(titles) - 2)]
    for row in rows:
        lines.append("| " + " | ".join(_cells(experiment, row, own, figures)) + " |")
    counts = sorted({recipe.last for recipe in experiment.recipes.values()})
    measured = "at the end" if counts == [1] else f"means over the last {' or '.join(map(str, counts))} epochs"
    lines += [
        "",
        f"Accuracies are in per cent, {measured}; angles are the minimal angles at the end, in degrees, measured in "
        "float64. Each figure is the mean over seeds ± its standard error; differences and ratios are taken seed by "
        "seed, between runs that began alike, ratios of one machine only. The time of a batch is the median over "
        f"training. The paper's figures are of one seed; {NOTHING} is what was not run, or what could not be verified.",
        "",
    ]
    if experiment.assumed:
        lines += ["## Assumed", "", "What the paper does not state:", ""]
        lines += [f"- `{key}` = `{json.dumps(one.value)}`: {one.because}" for key, one in experiment.assumed.items()]
        lines.append("")
    lines += ["## Made by", "", f"`{command}`", ""]
    lines += [f"- {machine}" for machine in machines] or ["- nothing was run yet"]
    return "\n".join(lines) + "\n"


def _cells(experiment: Experiment, row: Row, names: Sequence[str], figures: Figures) -> list[str]:
    coef = NOTHING if row.arm.loss == "none" else f"{row.arm.coef:g}"
    seeds = f"{row.seeds}" if row.seeds == row.asked else f"{row.seeds} of {row.asked}"
    cells = [row.network, row.arm.title, coef, seeds + (f", {row.diverged} diverged" if row.diverged else "")]
    for name in names:
        itself = name.endswith("_ratio") and row.arm.loss == "none" and row.values[name] is not None
        cells.append("1" if itself else _shown(name, row.values[name]))
        if _is_accuracy(name):
            difference = row.differences.get(name)
            cells.append(NOTHING if difference is None else difference.shown(2, signed=True))
        if _is_compared(experiment, name, figures):
            figure = figures.get(_key(experiment, row, name))
            cells.append(NOTHING if figure is None else f"{figure[0]:g}")
    return cells


def _is_accuracy(name: str) -> bool:
    return name in _ACCURACIES


def _is_compared(experiment: Experiment, name: str, figures: Figures) -> bool:
    """Return True for accuracies, and for quantities of which a figure of the paper was verified."""
    return _is_accuracy(name) or any(
        figure is not None and (key[0], key[3]) == (experiment.name, name) for key, figure in figures.items()
    )


def _shown(name: str, mean: Mean | None) -> str:
    if mean is None:
        return NOTHING
    if name == "batch_seconds":
        return f"{1e3 * mean.value:.1f}"
    if name == "peak_bytes":
        return f"{mean.value / 2**20:,.0f}"
    return mean.shown(3 if name.endswith("_ratio") else 2)


def _title(name: str) -> str:
    if name.startswith(_ANGLE):
        return f"{name.removeprefix(_ANGLE)}, min. angle"
    return (_ACCURACIES | _COSTS)[name]


def layers_as_csv(experiment: Experiment, jobs: Sequence[Job], results: Mapping[str, Result], *, smoke: bool) -> str:
    """Return Supplement D as CSV: minimal angle of every layer, mean over seeds, and its bound; degrees."""
    stream = io.StringIO()
    out = csv.writer(stream, lineterminator="\n")
    head = ["experiment", "network", "arm", "layer", "rows", "d", "min_angle", "standard_error", "seeds", "bound"]
    out.writerow([*head, *(["smoke"] if smoke else [])])
    for network in experiment.recipes:
        for arm in experiment.arms_of(network):
            found = [one for one in _by_seed(jobs, results, network, arm).values() if not one.diverged]
            for layer, first in found[0].angles.items() if found else ():
                angles = [one.angles[layer]["min_angle_degrees"] for one in found]
                mean = mean_of([angle for angle in angles if angle is not None])
                numbers = (
                    ["", "", 0] if mean is None else [mean.value, "" if mean.count < 2 else mean.error, mean.count]
                )
                line = [experiment.name, network, arm.name, layer, first["rows"], first["d"], *numbers]
                out.writerow([*line, first["bound_degrees"], *(["smoke"] if smoke else [])])
    return stream.getvalue()


def as_csv(experiment: Experiment, rows: Sequence[Row], *, smoke: bool) -> str:
    """Return as CSV a line for every network, arm and quantity that was measured."""
    stream = io.StringIO()
    out = csv.writer(stream, lineterminator="\n")
    head = ["experiment", "network", "arm", "coef", "place", "quantity", "mean", "standard_error", "seeds"]
    out.writerow([*head, "difference", "difference_error", "paper", *(["smoke"] if smoke else [])])
    figures = published()
    for row in rows:
        for name, mean in row.values.items():
            figure = figures.get(_key(experiment, row, name))
            if mean is None and figure is None:
                continue
            difference = row.differences.get(name)
            numbers = [None] * 2 if mean is None else [mean.value, mean.error]
            numbers += [None] * 2 if difference is None else [difference.value, difference.error]
            cells = ["" if one is None or math.isnan(one) else repr(one) for one in numbers]
            place = "" if row.arm.loss == "none" else row.arm.place
            line = [experiment.name, row.network, row.arm.name, row.arm.coef, place, name, *cells[:2]]
            out.writerow(
                [
                    *line,
                    mean.count if mean else 0,
                    *cells[2:],
                    "" if figure is None else figure[0],
                    *(["smoke"] if smoke else []),
                ]
            )
    return stream.getvalue()
