"""f_p and its gradient in tensors: sums over the pairs of every row, in tiles, joined to those of a start.

With D_ij the squared chord, m its minimum and T a weight that fades far pairs out (T = 1 where none are),

    f_p = (1/p) log sum_{i<j} (m / D_ij)^(p/2) T(D_ij) - (1/2) log m.

Every row sums its own pairs at a scale of its own, so that nothing overflows and no two rows write to one place.
`All` takes all pairs; `tensor_lists` those of neighbour lists. The same sums serve both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from tammes.base.torch_geometry import on_gpu
from tammes.solvers import device_memory
from tammes.solvers.ladder.fused import Fused

__all__ = ["All", "Evaluate", "Fade", "Forces", "join", "row_sums", "scalars", "square_chords", "tile"]

_CPU_TILE = (1 << 15) - 1  # pairs at once: they fit a cache, and torch takes one thread for so few
_GPU_TILE = 1 << 26  # 512 MiB a temporary
_GPU_PART = 0.25  # of the free memory, for the temporaries of a tile
_DIAMETER = 4.0  # squared
_UNROLLED = 16  # dimensions up to which a kernel may be written out axis by axis


class Forces(NamedTuple):
    """What a solver asks of a loss, for every start."""

    value: Tensor
    """f_p, `(B,)`; infinite where two rows coincide."""
    grad: Tensor
    """Its gradient along the sphere, `(B, n, d)`; zero there."""
    least: Tensor
    """Smallest squared chord, `(B,)`."""
    predicted: Tensor
    """The largest cosine that a polish should reach, right to O(1/p^2) at a minimum of f_p, `(B,)`."""


Evaluate = Callable[[Tensor, float], Forces]
"""Unit rows `(B, n, d)` and p, to the forces."""


class Fade(NamedTuple):
    """T falls from 1 at D = begin to 0 at D = end by the quintic with two continuous derivatives."""

    begin: float | Tensor
    end: float | Tensor


class All:
    """All pairs of every start. O(n^2 d) time, memory in tiles.

    Args:
        pairs: held at once; by default as suits the device.
        fused: see `Fused`; high dimensions are never fused.
    """

    def __init__(self, pairs: int | None = None, *, fused: bool | None = None) -> None:
        self._pairs = pairs
        self._fused = fused

    def __call__(self, x: Tensor, p: float) -> Forces:
        """See `Evaluate`."""
        batch, n, d = x.shape
        if self._pairs is None:
            self._pairs = tile(x.device, d)
        pairs = self._pairs
        fused = self._fused if d <= _UNROLLED else False
        eager = fused is False or (fused is None and not on_gpu(x))
        near, weights, pulls = (torch.empty_like(x[..., 0]) for _ in range(3))  # (B, n)
        grad = torch.empty_like(x)
        (exponent,) = (0.5 * p,) if eager else scalars(x, 0.5 * p)
        numbers = torch.arange(n, device=x.device)
        starts, height = max(1, pairs // (n * n)), min(n, max(1, pairs // n))
        for first in range(0, batch, starts):
            axes = x[first : first + starts].mT.contiguous()  # (b, d, n)
            for top in range(0, n, height):
                part = slice(first, first + starts), slice(top, top + height)
                here = axes[:, :, top : top + height]
                if eager:
                    chords, square = square_chords(here[..., None].unbind(1), axes[:, :, None].unbind(1))
                    square.diagonal(top, 1, 2).fill_(torch.inf)
                    sums: tuple[Tensor, ...] = row_sums(chords, square, exponent, None)
                else:
                    sums = _DENSE(fused, d, here, axes, numbers[part[1]], exponent)
                near[part], weights[part], pulls[part], grad[part] = sums
        return join(x, near, weights, pulls, grad, p)


def tile(device: torch.device, d: int) -> int:
    """Pairs to hold at once: as fit the cache of a CPU, or a part of a GPU's free memory."""
    there = device_memory.free(device)
    if there is None:
        return _CPU_TILE
    return max(1, min(_GPU_TILE, int(_GPU_PART * there) // (8 * (d + 5))))


def scalars(like: Tensor, *values: float) -> tuple[Tensor, ...]:
    """The numbers as tensors on the device, so that a kernel serves all of them."""
    return tuple(torch.tensor(values, dtype=like.dtype, device=like.device).unbind())


def square_chords(here: Iterable[Tensor], there: Iterable[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Differences of the coordinates, axis by axis, and their sum of squares.

    Args:
        here: coordinates of rows, d of `(b, h, 1)`.
        there: of what each is paired with, d of `(b, 1, k)` or `(b, h, k)`.

    Returns:
        d tensors `(b, h, k)`, and one of that shape.
    """
    chords = [at - other for at, other in zip(here, there, strict=True)]
    square = chords[0] * chords[0]
    for along in chords[1:]:
        square.addcmul_(along, along)
    return chords, square


def row_sums(
    chords: list[Tensor], square: Tensor, exponent: float | Tensor, fade: Fade | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums over the pairs of every row: all that f_p and its gradient need of them.

    Args:
        chords: from `square_chords`. Overwritten.
        square: likewise, but infinite for what is no pair. Overwritten.
        exponent: p / 2.
        fade: of far pairs; None where all count in full.

    Returns:
        the scale m_i of every row, `(b, h)`; sums of (m_i / D)^(p/2) T, and of these over D, `(b, h)`; and the
        forces, `(b, h, d)`, at that scale.
    """
    near = square.amin(dim=-1).clamp_max(_DIAMETER)  # a row may have no pairs
    away = None
    if fade is not None:
        near = torch.clamp(near, max=fade.end)
        away = (square - fade.begin).mul_(1.0 / (fade.end - fade.begin)).clamp_(0.0, 1.0)
    inverse = square.reciprocal_()
    weight = _power(inverse * near[..., None], exponent)
    fall = None
    if fade is not None and away is not None:
        fall = (away * (1.0 - away)).square_().mul_(weight).mul_(30.0 / (exponent * (fade.end - fade.begin)))
        weight = weight * (1.0 - away * away * away * (10.0 + away * (6.0 * away - 15.0)))
    weights = weight.sum(dim=-1)
    weight *= inverse
    pulls = weight.sum(dim=-1)
    if fall is not None:
        weight += fall
    forces = torch.stack([along.mul_(weight).sum(dim=-1) for along in chords], dim=-1)
    return near, weights, pulls, forces


def join(x: Tensor, near: Tensor, weights: Tensor, pulls: Tensor, grad: Tensor, p: float) -> Forces:
    """From the sums of all rows, `(B, n)` and `(B, n, d)`, to the forces. `grad` is overwritten."""
    least = near.amin(dim=-1)
    share = _power(least[:, None] / near, 0.5 * p)  # from the scale of a row to that of the start
    total = (share * weights).sum(dim=-1)  # every pair twice
    value = (0.5 * total).log() / p - 0.5 * least.log()
    grad *= (share * (-2.0 / total)[:, None])[..., None]
    grad -= (grad * x).sum(dim=-1, keepdim=True) * x
    predicted = 1.0 - 0.5 * total / (share * pulls).sum(dim=-1)  # c = 1 - D / 2
    sound = least > 0.0
    grad = torch.where(sound[:, None, None], grad, 0.0)
    return Forces(torch.where(sound, value, torch.inf), grad, least, torch.where(sound, predicted, 1.0))


def _power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """`base ** exponent`, in place; by squarings where they will do, which are cheaper on a CPU."""
    if isinstance(exponent, Tensor):
        return base.pow(exponent)
    mantissa, squarings = math.frexp(exponent)
    if mantissa != 0.5 or squarings < 1 or on_gpu(base):
        return base.pow_(exponent)
    for _ in range(squarings - 1):
        base *= base
    return base


def _dense(here: Tensor, axes: Tensor, numbers: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`row_sums` of the rows `here` `(b, d, h)` with these numbers, against all of `axes` `(b, d, n)`."""
    chords, square = square_chords(here[..., None].unbind(1), axes[:, :, None].unbind(1))
    itself = numbers[:, None] == torch.arange(axes.shape[-1], device=axes.device)  # (h, n)
    return row_sums(chords, torch.where(itself, torch.inf, square), exponent, None)


_DENSE = Fused(_dense)
