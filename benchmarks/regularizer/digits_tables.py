"""Tables of the digits experiment as lines of Markdown."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence

from digits_figures import bound_degrees
from digits_study import BASELINE, TEST, TUNING, Arm, Study, Tested, mean_and_error
from digits_training import LAYERS, METHODS, PLACES, WIDTHS

__all__ = ["angle_table", "comparison_table", "mean_accuracy", "name", "sweep_table", "time_table", "title"]


def comparison_table(tested: Sequence[Tested], to: str) -> list[str]:
    """Return one row for each comparison, with significant differences in bold."""
    lines = [
        f"| loss | layers | coefficient | accuracy | difference to {to} | *t* | *p* |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for found in tested:
        arm, one = found.arm, found.comparison
        difference = f"{_signed(one.difference, 2)} ± {one.difference_se:.2f}"
        lines.append(
            f"| {title(arm)} | {arm.place} | {arm.coef:g} | {one.mean:.2f} ± {one.mean_se:.2f} "
            f"| {f'**{difference}**' if found.sign else difference} | {_signed(one.t, 1)} | {_p(found.p)} |"
        )
    return lines


def angle_table(study: Study) -> list[str]:
    """Return the angles: bound, baseline, then every loss as published and tuned, in every place; degrees."""
    sizes = [f"{layer}, {n} in R^{d}" for layer, (d, n) in zip(LAYERS, itertools.pairwise(WIDTHS), strict=True)]
    lines = [
        f"| loss | layers | coefficient | {' | '.join(sizes)} |",
        f"|---|---|---:|{'---:|' * len(LAYERS)}",
        f"| upper bound | | | {' | '.join(f'{bound:.2f}' for bound in bound_degrees())} |",
        f"| baseline | | | {_angles(study, BASELINE)} |",
    ]
    published, tuned = study.published, study.tuned
    for arm in dict.fromkeys([*published, *tuned]):
        source = " and ".join(word for word, arms in (("paper's", published), ("tuned", tuned)) if arm in arms)
        lines.append(f"| {title(arm)} | {arm.place} | {source} {arm.coef:g} | {_angles(study, arm)} |")
    return lines


def sweep_table(study: Study) -> list[str]:
    """Return the mean accuracy over the tuning seeds by method, place and coefficient; the chosen one in bold."""
    count = study.settings.coefs
    units = " | ".join(f"× {study.settings.factor**k:g}" for k in range(count))
    lines = [f"| loss | layers | {units} |", f"|---|---|{'---:|' * count}"]
    for method, place in itertools.product(study.settings.methods, PLACES):
        chosen = study.chosen(method, place)
        cells = []
        for coef in study.coefs(method):
            arm = Arm(method, place, coef)
            shown = f"{statistics.fmean(study.accuracies(TUNING, arm)):.2f}"
            cells.append(f"**{shown}**" if arm == chosen else shown)
        lines.append(f"| {METHODS[method].title} | {place} | {' | '.join(cells)} |")
    return lines


def time_table(timing: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the ratios of the time of a step."""
    lines = ["| term | ratio, median | least to most |", "|---|---:|---:|"]
    for label, ratios in timing.items():
        lines.append(f"| {label} | {statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f} |")
    return lines


def mean_accuracy(study: Study, part: str, arm: Arm) -> str:
    """Return the mean accuracy of an arm with its standard error."""
    mean, error = mean_and_error(study.accuracies(part, arm))
    return f"{mean:.2f} ± {error:.2f}"


def title(arm: Arm) -> str:
    """Return the title of an arm's loss."""
    return METHODS[arm.method].title if arm.method in METHODS else arm.method


def name(arm: Arm) -> str:
    """Return loss and place of an arm."""
    return f"{title(arm)} {arm.place}"


def _angles(study: Study, arm: Arm) -> str:
    """Return the cells of the layers."""
    found = [study.mean_angle(TEST, arm, layer) for layer in range(len(LAYERS))]
    return " | ".join("diverged" if math.isnan(mean) else f"{mean:.2f} ± {error:.2f}" for mean, error in found)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign, and zero without one."""
    return f"{value:+.{digits}f}" if round(value, digits) else f"{0.0:.{digits}f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
