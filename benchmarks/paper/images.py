"""Images in memory or in a memory map, as every reader gives them: uint8, channels first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidParameterError

__all__ = ["Images", "Pairs"]


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their classes."""

    pixels: NDArray[np.uint8]
    """`(N, 3, H, W)`, red, green, blue, from 0 to 255. May be a read-only memory map."""
    labels: NDArray[np.int64]
    """`(N,)`: index into `classes`."""
    classes: tuple[str, ...]
    """Names of the classes."""

    def __post_init__(self) -> None:
        check_pixels("pixels", self.pixels)
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.pixels),):
            shown = f"{self.labels.shape} of {self.labels.dtype}"
            raise InvalidParameterError("labels", f"{len(self.pixels)} of int64", shown)
        bad = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(bad):
            shown = f"{self.labels[bad[0]]} for image {bad[0]}"
            raise InvalidParameterError("labels", f"from 0 to {len(self.classes) - 1}, the classes", shown)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of faces, and for each pair if the two are of the same person."""

    first: NDArray[np.uint8]
    """`(P, 3, H, W)`."""
    second: NDArray[np.uint8]
    """`(P, 3, H, W)`."""
    same: NDArray[np.bool_]
    """`(P,)`."""

    def __post_init__(self) -> None:
        check_pixels("first", self.first)
        check_pixels("second", self.second)
        if self.second.shape != self.first.shape:
            raise InvalidParameterError("second", f"of the shape of `first`, {self.first.shape}", self.second.shape)
        if self.same.dtype != np.bool_ or self.same.shape != (len(self.first),):
            shown = f"{self.same.shape} of {self.same.dtype}"
            raise InvalidParameterError("same", f"{len(self.first)} booleans", shown)

    def __len__(self) -> int:
        return len(self.same)


def check_pixels(name: str, pixels: NDArray[np.uint8]) -> None:
    """Check that the pixels are one or more colour images of uint8."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3 or 0 in pixels.shape:
        shown = f"{pixels.shape} of {pixels.dtype}"
        raise InvalidParameterError(name, "one or more images (N, 3, H, W) of uint8", shown)
