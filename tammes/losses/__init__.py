"""The losses of the paper, one formula each, with exact gradients.

Wang, Xiang, Zou, Xu, "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing the Minimal
Angles", NeurIPS 2020. The paper's w_i is row i of `weight`, shape `(..., n, d)`, of any length; theta_ij is the
angle between rows i and j in radians.

A loss is a *potential* of one pair, summed either over every row and its nearest row (`nearest`: MMA, cosine) or over
all pairs (`energy`: Riesz-Fisher, logarithmic, orthogonal). A new loss is a subclass of `NearestLoss` or `EnergyLoss`
with its potential, and an entry in `registry.LOSSES`. Both sums return the value together with its gradient, so no
n x n autograd graph is built; memory beyond the weight is O(tile), not O(n^2).

Where two rows nearly coincide or are nearly opposite, the angle is computed by the half-angle form in float64, so that
the gradient keeps its length. Rows that coincide exactly are pushed apart along fixed pseudo-random tangents, opposite
for the two rows. Zero rows have no direction and take no part.

Solvers minimise losses; reported angles are measured from the points by `tammes.base.geometry`.
"""

from __future__ import annotations

from tammes.losses.energy import EnergyLoss, Logarithmic, Orthogonal, RieszFisher
from tammes.losses.functional import cosine, logarithmic, mma, orthogonal, riesz_fisher
from tammes.losses.loss import Loss
from tammes.losses.modules import CosineLoss, LogarithmicLoss, MMALoss, OrthogonalLoss, RieszFisherLoss
from tammes.losses.nearest import MMA, Cosine, NearestLoss
from tammes.losses.registry import LOSSES, get

__all__ = [
    "LOSSES",
    "MMA",
    "Cosine",
    "CosineLoss",
    "EnergyLoss",
    "Logarithmic",
    "LogarithmicLoss",
    "Loss",
    "MMALoss",
    "NearestLoss",
    "Orthogonal",
    "OrthogonalLoss",
    "RieszFisher",
    "RieszFisherLoss",
    "cosine",
    "get",
    "logarithmic",
    "mma",
    "orthogonal",
    "riesz_fisher",
]
