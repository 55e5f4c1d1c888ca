"""The losses on the weights of networks: a regularisation term, initial weights, fixed classifiers, inspection.

Names are loaded when they are first used; `tammes.nn.integrations.lightning` and
`tammes.nn.integrations.transformers` only when they are imported by name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.nn import init, presets
    from tammes.nn.classifier import FixedTammesClassifier
    from tammes.nn.regularizer import Regularizer

__all__ = ["FixedTammesClassifier", "Regularizer", "init", "presets"]

_HOME = {"FixedTammesClassifier": "classifier", "Regularizer": "regularizer"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tammes.nn' has no attribute {name!r}")
    home = importlib.import_module(f"tammes.nn.{_HOME.get(name, name)}")
    return getattr(home, name) if name in _HOME else home


def __dir__() -> list[str]:
    return list(__all__)
