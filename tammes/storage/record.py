"""Fields of a record, checked for their types, and its claims, compared with what the points measure.

A record may have been written by anyone: a field of the wrong type is named, never trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from tammes.codes.spherical_code import CONTACT_TOLERANCE, SphericalCode

__all__ = ["CLAIMS", "FIELDS", "TOLERANCE", "Counted", "false_claims", "field_of"]

TOLERANCE = 1e-12
"""Claimed and measured angles agree within this, radians."""


class Counted(msgspec.Struct):
    """Contacts or rattlers, as a record counts them."""

    count: int
    tolerance: Annotated[float, msgspec.Meta(ge=0.0)] = CONTACT_TOLERANCE
    """Radians within which an angle counts as the minimal one."""


CLAIMS: dict[str, Any] = {
    "n": int,
    "d": int,
    "digest": str,
    "min_angle": float,
    "min_angle_degrees": float,
    "max_cosine": float,
    "contacts": int | Counted,
    "rattlers": int | Counted,
}
"""What a record may claim of its points, with types."""

FIELDS: dict[str, Any] = CLAIMS | {"archived": str, "file": str, "method": list[str]}
"""Every field that this package reads back from a record, with types."""


def field_of(record: Mapping[str, Any], name: str) -> Any:
    """Return a field of a record; None where it is missing or not of its type.

    Args:
        record: JSON values.
        name: one of `FIELDS`.
    """
    try:
        return msgspec.convert(record.get(name), FIELDS[name])
    except msgspec.ValidationError:
        return None


def false_claims(
    record: Mapping[str, Any],
    code: SphericalCode,
    tolerance: float = TOLERANCE,
    *,
    digest: bool = True,
    counts: bool = True,
    strings: bool = False,
) -> list[str]:
    """Return one line for every claim of a record that its points do not bear out.

    Args:
        record: JSON values; what is left out is not compared.
        code: the points.
        tolerance: by which claimed and measured angles may differ, radians; cosines likewise.
        digest: compare the digest.
        counts: compare the numbers of contacts and rattlers, which takes longer than all else.
        strings: numbers may be strings, as of a code in many digits.

    Returns:
        Lines such as "n: claimed 13, measured 12".
    """
    exact = {"n": code.n, "d": code.d} | ({"digest": code.digest} if digest else {})
    close = {
        "min_angle": (code.min_angle, tolerance),
        "min_angle_degrees": (code.min_angle_degrees, math.degrees(tolerance)),
        "max_cosine": (code.max_cosine, tolerance),
    }
    found = []
    for name, measured in exact.items():
        if record.get(name) is None:  # a record need not name its points
            continue
        claimed, fault = _claimed(record, name)
        if fault or claimed != measured:
            found.append(_line(name, record[name], measured, fault))
    for name, (angle, allowed) in close.items():
        if name not in record:
            continue
        claimed, fault = _claimed(record, name, strict=not strings)
        if fault or not angle - allowed <= claimed <= angle + allowed:
            found.append(_line(name, record[name], angle, fault))
    if counts:
        contacts = field_of(record, "contacts")
        within = contacts.tolerance if isinstance(contacts, Counted) else CONTACT_TOLERANCE
        for name, measure in (("contacts", code.contacts), ("rattlers", code.rattlers)):
            if record.get(name) is None:  # not counted: the code is too large
                continue
            claimed, fault = _claimed(record, name)
            stated = claimed.count if isinstance(claimed, Counted) else claimed
            measured = len(measure(within))
            if fault or stated != measured:
                found.append(_line(name, record[name] if fault else stated, measured, fault))
    return found


def _claimed(record: Mapping[str, Any], name: str, *, strict: bool = True) -> tuple[Any, str]:
    """Return a claim in its type, and what is wrong with its type; empty where nothing is."""
    try:
        return msgspec.convert(record[name], CLAIMS[name], strict=strict), ""
    except msgspec.ValidationError as error:
        return None, f" ({str(error)[0].lower()}{str(error)[1:]})"


def _line(name: str, claimed: object, measured: object, fault: str) -> str:
    """Return a line that names a claim; a string of the right type stands without quotes."""
    shown = claimed if isinstance(claimed, str) and not fault else repr(claimed)
    return f"{name}: claimed {shown}{fault}, measured {measured}"
