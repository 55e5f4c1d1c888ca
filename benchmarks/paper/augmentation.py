"""Normalisation, random crops and random mirroring of batches, on the device of the batch.

An image is padded by `pad` pixels on every side, a window of the old size is cut out anywhere in it, and half of the
images are mirrored; each image has a draw of its own. The padding is zero *after* normalisation, the mean colour, as
in He et al. (2016), where the mean is taken off first; padding with black before it would put edges into the images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.paper.images import Images
from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_number

__all__ = ["HALF", "Augmentation", "Statistics", "statistics"]

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of every channel; pixels are from 0 to 1."""

HALF: Statistics = ((127.5 / 255.0,) * 3, (128.0 / 255.0,) * 3)
"""For faces, as the authors of ArcFace have it: `(pixels - 127.5) / 128`, from -1 to 1."""

_AT_A_TIME = 1_024  # images of a memory map that are counted at once


def statistics(images: Images) -> Statistics:
    """Return mean and standard deviation of every channel over all pixels, from 0 to 1, correctly rounded.

    Values are counted, not summed, so that neither the size nor the order of the images matters. One pass; a memory
    map is read block by block.

    Raises:
        InvalidParameterError: if a channel is the same everywhere, so that nothing can be divided by its deviation.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(images.pixels), _AT_A_TIME):
        block = images.pixels[start : start + _AT_A_TIME]
        for channel in range(3):
            counts[channel] += np.bincount(block[:, channel].reshape(-1), minlength=256)
    means, deviations = [], []
    histograms: list[list[int]] = counts.tolist()
    for histogram in histograms:
        total = sum(histogram)
        first = sum(count * value for value, count in enumerate(histogram))
        second = sum(count * value**2 for value, count in enumerate(histogram))
        spread = total * second - first * first  # whole numbers: nothing cancels
        if spread == 0:
            raise InvalidParameterError("images", "of more than one value in every channel", f"{first // total} only")
        means.append(first / total / 255.0)
        deviations.append((spread / total**2) ** 0.5 / 255.0)
    return tuple(means), tuple(deviations)


class Augmentation:
    """Normalise a batch, and draw a crop and a mirror image for each of its images.

    Args:
        mean: of each of the three channels, pixels from 0 to 1.
        std: likewise, above 0.
        pad: pixels on every side before the crop; 0 crops nothing.
        flip: mirror half of the images, left to right.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], pad: int = 4, flip: bool = True) -> None:
        self.pad = check_integer("pad", pad, 0)
        self.flip = flip
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != 3:
                raise InvalidParameterError(name, "three numbers, one a channel", tuple(values))
        self.mean = tuple(check_number("mean", value, "from 0 to 1", least=0.0, most=1.0) for value in mean)
        self.std = tuple(check_number("std", value, "above 0", least=1e-9) for value in std)
        self._scales: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the input of the network.

        Args:
            pixels: uint8, `(B, 3, H, W)`, on any device. Not modified.
            generator: where crops and mirrors are drawn, the draws of all images at once. On the CPU it gives the
                same draws for every device. Needed unless `pad` is 0 and `flip` is off.

        Returns:
            float32, `(B, 3, H, W)`, on the device of the pixels: `(pixels / 255 - mean) / std`, and 0 outside.

        Raises:
            InvalidParameterError: if the pixels are none, or there is no generator where one is needed.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.dtype != torch.uint8:
            shown = f"{tuple(pixels.shape)} of {pixels.dtype}"
            raise InvalidParameterError("pixels", "images (B, 3, H, W) of torch.uint8", shown)
        if self.pad == 0 and not self.flip:
            return self._normalised(pixels)
        if generator is None:
            raise InvalidParameterError("generator", "given, since crops and mirrors are drawn from it", None)
        rows, columns = self._places(pixels, generator)  # (B, H), (B, W)
        batch, _, height, width = pixels.shape
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        place = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]  # (B, H, W)
        index = place.view(batch, 1, height * width).expand(-1, 3, -1)
        taken = pixels.reshape(batch, 3, height * width).gather(2, index).view_as(pixels)
        return self._normalised(taken).masked_fill_(~inside[:, None], 0.0)

    def _places(self, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return row `(B, H)` and column `(B, W)` of the image that each pixel is taken from; some lie outside."""
        batch, _, height, width = pixels.shape
        drawn = torch.randint(0, 2 * self.pad + 1, (2, batch, 1), generator=generator, device=generator.device)
        mirrored = torch.randint(0, 2, (batch, 1), generator=generator, device=generator.device)
        down, right = (drawn - self.pad).to(pixels.device)
        rows = down + torch.arange(height, device=pixels.device)
        across = torch.arange(width, device=pixels.device).expand(batch, -1)
        if self.flip:
            across = torch.where(mirrored.to(pixels.device) == 1, width - 1 - across, across)
        return rows, right + across

    def _normalised(self, pixels: Tensor) -> Tensor:
        if pixels.device not in self._scales:  # moved once: a copy a step would make the device wait
            scales = torch.tensor([self.mean, self.std], dtype=torch.float64) * 255.0
            mean, std = scales.to(pixels.device, torch.float32).view(2, 3, 1, 1)
            self._scales[pixels.device] = mean, std
        mean, std = self._scales[pixels.device]
        return pixels.to(torch.float32).sub_(mean).div_(std)
