"""The named groups that are worth trying for a size, in the order in which a search tries them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_size
from tammes.groups.catalogue import parse
from tammes.groups.finite_groups import MAX_ORDER, Group
from tammes.groups.named_matrices import POLYHEDRAL
from tammes.groups.orbits import fits

__all__ = ["candidates", "greedy_angle"]

_NAMES = 400  # groups that are looked at: later ones cost more time than they are worth


def candidates(n: int, d: int, limit: int = 60, *, antipodal: bool = False) -> list[Group]:
    """Return groups worth trying for n points in R^d, the most promising and most different first.

    Polyhedral and other exceptional groups come first or by turns with cyclic ones of growing order.
    Groups that have the same traces and the same kinds of orbits count once. A group with an element
    that moves no point as far as codes of n points allow is left out: only its fixed points could be used.

    Args:
        n: number of points, at least 2.
        d: dimension, at least 2.
        limit: largest number of groups.
        antipodal: only groups that hold x -> -x, which they are given.

    Returns:
        Groups of at least two elements whose orbits can add up to n. The same on every call.

    Example:
        >>> [group.name for group in candidates(12, 3, limit=5)]
        ['I', 'O', 'T', 'Ih', 'Oh']
    """
    n, d = check_size(n, d)
    nearest = (1.5 if d <= 4 else 1.2) * greedy_angle(n, d)  # known codes have 1.7 to 1.9 times it, less in high d
    found: dict[tuple[object, ...], Group] = {}
    for name in itertools.islice(_space_names(n) if d == 3 else _mixed_names(n, d), _NAMES):
        if len(found) == limit:
            break
        try:
            group = parse(f"antipodal*{name}" if antipodal else name, d)
        except InvalidParameterError:  # too many elements in this dimension
            continue
        if group.order < 2 or _widest_move(group) < nearest or not fits(group, n):
            continue
        traces = np.sort(np.trace(group.matrices, axis1=1, axis2=2)).round(6) + 0.0
        key = (traces.tobytes(), *((kind.size, kind.basis.shape[1], kind.copies) for kind in group.strata))
        found.setdefault(key, group)
    return list(found.values())


def greedy_angle(n: int, d: int) -> float:
    """Return an angle that n points always attain: caps of this radius around fewer than n cannot cover the sphere."""
    radii = np.linspace(0.0, np.pi, 4097)
    area = np.cumsum(np.sin(radii) ** (d - 2))
    return float(np.interp(1.0 / n, area / area[-1], radii))


def _widest_move(group: Group) -> float:
    """Return the largest angle by which an element moves a point, for the element that moves least."""
    others = group.matrices[1:]
    squares = np.linalg.eigvalsh(2.0 * np.eye(group.d) - others - others.transpose(0, 2, 1))[:, -1]  # |g - 1|^2
    return float(2.0 * np.arcsin(np.sqrt(np.clip(squares.min() / 4.0, 0.0, 1.0))))


def _space_names(n: int) -> Iterator[str]:
    """Yield names in R^3: polyhedral, then axial by order; a ring holds at most half of the points."""
    yield from POLYHEDRAL
    yield from ("C2", "C3", "D2", "D3", "Ci", "Cs")
    # Records are chiral more often than not: rotations first, then rotoreflections, then mirrors.
    families = (("C{}", 0), ("D{}", 0), ("S{}", 1), ("D{}d", 2), ("C{}v", 3), ("D{}h", 4), ("C{}h", 5))
    ranked = [
        (k + later, place, form.format(2 * k if form == "S{}" else k))
        for place, (form, later) in enumerate(families)
        for k in range(2, max(3, n // 2) + 1)
        if 4 * k <= MAX_ORDER
    ]
    yield from (name for _, _, name in sorted(ranked))


def _mixed_names(n: int, d: int) -> Iterator[str]:
    """Yield names in R^d, d != 3: exceptional and screw groups by turns."""
    for pair in itertools.zip_longest(_exceptional_names(d), _screw_names(n, d)):
        yield from (name for name in pair if name is not None)


def _exceptional_names(d: int) -> Iterator[str]:
    """Yield names of groups that are no screws, for any number of points."""
    if d == 4:
        yield from ("2T", "2I", "2O", "2D3", "2D2", "2D5", "I@3", "T@3", "O@3", "2T*screw-5:1,-1", "2D3*screw-3:1,-1")
    if d == 5:
        yield from ("2T@4", "2I@4", "T@3*screw-3:1@-2", "I@3*screw-3:1@-2", "I@3*screw-5:1@-2", "O@3*screw-4:1@-2")
    names = ("cyclic-even-signs", "antipodal", "cyclic", "simplex-alternating", "even-signs", "alternating", "simplex")
    yield from (*names, "cyclic-signs", "permutations", "even-hyperoctahedral", "hyperoctahedral", "signs")
    others = [name for name in names if name != "antipodal"]
    for name in ("simplex-cyclic", *others):
        if "signs" not in name:
            yield f"antipodal*{name}"
    if d > 2:
        for name in others:
            yield f"{name}@{d - 1}"
        for name in others:
            yield f"antipodal*{name}@{d - 1}"
    for a in range(2, d // 2 + 1):  # R^d = R^a + R^(d - a)
        for name in ("simplex-cyclic", "simplex", "cyclic-even-signs"):
            yield f"{name}@{a}*{name}@-{d - a}"
    if d == 4:
        yield from ("2T*2Tr", "2D2*2D2r", "2I*screw-3:1,-1", "Ih@3", "Th@3", "Oh@3", "Td@3", "2T*hyperoctahedral")


def _screw_names(n: int, d: int) -> Iterator[str]:
    """Yield screws by growing order k, first those with n = 0, 1, 2 modulo k; every k with several choices of turns."""
    ks = sorted(range(2, min(n, MAX_ORDER // 2) + 1), key=lambda k: (n % k > 2, k))
    if n in ks[5:]:  # codes that are a single orbit: not at the end
        ks.insert(4, ks.pop(ks.index(n)))
    turns = lru_cache(maxsize=None)(lambda k: _turns_to_try(k, d // 2))
    # Choice j of a k comes with choice 0 of the k that is five places later.
    for _, place, j in sorted((place + 5 * j, place, j) for place in range(len(ks)) for j in range(12)):
        choices = turns(ks[place])
        if j < len(choices):
            name = f"screw-{ks[place]}:{','.join(map(str, choices[j]))}"
            yield from (name, f"{name},-") if d % 2 else (name,)


def _turns_to_try(k: int, planes: int) -> list[tuple[int, ...]]:
    """Return the turns m_i of a screw of order k, different up to signs and order, the widest moves first."""
    step = round(k ** (1.0 / planes))  # its powers wind around the torus like a lattice
    tries: list[Sequence[int]] = [range(1, planes + 1), [step**i for i in range(planes)], [1] * planes]
    tries.append([0] * (planes - 1) + [1])
    if planes == 2:
        tries += [(1, m) for m in range(k // 2 + 1)]
    if (k // 2 + 1) ** planes <= 1000:
        tries += itertools.combinations_with_replacement(range(k // 2 + 1), planes)
    normal = dict.fromkeys(tuple(sorted(min(m % k, -m % k) for m in turns)) for turns in tries)
    faithful = [turns for turns in normal if math.gcd(k, *turns) == 1]
    powers = np.arange(1, k)[:, None]

    def widest_move(turns: tuple[int, ...]) -> int:
        moves = powers * turns % k
        return int(np.minimum(moves, k - moves).max(axis=1).min())

    return sorted(faithful, key=widest_move, reverse=True)
