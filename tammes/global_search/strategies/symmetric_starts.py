"""Symmetric starts for many points: a random part of the sphere, and its images under a group.

The part has n / order points, so that a descent costs that much less, and many can be tried. Symmetric codes are the
best ones known at many sizes; where they are not, they are good codes to break the symmetry of.
"""

from __future__ import annotations

import itertools

import numpy as np

from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats, normalize_rows
from tammes.global_search.problem import Problem
from tammes.groups.candidates import candidates
from tammes.groups.finite_groups import Group
from tammes.solvers.ladder import many_points as large
from tammes.solvers.ladder.cell_lists import curve_order
from tammes.solvers.ladder.many_points import Images

__all__ = ["changed", "groups_for", "symmetric_start"]

_GROUPS = 8
_ENOUGH = 3  # so many with cheap starts, and no others are tried
_LISTED = 24  # candidates looked through
_ORDERS = (3, 200)  # smaller ones save little; larger ones leave little to search
_SMALL = 5  # orders below which a start is not cheap
_JUMPS = 4  # every so many changes is a jump
_FEW = 12  # points that a region has at least
_SHAKES = 0.15, 0.45  # chord_bounds by which they move, least and most
_SHARP = 256.0  # exponent by which pressure is told
_OF_A_KIND = 3  # special orbits of one kind at most, where their number is not limited


def groups_for(problem: Problem) -> list[Group]:
    """Return groups to try, at most eight, the same on every call: rotations, or those with a prescribed symmetry.

    Raises:
        InvalidParameterError: if the orbits of the prescribed group add up to n in no simple way.
    """
    n, d = problem.n, problem.d
    if problem.prescribed is not None:
        more = candidates(n, d, limit=_LISTED, antipodal=True) if problem.symmetry == "auto" else []
        larger = [group for group in more if _SMALL <= group.order <= _ORDERS[1]][: _GROUPS - 1]
        possible = [group for group in [*larger, problem.prescribed] if _counts(group, n)]
        if not possible:
            needs = f"a group of which a few special orbits and whole ones add up to n = {n}"
            raise InvalidParameterError("symmetry", needs, problem.symmetry)
        return possible
    if problem.symmetry == "none":
        return []
    found = [
        group
        for group in candidates(n, d, limit=_LISTED)
        if (np.linalg.det(group.matrices) > 0.0).all() and _ORDERS[0] <= group.order <= _ORDERS[1] and _counts(group, n)
    ]
    cheap = [group for group in found if group.order >= _SMALL]
    return (cheap if len(cheap) >= _ENOUGH else found)[:_GROUPS]


def symmetric_start(group: Group, n: int, rng: np.random.Generator) -> tuple[Floats, Images]:
    """Return random points of one part of the sphere, and their images: n in all.

    Args:
        group: one of `groups_for`.
        n: number of points.
        rng: the only source of chance.

    Returns:
        Unit rows `(n, d)`, the free ones first, and which points follow which.
    """
    counts = _counts(group, n)
    chosen = counts[int(rng.integers(len(counts)))]
    special: list[tuple[Floats, Floats]] = []  # a point, and what carries it to its other images
    projectors: list[Floats] = []
    for kind, count in zip(group.strata, chosen, strict=False):
        inside = np.zeros(group.d)
        for k in range(count):
            # On an axis, a second orbit begins at the other end.
            if kind.available is None or k == 0:
                inside = kind.basis @ (kind.basis.T @ rng.standard_normal(group.d))
                inside /= np.linalg.norm(inside)
            else:
                inside = -inside
            special.append((inside, group.matrices[kind.elements][1:]))
            projectors.append(kind.basis @ kind.basis.T)
    generic = (n - sum(1 + len(carried) for _, carried in special)) // group.order
    free = normalize_rows(rng.standard_normal((generic, group.d)))
    free = free[curve_order(np.ascontiguousarray(free.T))]
    representative = [np.tile(np.arange(generic), group.order - 1)]
    representative += [np.full(len(carried), generic + k) for k, (_, carried) in enumerate(special)]
    transforms = [np.repeat(group.matrices[1:], generic, axis=0), *(carried for _, carried in special)]
    images = Images(
        np.concatenate(representative).astype(np.int32),
        np.ascontiguousarray(np.concatenate(transforms)),
        np.array(projectors).reshape(-1, group.d, group.d),
    )
    first = np.concatenate([free, *(point[None] for point, _ in special)])
    return np.concatenate([first, np.einsum("kab,kb->ka", images.transforms, first[images.representative])]), images


def changed(group: Group, points: Floats, images: Images, chord_bound: float, rng: np.random.Generator) -> Floats:
    """Return a symmetric code with a region shaken, or with one pressed point put elsewhere; the images follow.

    Args:
        group: of the code.
        points: unit rows, shape `(n, d)`, relaxed, the free ones first. Not modified.
        images: which points follow which.
        chord_bound: a length that no smallest chord exceeds.
        rng: the only source of chance.

    Returns:
        The new points, not relaxed.
    """
    n, d = points.shape
    m = n - len(images.representative)
    generic = int((images.sizes(m) == group.order).sum())  # the others stay on their axes
    free = points[:m].copy()
    if generic == 0:
        return points.copy()
    pressure = large.pressed(points, _SHARP, chord_bound=chord_bound)[:generic] * rng.random(generic) ** 0.5
    tight = int(np.argmax(pressure))
    if rng.integers(_JUMPS) == 0:
        free[tight] = rng.standard_normal(d)
    else:
        count = round(np.exp(rng.uniform(np.log(min(_FEW, generic)), np.log(generic))))
        near = np.argsort(((free[:generic] - free[tight]) ** 2).sum(axis=1), kind="stable")[:count]
        free[near] += rng.uniform(*_SHAKES) * chord_bound * rng.standard_normal((len(near), d))
    free[:generic] = normalize_rows(free[:generic])
    return np.concatenate([free, np.einsum("kab,kb->ka", images.transforms, free[images.representative])])


def _counts(group: Group, n: int) -> list[tuple[int, ...]]:
    """Return numbers of special orbits of each kind with which whole orbits add up to n, as few as can be."""
    *kinds, generic = group.strata
    ranges = [range(1 + (_OF_A_KIND if kind.available is None else kind.available)) for kind in kinds]
    found: list[tuple[int, ...]] = []
    for chosen in itertools.islice(itertools.product(*ranges), 4096):
        left = n - sum(count * kind.size for count, kind in zip(chosen, kinds, strict=True))
        if left >= 0 and left % generic.size == 0:
            found.append(chosen)
    least = min((sum(chosen) for chosen in found), default=0)
    return [chosen for chosen in found if sum(chosen) <= least + 1]
