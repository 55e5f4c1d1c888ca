"""tammes: spherical codes with the largest minimal angle, found, polished, measured and compared.

Names are loaded when they are first used: measuring never loads torch, plotting never loads pyplot.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes import (
        algebraic,
        bounds,
        certificates,
        closed_forms,
        constructions,
        errors,
        files,
        geometry,
        isometry,
        losses,
        nn,
        optimality,
        plots,
        tables,
    )
    from tammes.api import solve
    from tammes.directions import Codebook, codebook
    from tammes.errors import TammesError
    from tammes.files import load, save
    from tammes.hunting.archive import Archive
    from tammes.hunting.session import search
    from tammes.lookup import lookup
    from tammes.result import Result
    from tammes.spherical_code import SphericalCode

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

_HOME = {
    "Archive": "hunting.archive",
    "Codebook": "directions",
    "Result": "result",
    "SphericalCode": "spherical_code",
    "TammesError": "errors",
    "codebook": "directions",
    "load": "files",
    "lookup": "lookup",
    "save": "files",
    "search": "hunting.session",
    "solve": "api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tammes")
    if name not in __all__:
        raise AttributeError(f"module 'tammes' has no attribute {name!r}")
    if name in _HOME:
        return getattr(importlib.import_module(f"tammes.{_HOME[name]}"), name)
    return importlib.import_module(f"tammes.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
