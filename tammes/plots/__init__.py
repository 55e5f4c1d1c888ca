"""Figures of codes, of runs and of the paper's results, drawn with matplotlib but without pyplot.

Every `plot_...` function returns a matplotlib `Figure`; `figure_bytes` turns one into the content of a file.
Names are loaded when they are first used, matplotlib when a figure is drawn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.plots.codes import plot_code
    from tammes.plots.history import plot_history
    from tammes.plots.paper import plot_gradients, plot_table1
    from tammes.plots.style import COLORS
    from tammes.plots.writing import SUFFIXES, figure_bytes

__all__ = ["COLORS", "SUFFIXES", "figure_bytes", "plot_code", "plot_gradients", "plot_history", "plot_table1"]

_MODULE_OF = {
    "COLORS": "style",
    "SUFFIXES": "writing",
    "figure_bytes": "writing",
    "plot_code": "codes",
    "plot_gradients": "paper",
    "plot_history": "history",
    "plot_table1": "paper",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'tammes.plots' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tammes.plots.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
