"""VGG with batch norm (Simonyan & Zisserman 2015) for small images: one linear layer instead of three."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from benchmarks.paper.models.layers import Network, initialise_

__all__ = ["VGG", "VGG16", "VGG19"]

WIDTHS = (64, 128, 256, 512, 512)
VGG16 = (2, 2, 3, 3, 3)
VGG19 = (2, 2, 4, 4, 4)


class VGG(Network):
    """Five resolutions of 3 x 3 convolutions, each halved by a maximum; the mean of what is left is classified.

    Args:
        classes: number of classes.
        depths: convolutions of each resolution.
        bias: whether the convolutions have biases, as the original has. The batch norm takes them away again.
    """

    least_size = 32  # five halvings

    def __init__(self, classes: int, depths: Sequence[int] = VGG19, *, bias: bool = True) -> None:
        super().__init__()
        self.depths = tuple(depths)
        layers: list[nn.Module] = []
        inputs = 3
        for width, depth in zip(WIDTHS, depths, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, classes)
        initialise_(self)

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        names = [f"L{s}-{k}" for s, depth in enumerate(self.depths, 1) for k in range(1, depth + 1)]
        convolutions = (module for module in self.features if isinstance(module, nn.Conv2d))
        yield from zip(names, convolutions, strict=True)
        yield "Classify", self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, classes)` of images `(B, 3, H, W)`."""
        positions = self.features(images)  # (B, 512, H / 32, W / 32)
        return self.classifier(positions.mean(dim=(2, 3)))
