"""The same problem in neural networks: weights whose rows are far apart. Names are loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.nn import init
    from tammes.nn.classifier import FixedTammesClassifier

__all__ = ["FixedTammesClassifier", "init"]

_HOME = {"FixedTammesClassifier": "classifier"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tammes.nn' has no attribute {name!r}")
    if name in _HOME:
        return getattr(importlib.import_module(f"tammes.nn.{_HOME[name]}"), name)
    return importlib.import_module(f"tammes.nn.{name}")


def __dir__() -> list[str]:
    return list(__all__)
