"""What a loss is: a function of the directions of n rows, with its gradient, on weights as networks have them.

Everything that all losses share lives here once: which rows take part, the shapes and dtypes, the way
into autograd. A loss itself sees clean rows `(B, n, d)` and returns value and gradient together, so no
n x n autograd graph is ever built.

To torch a loss is one operator, `tammes::loss`: compilers do not look inside, autocast does not change
its precision, and its gradient is the analytic one. It is differentiable once, and says so.
"""

from __future__ import annotations

import abc
import ast
import functools
import itertools
import math
import numbers
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.torch_geometry import row_lengths

__all__ = ["REDUCTIONS", "Loss", "known_as"]

REDUCTIONS = ("mean", "sum")

_KINDS: dict[str, type[Loss]] = {}
_subsets = itertools.count(1 << 40)  # seeds of unnamed random subsets: a new one each time


@dataclass(frozen=True, kw_only=True)
class Loss(abc.ABC):
    """A function of the directions of n rows, with its gradient.

    Args:
        antipodal: rows stand for the lines through them: row j counts as its nearer end x_j or -x_j (MMA,
            cosine), or as both, averaged (energies). The "half-space" of the MHE authors.
        reduction: "mean" over rows or pairs, as in the paper; or their "sum", so that the push on one row
            does not fade as 1/n.
        sample: share of the rows, in (0, 1], drawn anew at every call: the paper's mini-batch MHE takes
            0.3. Which ones depends on the seed alone; torch's random state is not touched.
        dead: rows not longer than this share of the longest row take no part, in [0, 1). Zero rows never
            do: they have no direction. The gradient of a row grows as the inverse of its length.
        block_size: cosines held at once; 2**19 on a CPU and 2**26 on a GPU by default.
    """

    antipodal: bool = False
    reduction: str = "mean"
    sample: float | None = None
    dead: float = 0.0
    block_size: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.antipodal, bool):
            raise InvalidParameterError("antipodal", "True or False", self.antipodal)
        if self.reduction not in REDUCTIONS:
            raise UnknownNameError("reduction", str(self.reduction), REDUCTIONS)
        if self.sample is not None and not (_is_real(self.sample) and 0.0 < self.sample <= 1.0):
            raise InvalidParameterError("sample", "a share of the rows in (0, 1], or None", self.sample)
        if not (_is_real(self.dead) and 0.0 <= self.dead < 1.0):
            raise InvalidParameterError("dead", "a share of the longest row in [0, 1)", self.dead)
        size: object = self.block_size
        if size is not None:
            if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
                raise InvalidParameterError("block_size", "an integer of at least 1, or None", size)
            object.__setattr__(self, "block_size", int(size))
        if self.sample is not None:
            object.__setattr__(self, "sample", float(self.sample))  # NumPy's numbers are written differently
        object.__setattr__(self, "dead", float(self.dead))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.__name__] = cls

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name in the registry and on the command line."""

    @property
    def key(self) -> str:
        """The loss in words: operators of torch take strings, not objects. `known_as` reads them."""
        words = ", ".join([f"{name}={option!r}" for name, option in self.__dict__.items()])
        return f"{type(self).__name__}({words})"

    @abc.abstractmethod
    def evaluate(
        self, rows: Tensor, length: Tensor, labels: Tensor | None, nearest: Tensor | None, factor: float
    ) -> tuple[Tensor, Tensor]:
        """Value `(B,)` and gradient `(B, n, d)` of clean rows `(B, n, d)`, n >= 2, with their lengths `(B, n, 1)`.

        `labels` and `nearest` are None or `(B, n)`. Losses that look at all pairs ignore `nearest`. Both results
        are multiplied by `factor`, where it costs nothing.
        """

    def value_and_grad(
        self,
        weight: Tensor,
        *,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        nearest: Tensor | None = None,
        seed: int | None = None,
        factor: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """The loss and its gradient, without an autograd graph.

        Args:
            weight: rows of any length, shape `(..., n, d)`, d >= 2. Not modified. Zero rows take no
                part. Where a row that does is not finite, value and gradient are NaN.
            labels: rows of one label do not repel each other; whole numbers, `(n,)` or `(..., n)`.
            mask: rows that take part, as anchors and as neighbours; booleans, `(n,)` or `(..., n)`.
            nearest: neighbours to be used instead of the nearest, from `nearest_rows`, `(..., n)`.
            seed: of the random subset; a new subset at every call if None.
            factor: what loss and gradient are multiplied by.

        Returns:
            `(...)` the loss and `(..., n, d)` its gradient with respect to `weight`, both in the dtype of
            `weight`; half precisions are computed in float32. Zero where fewer than two rows take part.
        """
        shape = weight.shape
        rows = weight.detach().reshape(math.prod(shape[:-2]), *shape[-2:])
        if torch.is_autocast_enabled(weight.device.type):
            with torch.autocast(weight.device.type, enabled=False):
                value, grad = self._of_starts(rows, labels, mask, nearest, seed, factor)
        else:
            value, grad = self._of_starts(rows, labels, mask, nearest, seed, factor)
        return value.to(weight.dtype).view(shape[:-2]), grad.to(weight.dtype).view(shape)

    def _of_starts(
        self,
        rows: Tensor,
        labels: Tensor | None,
        mask: Tensor | None,
        nearest: Tensor | None,
        seed: int | None,
        factor: float,
    ) -> tuple[Tensor, Tensor]:
        """Value `(B,)` and gradient `(B, n, d)` of rows `(B, n, d)`."""
        batch, n, _ = rows.shape
        length = row_lengths(rows)
        if labels is not None:
            labels = labels.to(rows.device).expand(batch, n) if labels.ndim < 2 else labels.reshape(batch, n)
        if nearest is not None:
            nearest = nearest.reshape(batch, n)
        kept = self.taking_part(length, mask, seed)
        if kept is None:
            return self.evaluate(rows, length, labels, nearest, factor)
        value = length.new_zeros(batch)
        grad = torch.zeros_like(rows)
        for k in range(batch):
            some = kept[k].nonzero()[:, 0]
            if len(some) < 2:
                continue
            if not bool(length[k, some].isfinite().all()):
                value[k], grad[k] = torch.nan, torch.nan
                continue
            one, partial = self.evaluate(
                rows[k : k + 1, some],
                length[k : k + 1, some],
                None if labels is None else labels[k : k + 1, some],
                None if nearest is None else _renumbered(nearest[k], some)[None],
                factor,
            )
            value[k] = one[0]
            grad[k, some] = partial[0].to(grad.dtype)
        return value, grad

    def taking_part(self, length: Tensor, mask: Tensor | None, seed: int | None) -> Tensor | None:
        """Rows that take part, `(B, n)` booleans; None where every row does and is finite."""
        batch, n, _ = length.shape
        if n > 1 and batch and mask is None and self.sample is None:
            least, most = (bound.item() for bound in length.aminmax())
            if least > self.dead * most and most < math.inf:
                return None
        finite = length.isfinite()
        reach = length.where(finite, 0.0).amax(dim=1, keepdim=True) if n else length
        kept = ((length > self.dead * reach) | ~finite)[..., 0]  # what is not a number is not lost in silence
        if mask is not None:
            kept = kept & (mask if mask.ndim < 2 else mask.reshape(batch, n)).to(kept.device)
        if self.sample is not None:
            generator = torch.Generator().manual_seed(next(_subsets) if seed is None else seed)
            drawn = torch.rand(batch, n, generator=generator).to(kept.device).masked_fill_(~kept, torch.inf)
            order = drawn.argsort(dim=-1)
            count = (kept.sum(dim=-1, keepdim=True) * self.sample).round().long().clamp_min_(2)
            chosen = torch.zeros_like(kept).scatter_(-1, order, torch.arange(n, device=kept.device) < count)
            kept = kept & chosen
        return kept

    def __call__(
        self,
        weight: Tensor,
        *,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        nearest: Tensor | None = None,
        seed: int | Tensor | None = None,
        active: Tensor | None = None,
        factor: float = 1.0,
    ) -> Tensor:
        """The loss of the rows of `weight` `(..., n, d)`, shape `(...)`, differentiable once.

        The arguments are those of `value_and_grad`. `seed` may be a tensor on the CPU, and `active` one that
        says whether the loss is taken at all, or is zero: so schedules do not split a compiled graph.

        Raises:
            InvalidParameterError: if `weight` is no dense floating-point tensor of rows with d >= 2, or the
                shape or dtype of another argument does not fit it.
        """
        _check(weight, labels, mask, nearest)
        if isinstance(seed, int):
            seed = torch.tensor(seed)
        if not torch.compiler.is_compiling() and _tangent(weight) is not None:
            requirement = "differentiated backwards: its forward derivative is not known"
            raise InvalidParameterError("weight", requirement, "a tensor with a tangent", "Use `torch.autograd.grad`.")
        value: Tensor = _loss(weight, self.key, labels, mask, nearest, seed, active, factor)[0]
        return value


def _tangent(weight: Tensor) -> Tensor | None:
    """Of forward differentiation, if that is going on."""
    return forward_ad.unpack_dual(weight).tangent  # type: ignore[no-any-return, no-untyped-call]


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _renumbered(nearest: Tensor, some: Tensor) -> Tensor:
    """Neighbours `(n,)` as numbers among the rows `some`, `(m,)`; -1 where the neighbour is not among them."""
    position = torch.full((len(nearest) + 1,), -1, device=nearest.device)  # the last one stands for -1
    position[some] = torch.arange(len(some), device=nearest.device)
    return position[nearest[some]]


def _check(weight: Tensor, labels: Tensor | None, mask: Tensor | None, nearest: Tensor | None) -> None:
    """Refuse what has no angles, and arguments that do not fit the rows."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise InvalidParameterError("weight", "a floating-point tensor", getattr(weight, "dtype", type(weight)))
    if weight.dtype.itemsize < 2:
        remedy = "Use `weight.float()`, times its scales if it has some."
        raise InvalidParameterError("weight", "of 16 bits a number or more", weight.dtype, remedy)
    kind = "a nested tensor" if weight.is_nested else weight.layout
    if kind is not torch.strided:
        raise InvalidParameterError("weight", "a dense tensor", kind, "Use `weight.to_dense()`.")
    if weight.is_meta:
        raise InvalidParameterError("weight", "a tensor with values", "one on the meta device", "Materialise it first.")
    if weight.ndim < 2 or weight.shape[-1] < 2:
        raise InvalidParameterError("weight", "of shape (..., n, d) with d >= 2", tuple(weight.shape))
    n = weight.shape[-2]
    for name, given, kind in (("labels", labels, "whole numbers"), ("mask", mask, "booleans")):
        if given is None:
            continue
        if not isinstance(given, Tensor) or given.is_floating_point() or given.is_complex():
            raise InvalidParameterError(name, f"a tensor of {kind}", getattr(given, "dtype", type(given)))
        if (name == "mask") != (given.dtype == torch.bool):
            raise InvalidParameterError(name, f"a tensor of {kind}", given.dtype)
        if tuple(given.shape) not in ((n,), tuple(weight.shape[:-1])):
            raise InvalidParameterError(name, f"of shape ({n},), one entry a row", tuple(given.shape))
    if nearest is not None and not isinstance(nearest, Tensor):
        raise InvalidParameterError("nearest", "a tensor of row numbers", type(nearest))
    if nearest is not None and (nearest.dtype != torch.long or nearest.shape != weight.shape[:-1]):
        requirement = f"row numbers of shape {tuple(weight.shape[:-1])}"
        raise InvalidParameterError("nearest", requirement, f"{nearest.dtype} {tuple(nearest.shape)}")


