"""Pairs of rows in torch: which row is nearest, the angle of a pair, the tangents along it.

What the losses share. Work of O(n^2) runs in the dtype of the weight, or float32 for half
precisions, and in blocks; work of O(n d) runs in float64, where digits are cheap. The judge's own
version of the same geometry is `tammes.geometry`; the tests hold the two against each other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = [
    "as_given",
    "block_dtype",
    "few_threads",
    "gram_blocks",
    "nearest_rows",
    "on_gpu",
    "pair_tangents",
    "unit_rows",
]

_DEFAULT_BLOCK = 1 << 24  # cosines held at once: 64 MiB in float32
_TINY = 1e-300
_SMALL = 1 << 21  # cosines up to which handing work to threads costs more than they save


def on_gpu(tensor: Tensor) -> bool:
    """Whether waiting for a number from this tensor's device costs more than the work it would save."""
    return tensor.is_cuda


@contextmanager
def few_threads(weight: Tensor) -> Iterator[None]:
    """One thread for many steps on a small weight `(B, n, d)`.

    Threads that wait for each other at every small operation gain nothing, and where other work takes
    their core they slow it down twentyfold.
    """
    before = torch.get_num_threads()
    if weight.numel() // weight.shape[-1] * weight.shape[-2] <= _SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def block_dtype(weight: Tensor) -> torch.dtype:
    """Half precisions are computed in float32."""
    return torch.float64 if weight.dtype == torch.float64 else torch.float32


def unit_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 unit rows `(B, n, d)` and their lengths `(B, n, 1)`: O(n d), so digits are cheap."""
    rows = weight.detach().reshape(-1, *weight.shape[-2:]).double()
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / norm, norm


def as_given(value: Tensor, grad: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient in the shape and dtype of `weight`."""
    shape, dtype = weight.shape, weight.dtype
    return value.view(shape[:-2]).to(dtype), grad.view(shape).to(dtype)


def gram_blocks(unit: Tensor, block_size: int | None) -> Iterator[tuple[int, int, Tensor]]:
    """Rows `start:stop` of the Gram matrices of `unit` `(B, n, d)`, at most `block_size` cosines."""
    batch, n, _ = unit.shape
    size = _DEFAULT_BLOCK if block_size is None else block_size
    step = max(1, size // (batch * n))
    for start in range(0, n, step):
        stop = min(n, start + step)
        yield start, stop, torch.bmm(unit[:, start:stop], unit.mT)


def nearest_rows(unit: Tensor, dtype: torch.dtype, block_size: int | None) -> Tensor:
    """Index of the nearest other row of every row, shape `(B, n)`; cosines are taken in `dtype`."""
    nearest = []
    slack = 4.0 * (unit.shape[-1] + 4) * torch.finfo(dtype).eps  # rounding of a cosine
    for start, _, gram in gram_blocks(unit.to(dtype), block_size):
        gram.diagonal(start, -2, -1).fill_(-2.0)
        # NumPy's argmax is vectorised: ten times as fast as torch's on a CPU.
        index = gram.argmax(dim=-1) if on_gpu(gram) else torch.from_numpy(gram.numpy().argmax(axis=-1))
        largest = gram.gather(-1, index[..., None])  # (B, block, 1)
        if largest.amax().item() > 1.0 - 4.0 * slack:
            _rank_by_chord(unit, gram, start, largest, index, slack)
        nearest.append(index)
    return nearest[0] if len(nearest) == 1 else torch.cat(nearest, dim=-1)


def _rank_by_chord(unit: Tensor, gram: Tensor, start: int, largest: Tensor, index: Tensor, slack: float) -> None:
    """Where cosines near 1 cannot tell neighbours apart, let coordinate differences decide, in place."""
    batch, row = (largest[..., 0] > 1.0 - 4.0 * slack).nonzero(as_tuple=True)
    tied = gram[batch, row] >= largest[batch, row] - slack  # (rows, n)
    which, column = tied.nonzero(as_tuple=True)
    chord = unit[batch[which], column] - unit[batch[which], row[which] + start]
    chord_sq = torch.full(tied.shape, torch.inf, dtype=unit.dtype, device=unit.device)
    chord_sq[which, column] = chord.square().sum(dim=-1)
    index[batch, row] = chord_sq.argmin(dim=-1)


def pair_tangents(u: Tensor, v: Tensor, here: Tensor | None, there: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Angle of each pair of unit rows, and the unit tangents at both ends towards the other.

    With h = theta/2, tan h = |v - u| / |v + u|, the tangent at u is half of
    (v - u) cot h + (v + u) tan h, and the one at v half of (v + u) tan h - (v - u) cot h: exact
    for near-copies and near-antipodes alike, since nothing cancels.

    Args:
        u: unit rows, float64, shape `(m, d)`.
        v: unit rows, float64, shape `(m, d)`.
        here: flat index of each u, `(m,)`; None where u is every row in order.
        there: flat index of each v, `(m,)`. The indices only break ties of coinciding rows.
        n: rows in one start; rows are numbered modulo n.

    Returns:
        `(m,)` radians, `(m, d)` unit tangent at u, `(m, d)` unit tangent at v. The tangents are
        zero at exact antipodes, where the angle is greatest.
    """
    chord, sums = v - u, v + u
    length = torch.linalg.vector_norm(chord, dim=-1, keepdim=True)  # (m, 1) = 2 sin h
    co_length = torch.linalg.vector_norm(sums, dim=-1, keepdim=True).clamp_min_(_TINY)  # 2 cos h
    theta = torch.atan2(length, co_length).mul_(2.0).squeeze(-1)
    twice_tan = torch.div(length, co_length).mul_(2.0).clamp_min_(_TINY)
    along = chord.div_(twice_tan)
    inward = sums.mul_(0.25 * twice_tan)
    toward, back = inward + along, inward.sub_(along)
    if on_gpu(u) or length.amin().item() == 0.0:  # on CUDA the test would cost more than the work
        table = _tie_break_table(n, u.shape[-1]).to(u.device)
        at_u = torch.arange(len(u), device=u.device) if here is None else here
        apart = table[there % n] - table[at_u % n]  # antisymmetric: opposite at the two ends
        apart = apart - (apart * u).sum(dim=-1, keepdim=True) * u
        apart = apart / torch.linalg.vector_norm(apart, dim=-1, keepdim=True).clamp_min(_TINY)
        copies = length == 0.0
        toward, back = torch.where(copies, apart, toward), torch.where(copies, -apart, back)
    return theta, toward, back


@functools.lru_cache(maxsize=8)
def _tie_break_table(n: int, d: int) -> Tensor:
    """A fixed normal displacement for every row, `(n, d)` float64; no random state is touched."""
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
