"""ArcFace (Deng et al. 2019): a ResNet50 that embeds aligned faces, and a head that asks for a margin of angle."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.paper.models.layers import Network, conv3x3, initialise_
from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_number

__all__ = ["ArcFace", "FaceBlock", "MarginHead"]

UNITS = ((64, 3), (128, 4), (256, 14), (512, 3))
"""Channels and blocks of each resolution."""
EPS = 2e-5
"""Of every batch norm, as in the authors' release."""


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS)


class FaceBlock(nn.Module):
    """Batch norm, convolution, batch norm, PReLU, strided convolution, batch norm ("IR"); no ReLU after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = _batch_norm(inputs)
        self.conv1 = conv3x3(inputs, outputs)
        self.bn2 = _batch_norm(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = conv3x3(outputs, outputs, stride)
        self.bn3 = _batch_norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _batch_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(out)) + self.shortcut(x)


class MarginHead(nn.Module):
    """Logits `scale * cos(theta_j)`, and `scale * cos(theta_y + margin)` for the class y that is right.

    theta_j is the angle between an embedding and the row of class j. With u and v the unit vectors of the two,
    `sin(theta) = |u - v| |u + v| / 2`, so that

        cos(theta + m) = cos(m) u.v - sin(m) |u - v| |u + v| / 2

    needs no clamp and its gradient stays finite at 0 and pi. Beyond `theta = pi - m`, where cos(theta + m) rises
    again, the authors' release takes `cos(theta) - m sin(m)`, and so does this module.

    Args:
        width: of the embeddings.
        classes: number of classes.
        margin: m, radians.
        scale: s.
    """

    def __init__(self, width: int, classes: int, margin: float = 0.5, scale: float = 64.0) -> None:
        super().__init__()
        check_integer("width", width, 2)
        check_integer("classes", classes, 2)
        self.margin = check_number("margin", margin, "an angle from 0 to pi / 2", least=0.0, most=math.pi / 2)
        self.scale = check_number("scale", scale, "a positive number", least=math.ulp(0.0))
        self.directions = nn.Linear(width, classes, bias=False)
        initialise_(self)

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits `(B, classes)` of embeddings `(B, width)`, in float32 or better; without labels no margin."""
        with torch.autocast(embeddings.device.type, enabled=False):
            weight = self.directions.weight
            wide = torch.promote_types(torch.promote_types(embeddings.dtype, weight.dtype), torch.float32)
            u = nn.functional.normalize(embeddings.to(wide), dim=1)
            rows = nn.functional.normalize(weight.to(wide), dim=1)
            cosines = u @ rows.T  # (B, classes)
            if labels is not None:
                if labels.ndim != 1 or len(labels) != len(u) or labels.dtype != torch.int64:
                    shown = f"{tuple(labels.shape)} of {labels.dtype}"
                    raise InvalidParameterError("labels", f"{len(u)} class numbers of torch.int64", shown)
                own = self._with_margin(u, rows[labels])
                cosines = cosines.scatter(1, labels[:, None], own[:, None])
            return self.scale * cosines

    def _with_margin(self, u: Tensor, v: Tensor) -> Tensor:
        """cos(theta + margin) of rows of unit vectors, falling with theta all the way to pi."""
        cosine = (u * v).sum(dim=1)
        sine = torch.linalg.vector_norm(u - v, dim=1) * torch.linalg.vector_norm(u + v, dim=1) / 2.0
        inside = math.cos(self.margin) * cosine - math.sin(self.margin) * sine
        beyond = cosine - self.margin * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), inside, beyond)

    def extra_repr(self) -> str:
        return f"margin={self.margin:g}, scale={self.scale:g}"


class ArcFace(Network):
    """ResNet50 for aligned faces with the head it is trained with: `model(images)` embeds, with labels it classifies.

    The last batch norm has no scale to learn, as in the authors' release: the head would not see it in a length.

    Args:
        classes: identities to train on.
        image_size: pixels a side; the layer `Embed` sees all positions that are left of them.
        width: of the embeddings.
        dropout: share of the positions' channels that is dropped before `Embed`.
        margin: m of the head, radians.
        scale: s of the head.
    """

    image_size = 112

    def __init__(
        self,
        classes: int,
        image_size: int = 112,
        width: int = 512,
        *,
        dropout: float = 0.4,
        margin: float = 0.5,
        scale: float = 64.0,
    ) -> None:
        super().__init__()
        inputs = UNITS[0][0]
        self.stem = conv3x3(3, inputs)
        self.stem_bn = _batch_norm(inputs)
        self.stem_prelu = nn.PReLU(inputs)
        self.stages = nn.Sequential()
        side = image_size
        for outputs, blocks in UNITS:
            stage = nn.Sequential()
            for block in range(blocks):
                stage.append(FaceBlock(inputs, outputs, 2 if block == 0 else 1))
                inputs = outputs
            self.stages.append(stage)
            side = (side + 1) // 2
        self.bn = _batch_norm(inputs)
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(inputs * side * side, width)
        self.embed_bn = nn.BatchNorm1d(width, eps=EPS)
        self.embed_bn.weight.requires_grad_(False)
        initialise_(self, linear_deviation=None)
        self.head = MarginHead(width, classes, margin, scale)

    def named_layers(self) -> Iterator[tuple[str, nn.Module]]:
        yield "Stem", self.stem
        for s, stage in enumerate(self.stages, 1):
            for block, module in enumerate(stage):
                yield f"L{s}-{2 * block + 1}", module.conv1
                yield f"L{s}-{2 * block + 2}", module.conv2
                if isinstance(module.shortcut, nn.Sequential):
                    yield f"S{s}", module.shortcut[0]
        yield "Embed", self.embed
        yield "Classify", self.head.directions

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Embeddings `(B, width)` of images `(B, 3, H, W)`; with labels the head's logits `(B, classes)`."""
        x = self.stem_prelu(self.stem_bn(self.stem(images)))  # (B, 64, H, W)
        x = self.dropout(self.bn(self.stages(x)))  # (B, 512, H / 16, W / 16)
        embeddings = self.embed_bn(self.embed(x.flatten(1)))
        return embeddings if labels is None else self.head(embeddings, labels)
