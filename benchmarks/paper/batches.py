"""Batches of images and their random seeds, which depend on the seed of the run and the epoch alone."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.images import Images

__all__ = ["RESIDENT", "Source", "order", "random", "seed_of"]

RESIDENT = 4 << 30
"""Largest data set in bytes that is moved to the device as a whole."""

_PURPOSES = ("order", "augmentation", "weights", "dropout")


def seed_of(purpose: str, seed: int, epoch: int = 0) -> int:
    """Return a seed of 63 bits for each purpose, run and epoch, so that a resumed epoch draws the same numbers."""
    state = np.random.SeedSequence([_PURPOSES.index(purpose), seed, epoch]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def random(purpose: str, seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return the random generator for one purpose in one epoch."""
    return torch.Generator(device).manual_seed(seed_of(purpose, seed, epoch))


def order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the indices of all images in the order of an epoch."""
    return np.random.default_rng(seed_of("order", seed, epoch)).permutation(images)


class Source:
    """Loads batches to the device: from a resident copy where the images fit, else batch by batch, read one ahead.

    Args:
        images: may lie in a memory map.
        device: of the batches.
        resident: largest resident copy, bytes.
    """

    def __init__(self, images: Images, device: torch.device, resident: int = RESIDENT) -> None:
        self.images = images
        self.device = device
        self.labels = torch.as_tensor(images.labels, dtype=torch.int64).to(device)
        self._pixels: Tensor | None = None
        if images.pixels.nbytes <= resident and (device.type != "cpu" or not isinstance(images.pixels, np.memmap)):
            self._pixels = torch.from_numpy(np.array(images.pixels)).to(device)

    def __len__(self) -> int:
        return len(self.images.labels)

    def batches(self, indices: Sequence[NDArray[np.int64]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels `(B, 3, H, W)` of uint8 and labels `(B,)` for each array of indices."""
        if self._pixels is not None:
            for chosen in indices:
                index = torch.from_numpy(chosen).to(self.device)
                yield self._pixels[index], self.labels[index]
            return
        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # reads one batch ahead of the step that takes it
            ahead = None
            for chosen in indices:
                coming = pool.submit(self._gathered, chosen)
                if ahead is not None:
                    yield ahead.result()
                ahead = coming
            if ahead is not None:
                yield ahead.result()

    def _gathered(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        sorted_once = np.argsort(chosen, kind="stable")  # a map is read from front to back
        pixels = np.empty((len(chosen), *self.images.pixels.shape[1:]), dtype=np.uint8)
        pixels[sorted_once] = self.images.pixels[chosen[sorted_once]]
        found = torch.from_numpy(pixels)
        if self.device.type == "cuda":
            found = found.pin_memory().to(self.device, non_blocking=True)
        return found, self.labels[torch.from_numpy(chosen).to(self.device)]
