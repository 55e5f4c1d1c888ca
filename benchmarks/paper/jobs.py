"""One run: a network, its images, its recipe, an arm, a seed; and the runs that a table is made of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.paper.config import Arm, Data, Experiment, Recipe
from tammes.base.errors import DeviceError, InvalidParameterError
from tammes.base.validation import check_integer

__all__ = ["AMP", "Job", "check_precision", "jobs_of"]

AMP = ("off", "bf16", "fp16")
_NEAREST = {"mma", "cosine"}  # losses that look for the nearest rows


@dataclass(frozen=True)
class Job:
    """All that decides how a run goes, beside the machine. Runs of one seed begin with the same weights and batches."""

    network: str
    data: Data
    recipe: Recipe
    arm: Arm
    seed: int
    refresh_every: int = 1
    """Steps between two looks for the nearest rows; the paper looks at every one."""
    amp: str = "off"
    """Precision of the network's arithmetic; losses and weights are in float32."""
    smoke: bool = False
    """Whether it is a rehearsal on generated data, and its figures mean nothing."""
    limit: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Of a rehearsal: images that are taken of each part of the data."""

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0)
        check_integer("refresh_every", self.refresh_every, 1)
        if self.amp not in AMP:
            raise InvalidParameterError("amp", f"one of: {', '.join(AMP)}", self.amp)
        if self.arm.loss not in _NEAREST:
            object.__setattr__(self, "refresh_every", 1)  # means nothing there, and must not tell runs apart

    def settings(self) -> dict[str, Any]:
        """What tells one run from another, JSON-ready. Titles are no part of it: tables share their runs."""
        found = dataclasses.asdict(self)
        arm = found["arm"]
        for name in ("name", "title", "networks"):
            del arm[name]
        if arm["loss"] == "none":
            found["arm"] = {"loss": "none"}
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # tuples are lists, as they will be read

    @property
    def digest(self) -> str:
        """Of the settings: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """For files and people: `vgg19-bn_mma-0.07-both_seed0_1a2b3c4d`."""
        arm = self.arm
        what = "baseline" if arm.loss == "none" else f"{arm.loss}-{arm.coef:g}-{arm.place}"
        return f"{'smoke_' if self.smoke else ''}{self.network}_{what}_seed{self.seed}_{self.digest[:8]}"


def check_precision(amp: str, device: str) -> None:
    """Whether a device has this precision.

    Raises:
        DeviceError: for fp16 anywhere but on CUDA: its gradients are scaled there alone.
    """
    if amp == "fp16" and device != "cuda":
        raise DeviceError("`amp` must be off or bf16 on the CPU. Got 'fp16'.")


def jobs_of(experiment: Experiment, seeds: Iterable[int], **options: Any) -> list[Job]:
    """The runs of a table, seed by seed, so that whole comparisons are done first.

    Args:
        experiment: the table.
        seeds: a run of every arm each.
        options: of `Job`.
    """
    return [
        Job(network, experiment.data, recipe, arm, seed, **options)
        for seed in seeds
        for network, recipe in experiment.recipes.items()
        for arm in experiment.arms_of(network)
    ]
