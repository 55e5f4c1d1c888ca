"""Colours shared by the figures."""

from __future__ import annotations

__all__ = ["COLORS", "CONTACT", "MARK", "NEUTRAL", "POINT", "RATTLER"]

COLORS = {
    "mma": "#0b6e99",
    "cosine": "#d1495b",
    "riesz-fisher": "#e08e1b",
    "logarithmic": "#5f8d4e",
    "polished": "#222222",
}
"""Colour of each loss, and of polished results."""

POINT = "#1b3a4b"
CONTACT = "#0b6e99"
RATTLER = "#d1495b"
MARK = "#e08e1b"
NEUTRAL = "#777777"
