"""Wide residual networks (Zagoruyko & Komodakis 2016): pre-activation blocks, k times as wide; no dropout."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.paper.models.layers import Network, conv3x3, initialise_

__all__ = ["WideBlock", "WideResNet"]

WIDTHS = (16, 32, 64)


class WideBlock(nn.Module):
    """Batch norm and ReLU before each of two convolutions; a 1 x 1 convolution where the shape changes.

    That shortcut begins at the activated input, a plain one at the input itself.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.bn1(x))
        out = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(Network):
    """WRN-depth-k: of 6 n + 4 layers, k times as wide as ResNet.

    Args:
        classes: number of classes.
        n: blocks of each resolution: 2 for depth 16.
        k: how many times as wide.
    """

    def __init__(self, classes: int, n: int = 2, k: int = 8) -> None:
        super().__init__()
        self.stem = conv3x3(3, WIDTHS[0])
        self.stages = nn.Sequential()
        inputs = WIDTHS[0]
        for width in WIDTHS:
            stage = nn.Sequential()
            for block in range(n):
                stage.append(WideBlock(inputs, k * width, 2 if block == 0 and width != WIDTHS[0] else 1))
                inputs = k * width
            self.stages.append(stage)
        self.bn = nn.BatchNorm2d(inputs)
        self.classifier = nn.Linear(inputs, classes)
        initialise_(self)

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        yield "Stem", self.stem
        for s, stage in enumerate(self.stages, 1):
            for block, module in enumerate(stage):
                yield f"L{s}-{2 * block + 1}", module.conv1
                yield f"L{s}-{2 * block + 2}", module.conv2
                if module.shortcut is not None:
                    yield f"S{s}", module.shortcut
        yield "Classify", self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, classes)` of images `(B, 3, H, W)` of any size."""
        x = self.stages(self.stem(images))  # (B, 64 k, H / 4, W / 4)
        return self.classifier(torch.relu(self.bn(x)).mean(dim=(2, 3)))
