"""Local optimality of a code: the certificate that no small displacement improves it, or a displacement that does.

A stress (nonnegative multipliers on the contacts that balance at every point) proves that no displacement widens
all contacts to first order. If the contacts that bear it also determine the points, up to rotations and rattlers, the
code is a strict local maximum. Where there is no stress, Farkas' lemma gives a displacement that widens every contact.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError, InvalidPointsError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_number
from tammes.codes import stress
from tammes.codes.spherical_code import CONTACT_TOLERANCE, SphericalCode

__all__ = [
    "LARGEST",
    "LocalOptimality",
    "StressError",
    "Verdict",
    "check_stress",
    "improvement",
    "local_optimality",
    "rank_of",
]

LARGEST = 6_000
"""Coordinates of the tangent spaces, n (d - 1), up to which rigidity is decided: its matrix is dense."""

_COINCIDE = 1e-12  # radians: closer points are one point
_FLAT_DIRECTION = 1e-9  # rates of widening below this are none
_BALANCED = 1e-9  # force left over, of the largest multiplier
_SPAN = 1e-6  # singular values of the held points below this: they lie in a subspace


class Verdict(enum.Enum):
    """What is proved about small displacements."""

    STRICT = (
        "strict",
        "strict local maximum: every small displacement narrows the angle, but for rotations and rattlers",
    )
    SECOND_ORDER = ("strict-second-order", "strict local maximum: what the contacts leave free, curvature forbids")
    FIRST_ORDER = (
        "first-order",
        "local maximum to first order: contacts leave displacements free that curvature does not forbid",
    )
    IMPROVABLE = ("improvable", "no local maximum: a displacement widens every contact")
    UNDECIDED = ("undecided", "undecided: neither a balanced stress nor an improving displacement, to within rounding")

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence


class StressError(InvalidParameterError):
    """Multipliers that are no balanced stress of these contacts."""


@dataclass(frozen=True)
class LocalOptimality:
    """The evidence for a verdict on local optimality."""

    verdict: Verdict
    tolerance: float
    """Pairs within this of the minimal angle are contacts, radians."""
    contacts: Ints = field(repr=False)
    """Pairs i < j, shape `(m, 2)`."""
    spread: float
    """How far the angles of the contacts differ, radians."""
    multipliers: Floats = field(repr=False)
    """The stress, nonnegative with sum 1, shape `(m,)`; zero where there is none."""
    residual: float
    """The largest force left over at a point, of the largest multiplier; inf where there is no stress."""
    rank: int
    """Rank of the equations of the contacts that bear stress."""
    degrees_of_freedom: int
    """Of the points held by them, rotations apart: the verdict is strict where the rank equals this."""
    rattlers: Ints
    """Points that no stressed contact holds, in increasing order."""
    curvature: float
    """Lowest second derivative of the stressed cosines along what the contacts leave free; inf where nothing is."""
    direction: Floats | None = field(default=None, repr=False)
    """The displacement that widens the slowest contact fastest, tangent, `(n, d)`, longest row 1; None if stressed."""
    rate: float = 0.0
    """Radians by which every contact widens along it, per unit, to first order."""
    gain: float = 0.0
    """Radians by which a measured step along it widens the minimal angle."""

    @property
    def sentence(self) -> str:
        """The verdict with its numbers, in one line."""
        if self.verdict is Verdict.IMPROVABLE:
            return f"{self.verdict.sentence} by {self.rate:.3g} rad per unit; a measured step gains {self.gain:.2g} rad"
        if self.verdict is Verdict.UNDECIDED:
            return self.verdict.sentence
        bearing = np.count_nonzero(self.multipliers)
        return (
            f"{self.verdict.sentence} (stress on {bearing} of {len(self.contacts)} contacts, balanced "
            f"to {self.residual:.1e}; rank {self.rank} of {self.degrees_of_freedom})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values without floats: decimals are strings, multipliers integers over 10^18."""
        document: dict[str, Any] = {
            "verdict": self.verdict.code,
            "sentence": self.sentence,
            "tolerance": repr(self.tolerance),
            "contact_spread": repr(self.spread),
            "residual": repr(self.residual),
            "rank": self.rank,
            "degrees_of_freedom": self.degrees_of_freedom,
            "rattlers": self.rattlers.tolist(),
            "contacts": self.contacts.tolist(),
        }
        if self.direction is not None:
            return document | {
                "rate": repr(self.rate),
                "direction": [[repr(value) for value in row] for row in self.direction.tolist()],
            }
        return document | {"multipliers_times_10_18": [round(value * 10**18) for value in self.multipliers.tolist()]}


