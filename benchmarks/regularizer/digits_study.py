"""The plan of the digits experiment in three stages, and the statistics of its results.

1. The baseline's learning rate and weight decay are chosen on the tuning part; all methods inherit them.
2. Every method in every place is swept over as many coefficients, on the same tuning seeds; the one of
   the highest mean accuracy is chosen.
3. The chosen coefficients, and those of the papers, run on fresh seeds of the test part.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from digits_training import METHODS, NO_METHOD, NO_PLACE, PARTS, PLACES, Job, Outcome
from scipy import stats

RATES, DECAYS = (0.05, 0.02, 0.01, 0.1), (5e-4, 5e-3)
"""Values for the baseline: as many pairs as a method has coefficients."""
TUNING, TEST = PARTS
LEVEL = 0.05
"""Significance level of the tests, after Holm's correction."""


@dataclass(frozen=True)
class Settings:
    """Settings that all runs of a study share; stored runs are used only with the same ones."""

    epochs: int = 50
    batch: int = 20
    train_images: int = 100
    coefs: int = 8
    factor: float = 4.0
    """Ratio of one coefficient of the sweep to the one before."""
    tuning_seeds: int = 5
    test_seeds: int = 16
    methods: tuple[str, ...] = tuple(METHODS)
    timing_pairs: int = 15
    """Number of ratios of the time of a step."""
    timing_steps: int = 50
    """Steps on each side of a ratio."""


SMOKE = Settings(
    epochs=1,
    coefs=2,
    factor=16.0,
    tuning_seeds=2,
    test_seeds=2,
    methods=("mma", "riesz-fisher"),
    timing_pairs=3,
    timing_steps=2,
)
"""A little of everything, in seconds; its figures mean nothing."""


@dataclass(frozen=True)
class Arm:
    """A way to train, apart from the seed."""

    method: str = NO_METHOD
    place: str = NO_PLACE
    coef: float = 0.0
    sample: float | None = None
    pixelwise: bool = False


BASELINE = Arm()


@dataclass(frozen=True)
class Comparison:
    """An arm against another on the same seeds; per cent, mean over seeds with its standard error."""

    mean: float
    mean_se: float
    difference: float
    difference_se: float
    p: float
    """Of the two-sided paired t-test."""

    @property
    def t(self) -> float:
        """The difference in standard errors; 0 for no difference at all."""
        if self.difference == 0.0:
            return 0.0
        return self.difference / self.difference_se if self.difference_se else math.copysign(math.inf, self.difference)


