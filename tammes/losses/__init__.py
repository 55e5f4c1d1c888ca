"""The losses of the paper, one formula each, with exact gradients.

Wang, Xiang, Zou, Xu, "MMA Regularization: Decorrelating Weights of Neural Networks by Maximizing
the Minimal Angles", NeurIPS 2020. The paper's w_i is row i of `weight`, shape `(..., n, d)`, of any
length; theta_ij is the angle between rows i and j in radians.

A loss is a *potential* of one pair, summed either over every row and its nearest row (MMA, cosine) or
over all pairs (Riesz-Fisher, logarithmic, orthogonal). The potentials are the formulas; the two sums are
shared. Both return the value together with its gradient, so no n x n autograd graph is ever built;
memory beyond the weight is O(tile), not O(n^2).

Where two rows nearly coincide or nearly oppose each other the angle comes from the half-angle form in
float64, so no gradient is lost to a clamp. Rows that coincide exactly are pushed apart along fixed
pseudo-random tangents, opposite at the two ends. Zero rows have no direction and take no part.

The losses belong to the search wing: what a solver reports is measured by `tammes.geometry`.
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
