"""A polished code to as many digits as are asked for: its contact equations in extended precision.

The equations are `x_i . x_j = t` for the contacts that carry stress, `x_i . x_i = 1` for every point.
Gauss-Newton on them needs only its residuals in many digits: with the inverse of the Jacobian frozen in
float64, a step still gains about as many digits as float64 has. The residuals are kept in fixed point,
in Python's integers, and each step updates them: its own integers are short, so that a product costs
what the long factor is long.

A symmetric code has more equations than unknowns, a floppy one fewer. A pivoted QR picks independent
equations; those are solved by the step of least norm, and that the others hold as well is checked at the end,
as is every other pair of points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tammes.base import geometry
from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats, Ints
from tammes.base.validation import check_integer, check_number
from tammes.codes import stress
from tammes.codes.spherical_code import CONTACT_TOLERANCE

__all__ = ["MAX_DIGITS", "MIN_DIGITS", "SCHEMA", "Refined", "Thresholds", "check_digits", "refine"]

SCHEMA = "tammes.refined/1"
"""Name and version of the JSON form."""

MIN_DIGITS, MAX_DIGITS = 17, 10_000

Integers = NDArray[Any]  # Python's integers in an object array: fixed point

_GUARD = 80  # bits beyond the digits asked for
_CLOSED = 32  # of those, bits that rounding and a badly conditioned code may cost
_STEP_BITS = 52  # below the largest error: so far a step in float64 is good at best
_FREEZES = 4
_BALANCED = 1e-10  # force that the contacts may leave over
_FARTHEST = 1e-6  # a point that must move by more was not polished
_NEAR = 1e-6  # radians beyond the minimal angle: pairs within are compared in all digits
_LARGEST = 12_000  # coordinates: the Jacobian is dense
_POLISH = "Polish them first: `tammes polish FILE`, `tammes.solvers.polish.polish(points)`."


@dataclass(frozen=True)
class Thresholds:
    """Numbers that decide how equations are treated; the defaults serve every polished code."""

    rank: float = 1e-7
    """Share of the largest pivot below which an equation counts as dependent on the others."""
    flat: float = 1e-6
    """Singular value below which the held points lie in a subspace."""
    useful_gain: int = 20
    """Bits that a step must gain; with fewer the inverse is computed again at the new points."""


@dataclass(frozen=True)
class Refined:
    """A code in extended precision, as decimal strings.

    Coordinates and the cosine are rounded to `digits` places after the point, the angle to `digits`
    significant digits.
    """

    points: tuple[tuple[str, ...], ...] = field(repr=False)
    """The rows, n of d coordinates."""
    max_cosine: str
    """The largest cosine of two distinct points."""
    min_angle_degrees: str
    """The smallest angle between two distinct points, degrees."""
    digits: int
    residual: str
    """The largest error of an equation before the coordinates were rounded, as `1.3e-62`."""
    contacts: int
    """Pairs whose cosine is the largest one, to the digits asked for."""
    iterations: int
    """Gauss-Newton steps."""

    def rounded(self) -> Floats:
        """Return the points, each coordinate to the nearest float64, shape `(n, d)`."""
        return np.array([[float(value) for value in row] for row in self.points])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; numbers of many digits are strings."""
        return {
            "schema": SCHEMA,
            "n": len(self.points),
            "d": len(self.points[0]),
            "digits": self.digits,
            "min_angle_degrees": self.min_angle_degrees,
            "max_cosine": self.max_cosine,
            "contacts": self.contacts,
            "residual": self.residual,
            "iterations": self.iterations,
            "points": [list(row) for row in self.points],
        }


def check_digits(digits: object) -> int:
    """Return `digits` as an int.

    Raises:
        InvalidParameterError: unless it is an integer from `MIN_DIGITS` to `MAX_DIGITS`.
    """
    return check_integer("digits", digits, MIN_DIGITS, MAX_DIGITS)


