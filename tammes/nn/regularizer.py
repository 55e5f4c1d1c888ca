"""The regularisation term of a model (Eq. 13): `loss = criterion(model(x), y) + reg()`."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer, check_number
from tammes.losses.loss import Loss
from tammes.losses.nearest import NearestLoss, are_row_numbers
from tammes.losses.registry import get
from tammes.nn.presets import preset
from tammes.nn.rows import View
from tammes.nn.selection import Choice, Layer, check_present, find_layers

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from tammes.nn.report import LayerReport

__all__ = ["Regularizer", "parameters_of"]

DEAD = 1e-4
"""Rows shorter than this share of a layer's longest row are left alone."""


class Regularizer:
    """Spreads the rows of the layers of a model: `sum over layers of coef * loss(rows)` (Eq. 13).

    It is no module and owns no parameters; it reads those of the model at every call, whatever wraps it
    (`torch.compile`, DDP, FSDP2). Between calls it remembers nothing but their number and, with
    `refresh_every`, the neighbours.

    Args:
        model: the model that is trained.
        loss: a name in `losses.LOSSES` or a `Loss`, for the hidden layers and, by default, the output layer.
        coef: what the loss of a hidden layer is multiplied by; the paper has 0.07 without and 0.03 with
            skip connections. Values from 1 up were better where we measured it (docs/guide/networks.md).
        output_coef: the same for the output layer; `coef` by default, 0 leaves it out.
        output_loss: another loss for the output layer.
        output: which layers are output layers, by name or predicate; the last one by default.
        include: only these layers, by name with wildcards, predicate of (name, module), or several.
        exclude: not these.
        first_layer: whether the first layer takes part.
        embeddings: whether embeddings take part (their padding row never does).
        views: by name or pattern, how a parameter becomes rows: a function from the tensor to `(n, d)`, or
            to `(B, n, d)` where rows of B sets do not repel each other (fused query, key and value).
        every: the term is computed at every so many calls only, and multiplied by their number; the calls
            between return zero.
        refresh_every: who is nearest to whom is looked up at every so many calls only (MMA, cosine). In
            between the angles are exact, but of pairs that may no longer be the nearest ones.
        seed: of the random subsets that a loss with `sample` takes.
        dead: rows not longer than this share of the layer's longest one take no part, as zero rows never do;
            the gradient grows as the inverse of the length, and would throw them about.
        options: of a loss given by name: `antipodal`, `reduction`, `sample`, `block_size`, `s`.

    Attributes:
        layers: names of the layers that take part.
        skipped: weights that do not, and why.

    Raises:
        InvalidParameterError: if an argument is out of range, or the model has no layer with angles.
        UnknownNameError: if a name of a loss or layer is not known.

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
        for name, value in (("coef", coef), ("output_coef", coef if output_coef is None else output_coef)):
            check_number(name, value)
        for name, value, least in (("every", every, 1), ("refresh_every", refresh_every, 1), ("seed", seed, 0)):
            check_integer(name, value, least)
        found = find_layers(
            model,
            include=include,
            exclude=exclude,
            output=output,
            first_layer=first_layer,
            embeddings=embeddings,
            views=views,
        )
        by_name = isinstance(loss, str) or isinstance(output_loss, str)  # options are of those; of none, an error
        hidden, last = (
            _with_dead(get(one, **({} if by_name and isinstance(one, Loss) else options)), dead)
            for one in (loss, loss if output_loss is None else output_loss)
        )
        terms = []
        for layer in found.chosen:
            own, weight = (hidden, coef) if layer.name not in found.output else (last, coef)
            if layer.name in found.output and output_coef is not None:
                weight = output_coef
            if weight:
                terms.append((layer, own, float(weight)))
        if refresh_every > 1 and any(own.sample is not None for _, own, _ in terms):
            raise InvalidParameterError("refresh_every", "1 for a loss that samples its rows", refresh_every)
        self._terms: tuple[tuple[Layer, Loss, float], ...] = tuple(terms)
        self._every, self._refresh_every, self._seed = int(every), int(refresh_every), int(seed) % (1 << 40)
        self._model = model
        self._nearest: dict[str, Tensor] = {}
        self._clock = torch.zeros((), dtype=torch.long)  # a tensor: compiled graphs must not depend on it
        self._held: dict[int, nn.Parameter] | None = None  # the parameters that a part moves; all of them if None
        self._own = {layer.name for layer, _, _ in terms}  # the layers they belong to
        self._attached: list[Regularizer] = []  # what optimisers that hold some of the layers step with
        self.skipped = dict(found.skipped)

    @classmethod
    def from_preset(cls, model: nn.Module, name: str, **changes: Any) -> Regularizer:
        """The settings of a paper: `mma_paper`, `mhe_paper`, `mhe_official`, `orthogonal_paper`.

        Args:
            model: the model that is trained.
            name: a key of `tammes.nn.presets.PRESETS`, which says what each one is.
            changes: arguments of `Regularizer` that differ from the preset.
        """
        return cls(model, **(preset(name) | changes))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that take part."""
        return tuple(layer.name for layer, _, _ in self._own_terms())

    def _own_terms(self) -> list[tuple[Layer, Loss, float]]:
        """Those of a part, or all."""
        return [term for term in self._terms if term[0].name in self._own]

    def __call__(self) -> Tensor:
        """The term, a scalar connected to the weights; frozen weights are left out.

        In the losses' own precision or float32, whatever autocast is on; on the device of the first layer.

        Raises:
            InvalidParameterError: if a weight is on the meta device.
        """
        if not torch.compiler.is_compiling():
            check_present(self._model, [layer for layer, _, _ in self._terms])
        now = self._clock.clone()
        self._clock.add_(1)
        active = None if self._every == 1 else now % self._every == 0
        if active is not None and not torch.compiler.is_compiling() and not active.item():
            return self._zero()
        total: Tensor | None = None
        for number, (layer, loss, coef) in enumerate(self._terms):
            if layer.name not in self._own or layer.rows.frozen:
                continue
            weight = layer.rows.weight()
            if weight.is_meta:
                raise InvalidParameterError(layer.name, "materialised before its loss is taken", "a meta tensor")
            arguments = self._arguments(layer, loss, weight, now, number)
            value = loss(weight, active=active, factor=coef * self._every, **arguments)
            value = value.to(torch.promote_types(value.dtype, torch.float32))
            term = value if value.ndim == 0 else value.sum() if layer.rows.parts else value.mean()
            total = term if total is None else total + term.to(total.device)
        return self._zero() if total is None else total

    def _arguments(self, layer: Layer, loss: Loss, weight: Tensor, now: Tensor, number: int) -> dict[str, Any]:
        """What the loss of one layer is told beside its rows."""
        arguments: dict[str, Any] = {}
        if layer.rows.padding is not None:
            kept = torch.ones(weight.shape[-2], dtype=torch.bool, device=weight.device)
            kept[layer.rows.padding] = False
            arguments["mask"] = kept
        if loss.sample is not None:
            arguments["seed"] = (now + self._seed * 1_000_003) * 1_009 + number
        if self._refresh_every > 1 and isinstance(loss, NearestLoss):
            if layer.name not in self._nearest or self._nearest[layer.name].shape != weight.shape[:-1]:
                self._nearest[layer.name] = loss.unknown(weight)
            due = now % (self._every * self._refresh_every) == 0
            loss.refresh_(self._nearest[layer.name], weight, due, arguments.get("mask"))
            arguments["nearest"] = self._nearest[layer.name].clone()
        return arguments

    @property
    def every(self) -> int:
        """At every so many calls the term is computed, and multiplied by their number."""
        return self._every

    @property
    def calls(self) -> int:
        """How often the term was asked for."""
        return int(self._clock)

    def _zero(self) -> Tensor:
        """Nothing, connected to the graph, so that `backward` has somewhere to go."""
        learning = (leaf for layer, _, _ in self._own_terms() for leaf in layer.rows.leaves() if leaf.requires_grad)
        leaf: Tensor = next(itertools.chain(learning, self._model.parameters()))
        if hasattr(leaf, "full_tensor"):
            leaf = leaf.full_tensor()
        return leaf.flatten()[:0].sum().to(torch.promote_types(leaf.dtype, torch.float32))

    # --- without autograd ---------------------------------------------------------------------------

    def leaves(self) -> list[nn.Parameter]:
        """The parameters that the term moves, each once: what an optimiser holds."""
        self._back_to_shards()
        every = (leaf for layer, _, _ in self._terms for leaf in layer.rows.leaves() if leaf.requires_grad)
        found = {id(leaf): leaf for leaf in every}
        return [leaf for key, leaf in found.items() if self._held is None or key in self._held]

    def part(self, parameters: Iterable[nn.Parameter]) -> Regularizer:
        """The terms of the layers that have some of these parameters, and no gradient for others.

        For training with several optimisers: each of them steps with its own part, which counts its own calls.

        Args:
            parameters: such as those of an optimiser.

        Returns:
            A regulariser, possibly without layers.
        """
        other = copy.copy(self)
        other._nearest, other._clock, other._attached = {}, torch.zeros_like(self._clock), []
        other.hold_(parameters)
        return other

    def hold_(self, parameters: Iterable[nn.Parameter]) -> None:
        """Be the part of these parameters from now on, as when an optimiser takes up more of them."""
        self._back_to_shards()
        held = self._held = {id(parameter): parameter for parameter in parameters}
        self._own = {layer.name for layer, _, _ in self._terms if any(id(leaf) in held for leaf in layer.rows.leaves())}

    def _back_to_shards(self) -> None:
        """After a forward pass modules of FSDP2 hold gathered copies, which will be dropped: the shards instead."""
        for module in self._model.modules():
            if hasattr(module, "unshard") and callable(getattr(module, "reshard", None)):
                cast("Any", module).reshard()

    def _gradients(self) -> tuple[Tensor, list[tuple[nn.Parameter, Tensor]]]:
        """The term and its gradient with respect to every leaf."""
        leaves = self.leaves()
        with torch.inference_mode(False), torch.enable_grad():
            term = self()
        if not leaves or not term.requires_grad:
            return term.detach(), []
        grads = torch.autograd.grad(term, leaves, allow_unused=True)
        return term.detach(), [(leaf, grad) for leaf, grad in zip(leaves, grads, strict=True) if grad is not None]

    def step_(self, lr: float | Tensor) -> Tensor:
        """Decoupled update, for Adam and its kin: `w -= lr * d term / d w`, apart from the optimiser's moments.

        Call it after `optimizer.step()`, with the learning rate of the moment.

        Returns:
            The term before the update.
        """
        rate = check_number("lr", lr.item() if isinstance(lr, Tensor) and lr.numel() == 1 else lr)
        term, pairs = self._gradients()
        with torch.no_grad():
            for leaf, grad in pairs:
                leaf.sub_(grad.to(leaf.dtype), alpha=rate)
        return term

    def accumulate_(self, scale: float | Tensor = 1.0) -> Tensor:
        """Add `scale` times the gradient of the term to `.grad`, as if the term had been part of the loss.

        Call it between `backward()` and `optimizer.step()`; with a `GradScaler`, after `unscale_`.

        Returns:
            The term.
        """
        term, pairs = self._gradients()
        with torch.no_grad():
            for leaf, grad in pairs:
                addition = (grad * scale).to(leaf.dtype)
                leaf.grad = addition if leaf.grad is None else leaf.grad.add_(addition)
        return term

    def attach(self, optimizer: torch.optim.Optimizer) -> RemovableHandle:
        """Let `optimizer.step()` add the gradient of the term by itself: no line in the training loop.

        It runs before each step, after any clipping of gradients. An optimiser that evaluates the loss
        itself, through a closure, is refused: its line search would not see the term. Attached to several
        optimisers it adds to each one the gradient of the parameters that this one holds.

        Returns:
            A handle; `handle.remove()` detaches.

        Raises:
            InvalidParameterError: if the optimiser needs closures, or has none of the layers' parameters.
                A step with a closure raises it too.
        """
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InvalidParameterError("optimizer", "an optimiser of torch", type(optimizer).__name__)
        if isinstance(optimizer, torch.optim.LBFGS):
            raise _no_closures(type(optimizer).__name__)
        part = self.part(parameters_of(optimizer))
        if not part.leaves():
            raise InvalidParameterError("optimizer", "one that holds weights of the regularised layers", "another")
        if len(part.leaves()) == len(self.leaves()):
            part = self
        else:
            self._attached.append(part)

        def before_step(stepped: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if any(callable(argument) for argument in (*args[1:], *kwargs.values())):
                raise _no_closures("a step with a closure")
            if part is not self:
                part.hold_(parameters_of(stepped))
            scale = getattr(stepped, "grad_scale", None)  # a fused optimiser unscales within its step
            part.accumulate_(1.0 if scale is None else scale)

        return optimizer.register_step_pre_hook(before_step)

    # --- what it does ---------------------------------------------------------------------------------

    def report(self, max_rows: int | None = None) -> LayerReport:
        """What the rows of each layer are like now, measured in NumPy float64: `print(reg.report())`.

        Cost: O(n^2 d) a layer in float64 on the CPU; some minutes for a head of 50,000 rows.

        Args:
            max_rows: leave out layers of more rows than this, where many reports are made.
        """
        from tammes.nn.report import LayerReport

        return LayerReport.of(self._own_terms(), max_rows)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on exactly: the number of calls and the stale neighbours."""
        return {
            "calls": self.calls,
            "nearest": {name: found.clone() for name, found in self._nearest.items()},
            "attached": [part.state_dict() for part in self._attached],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of another run, after `attach`.

        Raises:
            InvalidParameterError: if this is no state of a regulariser of these layers; nothing is changed.
        """
        _check_state(state, {layer.name for layer, _, _ in self._terms})
        self._clock.fill_(state["calls"])
        self._nearest = {name: found.clone() for name, found in state["nearest"].items()}
        for part, own in zip(self._attached, state.get("attached", ()), strict=False):
            part.load_state_dict(own)

    def __repr__(self) -> str:
        terms = "\n".join(f"  {layer.name}: {coef:g} * {loss!r}" for layer, loss, coef in self._terms)
        return f"Regularizer(\n{terms}\n)"


def _with_dead(loss: Loss, dead: float) -> Loss:
    """The loss with the regulariser's idea of a dead row, unless it has its own."""
    return loss if loss.dead else dataclasses.replace(loss, dead=dead)


def _check_state(state: object, names: set[str]) -> None:
    """Refuse what `state_dict` would not have written: neighbours that are no rows would be read anywhere."""
    if isinstance(state, Mapping) and isinstance(state.get("nearest"), Mapping):
        check_integer("calls", state.get("calls"), 0)
        if all(name in names and are_row_numbers(found) for name, found in state["nearest"].items()):
            return
    raise InvalidParameterError("state", "what `state_dict` of a regulariser of these layers gave", type(state))


def parameters_of(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    """All that an optimiser holds."""
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _no_closures(what: str) -> InvalidParameterError:
    return InvalidParameterError(
        "optimizer",
        "one whose steps take no closure",
        what,
        "Add `reg()` to the loss inside the closure; in Lightning use tammes.nn.lightning.RegularizerCallback, with "
        "transformers' Trainer tammes.nn.transformers.RegularizerCallback.",
    )
