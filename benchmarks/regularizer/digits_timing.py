"""Time of a training step with the regularisation term over that of one without; the two alternate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from digits_study import Settings
from digits_training import METHODS, MOMENTUM, network, split_of
from torch import nn, optim

from tammes.nn import Regularizer


def variants(methods: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
    """Return, by label, the arguments of `Regularizer` on both kinds of layers."""
    found: dict[str, dict[str, object]] = {}
    for method in (METHODS[name] for name in methods):
        found[method.title] = {"loss": method.loss, "coef": method.coef}
        if method.loss.name == "mma":
            found[f"{method.title}, refresh_every = 10"] = found[method.title] | {"refresh_every": 10}
        if method.sample is not None:
            own = replace(method.loss, sample=method.sample)
            found[f"{method.title}, {100 * method.sample:g} % of the rows"] = {"loss": own, "coef": method.coef}
    return found


def step_ratios(label: str, settings: Settings) -> list[float]:
    """Return ratios of the time of steps with the term of that label to the time without."""
    sides = [_step(arguments, settings) for arguments in (variants(settings.methods)[label], None)]
    seconds = [[_seconds(step, settings.timing_steps) for step in sides] for _ in range(settings.timing_pairs + 1)]
    return [own / plain for own, plain in seconds[1:]]  # the first pair warms up


def _step(arguments: Mapping[str, object] | None, settings: Settings) -> Callable[[], None]:
    """Return a training step on one batch."""
    data = split_of("tuning", 0, settings.train_images)
    model = network("tuning", 0)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=MOMENTUM)
    term = None if arguments is None else Regularizer(model, **arguments)  # type: ignore[arg-type]

    def step() -> None:
        loss = nn.functional.cross_entropy(model(data.x[: settings.batch]), data.y[: settings.batch])
        if term is not None:
            loss = loss + term()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _seconds(step: Callable[[], None], steps: int) -> float:
    """Return the seconds of so many steps."""
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - began
