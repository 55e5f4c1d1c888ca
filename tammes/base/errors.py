"""The errors of the package: one root, built-in parents, one wording.

Every message is composed here, in the constructor: *name, requirement, value*, then what to do
where that is known. A caller may catch `TammesError`, or the built-in parent that fits.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = [
    "ConflictingOptionsError",
    "DeviceError",
    "FileAccessError",
    "FileFormatError",
    "InvalidParameterError",
    "InvalidPointsError",
    "MissingPackageError",
    "NotTabulatedError",
    "TammesError",
    "UnknownNameError",
    "WorkersLostError",
]


class TammesError(Exception):
    """Root of every error that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the composed message, so that an error of a worker process is raised unchanged here."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[TammesError], args: tuple[Any, ...], state: dict[str, Any]) -> TammesError:
    """Return an error of that kind without composing its message."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidParameterError(TammesError, ValueError):
    """A parameter does not meet its requirement: "`n` must be an integer of at least 2. Got 1."."""

    def __init__(self, name: str, requirement: str, value: object, remedy: str = "") -> None:
        self.name = name
        self.requirement = requirement
        self.value = value
        shown = " ".join((value if isinstance(value, str) and " " in value else repr(value)).split())
        super().__init__(f"`{name}` must be {requirement}. Got {shown}. {remedy}".rstrip())


class ConflictingOptionsError(TammesError, ValueError):
    """Two options cannot be given together: "`--json` and `--csv` exclude each other. Leave one of them out.".

    Args:
        one: the first option, as the user wrote it.
        other: the second option.
        reason: why, in a clause of its own: "`loss` and `symmetry` exclude each other: a loss is minimised without it.
            Leave one of them out.".
    """

    def __init__(self, one: str, other: str, reason: str = "") -> None:
        self.options = (one, other)
        self.reason = reason
        why = f": {reason}. Leave one of them out." if reason else ". Leave one of them out."
        super().__init__(f"`{one}` and `{other}` exclude each other{why}")


class InvalidPointsError(InvalidParameterError):
    """An array is not a set of unit points; the message names the first bad row."""


class UnknownNameError(TammesError, LookupError):
    """A name that a registry does not hold; the message lists the known ones, closest first."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        names = list(known)
        close = difflib.get_close_matches(name, names, n=len(names), cutoff=0.5)
        listed = ", ".join([*close, *(other for other in names if other not in close)])
        super().__init__(f"`{kind}` must be one of: {listed}. Got {name!r}.")


class MissingPackageError(TammesError, ImportError):
    """An optional package is not installed; the message says what to install."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"`{what}` needs the package {package}. Install it: `pip install 'tammes[{extra}]'`.")


class NotTabulatedError(TammesError, LookupError):
    """No stored value for this size; the message says what is covered."""


class FileAccessError(TammesError, OSError):
    """A file cannot be read or written."""

    def __init__(self, path: str | Path, reason: str, remedy: str = "") -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}. {remedy}".rstrip())


class FileFormatError(TammesError, ValueError):
    """A file was read, but does not hold what its format promises."""

    def __init__(self, path: str | Path, reason: str, remedy: str = "") -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}. {remedy}".rstrip())


class DeviceError(TammesError, RuntimeError):
    """The requested device is not available; no other one is used instead."""


class WorkersLostError(TammesError, RuntimeError):
    """Worker processes ended early or returned invalid outcomes; what was found before is kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The workers are lost: {reason}.")
