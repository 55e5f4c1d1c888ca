"""Proven upper bounds on the minimal angle of n points on the unit sphere of R^d, and on n for a given angle.

| function | bound | strongest |
|---|---|---|
| `rankin` | Rankin's | n <= 2d, where it is attained |
| `boroczky` | the simplex bound of Fejes Toth and Boroczky | low dimensions and many points |
| `levenshtein` | Levenshtein's universal bound | high dimensions |
| `delsarte_lp` | Delsarte's linear program, proved in exact arithmetic | wherever its degree suffices |
| `cap_area` | the areas of the caps | never for d, n >= 3; a check of the others |
| `lines` | bounds on n/2 lines | antipodal codes |

`upper_bound` returns the smallest of the closed bounds, `all_bounds` every one, `most_points` the largest n for an
angle. Closed bounds are float64; none is below its exact value by more than about 1e-14 rad.

n is the number of points and d the dimension, integers from 2 to 10^15; other values raise
`InvalidParameterError`. Names are loaded when they are first used; only the last two rows of `all_bounds` load SciPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tammes.bounds.best import lines, upper_bound
    from tammes.bounds.bound import LARGEST, Bound
    from tammes.bounds.cap_area_bound import cap_area
    from tammes.bounds.comparison import all_bounds, most_points
    from tammes.bounds.delsarte_bound import delsarte_lp
    from tammes.bounds.levenshtein_bound import levenshtein
    from tammes.bounds.rankin_bound import rankin
    from tammes.bounds.simplex_bound import BOROCZKY_MAX_DIMENSION, boroczky

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

# A module must not have the name of a function here: importing it would hide the function.
_MODULE_OF = {
    "BOROCZKY_MAX_DIMENSION": "simplex_bound",
    "LARGEST": "bound",
    "Bound": "bound",
    "all_bounds": "comparison",
    "boroczky": "simplex_bound",
    "cap_area": "cap_area_bound",
    "delsarte_lp": "delsarte_bound",
    "levenshtein": "levenshtein_bound",
    "lines": "best",
    "most_points": "comparison",
    "rankin": "rankin_bound",
    "upper_bound": "best",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'tammes.bounds' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tammes.bounds.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