def local_optimality(code: SphericalCode, tolerance: float = CONTACT_TOLERANCE) -> LocalOptimality:
    """Decide whether small displacements can improve a code, and give the evidence.

    Cost: a sparse linear program over the contacts, and a dense factor of n (d - 1) columns.

    Args:
        code: the points, distinct.
        tolerance: pairs within this of the minimal angle are contacts, radians.

    Returns:
        Verdict and evidence. It is about the points to within `spread`: a contact known to 1e-15 counts as exact.

    Raises:
        InvalidParameterError: if the tolerance is not a positive number of at most 1e-3.
        InvalidPointsError: if two points coincide, or the code is too large.

    References: R. Connelly, Rigidity and energy, 1982; A. Donev, S. Torquato, F. H. Stillinger, R. Connelly, A linear
        programming algorithm to test for jamming in hard-sphere packings, 2004.

    Example:
        >>> local_optimality(SphericalCode([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])).verdict.code
        'strict'
    """
    requirement = "a positive number of radians, at most 1e-3"
    tolerance = check_number("tolerance", tolerance, requirement, above=0.0, most=1e-3)
    points = code.points
    if code.min_angle < _COINCIDE:
        i, j = code.closest_pair
        raise InvalidPointsError("points", "distinct", f"rows {i} and {j}, {code.min_angle:.3g} rad apart")
    if code.n * (code.d - 1) > LARGEST:
        raise InvalidPointsError("points", f"of at most {LARGEST} degrees of freedom here", f"{code.n} in d = {code.d}")
    contacts = code.contacts(tolerance)
    i, j = contacts.T
    angles = geometry.angle(points[i], points[j])
    spread = float(angles.max() - angles.min())
    if code.n == 2 and math.pi - code.min_angle <= tolerance:  # antipodes: no angle is larger
        none = np.zeros(0, dtype=np.intp)
        return LocalOptimality(
            Verdict.STRICT, tolerance, contacts, spread, np.ones(1), 0.0, code.d - 1, code.d - 1, none, math.inf
        )
    guess = stress.largest_stress(points, contacts)
    multipliers = stress.balance(points, contacts, guess) if guess.any() else None
    if multipliers is None:
        return _without_stress(code, tolerance, contacts, spread)
    residual = _imbalance(points, contacts, multipliers)
    rigid = stress.rigidity(points, contacts, multipliers)
    held = _held(contacts, multipliers)
    freedom = _degrees_of_freedom(points[held])
    return LocalOptimality(
        _verdict(rigid),
        tolerance,
        contacts,
        spread,
        multipliers,
        residual,
        freedom - rigid.degrees_of_freedom,
        freedom,
        np.setdiff1d(np.arange(code.n), held),
        rigid.lowest_curvature,
    )


def rank_of(code: SphericalCode, contacts: Ints, multipliers: Floats) -> tuple[int, int, Verdict]:
    """Return the rank of the stressed contacts, the degrees of freedom of the points they hold, and the verdict."""
    if len(contacts) == 1:  # antipodes: no angle is larger
        return code.d - 1, code.d - 1, Verdict.STRICT
    rigid = stress.rigidity(code.points, contacts, multipliers)
    freedom = _degrees_of_freedom(code.points[_held(contacts, multipliers)])
    return freedom - rigid.degrees_of_freedom, freedom, _verdict(rigid)


