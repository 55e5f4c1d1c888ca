"""Step schedule of the learning rate, with milestones in epochs or in iterations."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

from benchmarks.paper.config import Recipe

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Steps, epochs and learning rates of one training. Epochs and steps count from 0."""

    recipe: Recipe
    images: int
    """Number of images in the training set."""

    @property
    def steps_an_epoch(self) -> int:
        """Batches in one pass over the images; the last one may be smaller."""
        return math.ceil(self.images / self.recipe.batch)

    @property
    def steps(self) -> int:
        """Number of steps in all."""
        recipe = self.recipe
        return recipe.length * self.steps_an_epoch if recipe.unit == "epochs" else recipe.length

    @property
    def epochs(self) -> int:
        """Passes over the images; the last one may be cut short where iterations are counted."""
        return math.ceil(self.steps / self.steps_an_epoch)

    def steps_of(self, epoch: int) -> int:
        """Return the number of steps of an epoch."""
        return min(self.steps_an_epoch, self.steps - epoch * self.steps_an_epoch)

    def rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step, counted within its epoch."""
        done = epoch if self.recipe.unit == "epochs" else epoch * self.steps_an_epoch + step
        return self.recipe.rate * self.recipe.factor ** bisect.bisect_right(self.recipe.milestones, done)
