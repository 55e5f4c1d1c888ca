"""Groups by name: the point groups of space, signed permutations, quaternions, screws; and which of them to try.

A name is one of the forms of `known_names`. Two things combine them: `X@a` lets X act on the first
a coordinates (`X@-a`: on the last a) and fixes the others; `X*Y` is the group that X and Y generate.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.validation import check_size
from tammes.groups.finite_groups import MAX_ORDER, Group, fits, generate

__all__ = ["candidates", "known_names", "parse"]

_NAMES = 400  # groups that are looked at: later ones cost more time than they are worth
_GOLDEN = 0.5 * (1.0 + math.sqrt(5.0))
_CONJUGATION = np.diag([1.0, -1.0, -1.0, -1.0])  # of quaternions


def known_names(d: int) -> tuple[str, ...]:
    """The forms of names in R^d; k, m1, m2, ... stand for integers.

    Example:
        >>> known_names(4)[-4:]
        ('2T', '2O', '2I', '2Dk')
    """
    turns = ",".join(f"m{i + 1}" for i in range(d // 2))
    forms = [*_FAMILIES, f"screw-k:{turns}", *([f"screw-k:{turns},-"] if d % 2 else [])]
    if d == 3:
        forms += [*_POLYHEDRAL, "Ci", "Cs", "Ck", "Ckv", "Ckh", "S2k", "Dk", "Dkd", "Dkh"]
    if d == 4:
        forms += ["2T", "2O", "2I", "2Dk"]
    return tuple(forms)


def parse(name: str, d: int) -> Group:
    """The group of that name in R^d.

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
    """`parse`, remembered: groups are not changed, and their strata are worth keeping."""
    parts = [_placed(part.strip(), d, name) for part in name.split("*")]
    matrices = parts[0][1]
    for _, other in parts[1:]:
        large, small = (matrices, other) if len(matrices) >= len(other) else (other, matrices)
        try:
            matrices = generate(small, subgroup=large)
        except InvalidParameterError:
            raise _too_large(name) from None
    matrices.flags.writeable = False
    return Group("*".join(title for title, _ in parts), matrices)


