"""Tables of known values: published angles, proved optima and exact codes, each with source and precision.

The numbers are those of the files in `sloane_tables/`, as they are printed; no digit is added. Results
are compared with them; no solver reads them.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import FileAccessError, NotTabulatedError
from tammes.base.validation import check_size
from tammes.bounds import best as bounds
from tammes.bounds.bound import Bound
from tammes.constructions.closed_forms import closed_form

__all__ = [
    "KnownValue",
    "best_known",
    "best_known_or_none",
    "find_folder",
    "folder",
    "known_values",
    "published_table1",
    "ranked",
    "sizes",
    "upper_bound",
]

_NEARBY = 60  # a proved optimum of fewer points is looked for among so many sizes below n: farther ones bound nothing


@dataclass(frozen=True)
class KnownValue:
    """One published minimal angle."""

    n: int
    d: int
    degrees: str
    """As printed by the source, digit for digit."""
    source: str
    exact_max_cosine: str | None = None
    """A closed form of the cosine, where one is known."""
    name: str | None = None
    """Name of the code."""
    proved_by: str | None = None
    """Reference of the proof that no code is better; None where there is none."""

    @property
    def decimals(self) -> int:
        """Decimals that the source prints, of a degree."""
        return len(self.degrees.partition(".")[2])

    @property
    def angle_degrees(self) -> float:
        """The printed number."""
        return float(self.degrees)

    @property
    def optimal(self) -> bool:
        """True if a proof says that no code is better."""
        return self.proved_by is not None

    def gap(self, degrees: float) -> float:
        """Return how far an angle stays below the printed number, degrees; negative where it is above."""
        return self.angle_degrees - degrees

    def verdict(self, degrees: float) -> str:
        """Return `matches` within one unit of the last printed digit, else `beats` or `misses`."""
        unit = 10.0**-self.decimals
        noise = 1e-13 * max(1.0, self.angle_degrees)  # float64, where the source prints as many digits
        if abs(self.gap(degrees)) <= unit + noise:
            return "matches"
        return "beats" if degrees > self.angle_degrees else "misses"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, the number of printed decimals among them."""
        return dataclasses.asdict(self) | {"decimals": self.decimals}


def known_values(n: int, d: int) -> list[KnownValue]:
    """Return every stored value for n points in R^d, the best known first.

    Args:
        n: number of points.
        d: dimension of the space.

    Raises:
        InvalidParameterError: unless n and d are integers of at least 2.
        NotTabulatedError: if nothing is stored; the message says what is covered.
    """
    n, d = check_size(n, d)
    values = list(_values().get((n, d), ()))
    form = closed_form(n, d)
    if form is not None and not any(value.exact_max_cosine for value in values):
        values.append(
            KnownValue(
                n,
                d,
                f"{math.degrees(form.angle):.12f}",
                "closed form",
                form.exact_max_cosine,
                form.name,
                form.reference,
            )
        )
    larger = _from_more_points(n, d)
    if larger is not None and not any(_rank(larger) <= _rank(value) for value in values):
        values.append(larger)
    if not values:
        raise NotTabulatedError(f"No stored value for n = {n}, d = {d}. Stored for d = {d}: {_coverage(d)}.")
    return ranked(values)


def ranked(values: Iterable[KnownValue]) -> list[KnownValue]:
    """Return values of one size, the best known first.

    A proved optimum comes before all others; then the largest angle that the printed digits guarantee;
    then the most digits.
    """
    return sorted(values, key=_rank, reverse=True)


def best_known(n: int, d: int) -> KnownValue:
    """Return the best known value for n points in R^d: a proved optimum, else the largest angle.

    Args:
        n: number of points.
        d: dimension of the space.

    Raises:
        NotTabulatedError: if nothing is stored.

    Example:
        >>> best_known(30, 3).degrees, best_known(600, 4).degrees
        ('38.59711595387', '19.8')
    """
    return known_values(n, d)[0]


def best_known_or_none(n: int, d: int) -> KnownValue | None:
    """Return the best known value for n points in R^d, or None where nothing is stored."""
    try:
        return best_known(n, d)
    except NotTabulatedError:
        return None


def sizes(d: int | None = None) -> list[tuple[int, int]]:
    """Return the sizes (n, d) with a stored value, ordered by d, then n; of one dimension if d is given."""
    keys = sorted(_values(), key=lambda size: size[::-1])
    return [size for size in keys if d is None or size[1] == d]


def published_table1() -> list[dict[str, str]]:
    """Return the ten rows of the paper's Table 1 as printed: d, n, optimal, and one column a loss."""
    return list(_rows("table1_published.csv"))


