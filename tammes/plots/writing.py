"""Figures as the content of PNG, SVG and PDF files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tammes.base.errors import InvalidParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SUFFIXES", "figure_bytes"]

SUFFIXES = (".png", ".svg", ".pdf")
"""File formats that a figure can be written in."""


def figure_bytes(figure: Figure, suffix: str = ".png") -> bytes:
    """Return the content of a PNG, SVG or PDF file with this figure.

    Args:
        figure: not modified.
        suffix: one of `SUFFIXES`, in upper or lower case.

    Raises:
        InvalidParameterError: if the suffix is not one of `SUFFIXES`.
    """
    if suffix.lower() not in SUFFIXES:
        raise InvalidParameterError("output", "a .png, .svg or .pdf file", suffix)
    stream = io.BytesIO()
    figure.savefig(stream, format=suffix[1:].lower(), dpi=150)
    return stream.getvalue()
