"""What the rows of each layer are like: a table to print, a dictionary to log. Measured by the judge."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer
from tammes.losses.loss import Loss
from tammes.nn.inspect.weights import measure
from tammes.nn.selection import Layer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LayerLine", "LayerReport"]


@dataclass(frozen=True)
class LayerLine:
    """The rows of one layer, or of one of its parts. Angles are in degrees; None where there are none."""

    layer: str
    rows: int
    """In all groups."""
    d: int
    groups: int
    """Sets of rows that do not meet; all that follows is over all of them."""
    min_angle_degrees: float | None
    mean_nearest_degrees: float | None
    """Mean angle of a row to its nearest row: minus the MMA loss."""
    bound_degrees: float | None
    """No rows of this number and width have a larger minimal angle."""
    zero_rows: int
    duplicates: int
    """Rows that point the same way as another one."""
    non_finite_rows: int
    coef: float
    frozen: bool


@dataclass(frozen=True)
class LayerReport:
    """The layers of a model in order. `print` shows a table; `to_dict` is JSON-ready."""

    lines: tuple[LayerLine, ...]

    @classmethod
    def of(cls, terms: Iterable[tuple[Layer, Loss, float]], max_rows: int | None = None) -> LayerReport:
        """Measure the rows of every layer that has not too many; angles are of lines where its loss is antipodal."""
        if max_rows is not None:
            check_integer("max_rows", max_rows, 2)
        lines = []
        for layer, loss, coef in terms:
            rows = layer.rows.weight().detach()
            if rows.is_meta:
                raise InvalidParameterError(layer.name, "materialised before it is measured", "a meta tensor")
            if max_rows is not None and rows.shape[-2] > max_rows:
                continue
            keep = [k for k in range(rows.shape[-2]) if k != layer.rows.padding]
            rows = rows if len(keep) == rows.shape[-2] else rows[..., keep, :]
            own: dict[str, Any] = {"coef": coef, "frozen": layer.rows.frozen}
            if layer.rows.parts:
                names = [f"{layer.name}[{part}]" for part in layer.rows.parts]
                lines += [
                    _line(name, part[None], antipodal=loss.antipodal, **own)
                    for name, part in zip(names, rows, strict=True)
                ]
            else:
                sets = rows if rows.ndim == 3 else rows[None]
                lines.append(_line(layer.name, sets, antipodal=loss.antipodal, **own))
        return cls(tuple(lines))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The lines by the name of their layer; numbers that are not finite become None."""
        return {
            line.layer: {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in asdict(line).items()
            }
            for line in self.lines
        }

    def __rich__(self) -> Table:
        """A table for a terminal."""
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
    return "-" if angle is None else f"{angle:.4f}°"


def _line(name: str, sets: Tensor, *, antipodal: bool, coef: float, frozen: bool) -> LayerLine:
    """The sets of rows `(B, n, d)` of one layer, measured."""
    found = [measure(rows.double().cpu().numpy(), antipodal=antipodal) for rows in sets]
    angles = [one.min_angle_degrees for one in found if one.min_angle_degrees is not None]
    nearest = [one.mean_nearest_angle_degrees for one in found if one.mean_nearest_angle_degrees is not None]
    bounds = [one.bound.degrees for one in found if one.bound is not None]
    return LayerLine(
        layer=name,
        rows=sets.shape[0] * sets.shape[1],
        d=sets.shape[2],
        groups=sets.shape[0],
        min_angle_degrees=_least(angles),
        mean_nearest_degrees=math.fsum(nearest) / len(nearest) if nearest else None,
        bound_degrees=_least(bounds),
        zero_rows=sum(len(one.zero_rows) for one in found),
        duplicates=sum(one.duplicates for one in found),
        non_finite_rows=sum(one.non_finite_rows for one in found),
        coef=coef,
        frozen=frozen,
    )


def _least(values: list[float]) -> float | None:
    """The smallest; nan if any is; None of none."""
    if not values:
        return None
    return math.nan if any(math.isnan(value) for value in values) else min(values)
