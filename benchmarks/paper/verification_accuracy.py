"""Face verification: are two pictures of the same person? Ten folds, as LFW, CFP-FP and AgeDB-30 are reported.

A picture is embedded as the sum of the embeddings of itself and of its mirror image, scaled to length 1. Two pictures
are called the same person where the distance of their embeddings is below a threshold. For each of ten contiguous
folds of the pairs, in the order of the file, the threshold is the one that is right most often on the other nine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.paper.images import Pairs
from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer

__all__ = ["VerificationAccuracy", "best_threshold", "distances", "embed", "ten_fold", "verify"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VerificationAccuracy:
    """The share of pairs that are classified correctly, fold by fold; shares are from 0 to 1."""

    folds: tuple[float, ...]
    """Accuracy on each fold."""
    thresholds: tuple[float, ...]
    """The distance below which its pairs were called the same, found on the other folds."""

    @property
    def mean(self) -> float:
        """Mean accuracy of the folds: the figure of the papers."""
        return float(np.mean(self.folds))


def verify(
    model: nn.Module,
    pairs: Pairs,
    *,
    prepare: Callable[[Tensor], Tensor],
    batch: int = 128,
) -> VerificationAccuracy:
    """Return how often a model decides correctly whether two pictures are of the same person.

    Args:
        model: images `(B, 3, H, W)` to embeddings `(B, d)`.
        pairs: pictures and answers.
        prepare: pictures of uint8 to what the model takes.
        batch: pictures that are embedded at a time.

    Raises:
        InvalidParameterError: if there are fewer pairs than folds, or an embedding has no direction.
    """
    first, second = (embed(model, images, batch=batch, prepare=prepare) for images in (pairs.first, pairs.second))
    return ten_fold(distances(first, second), pairs.same)


@torch.no_grad()
def embed(
    model: nn.Module,
    images: NDArray[np.uint8],
    *,
    prepare: Callable[[Tensor], Tensor],
    batch: int = 128,
) -> Floats:
    """Embeddings of pictures and of their mirror images, summed.

    Args:
        model: images `(B, 3, H, W)` to embeddings `(B, d)`; in evaluation mode meanwhile, on the device it is on.
        images: uint8, `(N, 3, H, W)`; may be a memory map, of which a batch at a time is read.
        prepare: pictures of uint8 to what the model takes.
        batch: pictures at a time.

    Returns:
        `(N, d)`, of any length.
    """
    check_integer("batch", batch, 1)
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        shown = f"{images.shape} of {images.dtype}"
        raise InvalidParameterError("images", "one or more pictures (N, 3, H, W) of uint8", shown)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        found = []
        for start in range(0, len(images), batch):
            pixels = torch.from_numpy(np.array(images[start : start + batch])).to(device)  # a copy: maps are read-only
            x = prepare(pixels)
            found.append((model(x) + model(x.flip(3))).to("cpu", torch.float64).numpy())
    finally:
        for module, mode in modes:
            module.training = mode
    return np.concatenate(found)


def distances(first: Floats, second: Floats) -> Floats:
    """Return the distance `(P,)` from 0 to 2 of each pair of rows, both scaled to length 1.

    Raises:
        InvalidParameterError: if the shapes differ, or a row is zero or not finite.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise InvalidParameterError("second", f"as many rows as `first`, {first.shape}", second.shape)
    unit = []
    for rows in (first, second):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        bad = np.flatnonzero(~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0.0)))
        if len(bad):
            shown = f"length {lengths[bad[0], 0]:g} in row {bad[0]}"
            raise InvalidParameterError("embeddings", "finite and not zero", shown, "Has the training diverged?")
        unit.append(rows / lengths)
    return np.linalg.norm(unit[0] - unit[1], axis=1)


def ten_fold(distance: Floats, same: NDArray[np.bool_], *, folds: int = 10) -> VerificationAccuracy:
    """Return the accuracy on each fold with the threshold that is best on the others.

    Args:
        distance: `(P,)`.
        same: `(P,)`, which pairs are of the same person.
        folds: number of contiguous folds; where it does not divide P the first ones are one longer.

    Raises:
        InvalidParameterError: if there are fewer pairs than folds, a distance is not finite, or there is not one
            answer a pair.
    """
    distance, same = np.asarray(distance, np.float64), np.asarray(same)
    check_integer("folds", folds, 2)
    if distance.ndim != 1 or len(distance) < folds or not np.isfinite(distance).all():
        raise InvalidParameterError("distance", f"at least {folds} finite numbers", f"shape {distance.shape}")
    if same.shape != distance.shape or same.dtype != np.bool_:
        raise InvalidParameterError("same", f"{len(distance)} booleans", f"{same.shape} of {same.dtype}")
    accuracies, thresholds = [], []
    for held in np.array_split(np.arange(len(distance)), folds):
        rest = np.ones(len(distance), np.bool_)
        rest[held] = False
        threshold = best_threshold(distance[rest], same[rest])
        accuracies.append(float(np.mean((distance[held] < threshold) == same[held])))
        thresholds.append(threshold)
    return VerificationAccuracy(tuple(accuracies), tuple(thresholds))


def best_threshold(distance: Floats, same: NDArray[np.bool_]) -> float:
    """Return the smallest threshold of those with the highest accuracy, where pairs below it count as the same person.

    It lies half-way between two neighbouring distances, is 0 where no pair should be called the same, and 2 more
    than the largest distance where all should: no two unit vectors are that far apart. Cost: O(P log P).
    """
    order = np.argsort(distance, kind="stable")
    ordered = distance[order]
    gain = np.where(same[order], 1, -1)  # a pair more that is called the same
    right = np.concatenate([[0], np.cumsum(gain)])  # with the k closest pairs called the same, beyond those of k = 0
    cuts = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1], [True]]))  # equal distances stay together
    k = int(cuts[np.argmax(right[cuts])])
    if k == 0:
        return 0.0
    if k == len(ordered):
        return float(ordered[-1] + 2.0)
    middle = float((ordered[k - 1] + ordered[k]) / 2.0)
    return middle if middle > ordered[k - 1] else float(ordered[k])  # half-way between neighbouring floats is either
