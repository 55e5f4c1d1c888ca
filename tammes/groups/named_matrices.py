"""Matrices of the groups that have names: point groups of space, signed permutations, quaternions, screws."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.groups.finite_groups import MAX_ORDER, generate

__all__ = ["CONJUGATION", "FAMILIES", "POLYHEDRAL", "axial", "binary", "polyhedral", "screw_powers", "too_large"]

_GOLDEN = 0.5 * (1.0 + math.sqrt(5.0))

_ICOSIAN = (0.5 * _GOLDEN, 0.5, 0.5 / _GOLDEN, 0.0)
"""A quaternion that generates 2I with 2T."""

CONJUGATION = np.diag([1.0, -1.0, -1.0, -1.0])
"""The conjugation of quaternions."""

POLYHEDRAL = ("I", "O", "T", "Ih", "Oh", "Td", "Th")
"""Polyhedral groups of space, in Schoenflies' notation."""


def screw_powers(k: int, turns: Sequence[int], d: int, name: str, *, flip: bool = False) -> Floats:
    """Return the powers of a rotation by 2 pi m_i / k in coordinate planes, each from its own angle: no drift."""
    order = math.lcm(*(k // math.gcd(k, m) for m in turns), 2 if flip else 1)
    if order > MAX_ORDER:
        raise too_large(name)
    powers = np.tile(np.eye(d), (order, 1, 1))
    for i, m in enumerate(turns):
        x, y = 2 * i, 2 * i + 1
        angles = 2.0 * np.pi * np.array([j * m % k for j in range(order)]) / k
        powers[:, x, x] = powers[:, y, y] = np.cos(angles)
        powers[:, y, x], powers[:, x, y] = np.sin(angles), -np.sin(angles)
    if flip:
        powers[1::2, -1, -1] = -1.0
    return powers


def axial(key: str, name: str) -> Floats | None:
    """Return the elements of a group of R^3 with a principal axis z; None where Schoenflies has no such symbol."""
    if key in {"ci", "cs"}:
        return generate(-np.eye(3) if key == "ci" else np.diag([1.0, 1.0, -1.0]))
    match = re.fullmatch(r"([cds])([1-9]\d*)([vhd]?)", key)
    if match is None or match[1] + match[3] not in {"c", "cv", "ch", "d", "dd", "dh", "s"}:
        return None
    letter = match[1]
    k = int(match[2])
    suffix = match[3]
    if letter == "s" and k % 2:  # C_kh
        return None
    if k * (1 + (letter == "d")) * (1 + (suffix != "")) > MAX_ORDER:
        raise too_large(name)
    turning = letter == "s" or suffix == "d"  # a rotoreflection, by pi / k in D_kd
    rotations = screw_powers(2 * k if suffix == "d" else k, [1], 3, name, flip=turning)
    mirror = {"v": [1.0, -1.0, 1.0], "h": [1.0, 1.0, -1.0]}.get(suffix, np.ones(3))
    half_turn = [1.0, -1.0, -1.0] if letter == "d" else np.ones(3)
    return generate([np.diag(mirror), np.diag(half_turn)], subgroup=rotations)


def polyhedral(symbol: str) -> Floats:
    """Return T, O or I in the axes of the cube, with what the suffix adds."""
    rotations = _signed(3, even=True, cyclic=True)
    if symbol[0] == "O":
        rotations = generate([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], subgroup=rotations)
    if symbol[0] == "I":
        left = _left(_ICOSIAN)
        rotations = generate((left @ CONJUGATION @ left @ CONJUGATION)[1:, 1:], subgroup=rotations)  # x -> q x q*
    more = {"h": -np.eye(3), "d": _swap(3)}.get(symbol[1:])
    return rotations if more is None else generate(more, subgroup=rotations)


def binary(match: re.Match[str], name: str) -> Floats:
    """Return the left multiplications by 2T, 2O, 2I, or by the 4k elements of 2Dk: e^(pi i / k) and j."""
    if match[2]:
        k = int(match[2])
        if k < 1:
            raise InvalidParameterError("symmetry", "2Dk with k >= 1", name)
        if 4 * k > MAX_ORDER:
            raise too_large(name)
        return generate(_left([0.0, 0.0, 1.0, 0.0]), subgroup=screw_powers(2 * k, [1, 1], 4, name))
    eight = generate([_left([0.0, 1.0, 0.0, 0.0]), _left([0.0, 0.0, 1.0, 0.0])])
    tetrahedral = generate(_left([0.5, 0.5, 0.5, 0.5]), subgroup=eight)
    if match[1] == "o":
        return generate(_left([math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]), subgroup=tetrahedral)
    return generate(_left(_ICOSIAN), subgroup=tetrahedral) if match[1] == "i" else tetrahedral


def _left(q: Sequence[float]) -> Floats:
    """Return the matrix of x -> q x on quaternions (1, i, j, k)."""
    a, b, c, d = q
    return np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]])


def _cycle(d: int) -> Floats:
    """Return the permutation matrix of one step around all coordinates."""
    return np.roll(np.eye(d), 1, axis=0)


def _swap(d: int) -> Floats:
    """Return the permutation matrix that exchanges the first two coordinates."""
    return np.eye(d)[[*range(d)[1::-1], *range(2, d)]]


def _threes(d: int) -> Floats:
    """Return cycles of three coordinates, which generate the even permutations."""
    cycles = np.tile(np.eye(d), (max(1, d - 1), 1, 1))  # the first is the identity
    for i in range(2, d):
        cycles[i - 1, [0, 1, i]] = cycles[i - 1, [1, i, 0]]
    return cycles


def _signs(d: int, *, even: bool) -> Floats:
    """Return the sign changes of all coordinates, or of an even number of them."""
    choices = [signs for signs in itertools.product((1.0, -1.0), repeat=d) if not even or math.prod(signs) > 0.0]
    return np.stack([np.diag(signs) for signs in choices])


def _signed(d: int, *, even: bool, cyclic: bool) -> Floats:
    """Return the sign changes with permutations of the coordinates, cyclic ones or all."""
    return generate([_cycle(d), np.eye(d) if cyclic else _swap(d)], subgroup=_signs(d, even=even))


def _on_simplex(permutations: Floats) -> Floats:
    """Return the action of permutations of d + 1 vertices on the R^d that their simplex spans."""
    m = len(permutations[0])
    frame = np.zeros((m, m - 1))  # Helmert: orthonormal, orthogonal to (1, ..., 1)
    for k in range(1, m):
        frame[:k, k - 1] = 1.0
        frame[k, k - 1] = -k
        frame[:, k - 1] /= math.sqrt(k * (k + 1))
    return np.asarray(frame.T @ permutations @ frame)


def too_large(name: str) -> InvalidParameterError:
    """Return the error for a group with too many elements."""
    return InvalidParameterError("symmetry", f"a group of at most {MAX_ORDER:,} elements", name)


FAMILIES: dict[str, tuple[Callable[[int], int], Callable[[int], Floats]]] = {
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
