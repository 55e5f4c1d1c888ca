"""The registry of the losses by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.losses.energy import Logarithmic, Orthogonal, RieszFisher
from tammes.losses.loss import Loss
from tammes.losses.nearest import MMA, Cosine

__all__ = ["LOSSES", "get"]

LOSSES: dict[str, Callable[..., Loss]] = {
    "mma": MMA,
    "cosine": Cosine,
    "riesz-fisher": RieszFisher,
    "logarithmic": Logarithmic,
    "orthogonal": Orthogonal,
}
"""Class of every loss by its name; called with options, it returns the loss."""


def get(name: str | Loss, s: float = 2.0, **options: Any) -> Loss:
    """Return the loss of a name; a `Loss` is returned unchanged.

    Args:
        name: a key of `LOSSES`.
        s: the Riesz exponent, used by Riesz-Fisher only.
        options: `antipodal`, `reduction`, `sample`, `dead`, `block_size`: see `Loss`.

    Raises:
        UnknownNameError: if no loss has this name.
        InvalidParameterError: if s is not positive, an option is out of range, or options are given with a `Loss`.

    Example:
        >>> get("riesz-fisher", s=1).name
        'riesz-fisher'
    """
    if isinstance(name, Loss):
        if options:
            given = ", ".join(f"{option}={value!r}" for option, value in options.items())
            raise InvalidParameterError("loss", "a name where options are given", f"{name!r} with {given}")
        return name
    if not isinstance(name, str) or name not in LOSSES:
        raise UnknownNameError("loss", str(name), LOSSES)
    return LOSSES[name](s=s, **options) if name == "riesz-fisher" else LOSSES[name](**options)