def candidates(n: int, d: int, limit: int = 60, *, antipodal: bool = False) -> list[Group]:
    """Groups worth trying for n points in R^d, the most promising and most different first.

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
    nearest = (1.5 if d <= 4 else 1.2) * _greedy_angle(n, d)  # known codes have 1.7 to 1.9 times it, less in high d
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


def _greedy_angle(n: int, d: int) -> float:
    """An angle that n points always attain: caps of this radius around fewer than n cannot cover the sphere."""
    radii = np.linspace(0.0, np.pi, 4097)
    area = np.cumsum(np.sin(radii) ** (d - 2))
    return float(np.interp(1.0 / n, area / area[-1], radii))


def _widest_move(group: Group) -> float:
    """The largest angle by which an element moves a point, for the element that moves least."""
    others = group.matrices[1:]
    squares = np.linalg.eigvalsh(2.0 * np.eye(group.d) - others - others.transpose(0, 2, 1))[:, -1]  # |g - 1|^2
    return float(2.0 * np.arcsin(np.sqrt(np.clip(squares.min() / 4.0, 0.0, 1.0))))


def _space_names(n: int) -> Iterator[str]:
    """Names in R^3: polyhedral, then axial by order; a ring holds at most half of the points."""
    yield from _POLYHEDRAL
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
    """Names in R^d, d != 3: exceptional and screw groups by turns."""
    for pair in itertools.zip_longest(_exceptional_names(d), _screw_names(n, d)):
        yield from (name for name in pair if name is not None)


def _exceptional_names(d: int) -> Iterator[str]:
    """Names of groups that are no screws, for any number of points."""
    if d == 4:
        yield from ("2T", "2I", "2O", "2D3", "2D2", "2D5", "I@3", "T@3", "O@3", "2T*screw-5:1,-1", "2D3*screw-3:1,-1")
    if d == 5:
        yield from ("2T@4", "2I@4", "T@3*screw-3:1@-2", "I@3*screw-3:1@-2", "I@3*screw-5:1@-2", "O@3*screw-4:1@-2")
    names = ("cyclic-even-signs", "antipodal", "cyclic", "simplex-alternating", "even-signs", "alternating", "simplex")
    yield from (*names, "cyclic-signs", "permutations", "even-hyperoctahedral", "hyperoctahedral", "signs")
    yield from (
        f"antipodal*{name}" for name in ("simplex-cyclic", *names) if "signs" not in name and name != "antipodal"
    )
    if d > 2:
        yield from (f"{name}@{d - 1}" for name in names if name != "antipodal")
        yield from (f"antipodal*{name}@{d - 1}" for name in names if name != "antipodal")
    for a in range(2, d // 2 + 1):  # R^d = R^a + R^(d - a)
        yield from (f"{name}@{a}*{name}@-{d - a}" for name in ("simplex-cyclic", "simplex", "cyclic-even-signs"))
    if d == 4:
        yield from ("2T*2Tr", "2D2*2D2r", "2I*screw-3:1,-1", "Ih@3", "Th@3", "Oh@3", "Td@3", "2T*hyperoctahedral")


def _screw_names(n: int, d: int) -> Iterator[str]:
    """Screws by growing order k, first those with n = 0, 1, 2 modulo k; every k with several choices of turns."""
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
    """Turns m_i of a screw of order k, none twice up to signs and order, those with the widest moves first."""
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


def _placed(part: str, d: int, name: str) -> tuple[str, Floats]:
    """The canonical name and the elements of one factor of a name."""
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
    """The canonical name and the elements of a group without `*` and `@`."""
    key = text.lower()
    if key in _FAMILIES:
        order, build = _FAMILIES[key]
        if order(d) > MAX_ORDER:
            raise _too_large(name)
        return key, build(d)
    if match := re.fullmatch(r"screw-(\d+):(-?\d+(?:,-?\d+)*)?(,?-)?", key):
        return _screw(match, d, name)
    if d == 3 and key.capitalize() in _POLYHEDRAL:
        return key.capitalize(), _polyhedral(key.capitalize())
    if d == 3 and (axial := _axial(key, name)) is not None:
        return key.capitalize(), axial
    if d == 4 and (match := re.fullmatch(r"2([toi]|d(\d+))(r?)", key)):
        left = _binary(match, name)
        title = key.upper().replace("R", "r")
        return title, _CONJUGATION @ left @ _CONJUGATION if match[3] else left  # x -> (q x*)* = x q*
    raise UnknownNameError("symmetry", name, known_names(d))


def _screw(match: re.Match[str], d: int, name: str) -> tuple[str, Floats]:
    """A screw, from the parts of its name."""
    k = int(match[1])
    turns = [int(m) for m in (match[2] or "").split(",") if m]
    flip = match[3] is not None
    if k < 1 or len(turns) != d // 2 or (flip and d % 2 == 0):
        tail = ", and `,-` at the end where the last coordinate changes sign" if d % 2 else ""
        raise InvalidParameterError("symmetry", f"screw-k:m1,... with k >= 1 and {d // 2} turns{tail}", name)
    title = ",".join(map(str, turns)) + (",-" if flip and turns else "-" if flip else "")
    return f"screw-{k}:{title}", _turns(k, turns, d, name, flip=flip)


def _turns(k: int, turns: Sequence[int], d: int, name: str, *, flip: bool = False) -> Floats:
    """Powers of a rotation by 2 pi m_i / k in coordinate planes, each from its own angle: no drift."""
    order = math.lcm(*(k // math.gcd(k, m) for m in turns), 2 if flip else 1)
    if order > MAX_ORDER:
        raise _too_large(name)
    powers = np.tile(np.eye(d), (order, 1, 1))
    for i, m in enumerate(turns):
        x, y = 2 * i, 2 * i + 1
        angles = 2.0 * np.pi * np.array([j * m % k for j in range(order)]) / k
        powers[:, x, x] = powers[:, y, y] = np.cos(angles)
        powers[:, y, x], powers[:, x, y] = np.sin(angles), -np.sin(angles)
    if flip:
        powers[1::2, -1, -1] = -1.0
    return powers


def _axial(key: str, name: str) -> Floats | None:
    """A group of R^3 with a principal axis z; None where Schoenflies has no such symbol."""
    if key in {"ci", "cs"}:
        return generate(-np.eye(3) if key == "ci" else np.diag([1.0, 1.0, -1.0]))
    match = re.fullmatch(r"([cds])([1-9]\d*)([vhd]?)", key)
    if match is None or match[1] + match[3] not in {"c", "cv", "ch", "d", "dd", "dh", "s"}:
        return None
    letter, k, suffix = match[1], int(match[2]), match[3]
    if letter == "s" and k % 2:  # C_kh
        return None
    if k * (1 + (letter == "d")) * (1 + (suffix != "")) > MAX_ORDER:
        raise _too_large(name)
    turning = letter == "s" or suffix == "d"  # a rotoreflection, by pi / k in D_kd
    rotations = _turns(2 * k if suffix == "d" else k, [1], 3, name, flip=turning)
    mirror = {"v": [1.0, -1.0, 1.0], "h": [1.0, 1.0, -1.0]}.get(suffix, np.ones(3))
    half_turn = [1.0, -1.0, -1.0] if letter == "d" else np.ones(3)
    return generate([np.diag(mirror), np.diag(half_turn)], subgroup=rotations)


def _polyhedral(symbol: str) -> Floats:
    """T, O or I in the axes of the cube, with what the suffix adds."""
    rotations = _signed(3, even=True, cyclic=True)
    if symbol[0] == "O":
        rotations = generate([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], subgroup=rotations)
    if symbol[0] == "I":
        left = _left(_ICOSIAN)
        rotations = generate((left @ _CONJUGATION @ left @ _CONJUGATION)[1:, 1:], subgroup=rotations)  # x -> q x q*
    more = {"h": -np.eye(3), "d": _swap(3)}.get(symbol[1:])
    return rotations if more is None else generate(more, subgroup=rotations)


def _binary(match: re.Match[str], name: str) -> Floats:
    """Left multiplication by 2T, 2O, 2I, or by the 4k elements of 2Dk: e^(pi i / k) and j."""
    if match[2]:
        k = int(match[2])
        if k < 1:
            raise InvalidParameterError("symmetry", "2Dk with k >= 1", name)
        if 4 * k > MAX_ORDER:
            raise _too_large(name)
        return generate(_left([0.0, 0.0, 1.0, 0.0]), subgroup=_turns(2 * k, [1, 1], 4, name))
    eight = generate([_left([0.0, 1.0, 0.0, 0.0]), _left([0.0, 0.0, 1.0, 0.0])])
    tetrahedral = generate(_left([0.5, 0.5, 0.5, 0.5]), subgroup=eight)
    if match[1] == "o":
        return generate(_left([math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]), subgroup=tetrahedral)
    return generate(_left(_ICOSIAN), subgroup=tetrahedral) if match[1] == "i" else tetrahedral


def _left(q: Sequence[float]) -> Floats:
    """The matrix of x -> q x on quaternions (1, i, j, k)."""
    a, b, c, d = q
    return np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]])


def _cycle(d: int) -> Floats:
    """The permutation matrix of one step around all coordinates."""
    return np.roll(np.eye(d), 1, axis=0)


def _swap(d: int) -> Floats:
    """The permutation matrix that exchanges the first two coordinates."""
    return np.eye(d)[[*range(d)[1::-1], *range(2, d)]]


def _threes(d: int) -> Floats:
    """Cycles of three coordinates: they generate the even permutations."""
    cycles = np.tile(np.eye(d), (max(1, d - 1), 1, 1))  # the first is the identity
    for i in range(2, d):
        cycles[i - 1, [0, 1, i]] = cycles[i - 1, [1, i, 0]]
    return cycles


def _signs(d: int, *, even: bool) -> Floats:
    """Sign changes of all coordinates, or of an even number of them."""
    choices = [signs for signs in itertools.product((1.0, -1.0), repeat=d) if not even or math.prod(signs) > 0.0]
    return np.stack([np.diag(signs) for signs in choices])


def _signed(d: int, *, even: bool, cyclic: bool) -> Floats:
    """Sign changes with permutations of the coordinates, cyclic ones or all."""
    return generate([_cycle(d), np.eye(d) if cyclic else _swap(d)], subgroup=_signs(d, even=even))


def _on_simplex(permutations: Floats) -> Floats:
    """The action of permutations of d + 1 vertices on the R^d that their simplex spans."""
    m = len(permutations[0])
    frame = np.zeros((m, m - 1))  # Helmert: orthonormal, orthogonal to (1, ..., 1)
    for k in range(1, m):
        frame[:k, k - 1], frame[k, k - 1] = 1.0, -k
        frame[:, k - 1] /= math.sqrt(k * (k + 1))
    return np.asarray(frame.T @ permutations @ frame)


def _too_large(name: str) -> InvalidParameterError:
    """The refusal of a group with too many elements."""
    return InvalidParameterError("symmetry", f"a group of at most {MAX_ORDER:,} elements", name)


_ICOSIAN = (0.5 * _GOLDEN, 0.5, 0.5 / _GOLDEN, 0.0)
"""With 2T it generates 2I."""

_POLYHEDRAL = ("I", "O", "T", "Ih", "Oh", "Td", "Th")

_FAMILIES: dict[str, tuple[Callable[[int], int], Callable[[int], Floats]]] = {
    "antipodal": (lambda _: 2, lambda d: generate(-np.eye(d))),
    "cyclic": (lambda d: d, lambda d: generate(_cycle(d))),
    "alternating": (lambda d: max(1, math.factorial(d) // 2), lambda d: generate(_threes(d))),
    "permutations": (math.factorial, lambda d: generate([_cycle(d), _swap(d)])),
    "signs": (lambda d: 2**d, lambda d: _signs(d, even=False)),
    "even-signs": (lambda d: 2 ** (d - 1), lambda d: _signs(d, even=True)),
    "cyclic-signs": (lambda d: 2**d * d, lambda d: _signed(d, even=False, cyclic=True)),
    "cyclic-even-signs": (lambda d: 2 ** (d - 1) * d, lambda d: _signed(d, even=True, cyclic=True)),
    "hyperoctahedral": (lambda d: 2**d * math.factorial(d), lambda d: _signed(d, even=False, cyclic=False)),
    "even-hyperoctahedral": (lambda d: 2 ** (d - 1) * math.factorial(d), lambda d: _signed(d, even=True, cyclic=False)),
    "simplex": (lambda d: math.factorial(d + 1), lambda d: _on_simplex(generate([_cycle(d + 1), _swap(d + 1)]))),
    "simplex-alternating": (lambda d: math.factorial(d + 1) // 2, lambda d: _on_simplex(generate(_threes(d + 1)))),
    "simplex-cyclic": (lambda d: d + 1, lambda d: _on_simplex(generate(_cycle(d + 1)))),
}
"""Families of every dimension: order, then elements."""
