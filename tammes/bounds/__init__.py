"""Proven upper bounds on the minimal angle of n points on the unit sphere of R^d, and of the points at an angle.

Each is strongest somewhere: Rankin's (n <= 2d, attained there), the simplex bound of Fejes Toth and
Boroczky (low dimensions, many points), Levenshtein's (high dimensions), Delsarte's linear program (never
above Levenshtein's where its degree suffices; proved in integers), the area of the caps (a plain check).
The closed ones are float64: none lies below its exact value by more than about 1e-14 rad.

Everywhere n is the number of points and d the dimension, integers from 2 to 10^15; anything else raises
`InvalidParameterError`. Names are loaded when they are first used: SciPy only for the last two bounds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.bounds.best import lines, upper_bound
    from tammes.bounds.bound import LARGEST, Bound
    from tammes.bounds.classical import cap_area, rankin
    from tammes.bounds.comparison import all_bounds, most_points
    from tammes.bounds.delsarte import delsarte_lp
    from tammes.bounds.schlaefli import BOROCZKY_MAX_DIMENSION, boroczky
    from tammes.bounds.universal import levenshtein

__all__ = [
    "BOROCZKY_MAX_DIMENSION",
    "LARGEST",
    "Bound",
    "all_bounds",
    "boroczky",
    "cap_area",
    "delsarte_lp",
    "levenshtein",
    "lines",
    "most_points",
    "rankin",
    "upper_bound",
]

_HOME = {
    "BOROCZKY_MAX_DIMENSION": "schlaefli",
    "LARGEST": "bound",
    "Bound": "bound",
    "all_bounds": "comparison",
    "boroczky": "schlaefli",
    "cap_area": "classical",
    "delsarte_lp": "delsarte",
    "levenshtein": "universal",
    "lines": "best",
    "most_points": "comparison",
    "rankin": "classical",
    "upper_bound": "best",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tammes.bounds' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tammes.bounds.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
