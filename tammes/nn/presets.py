"""Settings of the regulariser in the literature, by name.

| preset | loss | hidden layers | output layer |
|---|---|---|---|
| `mma_paper` | MMA | 0.07 (0.03 with skip connections: `coef=0.03`) | the same |
| `mhe_paper` | Riesz-Fisher s = 2 on 30 % of the rows | 1 | the same |
| `mhe_official` | Riesz-Fisher s = 2 | 1, half-space | 10, full space |
| `orthogonal_paper` | `||X X^T - I||^2` of the unit rows | 1e-4 | the same |

`mma_paper`, `mhe_paper` and `orthogonal_paper` are the settings that Wang et al. (NeurIPS 2020, section 5) compare;
`mhe_official` is that of the code of the authors of MHE (Liu et al., Learning towards Minimum Hyperspherical
Energy, NeurIPS 2018). For MHE with s = 0 change the loss: `loss=losses.Logarithmic(sample=0.3)`.
"""

from __future__ import annotations

from typing import Any

from tammes.base.validation import check_name
from tammes.losses.energy import Orthogonal, RieszFisher
from tammes.losses.nearest import MMA

__all__ = ["PRESETS", "preset"]

PRESETS: dict[str, dict[str, Any]] = {
    "mma_paper": {"loss": MMA(), "coef": 0.07},
    "mhe_paper": {"loss": RieszFisher(2.0, sample=0.3), "coef": 1.0},
    "mhe_official": {
        "loss": RieszFisher(2.0, antipodal=True),
        "coef": 1.0,
        "output_loss": RieszFisher(2.0),
        "output_coef": 10.0,
    },
    "orthogonal_paper": {"loss": Orthogonal(reduction="sum"), "coef": 1e-4},
}
"""Arguments of `Regularizer` by the name of the preset."""


def preset(name: str) -> dict[str, Any]:
    """Return a copy of the settings of that name: arguments of `Regularizer`.

    Raises:
        UnknownNameError: if there is no such preset.
    """
    return dict(PRESETS[check_name("preset", name, PRESETS)])
