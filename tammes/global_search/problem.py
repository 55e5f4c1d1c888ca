"""What a search is for: how many points, where, and with what symmetry."""

from __future__ import annotations

from dataclasses import dataclass

from tammes.base.errors import InvalidParameterError
from tammes.constructions.closed_forms import check_size
from tammes.groups.catalogue import candidates, parse
from tammes.groups.finite_groups import Group, fits

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """What is searched for.

    Args:
        n: number of points.
        d: dimension.
        seed: of all random numbers.
        symmetry: `auto` tries the groups that fit n; `none` does not; a group's name prescribes it.
        antipodal: points come in pairs x, -x.
    """

    n: int
    d: int
    seed: int = 0
    symmetry: str = "auto"
    antipodal: bool = False

    @classmethod
    def checked(cls, n: int, d: int, seed: int = 0, symmetry: str = "auto", antipodal: bool = False) -> Problem:
        """The problem, refused where it cannot be met.

        Raises:
            InvalidParameterError: if a number is out of range, or no orbits of the group add up to n.
            UnknownNameError: if there is no such symmetry.
        """
        n, d = check_size(n, d)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise InvalidParameterError("seed", "an integer of at least 0", seed)
        if antipodal and (n < 4 or n % 2):
            raise InvalidParameterError("n", "even and at least 4 where points come in pairs x, -x", n)
        problem = cls(n, d, seed, symmetry, antipodal)
        if symmetry not in ("auto", "none"):
            parse(symmetry, d)
            group = problem.prescribed
            assert group is not None
            if not fits(group, n):
                sizes = ", ".join(str(size) for size in sorted({kind.size for kind in group.strata}))
                raise InvalidParameterError(
                    "symmetry", f"a group whose orbits can add up to n = {n} (of {group.name}: {sizes})", symmetry
                )
        return problem

    @property
    def prescribed(self) -> Group | None:
        """The symmetry that the result must have, or None."""
        if self.symmetry in ("auto", "none"):
            return parse("antipodal", self.d) if self.antipodal else None
        return parse(f"antipodal*{self.symmetry}" if self.antipodal else self.symmetry, self.d)

    def groups(self) -> list[str]:
        """Names of the groups to try."""
        prescribed = self.prescribed
        if self.symmetry != "auto":
            return [] if prescribed is None else [prescribed.name]
        found = candidates(self.n, self.d, antipodal=self.antipodal)
        if prescribed is None:
            return [group.name for group in found]
        return [prescribed.name, *(group.name for group in found if group.order > 2)]
