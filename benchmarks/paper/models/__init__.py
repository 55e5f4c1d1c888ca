"""The networks of the paper by name, and the names of their layers.

`build(name, classes)` draws the weights from torch's global generator: seed it before. Every network takes images
`(B, 3, H, W)` and gives logits; `arcface-resnet50` gives embeddings, and logits when it is given labels too, of
the `MarginHead` that it holds as `model.head`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from benchmarks.paper.models import arcface, densenet, resnet, vgg, wide_resnet
from benchmarks.paper.models.layers import Network
from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_name

__all__ = ["NAMES", "build", "layer_names"]

_MAKERS: Mapping[str, tuple[type[Network], Callable[..., Network]]] = MappingProxyType(
    {
        "vgg19-bn": (vgg.VGG, functools.partial(vgg.VGG, depths=vgg.VGG19)),
        "vgg16-bn": (vgg.VGG, functools.partial(vgg.VGG, depths=vgg.VGG16)),
        "resnet20": (resnet.ResNet, functools.partial(resnet.ResNet, n=3)),
        "resnet56": (resnet.ResNet, functools.partial(resnet.ResNet, n=9)),
        "wrn-16-8": (wide_resnet.WideResNet, functools.partial(wide_resnet.WideResNet, n=2, k=8)),
        "densenet-40-12": (densenet.DenseNet, functools.partial(densenet.DenseNet, n=12, growth=12)),
        "arcface-resnet50": (arcface.ArcFace, arcface.ArcFace),
    }
)

NAMES = tuple(_MAKERS)
"""Names that `build` takes."""

_WRAPPERS = ("module", "_orig_mod")


def build(name: str, classes: int, image_size: int | None = None, **options: Any) -> Network:
    """Return a network with initial weights.

    Args:
        name: one of `NAMES`.
        classes: number of classes, at least 2.
        image_size: pixels a side of the images to come; what the network was made for by default.
        options: of the network's class, such as `bias=False` of a VGG or `margin` of ArcFace.

    Raises:
        UnknownNameError: if no network has this name, or this one no such option.
        InvalidParameterError: if there are fewer than two classes, or the images are too small for the network.
    """
    kind, make = _find(name)
    check_integer("classes", classes, 2)
    size = check_integer("image_size", kind.image_size if image_size is None else image_size, kind.least_size)
    if kind is arcface.ArcFace:
        options["image_size"] = size
    known = [option for option in inspect.signature(kind).parameters if option != "classes"]
    for option in options:
        check_name(f"option of {name}", option, known)
    return make(classes, **options)


def layer_names(model: nn.Module) -> dict[str, str]:
    """Return the layers' names in the tables (`L3-3`, `Classify`) with the path of each module, in order.

    Paths are those of the model without wrappers, as `tammes.nn.Regularizer` has them.

    Args:
        model: a network of `build`, possibly compiled or within DDP.

    Raises:
        InvalidParameterError: if it is another kind of module.
    """
    while not isinstance(model, Network):
        inner = next((getattr(model, name) for name in _WRAPPERS if hasattr(model, name)), None)
        if inner is None:
            raise InvalidParameterError("model", "one of benchmarks.paper.models", type(model).__name__)
        model = inner
    paths = {id(module): path for path, module in model.named_modules()}
    return {name: paths[id(module)] for name, module in model.named_layers()}


def _find(name: str) -> tuple[type[Network], Callable[..., Network]]:
    return _MAKERS[check_name("model", name, NAMES)]
