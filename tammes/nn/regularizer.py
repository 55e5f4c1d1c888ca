"""The regularisation term of a model (Eq. 13): `loss = criterion(model(x), y) + reg()`."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_number, check_seed
from tammes.losses.loss import Loss
from tammes.losses.nearest import NearestLoss
from tammes.nn import optimizers
from tammes.nn.layer_terms import DEAD, LayerTerm, layer_terms
from tammes.nn.presets import preset
from tammes.nn.rows import View
from tammes.nn.schedule import Schedule
from tammes.nn.selection import Choice, check_present, find_layers

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from tammes.nn.report import LayerReport

__all__ = ["Regularizer"]


class Regularizer:
    """Regularisation term that spreads the rows of the layers of a model: `sum over layers of coef * loss(rows)`.

    It is Eq. 13 of the paper. It is no module and owns no parameters; it reads those of the model at every call,
    whatever wraps it (`torch.compile`, DDP, FSDP2). Between calls it keeps only their number and, with
    `refresh_every`, the nearest rows.

    Args:
        model: the model that is trained.
        loss: a name in `losses.LOSSES` or a `Loss`, for the hidden layers and, by default, the output layer.
        coef: factor of the loss of a hidden layer; the paper has 0.07 without and 0.03 with skip connections.
            Values from 1 up were better where we measured it (docs/guide/networks.md).
        output_coef: factor of the loss of the output layer; `coef` by default, 0 leaves it out.
        output_loss: loss of the output layer; `loss` by default.
        output: which layers are output layers, by name or predicate; the last one by default.
        include: only these layers, by name with wildcards, predicate of (name, module), or several.
        exclude: layers to leave out, in the same forms.
        first_layer: whether the first layer takes part.
        embeddings: whether embeddings take part (their padding row never does).
        views: by name or pattern, how a parameter becomes rows: a function from the tensor to `(n, d)`, or
            to `(B, n, d)` for B sets, where rows of different sets do not repel each other (fused query, key and
            value).
        every: the term is computed at one call in `every`, and multiplied by `every`; the other calls return zero.
        refresh_every: the nearest rows are searched at one of so many computed terms (MMA, cosine). In between
            the angles are exact, but of pairs that may no longer be the nearest ones.
        seed: seed of the random subsets of a loss with `sample`.
        dead: rows not longer than this share of the layer's longest one take no part, as zero rows never do:
            the gradient grows as the inverse of the length.
        options: arguments of a loss given by name: `antipodal`, `reduction`, `sample`, `block_size`, `s`.

    Attributes:
        skipped: weights that take no part, by name, with the reason.

    Raises:
        InvalidParameterError: if an argument is out of range, or the model has no layer with angles.
        UnknownNameError: if a name of a loss or layer is not known.

    References: Z. Wang, C. Xiang, W. Zou, C. Xu, MMA Regularization, NeurIPS 2020, Eq. 13.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
        >>> reg = Regularizer(model, loss="mma", coef=0.07)
        >>> reg.layers
        ('0', '2')
        >>> loss = model(torch.randn(2, 8)).square().mean() + reg()
        >>> loss.backward()
    """

    def __init__(
        self,
        model: nn.Module,
        loss: str | Loss = "mma",
        coef: float = 0.07,
        *,
        output_coef: float | None = None,
        output_loss: str | Loss | None = None,
        output: Choice = None,
        include: Choice = None,
        exclude: Choice = None,
        first_layer: bool = True,
        embeddings: bool = False,
        views: Mapping[str, View] | None = None,
        every: int = 1,
        refresh_every: int = 1,
        seed: int = 0,
        dead: float = DEAD,
        **options: Any,
    ) -> None:
        check_number("coef", coef)
        if output_coef is not None:
            check_number("output_coef", output_coef)
        every = check_integer("every", every, 1)
        refresh_every = check_integer("refresh_every", refresh_every, 1)
        seed = check_seed(seed)
        found = find_layers(
            model,
            include=include,
            exclude=exclude,
            output=output,
            first_layer=first_layer,
            embeddings=embeddings,
            views=views,
        )
        self._terms = layer_terms(
            found,
            loss=loss,
            output_loss=output_loss,
            coef=coef,
            output_coef=output_coef,
            dead=dead,
            options=options,
        )
        if refresh_every > 1 and any(term.loss.sample is not None for term in self._terms):
            raise InvalidParameterError("refresh_every", "1 for a loss that samples its rows", refresh_every)
        self._model = model
        self._schedule = Schedule(every, refresh_every, seed)
        self._names = frozenset(term.layer.name for term in self._terms)  # of the layers that take part
        self._held: dict[int, nn.Parameter] | None = None  # the parameters that a part moves; all if None
        self._attached: list[Regularizer] = []  # the parts of optimisers that hold some of the layers
        self.skipped = dict(found.skipped)

    @classmethod
    def from_preset(cls, model: nn.Module, name: str, **changes: Any) -> Regularizer:
        """Return a regulariser with the settings of a paper.

        Args:
            model: the model that is trained.
            name: a key of `tammes.nn.presets.PRESETS`: `mma_paper`, `mhe_paper`, `mhe_official`,
                `orthogonal_paper`.
            changes: arguments of `Regularizer` that differ from the preset.

        Raises:
            UnknownNameError: if there is no such preset.
        """
        return cls(model, **(preset(name) | changes))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that take part."""
        return tuple(term.layer.name for term in self._own_terms())

    @property
    def every(self) -> int:
        """The term is computed at one call in `every`, and multiplied by `every`."""
        return self._schedule.every

    @property
    def calls(self) -> int:
        """Number of calls so far."""
        return self._schedule.calls

    # --- the term -----------------------------------------------------------------------------------

    def __call__(self) -> Tensor:
        """Return the term, a scalar connected to the weights; frozen weights are left out.

        In the losses' own precision or float32, whatever autocast is on; on the device of the first layer.

        Raises:
            InvalidParameterError: if a weight is on the meta device, or a layer has left the model.
        """
        compiling = torch.compiler.is_compiling()
        if not compiling:
            check_present(self._model, [term.layer for term in self._terms])
        now = self._schedule.tick()
        active = self._schedule.active(now)
        if active is not None and not compiling and not active.item():
            return self._zero()
        every = self._schedule.every
        total: Tensor | None = None
        for number, (layer, loss, coef) in enumerate(self._terms):
            if layer.name not in self._names or layer.rows.frozen:
                continue
            weight = layer.rows.weight()
            if weight.is_meta:
                raise InvalidParameterError(layer.name, "materialised before its loss is taken", "a meta tensor")
            arguments = self._loss_arguments(number, weight, now)
            value = loss(weight, active=active, factor=coef * every, **arguments)
            value = value.to(torch.promote_types(value.dtype, torch.float32))
            if value.ndim == 0:
                summand = value
            elif layer.rows.parts:  # each part counts as a layer
                summand = value.sum()
            else:  # groups of one layer
                summand = value.mean()
            total = summand if total is None else total + summand.to(total.device)
        return self._zero() if total is None else total

    def _loss_arguments(self, number: int, weight: Tensor, now: Tensor) -> dict[str, Any]:
        """Return the mask, seed and nearest rows for the loss of layer `number`, where it takes them."""
        layer, loss, _ = self._terms[number]
        arguments: dict[str, Any] = {}
        if layer.rows.padding is not None:
            mask = torch.ones(weight.shape[-2], dtype=torch.bool, device=weight.device)
            mask[layer.rows.padding] = False
            arguments["mask"] = mask
        if loss.sample is not None:
            arguments["seed"] = self._schedule.loss_seed(now, number)
        if self._schedule.refresh_every > 1 and isinstance(loss, NearestLoss):
            nearest = self._schedule.nearest_rows(layer.name, loss, weight, now, arguments.get("mask"))
            arguments["nearest"] = nearest
        return arguments

    def _zero(self) -> Tensor:
        """Return zero, connected to a parameter, so that `backward` has a graph to run through."""
        leaves = (leaf for term in self._own_terms() for leaf in term.layer.rows.leaves() if leaf.requires_grad)
        leaf: Tensor = next(itertools.chain(leaves, self._model.parameters()))
        if hasattr(leaf, "full_tensor"):
            leaf = leaf.full_tensor()
        return leaf.flatten()[:0].sum().to(torch.promote_types(leaf.dtype, torch.float32))

    # --- the parameters -----------------------------------------------------------------------------

    def leaves(self) -> list[nn.Parameter]:
        """Return the parameters that the term moves, each once, as an optimiser holds them."""
        optimizers.reshard(self._model)
        learning = (leaf for term in self._terms for leaf in term.layer.rows.leaves() if leaf.requires_grad)
        found = {id(leaf): leaf for leaf in learning}
        return [leaf for key, leaf in found.items() if self._held is None or key in self._held]

    def part(self, parameters: Iterable[nn.Parameter]) -> Regularizer:
        """Return the terms of the layers that have some of these parameters, with no gradient for others.

        For training with several optimisers: each of them steps with its own part, which counts its own calls.

        Args:
            parameters: such as those of an optimiser.

        Returns:
            A regulariser, possibly without layers.
        """
        other = copy.copy(self)
        other._schedule = self._schedule.restarted()
        other._attached = []
        other.hold_(parameters)
        return other

    def hold_(self, parameters: Iterable[nn.Parameter]) -> None:
        """Restrict the term to these parameters from now on, as `part` does in a copy."""
        optimizers.reshard(self._model)
        held = {id(parameter): parameter for parameter in parameters}
        self._held = held
        self._names = frozenset(
            term.layer.name for term in self._terms if any(id(leaf) in held for leaf in term.layer.rows.leaves())
        )

    def _own_terms(self) -> list[LayerTerm]:
        """Return the terms of the layers that take part."""
        return [term for term in self._terms if term.layer.name in self._names]

    # --- optimisers ---------------------------------------------------------------------------------

    def step_(self, lr: float | Tensor) -> Tensor:
        """Update the weights by `w -= lr * d term / d w`, apart from the moments of Adam and similar optimisers.

        Call it after `optimizer.step()`, with the current learning rate.

        Args:
            lr: learning rate, a finite number.

        Returns:
            The term before the update, detached.

        Raises:
            InvalidParameterError: if `lr` is no finite number; then nothing is changed.
        """
        rate = optimizers.check_learning_rate(lr)
        term, pairs = optimizers.gradients(self, self.leaves())
        optimizers.descend_(pairs, rate)
        return term

    def accumulate_(self, scale: float | Tensor = 1.0) -> Tensor:
        """Add `scale` times the gradient of the term to `.grad`, as if the term had been part of the loss.

        Call it between `backward()` and `optimizer.step()`; with a `GradScaler`, after `unscale_`.

        Args:
            scale: factor of the gradient.

        Returns:
            The term, detached.
        """
        term, pairs = optimizers.gradients(self, self.leaves())
        optimizers.accumulate_gradients_(pairs, scale)
        return term

    def attach(self, optimizer: torch.optim.Optimizer) -> RemovableHandle:
        """Register a hook by which `optimizer.step()` adds the gradient of the term by itself.

        The hook runs before each step, after any clipping of gradients. An optimiser that evaluates the loss
        itself, through a closure, is refused: its line search would leave out the term. Attached to several
        optimisers, the regulariser adds to each the gradient of the parameters that this one holds.

        Args:
            optimizer: holds some weights of the regularised layers.

        Returns:
            A handle; `handle.remove()` detaches.

        Raises:
            InvalidParameterError: if the optimiser needs closures, or has none of the layers' parameters.
                A step with a closure raises it too.
        """
        optimizers.check_optimizer(optimizer)
        part = self.part(optimizers.parameters_of(optimizer))
        if not part.leaves():
            raise InvalidParameterError("optimizer", "one that holds weights of the regularised layers", "another")
        if len(part.leaves()) == len(self.leaves()):
            part = self
        else:
            self._attached.append(part)

        def before_step(stepped: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            optimizers.check_no_closure(args, kwargs)
            if part is not self:
                part.hold_(optimizers.parameters_of(stepped))
            scale = getattr(stepped, "grad_scale", None)  # a fused optimiser unscales within its step
            part.accumulate_(1.0 if scale is None else scale)

        return optimizer.register_step_pre_hook(before_step)

    # --- report and state ---------------------------------------------------------------------------

    def report(self, max_rows: int | None = None) -> LayerReport:
        """Return the measured angles of the rows of each layer: `print(reg.report())`.

        Cost: O(n^2 d) a layer in float64 on the CPU; some minutes for a head of 50,000 rows.

        Args:
            max_rows: layers of more rows are left out; none if None.

        Raises:
            InvalidParameterError: if `max_rows` is out of range, or a weight is on the meta device.
        """
        from tammes.nn.report import LayerReport

        return LayerReport.of(self._own_terms(), max_rows)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to continue exactly: the number of calls and the nearest rows."""
        return self._schedule.state_dict() | {"attached": [part.state_dict() for part in self._attached]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned in another run; call it after `attach`.

        Args:
            state: not modified.

        Raises:
            InvalidParameterError: if this is no state of a regulariser of these layers; nothing is changed.
        """
        self._schedule.load_state_dict(state, {term.layer.name for term in self._terms})
        for part, own in zip(self._attached, state.get("attached", ()), strict=False):
            part.load_state_dict(own)

    def __repr__(self) -> str:
        terms = "\n".join(f"  {layer.name}: {coef:g} * {loss!r}" for layer, loss, coef in self._terms)
        return f"Regularizer(\n{terms}\n)"
