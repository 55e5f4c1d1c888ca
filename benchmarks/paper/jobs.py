"""Runs of the experiments: the settings of one run, and the list of runs that a table needs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.paper.config import Arm, Data, Experiment, Recipe
from tammes.base.errors import DeviceError
from tammes.base.validation import check_integer, check_name

__all__ = ["AMP", "Job", "check_precision", "jobs_of"]

AMP = ("off", "bf16", "fp16")
_NEAREST = {"mma", "cosine"}  # losses that need the nearest rows


@dataclass(frozen=True)
class Job:
    """The settings of one run. Runs of one seed begin with the same weights and see the same batches."""

    network: str
    data: Data
    recipe: Recipe
    arm: Arm
    seed: int
    refresh_every: int = 1
    """Steps between two searches for the nearest rows; 1 in the paper."""
    amp: str = "off"
    """Precision of the network's arithmetic; losses and weights are in float32."""
    smoke: bool = False
    """True for a smoke run on generated data, whose figures mean nothing."""
    limit: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Of a smoke run: number of images of each part of the data."""

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0)
        check_integer("refresh_every", self.refresh_every, 1)
        check_name("amp", self.amp, AMP)
        if self.arm.loss not in _NEAREST:
            object.__setattr__(self, "refresh_every", 1)  # no effect there: such runs are the same run

    def settings(self) -> dict[str, Any]:
        """Return the settings that identify the run, JSON-ready; without names and titles, since tables share runs."""
        found = dataclasses.asdict(self)
        arm = found["arm"]
        for name in ("name", "title", "networks"):
            del arm[name]
        if arm["loss"] == "none":
            found["arm"] = {"loss": "none"}
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # tuples are lists, as they will be read

    @property
    def digest(self) -> str:
        """SHA-256 of the settings: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Name in files and messages: `vgg19-bn_mma-0.07-both_seed0_1a2b3c4d`."""
        arm = self.arm
        what = "baseline" if arm.loss == "none" else f"{arm.loss}-{arm.coef:g}-{arm.place}"
        return f"{'smoke_' if self.smoke else ''}{self.network}_{what}_seed{self.seed}_{self.digest[:8]}"


def check_precision(amp: str, device: str) -> None:
    """Check that a device has this precision.

    Raises:
        DeviceError: for fp16 on the CPU, which has no gradient scaling.
    """
    if amp == "fp16" and device != "cuda":
        raise DeviceError("`amp` must be off or bf16 on the CPU. Got 'fp16'.")


def jobs_of(experiment: Experiment, seeds: Iterable[int], **options: Any) -> list[Job]:
    """Return the runs of a table, seed by seed, so that complete comparisons are available early.

    Args:
        experiment: the table.
        seeds: each gives one run of every arm.
        options: of `Job`.
    """
    return [
        Job(network, experiment.data, recipe, arm, seed, **options)
        for seed in seeds
        for network, recipe in experiment.recipes.items()
        for arm in experiment.arms_of(network)
    ]
