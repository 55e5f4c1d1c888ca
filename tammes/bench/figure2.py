"""The paper's Figure 2: gradient lengths of a pair of points, from the gradients that the losses return."""

from __future__ import annotations

from typing import Any

__all__ = ["gradient_curves"]


def gradient_curves(points: int = 361) -> tuple[Any, dict[str, Any]]:
    """Compute the gradient length `|g| |w|` of a pair of rows as a function of its angle, for each loss.

    Args:
        points: number of angles, equally spaced strictly between 0 and pi.

    Returns:
        The angles in radians, shape `(points,)`, and the curves by label, each `(points,)` float64.

    References: Wang et al. 2020, Figure 2 and Eqs. 7, 8, 10, 12.
    """
    import numpy as np
    import torch

    from tammes import losses

    theta = np.linspace(0.0, np.pi, points + 2)[1:-1]
    pair = np.zeros((points, 2, 2))
    pair[:, 0, 0] = 1.0
    pair[:, 1] = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    chosen = {
        "mma": losses.MMA(),
        "cosine": losses.Cosine(),
        "riesz-fisher, s = 2": losses.RieszFisher(2.0),
        "riesz-fisher, s = 1": losses.RieszFisher(1.0),
        "logarithmic": losses.Logarithmic(),
    }
    curves = {}
    for label, loss in chosen.items():
        _, grad = loss.value_and_grad(torch.from_numpy(pair))
        curves[label] = grad[:, 0].norm(dim=-1).numpy()
    return theta, curves
