"""Parts that the networks share: names of layers, shortcuts without parameters, initial weights."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

__all__ = ["Decimate", "Network", "conv3x3", "initialise_"]


class Network(nn.Module, abc.ABC):
    """A network for square images whose convolutions and linear layers all have a name in the tables."""

    image_size: ClassVar[int] = 32
    """Pixels a side of the images in the paper."""
    least_size: ClassVar[int] = 1
    """Fewest pixels a side that leave a pixel in the last layer."""

    @abc.abstractmethod
    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield every convolution and linear layer in order, with its name.

        `Ls-k` is the k-th convolution of the s-th resolution, `Stem` what comes before the first, `Ss` the
        1 x 1 convolution of a shortcut into resolution s, `Ts` the transition out of it, `Embed` the layer that
        gives an embedding, `Classify` the one with a row a class.
        """


class Decimate(nn.Module):
    """A shortcut without parameters (option A of He et al. 2016): every second pixel, zeros for the new channels.

    `(B, C, H, W)` to `(B, channels, H / stride, W / stride)`, the sides rounded up as a strided convolution does.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))

    def extra_repr(self) -> str:
        return f"{self.channels}, stride={self.stride}"


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution without bias that keeps the size, or divides it by its stride."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


@torch.no_grad()
def initialise_(model: nn.Module, linear_deviation: float | None = 0.01) -> None:
    """Initialise the weights as He et al. (2015), by fan-out: deviation sqrt(2 / (k k outputs)); biases zero.

    Args:
        model: batch norms are left as they are made: 1 and 0.
        linear_deviation: of the weights of linear layers; None is by fan-out too.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_out = module.weight.shape[0] * math.prod(module.weight.shape[2:])
            fixed = linear_deviation if isinstance(module, nn.Linear) else None
            module.weight.normal_(0.0, math.sqrt(2.0 / fan_out) if fixed is None else fixed)
            if module.bias is not None:
                module.bias.zero_()