def refine(
    points: ArrayLike,
    digits: int = 50,
    tolerance: float = CONTACT_TOLERANCE,
    *,
    thresholds: Thresholds = Thresholds(),
) -> Refined:
    """Return the local maximum that polished points round, to `digits` digits.

    Points without stress (rattlers) keep their coordinates, normalised, unless they would come
    closer than the minimal angle: then they are moved onto it. Held points that span a subspace stay in
    one: there the angle is stationary, and float64 knows them only to the root of its precision.

    Cost: one dense pivoted QR of the Jacobian, O((n d)^2 m) time for m contacts; then about digits / 13
    steps of O((n d)^2) each.

    Args:
        points: unit rows, float64, shape `(n, d)`, polished: contacts equal to about 1e-15. Not modified.
        digits: from 17 to 10,000.
        tolerance: pairs within this of the minimal angle may be contacts, radians.
        thresholds: how equations are treated.

    Returns:
        Points, cosine and angle. The cosine is the largest over all pairs: verified, those near the
        minimal angle in all digits, the others in float64 with a margin.

    Raises:
        InvalidParameterError: if `digits` or `tolerance` is out of range.
        InvalidPointsError: if the points are not unit rows, coincide, are too many, or are no polished code,
            so that the equations of the contacts do not close.

    References: K. Schütte, B. L. van der Waerden, Auf welcher Kugel haben 5, 6, 7, 8 oder 9 Punkte mit
        Mindestabstand Eins Platz?, 1951: contact graphs as equations.

    Example:
        >>> refine([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], 20).min_angle_degrees
        '90.000000000000000000'
    """
    digits = check_digits(digits)
    requirement = "a positive number of radians, at most 1e-4"
    tolerance = check_number("tolerance", tolerance, requirement, above=0.0, most=1e-4)
    rows = geometry.as_points(points)
    if rows.size > _LARGEST:
        raise InvalidPointsError("points", f"of at most {_LARGEST} coordinates to be refined", f"shape {rows.shape}")
    nearest = geometry.nearest_neighbours(rows)[0]
    least = float(nearest.min())
    if least < 1e-7:
        twin = int(nearest.argmin())
        raise InvalidPointsError("points", "distinct", f"row {twin}, which lies {least:.3g} rad from another", _POLISH)
    bits = math.ceil(digits * math.log2(10.0)) + _GUARD
    if len(rows) == 2:
        return _antipodes(rows, least, bits, digits)
    i, j, theta = geometry.pairs_within(rows, least + tolerance)
    pairs = np.stack([i, j], axis=1)
    stressed = stress.largest_support(rows, pairs)
    if not stressed.any():
        apart = float(np.median(nearest)) - least
        count = f"{len(pairs)} contact{'' if len(pairs) == 1 else 's'} within {tolerance:g} rad"
        raise _unpolished(
            f"{count}, no stress in balance, and nearest neighbours' angles that differ by {apart:.2g} rad"
        )
    system = _System(rows, math.cos(float(theta[stressed].mean())), bits, thresholds)
    active, held = pairs[stressed], np.unique(pairs[stressed])
    while True:
        system.close(active, held)
        near = system.closest_pairs(_NEAR)
        gaps = system.gaps(near)
        closer = near[np.asarray(gaps > system.closed, dtype=np.bool_)]
        if not len(closer):
            break
        active = np.concatenate([active, closer])  # rattlers that lean too near: they are to touch
    touching = int(np.count_nonzero(np.abs(gaps) <= system.closed))
    return _report(system.coordinates, system.cosine, bits, digits, system.residual(), touching, system.steps)


def _unpolished(found: str) -> InvalidPointsError:
    """Return the error for points that are no local maximum."""
    return InvalidPointsError("points", "polished, so that their contact equations close", found, _POLISH)


def _shifted(integers: Any, places: int) -> Any:
    """Return the integers divided by 2^places, rounded down; multiplied where places is negative."""
    return integers >> places if places >= 0 else integers << -places


