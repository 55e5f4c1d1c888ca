"""Report on the angles of the layers of a model, measured in NumPy float64: a table to print, a dictionary to log."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_optional_integer
from tammes.nn.inspect.weights import measure
from tammes.nn.layer_terms import LayerTerm
from tammes.nn.selection import parts_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LayerLine", "LayerReport"]


@dataclass(frozen=True)
class LayerLine:
    """Measures of the rows of one layer, or of one of its parts. Angles are in degrees; None where there are none."""

    layer: str
    """Name of the layer, with that of the part."""
    rows: int
    """Number of rows in all groups."""
    d: int
    """Entries of a row."""
    groups: int
    """Number of sets of rows that do not repel each other; the measures below are over all of them."""
    min_angle_degrees: float | None
    """Minimal angle between two rows of one group."""
    mean_nearest_degrees: float | None
    """Mean angle between a row and its nearest row: minus the MMA loss."""
    bound_degrees: float | None
    """Upper bound on the minimal angle of so many rows of so many entries."""
    zero_rows: int
    """Number of rows that are zero."""
    duplicates: int
    """Number of rows with the direction of another row."""
    non_finite_rows: int
    """Number of rows with an entry that is nan or infinite."""
    coef: float
    """Factor of the loss of the layer."""
    frozen: bool
    """True if no parameter of the layer requires a gradient."""


@dataclass(frozen=True)
class LayerReport:
    """Measures of the layers of a model, in order. `print` shows a table; `to_dict` is JSON-ready."""

    lines: tuple[LayerLine, ...]

    @classmethod
    def of(cls, terms: Iterable[LayerTerm], max_rows: int | None = None) -> LayerReport:
        """Measure the rows of every layer.

        Args:
            terms: each layer with its loss and coefficient; the angles are between lines if the loss is antipodal.
            max_rows: layers of more rows are left out; none if None.

        Raises:
            InvalidParameterError: if `max_rows` is no integer of at least 2, or a weight is on the meta device.
        """
        check_optional_integer("max_rows", max_rows, 2)
        lines = []
        for layer, loss, coef in terms:
            rows = layer.rows.weight().detach()
            if rows.is_meta:
                raise InvalidParameterError(layer.name, "materialised before it is measured", "a meta tensor")
            if max_rows is not None and rows.shape[-2] > max_rows:
                continue
            keep = [k for k in range(rows.shape[-2]) if k != layer.rows.padding]
            if len(keep) < rows.shape[-2]:
                rows = rows[..., keep, :]
            if layer.rows.parts:
                named = [(name, part[None]) for name, part in parts_of(layer, rows)]
            else:
                named = [(layer.name, rows if rows.ndim == 3 else rows[None])]
            for name, sets in named:
                lines.append(_line(name, sets, antipodal=loss.antipodal, coef=coef, frozen=layer.rows.frozen))
        return cls(tuple(lines))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the lines as dictionaries, by layer; numbers that are not finite become None."""
        return {
            line.layer: {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in asdict(line).items()
            }
            for line in self.lines
        }

    def __rich__(self) -> Table:
        """Return a table for a terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("layer", overflow="fold")
        for title in ("rows", "d", "min angle", "mean nearest", "bound", "zero", "duplicates", "coef"):
            table.add_column(title, justify="right")
        for line in self.lines:
            table.add_row(
                Text(line.layer + (" (frozen)" if line.frozen else "")),
                f"{line.rows:,}" + (f" in {line.groups}" if line.groups > 1 else ""),
                f"{line.d:,}",
                *(_degrees(a) for a in (line.min_angle_degrees, line.mean_nearest_degrees, line.bound_degrees)),
                f"{line.zero_rows}" + (f" + {line.non_finite_rows} nan" if line.non_finite_rows else ""),
                f"{line.duplicates}",
                f"{line.coef:g}",
            )
        return table

    def __str__(self) -> str:
        from rich.console import Console

        stream = io.StringIO()
        Console(file=stream, width=110, color_system=None).print(self)
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _degrees(angle: float | None) -> str:
    """Return an angle as text, or a dash."""
    return "-" if angle is None else f"{angle:.4f}°"


def _line(name: str, sets: Tensor, *, antipodal: bool, coef: float, frozen: bool) -> LayerLine:
    """Return the measures of the sets of rows `(B, n, d)` of one layer."""
    measures = [measure(rows.double().cpu().numpy(), antipodal=antipodal) for rows in sets]
    angles = [each.min_angle_degrees for each in measures if each.min_angle_degrees is not None]
    nearest = [each.mean_nearest_angle_degrees for each in measures if each.mean_nearest_angle_degrees is not None]
    bounds = [each.bound.degrees for each in measures if each.bound is not None]
    return LayerLine(
        layer=name,
        rows=sets.shape[0] * sets.shape[1],
        d=sets.shape[2],
        groups=sets.shape[0],
        min_angle_degrees=_least(angles),
        mean_nearest_degrees=math.fsum(nearest) / len(nearest) if nearest else None,
        bound_degrees=_least(bounds),
        zero_rows=sum(len(each.zero_rows) for each in measures),
        duplicates=sum(each.duplicates for each in measures),
        non_finite_rows=sum(each.non_finite_rows for each in measures),
        coef=coef,
        frozen=frozen,
    )


def _least(values: list[float]) -> float | None:
    """Return the smallest value, nan if one is nan, None if there is none."""
    if not values:
        return None
    return math.nan if any(math.isnan(value) for value in values) else min(values)
