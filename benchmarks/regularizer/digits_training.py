"""One run of the digits experiment: images, network, training and measurements.

Everything random in a run (which images, the first weights, the order of the batches)
depends on its part and seed alone: runs of one seed are paired, whatever their loss.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from tammes.losses import LOSSES, Loss
from tammes.nn import Regularizer, presets
from tammes.nn.inspect.weights import measure

PARTS = ("tuning", "test")
"""Halves of the images: one for the choice of coefficients, the other for the comparison."""
PLACES = ("hidden", "output", "both")
WIDTHS = (64, 256, 256, 10)
LAYERS = ("layer 1", "layer 2", "output")
MOMENTUM = 0.9
NO_METHOD, NO_PLACE = "baseline", "none"

_HALVES_SEED = 2020  # of the one split of the images in halves
_PART_SEEDS = 1_000_000  # seeds of one part are so far from those of the other


@dataclass(frozen=True)
class Method:
    """A loss on the rows of the layers, as it is swept here and as its paper has it."""

    title: str
    loss: Loss
    """Of all rows."""
    coef: float
    """The paper's coefficient, the first of the sweep."""
    sample: float | None = None
    """The share of the rows that the paper samples at a step."""


def _method(title: str, name: str, loss: str | None = None) -> Method:
    """Return the preset of that name, with another loss of the same options if one is named."""
    found = presets.preset(name)
    own: Loss = found["loss"]
    if loss is not None:
        own = LOSSES[loss](sample=own.sample)
    return Method(title, dataclasses.replace(own, sample=None), found["coef"], own.sample)


METHODS = {
    "mma": _method("MMA", "mma_paper"),
    "cosine": _method("cosine", "mma_paper", "cosine"),  # the paper trains no network with it: MMA's coefficient
    "logarithmic": _method("MHE s = 0", "mhe_paper", "logarithmic"),
    "riesz-fisher": _method("MHE s = 2", "mhe_paper"),
    "orthogonal": _method("orthogonal", "orthogonal_paper"),
}


@dataclass(frozen=True)
class Job:
    """Settings of one run."""

    part: str
    method: str
    place: str
    coef: float
    seed: int
    rate: float
    """Learning rate at the beginning."""
    decay: float
    """Weight decay."""
    sample: float | None = None
    pixelwise: bool = False
    """Divide every pixel by its own standard deviation, instead of one for all."""


@dataclass(frozen=True)
class Outcome:
    """Measurements at the end of one run. Accuracies in per cent, angles in degrees."""

    accuracy: float
    """On all images of the part that it was not trained on."""
    train_accuracy: float
    min_angles: tuple[float | None, ...]
    """By layer; None where a weight is not finite."""
    mean_nearest: tuple[float | None, ...]
    """Mean angle of a row to its nearest one."""
    diverged: bool
    """True if the loss became infinite or nan; the run ends there."""


@dataclass(frozen=True)
class Split:
    """Images `(m, 64)` in float32 and their digits `(m,)`, to train on and held out."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor


@functools.lru_cache(maxsize=1)
def _images() -> tuple[Any, Any, dict[str, Any]]:
    """Return pixels, digits, and the images of each half; the halves are the same in every run."""
    pixels, digits = load_digits(return_X_y=True)
    halves = train_test_split(np.arange(len(digits)), test_size=0.5, stratify=digits, random_state=_HALVES_SEED)
    return pixels, digits, dict(zip(PARTS, halves, strict=True))


def split_of(part: str, seed: int, train: int, *, pixelwise: bool = False) -> Split:
    """Return `train` training images of a part, stratified by class, and the rest of the part as held-out images.

    The mean of every pixel, and the standard deviation, are those of the training images.
    """
    pixels, digits, halves = _images()
    chosen, held = train_test_split(
        halves[part], train_size=train, stratify=digits[halves[part]], random_state=_seed(part, seed)
    )
    centred = pixels - pixels[chosen].mean(axis=0)
    scale = centred[chosen].std(axis=0) if pixelwise else np.full(pixels.shape[1], centred[chosen].std())
    scaled = centred / np.where(scale > 0.0, scale, 1.0)
    tensors = (torch.from_numpy(scaled[some]).float() for some in (chosen, held))
    labels = (torch.from_numpy(digits[some]).long() for some in (chosen, held))
    (x, held_x), (y, held_y) = tensors, labels
    return Split(x, y, held_x, held_y)


def network(part: str, seed: int, widths: Sequence[int] = WIDTHS) -> nn.Sequential:
    """Return the network with the initial weights of that seed; torch's random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(part, seed))
        layers: list[nn.Module] = []
        for width, after in itertools.pairwise(widths):
            layers += [nn.Linear(width, after), nn.ReLU()]
        return nn.Sequential(*layers[:-1])


def regularizer(model: nn.Module, job: Job) -> Regularizer | None:
    """Return the regularisation term of the run; None for the baseline."""
    if job.method == NO_METHOD:
        return None
    loss = dataclasses.replace(METHODS[job.method].loss, sample=job.sample)
    hidden, output = (job.coef if job.place in (place, "both") else 0.0 for place in ("hidden", "output"))
    return Regularizer(model, loss, hidden, output_coef=output, seed=job.seed)


def train(
    job: Job, epochs: int, batch: int, train_images: int, make: Callable[[str, int], nn.Sequential] = network
) -> Outcome:
    """Train by SGD (momentum, weight decay, learning rate to zero along a cosine); return the measurements."""
    data = split_of(job.part, job.seed, train_images, pixelwise=job.pixelwise)
    model = make(job.part, job.seed)
    term = regularizer(model, job)
    optimizer = torch.optim.SGD(model.parameters(), lr=job.rate, momentum=MOMENTUM, weight_decay=job.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    order = torch.Generator().manual_seed(_seed(job.part, job.seed))
    diverged = False
    for _ in range(epochs):
        for some in torch.randperm(train_images, generator=order).split(batch):
            loss = nn.functional.cross_entropy(model(data.x[some]), data.y[some])
            if term is not None:
                loss = loss + term()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        if not math.isfinite(loss.item()):
            diverged = True
            break
    found = [measure(layer.weight.detach().numpy(), bound=False) for layer in model if isinstance(layer, nn.Linear)]
    return Outcome(
        accuracy=_accuracy(model, data.held_x, data.held_y),
        train_accuracy=_accuracy(model, data.x, data.y),
        min_angles=tuple(_kept(one.min_angle_degrees) for one in found),
        mean_nearest=tuple(_kept(one.mean_nearest_angle_degrees) for one in found),
        diverged=diverged,
    )


def _accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the accuracy in per cent."""
    with torch.no_grad():
        right = int((model(x).argmax(dim=1) == y).sum())
    return round(100.0 * right / len(y), 4)


def _kept(angle: float | None) -> float | None:
    """Return an angle as it is stored: to six decimals, None for nan."""
    return None if angle is None or math.isnan(angle) else round(angle, 6)


def _seed(part: str, seed: int) -> int:
    return PARTS.index(part) * _PART_SEEDS + seed
