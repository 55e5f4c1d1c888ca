"""Named spherical codes, built from their coordinates, groups, codes and graphs; one registry of all.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.constructions import binary, catalogue, families, graphs, parts, polytopes, roots, sequences, spread
    from tammes.constructions.catalogue import CONSTRUCTIONS, by_size, construct

__all__ = [
    "CONSTRUCTIONS",
    "binary",
    "by_size",
    "catalogue",
    "construct",
    "families",
    "graphs",
    "parts",
    "polytopes",
    "roots",
    "sequences",
    "spread",
]

_MODULES = {"binary", "catalogue", "families", "graphs", "parts", "polytopes", "roots", "sequences", "spread"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tammes.constructions' has no attribute {name!r}")
    if name in _MODULES:
        return importlib.import_module(f"tammes.constructions.{name}")
    return getattr(importlib.import_module("tammes.constructions.catalogue"), name)


def __dir__() -> list[str]:
    return list(__all__)
