"""The losses by their names."""

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
"""Every loss by its name; each entry makes the loss from its options."""


def get(name: str | Loss, s: float = 2.0, **options: Any) -> Loss:
    """The loss of that name; a `Loss` is returned as it is.

    Args:
        name: a key of `LOSSES`.
        s: the Riesz exponent, used by Riesz-Fisher alone.
        options: `antipodal`, `reduction`, `sample`, `dead`, `block_size`: see `Loss`.

    Raises:
        UnknownNameError: if no loss has this name.
        InvalidParameterError: if s is not positive, an option is out of range, or options come with a `Loss`.

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