@dataclass(frozen=True)
class Tested:
    """An arm with its comparison."""

    arm: Arm
    comparison: Comparison
    p: float
    """Adjusted for the other comparisons of its family."""

    @property
    def sign(self) -> int:
        """Better (1), worse (-1), or not significantly different (0), at the level of the tests."""
        if not self.p < LEVEL:
            return 0
        return 1 if self.comparison.difference > 0.0 else -1


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and its standard error; nan for the error of one value."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def compare(values: Sequence[float], others: Sequence[float]) -> Comparison:
    """The two-sided paired t-test of values against others, seed by seed."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    difference, error = mean_and_error(differences)
    found = Comparison(*mean_and_error(values), difference, error, 1.0)
    p = 2.0 * float(stats.t.sf(abs(found.t), len(differences) - 1))
    return Comparison(found.mean, found.mean_se, difference, error, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: of a family of tests, those below a level are so together.

    References: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, k in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = least
    return adjusted


class Study:
    """The runs that there are, and those that are still to be done.

    Args:
        settings: of all runs.
        done: outcomes by job; grows while `stages` is walked through.
    """

    def __init__(self, settings: Settings, done: Mapping[Job, Outcome]) -> None:
        self.settings = settings
        self.done = done
        self._chosen: dict[tuple[str, str], Arm] = {}

    def stages(self) -> Iterator[tuple[str, list[Job]]]:
        """Name and jobs of each stage; the jobs of a stage must be done before the next is asked for."""
        yield (
            "baseline",
            [self.job(TUNING, BASELINE, seed, *pair) for pair in self.pairs for seed in self.seeds(TUNING)],
        )
        yield "sweep", [job for arm in self.swept for job in self.jobs(TUNING, arm)]
        yield "test", [job for arm in self.tested for job in self.jobs(TEST, arm)]

    def missing(self) -> int:
        """Runs of the first stage that is not done; 0 of a study that is complete."""
        counts = (sum(job not in self.done for job in jobs) for _, jobs in self.stages())
        return next((count for count in counts if count), 0)

    def job(self, part: str, arm: Arm, seed: int, rate: float, decay: float) -> Job:
        """One run of an arm."""
        return Job(part, arm.method, arm.place, arm.coef, seed, rate, decay, arm.sample, arm.pixelwise)

    def seeds(self, part: str) -> range:
        """Of a part."""
        return range(self.settings.tuning_seeds if part == TUNING else self.settings.test_seeds)

    def jobs(self, part: str, arm: Arm) -> list[Job]:
        """The runs of an arm, in the order of the seeds, with the baseline's learning rate and decay."""
        return [self.job(part, arm, seed, *self.base) for seed in self.seeds(part)]

    def outcomes(self, part: str, arm: Arm) -> list[Outcome]:
        """Of `jobs`."""
        return [self.done[job] for job in self.jobs(part, arm)]

    def accuracies(self, part: str, arm: Arm) -> list[float]:
        """Of `jobs`, in per cent."""
        return [outcome.accuracy for outcome in self.outcomes(part, arm)]

    def angles(self, part: str, arm: Arm, layer: int) -> list[float]:
        """Minimal angles of a layer in degrees, in the order of the seeds; nan where a run diverged."""
        found = (outcome.min_angles[layer] for outcome in self.outcomes(part, arm))
        return [math.nan if angle is None else angle for angle in found]

    def mean_angle(self, part: str, arm: Arm, layer: int) -> tuple[float, float]:
        """Mean of `angles` and its standard error; nan if a run diverged."""
        found = self.angles(part, arm, layer)
        return (math.nan, math.nan) if any(map(math.isnan, found)) else mean_and_error(found)

    # --- stage 1 --------------------------------------------------------------------------------

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Learning rates and weight decays of the baseline, as many as there are coefficients."""
        return list(itertools.product(RATES, DECAYS))[: self.settings.coefs]

    def baseline_tuning(self) -> dict[tuple[float, float], tuple[float, float]]:
        """Mean accuracy and standard error of every pair."""
        return {
            pair: mean_and_error(
                [self.done[self.job(TUNING, BASELINE, seed, *pair)].accuracy for seed in self.seeds(TUNING)]
            )
            for pair in self.pairs
        }

    @functools.cached_property
    def base(self) -> tuple[float, float]:
        """Learning rate and weight decay of all later runs; the first of the best."""
        found = self.baseline_tuning()
        return max(found, key=lambda pair: found[pair][0])

    # --- stage 2 --------------------------------------------------------------------------------

    def coefs(self, method: str) -> list[float]:
        """From the paper's coefficient upwards, a factor apart."""
        return [float(f"{METHODS[method].coef * self.settings.factor**k:.6g}") for k in range(self.settings.coefs)]

    @property
    def swept(self) -> list[Arm]:
        """Every method, place and coefficient."""
        return [
            Arm(method, place, coef)
            for method in self.settings.methods
            for place in PLACES
            for coef in self.coefs(method)
        ]

    def chosen(self, method: str, place: str) -> Arm:
        """The coefficient of the highest mean accuracy on the tuning seeds; the smallest of several."""
        if (method, place) not in self._chosen:
            arms = [Arm(method, place, coef) for coef in self.coefs(method)]
            best = max(arms, key=lambda arm: statistics.fmean(self.accuracies(TUNING, arm)))
            self._chosen[method, place] = best  # a stage that is done does not change
        return self._chosen[method, place]

    # --- stage 3 --------------------------------------------------------------------------------

    @property
    def tuned(self) -> list[Arm]:
        """The chosen arm of every method and place."""
        return [self.chosen(method, place) for method in self.settings.methods for place in PLACES]

    @property
    def published(self) -> list[Arm]:
        """Every method and place as its paper has it."""
        named = [(name, METHODS[name]) for name in self.settings.methods]
        return [Arm(name, place, own.coef, own.sample) for name, own in named for place in PLACES]

    @property
    def other_scaling(self) -> list[Arm]:
        """The baseline, then the chosen arms on both kinds of layers, with pixels scaled one by one."""
        chosen = [self.chosen(method, "both") for method in self.settings.methods]
        return [Arm(arm.method, arm.place, arm.coef, pixelwise=True) for arm in (BASELINE, *chosen)]

    @property
    def tested(self) -> list[Arm]:
        """Everything that runs on the test seeds, each once."""
        return list(dict.fromkeys([BASELINE, *self.tuned, *self.published, *self.other_scaling]))

    def against(self, pairs: Sequence[tuple[Arm, Arm]]) -> list[Tested]:
        """The first of each pair against the second, on the test seeds; Holm's p-values are over these pairs."""
        found = [compare(self.accuracies(TEST, arm), self.accuracies(TEST, other)) for arm, other in pairs]
        adjusted = holm([one.p for one in found])
        return [Tested(arm, one, p) for (arm, _), one, p in zip(pairs, found, adjusted, strict=True)]
