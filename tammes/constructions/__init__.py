"""Named spherical codes in closed form, and the registry of them all.

`construct` builds a code by name, `by_size` lists those of one size, `CONSTRUCTIONS` is the registry. To add a code,
write its function in the module of its kind and an entry in `catalogue`.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.constructions import (
        binary_codes,
        catalogue,
        families,
        graphs,
        lattices,
        polytopes,
        root_systems,
        sequences,
        spread,
        subcodes,
    )
    from tammes.constructions.catalogue import CONSTRUCTIONS, by_size, construct

__all__ = [
    "CONSTRUCTIONS",
    "binary_codes",
    "by_size",
    "catalogue",
    "construct",
    "families",
    "graphs",
    "lattices",
    "polytopes",
    "root_systems",
    "sequences",
    "spread",
    "subcodes",
]

_MODULES = {
    "binary_codes",
    "catalogue",
    "families",
    "graphs",
    "lattices",
    "polytopes",
    "root_systems",
    "sequences",
    "spread",
    "subcodes",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tammes.constructions' has no attribute {name!r}")
    if name in _MODULES:
        return importlib.import_module(f"tammes.constructions.{name}")
    return getattr(importlib.import_module("tammes.constructions.catalogue"), name)


def __dir__() -> list[str]:
    return list(__all__)
