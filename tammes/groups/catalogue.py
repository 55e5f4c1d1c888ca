"""Groups by name.

A name is one of the forms of `known_names`. Two things combine them: `X@a` lets X act on the first
a coordinates (`X@-a`: on the last a) and fixes the others; `X*Y` is the group that X and Y generate.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.validation import check_size
from tammes.groups.finite_groups import MAX_ORDER, Group, generate
from tammes.groups.named_matrices import (
    CONJUGATION,
    FAMILIES,
    POLYHEDRAL,
    axial,
    binary,
    polyhedral,
    screw_powers,
    too_large,
)

__all__ = ["known_names", "parse"]


def known_names(d: int) -> tuple[str, ...]:
    """Return the forms of names in R^d; k, m1, m2, ... stand for integers.

    Example:
        >>> known_names(4)[-4:]
        ('2T', '2O', '2I', '2Dk')
    """
    turns = ",".join(f"m{i + 1}" for i in range(d // 2))
    forms = [*FAMILIES, f"screw-k:{turns}", *([f"screw-k:{turns},-"] if d % 2 else [])]
    if d == 3:
        forms += [*POLYHEDRAL, "Ci", "Cs", "Ck", "Ckv", "Ckh", "S2k", "Dk", "Dkd", "Dkh"]
    if d == 4:
        forms += ["2T", "2O", "2I", "2Dk"]
    return tuple(forms)


def parse(name: str, d: int) -> Group:
    """Return the group of that name in R^d.

    - d = 3, Schoenflies: `C5`, `D3d`, `S8`, `Th`, `Ih`, ... about the z axis, D_k with a half turn about x;
    - d = 4: the binary groups `2T`, `2O`, `2I`, `2Dk` (4k elements) multiply quaternions from the left, with
      `r` appended from the right;
    - any d: `antipodal`; signed permutations of coordinates such as `cyclic-even-signs`; `simplex` and its
      subgroups permute the vertices of a simplex; `screw-k:m1,m2,...` are the powers of the rotation by
      `2 pi m_i / k` in the plane of coordinates 2i - 1 and 2i; in odd d the last coordinate stays, or
      changes sign with `,-` at the end.

    Args:
        name: a name, or several of them combined by `@` and `*`, as the module says. Case is ignored.
        d: dimension, at least 2.

    Raises:
        UnknownNameError: if the name has none of the known forms.
        InvalidParameterError: if `d` is no dimension, a number in the name does not fit, or the group has
            more than `MAX_ORDER` elements.

    References: J. H. Conway and D. A. Smith, On Quaternions and Octonions, 2003, chapters 3 and 4.

    Example:
        >>> [parse(name, 3).order for name in ("C5", "D3d", "Th", "Ih", "antipodal*C5")]
        [5, 12, 24, 120, 10]
        >>> parse("cyclic-even-signs", 5).order
        80
    """
    return _parse(name, check_size(2, d)[1])


@lru_cache(maxsize=256)
def _parse(name: str, d: int) -> Group:
    """Return what `parse` does, cached: groups are immutable, and their strata are worth keeping."""
    parts = [_placed(part.strip(), d, name) for part in name.split("*")]
    matrices = parts[0][1]
    for _, other in parts[1:]:
        large, small = (matrices, other) if len(matrices) >= len(other) else (other, matrices)
        try:
            matrices = generate(small, subgroup=large)
        except InvalidParameterError:
            raise too_large(name) from None
    matrices.flags.writeable = False
    return Group("*".join(title for title, _ in parts), matrices)


def _placed(part: str, d: int, name: str) -> tuple[str, Floats]:
    """Return the canonical name and the elements of one factor of a name."""
    core, at, where = part.partition("@")
    if not at:
        return _atom(core, d, name)
    if not re.fullmatch(r"-?\d+", where) or not 1 <= abs(int(where)) <= d:
        raise InvalidParameterError("symmetry", f"`X@a` or `X@-a` with a from 1 to d = {d}", name)
    a = int(where)
    title, inner = _atom(core, abs(a), name)
    outer = np.tile(np.eye(d), (len(inner), 1, 1))
    block = slice(0, a) if a > 0 else slice(d + a, d)
    outer[:, block, block] = inner
    return f"{title}@{a}", outer


def _atom(text: str, d: int, name: str) -> tuple[str, Floats]:
    """Return the canonical name and the elements of a group without `*` and `@`."""
    key = text.lower()
    if key in FAMILIES:
        order, build = FAMILIES[key]
        if order(d) > MAX_ORDER:
            raise too_large(name)
        return key, build(d)
    if match := re.fullmatch(r"screw-(\d+):(-?\d+(?:,-?\d+)*)?(,?-)?", key):
        return _screw(match, d, name)
    if d == 3 and key.capitalize() in POLYHEDRAL:
        return key.capitalize(), polyhedral(key.capitalize())
    if d == 3 and (elements := axial(key, name)) is not None:
        return key.capitalize(), elements
    if d == 4 and (match := re.fullmatch(r"2([toi]|d(\d+))(r?)", key)):
        left = binary(match, name)
        title = key.upper().replace("R", "r")
        return title, CONJUGATION @ left @ CONJUGATION if match[3] else left  # x -> (q x*)* = x q*
    raise UnknownNameError("symmetry", name, known_names(d))


def _screw(match: re.Match[str], d: int, name: str) -> tuple[str, Floats]:
    """Return the canonical name and the elements of a screw, from the parts of its name."""
    k = int(match[1])
    turns = [int(m) for m in (match[2] or "").split(",") if m]
    flip = match[3] is not None
    if k < 1 or len(turns) != d // 2 or (flip and d % 2 == 0):
        tail = ", and `,-` at the end where the last coordinate changes sign" if d % 2 else ""
        raise InvalidParameterError("symmetry", f"screw-k:m1,... with k >= 1 and {d // 2} turns{tail}", name)
    title = ",".join(map(str, turns)) + (",-" if flip and turns else "-" if flip else "")
    return f"screw-{k}:{title}", screw_powers(k, turns, d, name, flip=flip)