# --- the operator ---------------------------------------------------------------------------------


@torch.library.custom_op("tammes::loss", mutates_args=())
def _loss(
    weight: Tensor,
    key: str,
    labels: Tensor | None,
    mask: Tensor | None,
    nearest: Tensor | None,
    seed: Tensor | None,
    active: Tensor | None,
    factor: float,
) -> tuple[Tensor, Tensor]:
    """Value and gradient of the loss that is written out in `key`."""
    if active is not None and not active.item():
        return weight.new_zeros(weight.shape[:-2]), weight.new_zeros(weight.shape)
    draw = None if seed is None else int(seed.item())
    return known_as(key).value_and_grad(weight, labels=labels, mask=mask, nearest=nearest, seed=draw, factor=factor)


@functools.lru_cache(maxsize=256)
def known_as(key: str) -> Loss:
    """The loss of these words, such as `MMA(antipodal=False, reduction='mean')`."""
    call = ast.parse(key, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    return _KINDS[call.func.id](**{str(option.arg): ast.literal_eval(option.value) for option in call.keywords})


@_loss.register_fake
def _shapes(
    weight: Tensor,
    key: str,  # noqa: ARG001
    labels: Tensor | None,  # noqa: ARG001
    mask: Tensor | None,  # noqa: ARG001
    nearest: Tensor | None,  # noqa: ARG001
    seed: Tensor | None,  # noqa: ARG001
    active: Tensor | None,  # noqa: ARG001
    factor: float,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    return weight.new_empty(weight.shape[:-2]), weight.new_empty(weight.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ARG001
    ctx.save_for_backward(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, upstream: Tensor | None, second: Tensor | None) -> tuple[Tensor | None, ...]:
    if second is not None:
        raise RuntimeError("The losses of tammes are differentiable once; their gradient has no gradient.")
    (grad,) = ctx.saved_tensors
    product = None if upstream is None else _times(upstream, grad)
    return product, None, None, None, None, None, None, None


def _times(upstream: Tensor, grad: Tensor) -> Tensor:
    """The product; a pass over a large weight is worth saving where the factor is one, as in `criterion + reg()`."""
    at_hand = type(upstream) is Tensor and upstream.device.type == "cpu" and upstream.ndim == 0
    if at_hand and not torch.is_grad_enabled() and upstream.item() == 1.0:
        return grad
    return upstream[..., None, None] * grad


_loss.register_autograd(_backward, setup_context=_keep)
