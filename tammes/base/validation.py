"""Checks of parameters (temporary)."""

from __future__ import annotations

import re

from tammes.base.errors import InvalidParameterError, check_integer, check_number

__all__ = ["check_device", "check_integer", "check_number"]


def check_device(device: str) -> str:
    """Return the device name, after checking its form."""
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", device) is None:
        raise InvalidParameterError("device", "auto, cpu, cuda or cuda:N", device)
    return device
