"""ResNet for small images (He et al. 2016, Section 4.2): three resolutions, shortcuts without parameters."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.paper.models.layers import Decimate, Network, conv3x3, initialise_

__all__ = ["BasicBlock", "ResNet"]

WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two convolutions with batch norm, added to the input; where the size changes, to every second pixel of it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else Decimate(outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet(Network):
    """ResNet of 6 n + 2 layers.

    Args:
        classes: number of classes.
        n: blocks of each resolution: 3 for ResNet20, 9 for ResNet56.
    """

    def __init__(self, classes: int, n: int) -> None:
        super().__init__()
        self.stem = conv3x3(3, WIDTHS[0])
        self.bn = nn.BatchNorm2d(WIDTHS[0])
        self.stages = nn.Sequential()
        inputs = WIDTHS[0]
        for width in WIDTHS:
            stage = nn.Sequential()
            for block in range(n):
                stride = 2 if block == 0 and width != WIDTHS[0] else 1
                stage.append(BasicBlock(inputs, width, stride))
                inputs = width
            self.stages.append(stage)
        self.classifier = nn.Linear(inputs, classes)
        initialise_(self)

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        yield "Stem", self.stem
        for s, stage in enumerate(self.stages, 1):
            for block, module in enumerate(stage):
                yield f"L{s}-{2 * block + 1}", module.conv1
                yield f"L{s}-{2 * block + 2}", module.conv2
        yield "Classify", self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, classes)` of images `(B, 3, H, W)` of any size."""
        x = torch.relu(self.bn(self.stem(images)))  # (B, 16, H, W)
        x = self.stages(x)  # (B, 64, H / 4, W / 4)
        return self.classifier(x.mean(dim=(2, 3)))