def _verdict(rigid: stress.Rigidity) -> Verdict:
    """Return what rigidity proves of a code whose stress balances."""
    if rigid.degrees_of_freedom == 0:
        return Verdict.STRICT
    return Verdict.SECOND_ORDER if rigid.strict else Verdict.FIRST_ORDER


def _held(contacts: Ints, multipliers: Floats) -> Ints:
    """Return points at contacts that bear stress."""
    return np.unique(contacts[multipliers > 1e-9 * multipliers.max()])


def check_stress(
    code: SphericalCode, contacts: Ints, multipliers: Floats, tolerance: float = CONTACT_TOLERANCE
) -> float:
    """Check a claimed stress by its definition, and return the force that it leaves, over the largest multiplier.

    Raises:
        StressError: if a pair is no contact, a multiplier is negative or not finite, all vanish, or forces do not
            balance to 1e-9 of the largest multiplier.
    """
    contacts = np.asarray(contacts, dtype=np.intp).reshape(-1, 2)
    if multipliers.shape != (len(contacts),):
        raise StressError("multipliers", f"one for each of the {len(contacts)} contacts", f"shape {multipliers.shape}")
    outside = (contacts < 0) | (contacts >= code.n)
    if outside.any() or (contacts[:, 0] == contacts[:, 1]).any():
        raise StressError("contacts", f"pairs of distinct indices below n = {code.n}", contacts.tolist()[:3])
    apart = geometry.angle(code.points[contacts[:, 0]], code.points[contacts[:, 1]]) - code.min_angle
    if (apart > tolerance).any():
        k = int(np.argmax(apart))
        pair = tuple(contacts[k].tolist())
        raise StressError(
            "contacts", f"within {tolerance:g} rad of the minimal angle", f"{pair}, {apart[k]:.3g} rad above it"
        )
    if not np.isfinite(multipliers).all() or (multipliers < 0.0).any() or not multipliers.any():
        raise StressError("multipliers", "nonnegative, finite and not all zero", multipliers.tolist()[:3])
    residual = _imbalance(code.points, contacts, multipliers)
    if residual > _BALANCED:
        raise StressError("multipliers", f"in balance to {_BALANCED:g} of the largest one", f"{residual:.3g} left over")
    return residual


def _imbalance(points: Floats, contacts: Ints, multipliers: Floats) -> float:
    """Return the largest force at a point, of the largest multiplier."""
    left: Floats = np.asarray(stress.equilibrium_matrix(points, contacts) @ multipliers).reshape(len(points), -1)
    return float(np.linalg.norm(left, axis=1).max() / multipliers.max())


def _degrees_of_freedom(held: Floats) -> int:
    """Return dimensions of the displacements of these points, less the rotations that move them."""
    n, d = held.shape
    off = d - int(np.linalg.matrix_rank(held, tol=_SPAN))
    return int(n * (d - 1) - (d * (d - 1) - off * (off - 1)) // 2)


def _without_stress(code: SphericalCode, tolerance: float, contacts: Ints, spread: float) -> LocalOptimality:
    """Return the displacement that widens the slowest contact fastest, and what a step along it gains."""
    direction, rate = stress.widening(code.points, contacts)
    gain = improvement(code, direction)
    verdict = Verdict.IMPROVABLE if rate > _FLAT_DIRECTION and gain > 0.0 else Verdict.UNDECIDED
    every = np.arange(code.n, dtype=np.intp)
    freedom = _degrees_of_freedom(code.points)
    none = np.zeros(len(contacts))
    return LocalOptimality(
        verdict, tolerance, contacts, spread, none, math.inf, 0, freedom, every, math.inf, direction, rate, gain
    )


def improvement(code: SphericalCode, direction: Floats) -> float:
    """Return the radians by which the best step along a displacement widens the measured minimal angle, at least 0.

    Args:
        code: where the steps begin.
        direction: shape `(n, d)`.
    """
    best = 0.0
    for k in range(1, 45):
        step = code.min_angle * 0.5**k
        moved = geometry.normalize_rows(code.points + step * direction)
        best = max(best, geometry.min_angle(moved) - code.min_angle)
    return best
