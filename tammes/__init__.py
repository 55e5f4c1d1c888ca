"""tammes: spherical codes with the largest minimal angle, found, polished, measured and compared.

Names are loaded when they are first used: measuring never loads torch, plotting never loads pyplot.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes import bounds, constructions, losses, nn, plots
    from tammes.base import errors, geometry
    from tammes.base.errors import TammesError
    from tammes.codes import certificates, isometry, optimality
    from tammes.codes import minimal_polynomials as algebraic
    from tammes.codes.spherical_code import SphericalCode
    from tammes.constructions import closed_forms
    from tammes.global_search.api import search, solve
    from tammes.nn.codebook import Codebook, codebook
    from tammes.storage import formats as files
    from tammes.storage import tables
    from tammes.storage.archive import Archive
    from tammes.storage.formats import load, save
    from tammes.storage.known import lookup
    from tammes.storage.result import Result

__all__ = [
    "Archive",
    "Codebook",
    "Result",
    "SphericalCode",
    "TammesError",
    "algebraic",
    "bounds",
    "certificates",
    "closed_forms",
    "codebook",
    "constructions",
    "errors",
    "files",
    "geometry",
    "isometry",
    "load",
    "lookup",
    "losses",
    "nn",
    "optimality",
    "plots",
    "save",
    "search",
    "solve",
    "tables",
]

_MODULES = {
    "algebraic": "codes.minimal_polynomials",
    "bounds": "bounds",
    "certificates": "codes.certificates",
    "closed_forms": "constructions.closed_forms",
    "constructions": "constructions",
    "errors": "base.errors",
    "files": "storage.formats",
    "geometry": "base.geometry",
    "isometry": "codes.isometry",
    "losses": "losses",
    "nn": "nn",
    "optimality": "codes.optimality",
    "plots": "plots",
    "tables": "storage.tables",
}
_OBJECTS = {
    "Archive": "storage.archive",
    "Codebook": "nn.codebook",
    "Result": "storage.result",
    "SphericalCode": "codes.spherical_code",
    "TammesError": "base.errors",
    "codebook": "nn.codebook",
    "load": "storage.formats",
    "lookup": "storage.known",
    "save": "storage.formats",
    "search": "global_search.api",
    "solve": "global_search.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tammes")
    if name in _MODULES:
        return importlib.import_module(f"tammes.{_MODULES[name]}")
    if name in _OBJECTS:
        return getattr(importlib.import_module(f"tammes.{_OBJECTS[name]}"), name)
    raise AttributeError(f"module 'tammes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
