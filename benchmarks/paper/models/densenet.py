"""DenseNet (Huang et al. 2017) in its plain form: no bottlenecks, no compression, no dropout."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.paper.models.layers import Network, conv3x3, initialise_

__all__ = ["DenseLayer", "DenseNet", "Transition"]


class DenseLayer(nn.Module):
    """Its input with `growth` new channels behind: batch norm, ReLU, 3 x 3 convolution."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = conv3x3(inputs, growth)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv(torch.relu(self.bn(x)))
        return torch.cat([x, new.to(x.dtype)], dim=1)


class Transition(nn.Module):
    """Between two resolutions: a 1 x 1 convolution of as many channels, and the mean of 2 x 2 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(self.conv(torch.relu(self.bn(x))), 2)


class DenseNet(Network):
    """DenseNet of 3 n + 4 layers.

    Args:
        classes: number of classes.
        n: layers of each resolution: 12 for depth 40.
        growth: channels that each of them adds.
    """

    least_size = 4  # two halvings that round down

    def __init__(self, classes: int, n: int = 12, growth: int = 12) -> None:
        super().__init__()
        channels = 16
        self.stem = conv3x3(3, channels)
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        for block in range(3):
            if block:
                self.transitions.append(Transition(channels))
            self.blocks.append(nn.Sequential(*(DenseLayer(channels + k * growth, growth) for k in range(n))))
            channels += n * growth
        self.bn = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)
        initialise_(self)

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        yield "Stem", self.stem
        for s, block in enumerate(self.blocks, 1):
            for k, layer in enumerate(block, 1):
                yield f"L{s}-{k}", layer.conv
            if s <= len(self.transitions):
                yield f"T{s}", self.transitions[s - 1].conv
        yield "Classify", self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, classes)` of images `(B, 3, H, W)` of at least 4 x 4 pixels."""
        x = self.blocks[0](self.stem(images))  # (B, 16 + n growth, H, W)
        for transition, block in zip(self.transitions, self.blocks[1:], strict=True):
            x = block(transition(x))
        return self.classifier(torch.relu(self.bn(x)).mean(dim=(2, 3)))  # of (B, 16 + 3 n growth, H / 4, W / 4)