def _fixed(values: Floats, bits: int) -> Integers:
    """Return float64 numbers as integers in units of 2^-bits; exact down to bits that no double of this size has."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
    exact = [_shifted(w, 53 - bits - int(e)) for w, e in zip(whole.ravel(), exponents.ravel(), strict=True)]
    out = np.empty(values.size, dtype=object)
    out[:] = exact
    return out.reshape(values.shape)


def _largest(integers: Integers) -> int:
    """Return the largest absolute value."""
    return max((abs(value) for value in integers.ravel().tolist()), default=0)


class _System:
    """Points and cosine in fixed point, and the equations they are to solve."""

    def __init__(self, points: Floats, cosine: float, bits: int, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.bits = bits
        self.closed = 1 << _CLOSED  # an equation off by no more than this is solved
        self.coordinates = _fixed(points, bits)
        self.cosine = int(_fixed(np.array([cosine]), bits)[0])
        self.steps = 0
        self.imbalance = math.inf
        """Force that the best stress of the contacts leaves over: 0 where the angle is stationary."""
        self._start = points

    def rounded(self) -> Floats:
        """Return the points in float64."""
        return self._floats(self.coordinates, self.bits)

    def gaps(self, pairs: Ints) -> Integers:
        """Return cosine of each pair minus the cosine of the contacts, computed anew, shape `(m,)`."""
        return self._products(pairs.T) - self.cosine

    def closest_pairs(self, slack: float) -> Ints:
        """Return pairs at an angle of no more than that of the contacts and `slack`, radians."""
        points = self.rounded()
        angle = float(geometry.angle(*points[self._ends[:, 0]]))  # the first equation is a contact's
        return np.stack(geometry.pairs_within(points, angle + slack)[:2], axis=1)

    def residual(self) -> int:
        """Return the largest error of all equations, computed anew."""
        return _largest(self._errors())

    def text(self, amount: int) -> str:
        """Return a number in units of 2^-bits as `1.3e-62`."""
        return _scientific(amount, self.bits)

    def close(self, contacts: Ints, held: Ints) -> None:
        """Move to where every contact has the same cosine and every row length 1.

        Raises:
            InvalidPointsError: if there is no such place nearby.
        """
        n = len(self._start)
        own = np.arange(n)
        self._ends = np.concatenate([contacts.T, np.stack([own, own])], axis=1)  # (2, m + n)
        self._targets = len(contacts)  # so many equations end in the cosine, the others in 1
        self._held = held
        self._span_subspace()
        size = math.inf
        for _ in range(_FREEZES):
            before, size = size, self._descend()
            if size <= self.closed or size > before / 4:
                break
        worst = self.residual()
        if worst > self.closed:
            raise _unpolished(f"cosines that stay {self.text(worst)} apart")
        if self.imbalance > _BALANCED:
            raise _unpolished(f"a stress out of balance by {self.imbalance:.2g}")

    def _span_subspace(self) -> None:
        """Set the equations `x_b = M x_a` of the subspace that held points span, if any."""
        import scipy.linalg

        held = self.rounded()[self._held]
        _, values, axes = np.linalg.svd(held, full_matrices=True)
        rank = int(np.count_nonzero(values > self._thresholds.flat))
        order = scipy.linalg.qr(axes[:rank], pivoting=True, mode="r")[1]  # coordinates that tell the others best
        self._free, self._bound = order[:rank], order[rank:]
        slopes = np.linalg.lstsq(axes[:rank][:, self._free], axes[:rank][:, self._bound], rcond=None)[0].T
        self._slopes = np.asarray(slopes)  # (d - k, k)
        self._slope_integers = _fixed(self._slopes, 53)

    def _products(self, ends: Ints) -> Integers:
        """Return inner products of pairs of rows, shape `(m,)`."""
        x = self.coordinates
        return np.asarray((x[ends[0]] * x[ends[1]]).sum(axis=1) >> self.bits, dtype=object)

    def _leaning(self, x: Integers) -> Integers:
        """Return how far held rows are from the subspace, flat."""
        rows = x[self._held]
        across = (rows[:, None, self._free] * self._slope_integers[None]).sum(axis=2) >> 53
        return np.asarray(rows[:, self._bound] - across, dtype=object).ravel()

    def _errors(self) -> Integers:
        """Return all residuals, computed anew."""
        products = self._products(self._ends)
        products[: self._targets] -= self.cosine
        products[self._targets :] -= 1 << self.bits
        return np.concatenate([products, self._leaning(self.coordinates)])

    def _jacobian(self, x: Floats) -> Floats:
        """Return the Jacobian, transposed: a column for each equation, shape `(n d + 1, m + n + ...)`."""
        n, d = x.shape
        i, j = self._ends
        columns = np.arange(len(i))
        leaning = len(self._held) * len(self._bound)
        out = np.zeros((n, d, len(i) + leaning))
        out[i, :, columns] += x[j]
        out[j, :, columns] += x[i]
        for k, held in enumerate(self._held):
            at = len(i) + k * len(self._bound) + np.arange(len(self._bound))
            out[held, self._bound, at] = 1.0
            out[held, self._free[:, None], at[None, :]] = -self._slopes.T
        cosine = np.zeros((1, out.shape[2]))
        cosine[0, : self._targets] = -1.0
        return np.concatenate([out.reshape(n * d, -1), cosine])

    def _descend(self) -> float:
        """Take Gauss-Newton steps with one frozen inverse while they gain, and return the largest error left."""
        import scipy.linalg

        x = self.rounded()
        q, r, order = scipy.linalg.qr(self._jacobian(x), pivoting=True, mode="economic")
        diagonal = np.abs(np.diagonal(r))
        rank = int(np.count_nonzero(diagonal > self._thresholds.rank * diagonal[0]))
        q, r, chosen = np.ascontiguousarray(q[:, :rank]), r[:rank, :rank], order[:rank]
        left_over = -q @ q[-1]  # of a step in the cosine alone: zero if equations determine it to first order
        left_over[-1] += 1.0
        self.imbalance = float(np.linalg.norm(left_over))
        errors = self._errors()
        size = _largest(errors[chosen])
        while size > self.closed >> 8:
            scale = self.bits - size.bit_length()  # errors are at most 2^-scale
            right = self._floats(errors[chosen], self.bits - scale)
            step = -(q @ scipy.linalg.solve_triangular(r, right, trans="T"))
            if np.abs(x + np.ldexp(step[:-1], -scale).reshape(x.shape) - self._start).max() > _FARTHEST:
                raise _unpolished(f"cosines {self.text(size)} apart, too far from closing")
            errors = self._move(step, scale, errors)
            self.steps += 1
            before, size = size, _largest(errors[chosen])
            if size.bit_length() > before.bit_length() - self._thresholds.useful_gain:
                break
        return float(_largest(self._errors()) if size <= self.closed else size)

    def _move(self, step: Floats, scale: int, errors: Integers) -> Integers:
        """Take a step in units of 2^-scale, and return the errors after it, from those before."""
        places = min(scale + _STEP_BITS, self.bits)
        moves = _fixed(step, places - scale)  # in units of 2^-places
        dx, dt = moves[:-1].reshape(self.coordinates.shape), moves[-1]
        x = self.coordinates
        i, j = self._ends
        linear = (x[i] * dx[j] + dx[i] * x[j]).sum(axis=1)
        change = (linear >> places) + _shifted((dx[i] * dx[j]).sum(axis=1), 2 * places - self.bits)
        up = self.bits - places
        change[: self._targets] -= dt << up
        lifted = dx << up
        self.coordinates = x + lifted
        self.cosine += dt << up
        return np.concatenate([errors[: len(i)] + change, errors[len(i) :] + self._leaning(lifted)])

    @staticmethod
    def _floats(integers: Integers, bits: int) -> Floats:
        """Return integers in units of 2^-bits, as float64."""
        flat = [math.ldexp(float(_shifted(value, bits - 64)), -64) for value in integers.ravel().tolist()]
        return np.array(flat).reshape(integers.shape)


def _antipodes(points: Floats, angle: float, bits: int, digits: int) -> Refined:
    """Return two exactly opposite points. Their contact equation is degenerate, and needs no solving."""
    if math.pi - angle > _FARTHEST:
        raise _unpolished(f"two points {angle:.6g} rad apart, not opposite")
    row = _fixed(points[0], bits)
    for _ in range(2):  # Newton on the length, from 1e-9 off at most; twice for any number of bits below
        length = math.isqrt(int((row * row).sum()))
        row = (row << bits) // length
    error = abs(int((row * row).sum() >> bits) - (1 << bits))
    return _report(np.stack([row, -row]), -(1 << bits), bits, digits, error, 1, 0)


def _report(
    coordinates: Integers, cosine: int, bits: int, digits: int, residual: int, contacts: int, steps: int
) -> Refined:
    """Return the solution in decimals."""
    import mpmath

    context = mpmath.mp.clone()  # the caller's precision is not ours to change
    context.prec = bits + 20
    t = context.ldexp(context.mpf(cosine), -bits)
    angle = context.degrees(2 * context.asin(context.sqrt((1 - t) / 2)) if t > -0.5 else context.acos(t))
    whole = len(str(int(context.floor(angle + context.mpf(10) ** -digits))))
    return Refined(
        points=tuple(tuple(_decimals(value, bits, digits) for value in row) for row in coordinates.tolist()),
        max_cosine=_decimals(cosine, bits, digits),
        min_angle_degrees=_decimals(int(context.ldexp(angle, bits)), bits, digits - whole),
        digits=digits,
        residual=_scientific(residual, bits),
        contacts=contacts,
        iterations=steps,
    )


def _decimals(value: int, bits: int, places: int) -> str:
    """Return a number in units of 2^-bits, rounded to so many places after the point."""
    scaled = (abs(value) * 10**places + (1 << (bits - 1))) >> bits
    text = str(Decimal(scaled)).rjust(places + 1, "0")  # int's own str() refuses more than 4,300 digits
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{text[:-places]}.{text[-places:]}"


def _scientific(value: int, bits: int) -> str:
    """Return a number in units of 2^-bits with two significant digits."""
    if value == 0:
        return "0"
    context = Context(prec=12)
    return f"{context.divide(Decimal(abs(value)), context.power(Decimal(2), bits)):.1e}"
