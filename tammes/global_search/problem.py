"""The problem of a search: number of points, dimension, seed and symmetry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_seed, check_size
from tammes.bounds import best as bounds
from tammes.bounds.bound import Bound
from tammes.groups.candidates import candidates
from tammes.groups.catalogue import parse
from tammes.groups.finite_groups import Group
from tammes.groups.orbits import fits
from tammes.storage import tables

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """What is searched for; checked when it is made.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        seed: of all random numbers.
        symmetry: "auto" tries the groups that fit n, "none" does not; a group's name prescribes that group.
        antipodal: points come in pairs x, -x.

    Raises:
        InvalidParameterError: if a number is out of range, or no orbits of the group add up to n.
        UnknownNameError: if there is no such symmetry.
    """

    n: int
    d: int
    seed: int = 0
    symmetry: str = "auto"
    antipodal: bool = False

    def __post_init__(self) -> None:
        n, d = check_size(self.n, self.d)
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "d", d)
        object.__setattr__(self, "seed", check_seed(self.seed))
        if self.antipodal and (n < 4 or n % 2):
            raise InvalidParameterError("n", "even and at least 4 where points come in pairs x, -x", n)
        if not isinstance(self.symmetry, str):
            raise InvalidParameterError("symmetry", "auto, none or the name of a group", self.symmetry)
        if self.symmetry not in ("auto", "none"):
            parse(self.symmetry, d)
            group = self.prescribed
            assert group is not None
            if not fits(group, n):
                sizes = ", ".join(str(size) for size in sorted({kind.size for kind in group.strata}))
                raise InvalidParameterError(
                    "symmetry", f"a group whose orbits can add up to n = {n} (of {group.name}: {sizes})", self.symmetry
                )

    @property
    def unconstrained(self) -> bool:
        """True if neither a symmetry nor its absence nor pairs are asked for."""
        return self.symmetry == "auto" and not self.antipodal

    @property
    def prescribed(self) -> Group | None:
        """The symmetry that the result must have, or None."""
        if self.symmetry in ("auto", "none"):
            return parse("antipodal", self.d) if self.antipodal else None
        return parse(f"antipodal*{self.symmetry}" if self.antipodal else self.symmetry, self.d)

    @cached_property
    def bound(self) -> Bound:
        """The smallest proven upper bound on the minimal angle; that of lines for pairs x, -x."""
        return bounds.lines(self.n, self.d) if self.antipodal else tables.upper_bound(self.n, self.d)

    @property
    def chord_bound(self) -> float:
        """A length that no smallest chord exceeds."""
        return 2.0 * math.sin(0.5 * self.bound.angle)

    def groups(self) -> list[str]:
        """Return the names of the groups to try."""
        prescribed = self.prescribed
        if self.symmetry != "auto":
            return [] if prescribed is None else [prescribed.name]
        found = candidates(self.n, self.d, antipodal=self.antipodal)
        if prescribed is None:
            return [group.name for group in found]
        return [prescribed.name, *(group.name for group in found if group.order > 2)]