def upper_bound(n: int, d: int) -> Bound:
    """Return the smallest upper bound at hand: a formula's, or a proved optimum of no more than n points.

    An optimum of fewer points bounds every code with more: a point can be left out.

    Args:
        n: number of points.
        d: dimension of the space.

    Example:
        >>> upper_bound(25, 3).name, round(upper_bound(25, 3).degrees, 6)
        ('optimum of 24 points', 43.690767)
    """
    n, d = check_size(n, d)
    found = bounds.upper_bound(n, d)
    for size in range(n, max(2 * d, n - _NEARBY), -1):
        proved = next((value for value in _values().get((size, d), ()) if value.optimal), None)
        if proved is not None:
            ceiling = math.radians(proved.angle_degrees + 0.5 * 10.0**-proved.decimals)
            if ceiling < found.angle - 1e-12:  # a formula that says the same is easier to check
                name = "proved optimum" if size == n else f"optimum of {size} points"
                found = Bound(name, ceiling, str(proved.proved_by))
            break
    return found


def _from_more_points(n: int, d: int) -> KnownValue | None:
    """Return the largest stored angle of up to a tenth more points: any points of such a code may be left out."""
    # Among the sizes that are stored: those that might be are too many to ask for where n is large.
    larger_sizes = [size for size in sizes(d) if n < size[0] <= n + 1 + n // 10]
    values = [value for size in larger_sizes for value in _values()[size] if value.decimals > 1]
    if not values:
        return None
    best = max(values, key=_guaranteed)
    name = "" if best.name is None else f": {best.name}"
    left_out = best.n - n
    source = f"{best.source}{name}, less {left_out} point{'' if left_out == 1 else 's'}"
    return KnownValue(n, d, best.degrees, source, best.exact_max_cosine)


def _coverage(d: int) -> str:
    """Return the stored n of one dimension, as ranges; closed forms cover n <= 2d everywhere."""
    stored = [n for n, _ in sizes(d) if n > 2 * d]
    runs: list[tuple[int, int]] = [(2, 2 * d)]
    for n in stored:
        if n == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], n)
        else:
            runs.append((n, n))
    return "n = " + ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


@functools.cache
def folder() -> Path:
    """Return the folder of the tables: inside the package in a wheel, beside it in a checkout.

    Raises:
        FileAccessError: if they are in neither place.
    """
    return find_folder(Path(__file__).resolve().parents[1])


def find_folder(package: Path) -> Path:
    """Return the folder of the tables inside a package, or beside it.

    Args:
        package: folder of the package.

    Raises:
        FileAccessError: if they are in neither place.
    """
    for candidate in (package / "sloane_tables", package.parent / "sloane_tables"):
        if (candidate / "sloane_d3.csv").is_file():
            return candidate
    raise FileAccessError(package / "sloane_tables", "the bundled tables are missing", "Reinstall tammes.")


def _rows(name: str) -> Iterator[dict[str, str]]:
    """Return an iterator over the rows of one table, by the names of its columns."""
    with (folder() / name).open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _rank(value: KnownValue) -> tuple[bool, float, int]:
    """Return the key by which values are ranked."""
    return value.optimal, _guaranteed(value), value.decimals


def _guaranteed(value: KnownValue) -> float:
    """Return the angle that the printed digits guarantee, degrees."""
    return value.angle_degrees - 0.5 * 10.0**-value.decimals


@functools.cache
def _values() -> dict[tuple[int, int], tuple[KnownValue, ...]]:
    """Return all stored values by (n, d)."""
    found: dict[tuple[int, int], list[KnownValue]] = {}

    def add(row: dict[str, str], degrees: str, source: str, **extra: str | None) -> None:
        n, d = int(row["n"]), int(row["d"])
        found.setdefault((n, d), []).append(KnownValue(n, d, degrees, source, **extra))

    for row in _rows("sloane_d3.csv"):
        add(row, row["angle_degrees"], "Sloane, Hardin, Smith et al., Tables of Spherical Codes")
    for row in _rows("best_known_d3.csv"):
        proved = row["proof_reference"] if row["proved_optimal"] == "yes" else None
        add(row, row["angle_degrees"], f"best known: {row['holder']}", proved_by=proved)
    for row in _rows("exact_codes.csv"):
        add(
            row,
            row["angle_degrees"],
            "exact codes",
            exact_max_cosine=row["exact_max_cosine"] or None,
            name=row["name"],
            proved_by=row["reference"] if row["proved_optimal"] == "yes" else None,
        )
    for row in _rows("tammes_records.csv"):
        add(row, row["angle_degrees"], "tammes, November 2026")
    for row in _rows("table1_published.csv"):
        add(row, row["optimal"], "Wang et al. 2020, Table 1")
    return {size: tuple(values) for size, values in found.items()}
