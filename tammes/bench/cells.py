"""The cells of Table 1: one size, one loss, one seed each; their settings, their choice, and the run of one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.storage import tables

__all__ = ["COLUMNS", "Cell", "Settings", "parse_losses", "parse_rows", "run_cell"]

COLUMNS = {"mma": "mma", "cosine": "cosine", "riesz-fisher": "riesz_fisher_s2", "logarithmic": "logarithmic"}
"""Losses of Table 1, and the names of their columns in the published table."""

_POLISHED_LOSS = "mma"
"""The loss whose result is polished, for the last column."""


@dataclass(frozen=True)
class Settings:
    """Settings shared by all cells of a table; a resumed run must have the same."""

    steps: int = 10_000
    device: str = "cpu"
    preset: str = "paper"


@dataclass(frozen=True)
class Cell:
    """One size, one loss and one seed, with the measured angle once the cell has been run."""

    n: int
    d: int
    loss: str
    seed: int
    min_angle_degrees: float = math.nan
    polished_degrees: float | None = None
    status: str = ""
    steps: int = 0
    seconds: float = math.nan

    @property
    def key(self) -> str:
        """Name of the cell in the stored results."""
        return f"{self.d}x{self.n}/{self.loss}/{self.seed}"


def parse_rows(text: str | None) -> list[tuple[int, int]]:
    """Return the sizes (n, d) of Table 1 that a text such as `4x600,5x130` (d x n) names; all ten for None.

    Raises:
        InvalidParameterError: if the text has another form, or names a size that is not in Table 1.
    """
    every = [(int(row["n"]), int(row["d"])) for row in tables.published_table1()]
    if text is None:
        return every
    chosen = []
    for item in text.split(","):
        d, _, n = item.strip().partition("x")
        if not (d.isdigit() and n.isdigit()) or (int(n), int(d)) not in every:
            known = ",".join(f"{d}x{n}" for n, d in every)
            raise InvalidParameterError("rows", f"a comma-separated choice of {known} (d x n)", item)
        chosen.append((int(n), int(d)))
    return chosen


def parse_losses(text: str | None) -> list[str]:
    """Return the losses of Table 1 that a comma-separated text names; all four for None.

    Raises:
        UnknownNameError: if one is not a loss of Table 1.
    """
    chosen = list(COLUMNS) if text is None else [item.strip() for item in text.split(",")]
    for name in chosen:
        if name not in COLUMNS:
            raise UnknownNameError("losses", name, COLUMNS)
    return chosen


def run_cell(cell: Cell, settings: Settings) -> Cell:
    """Run one cell on one thread and return it with its results."""
    import torch

    from tammes.global_search.api import solve

    torch.set_num_threads(1)
    result = solve(
        cell.n,
        cell.d,
        cell.loss,
        preset=settings.preset,
        steps=settings.steps,
        seed=cell.seed,
        device=settings.device,
        polish=cell.loss == _POLISHED_LOSS,
    )
    descent = result.phases[0]
    return Cell(
        cell.n,
        cell.d,
        cell.loss,
        cell.seed,
        min_angle_degrees=descent["min_angle_degrees"],
        polished_degrees=result.code.min_angle_degrees if result.before_polish is not None else None,
        status=descent["status"],
        steps=descent["steps"],
        seconds=descent["seconds"],
    )
