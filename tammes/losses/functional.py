"""The losses as functions of a weight: `losses.mma(weight)`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tammes.losses.energy import Logarithmic, Orthogonal, RieszFisher
from tammes.losses.nearest import MMA, Cosine

__all__ = ["cosine", "logarithmic", "mma", "orthogonal", "riesz_fisher"]


def mma(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """Return the MMA loss `-(1/n) sum_i min_j theta_ij` in radians (Eq. 6), shape `(...)`.

    It is minus the mean angle of a row to its nearest row, so never positive; zero where fewer than two rows take
    part.

    Args:
        weight: rows of any length, shape `(..., n, d)`, d >= 2. Zero rows take no part.
        labels: pairs of rows with equal labels do not count; integers, `(n,)` or `(..., n)`.
        mask: True for rows that take part; booleans, `(n,)` or `(..., n)`.
        options: `antipodal`, `reduction`, `sample`, `dead`, `block_size`: see `losses.Loss`.

    Raises:
        InvalidParameterError: if an argument does not match the weight, or an option is out of range.

    Example:
        >>> import torch
        >>> round(mma(torch.eye(3)).item(), 6)  # three right angles: -pi/2
        -1.570796
    """
    return MMA(**options)(weight, labels=labels, mask=mask)


def cosine(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """Return the cosine loss `(1/n) sum_i max_j cos theta_ij` (Eq. 5), shape `(...)`. Arguments as for `mma`."""
    return Cosine(**options)(weight, labels=labels, mask=mask)


def riesz_fisher(
    weight: Tensor, s: float = 2.0, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Return the Riesz-Fisher energy `1/(n(n-1)) sum |x_i - x_j|^-s` (Eq. 9), s > 0, shape `(...)`.

    This is MHE with s > 0. Arguments as for `mma`, and the Riesz exponent s.
    """
    return RieszFisher(s, **options)(weight, labels=labels, mask=mask)


def logarithmic(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """Return the logarithmic energy `-1/(n(n-1)) sum log |x_i - x_j|` (Eq. 11), shape `(...)`.

    This is MHE with s = 0. Arguments as for `mma`.
    """
    return Logarithmic(**options)(weight, labels=labels, mask=mask)


def orthogonal(weight: Tensor, *, labels: Tensor | None = None, mask: Tensor | None = None, **options: Any) -> Tensor:
    """Return the mean squared cosine `1/(n(n-1)) sum cos^2 theta_ij` (after Eq. 14). Arguments as for `mma`."""
    return Orthogonal(**options)(weight, labels=labels, mask=mask)
