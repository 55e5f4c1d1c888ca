"""Each loss as a function of a weight: `losses.mma(weight)`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tammes.losses.energy import Logarithmic, Orthogonal, RieszFisher
from tammes.losses.nearest import MMA, Cosine

__all__ = ["cosine", "logarithmic", "mma", "orthogonal", "riesz_fisher"]


def mma(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """`-(1/n) sum_i min_j theta_ij` in radians (Eq. 6): shape `(..., n, d)` to `(...)`.

    Negative by design: minus the mean angle of a row to its nearest row. Zero where fewer than two rows
    take part.

    Args:
        weight: rows of any length, shape `(..., n, d)`, d >= 2. Zero rows take no part.
        labels: rows of one label do not repel each other; whole numbers, `(n,)` or `(..., n)`.
        mask: rows that take part; booleans, `(n,)` or `(..., n)`.
        options: `antipodal`, `reduction`, `sample`, `dead`, `block_size`: see `losses.Loss`.

    Raises:
        InvalidParameterError: if an argument does not fit.

    Example:
        >>> import torch
        >>> round(mma(torch.eye(3)).item(), 6)  # three right angles: -pi/2
        -1.570796
    """
    return MMA(**options)(weight, labels=labels, mask=mask)


def cosine(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """`(1/n) sum_i max_j cos theta_ij` (Eq. 5): shape `(..., n, d)` to `(...)`. Arguments as for `mma`."""
    return Cosine(**options)(weight, labels=labels, mask=mask)


def riesz_fisher(
    weight: Tensor, s: float = 2.0, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """`1/(n(n-1)) sum |x_i - x_j|^-s` (Eq. 9), any s > 0: shape `(..., n, d)` to `(...)`. MHE with s > 0.

    Arguments as for `mma`, and the Riesz exponent s.
    """
    return RieszFisher(s, **options)(weight, labels=labels, mask=mask)


def logarithmic(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """`-1/(n(n-1)) sum log |x_i - x_j|` (Eq. 11): shape `(..., n, d)` to `(...)`. MHE with s = 0.

    Arguments as for `mma`.
    """
    return Logarithmic(**options)(weight, labels=labels, mask=mask)


def orthogonal(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """`1/(n(n-1)) sum cos^2 theta_ij` (after Eq. 14): shape `(..., n, d)` to `(...)`. Arguments as for `mma`."""
    return Orthogonal(**options)(weight, labels=labels, mask=mask)
