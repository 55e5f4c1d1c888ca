"""Exact local polish: widen the minimal angle itself, to the last digits of float64.

Sequential linear programming on the closest pairs. With tangent displacements u the angle of a
pair changes by `-(toward_ij . u_i + toward_ji . u_j)`, so one step solves

    maximise g   subject to   g + toward_ij . u_i + toward_ji . u_j <= theta_ij - theta_min

over the pairs that the trust region |u| <= radius can bring to the minimum. Lengths are counted in
radii, so that the tolerances of the program stay meaningful as the radius shrinks. The multipliers
of the program are the stress of the contacts. Once little is promised, Gauss-Newton on the contact
equations `theta_ij = tau` takes over; its steps are minimum-norm least squares, so rattlers and
floppy codes (too few contacts) and symmetric codes (too many) are served alike.

The minimal angle never falls: a step is kept only if the angle, measured, has grown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack
from scipy.sparse.linalg import lsmr

from tammes import geometry, stress
from tammes.geometry import Floats, Ints
from tammes.solvers.run import Budget, Progress, ProgressCallback, Status, silent

__all__ = ["Polished", "polish"]

_FIRST_RADIUS = 0.02  # of the minimal angle: about where linearised angles are right to 1 %
_LAST_RADIUS = 1e-13
_ANTIPODAL = 1e-9  # radians below pi: two points cannot part further, yet their angle has no gradient there
_NEWTON_GAIN = 1e-5  # radians: once a program promises less, the contacts are mostly known
_CLOSED = 2e-14  # radians: contact equations that close to this are solved
_FLAT = 1e-8  # gain a radius: less is within the tolerance of the program
_NEARLY_FLAT = 1e-5  # a slope that curvature turns down again ...
_RESOLUTION = 4e-15  # ... within less than float64 resolves, radians
_INTERIOR_POINT_SIZE = 1000  # coordinates from which interior point beats dual simplex


@dataclass(frozen=True)
class Polished:
    """A polished code and how the polish ended."""

    points: Floats
    status: Status
    programs: int
    """Linear programs solved."""
    before: float
    """Measured minimal angle at the start, radians."""
    after: float
    """Measured minimal angle at the end, radians; never less than `before`."""
    history: tuple[float, ...]
    """Measured minimal angle after each program, radians."""


def polish(
    points: Floats,
    *,
    max_programs: int = 200,
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
) -> Polished:
    """The local maximum of the minimal angle that is reached from `points` uphill.

    Args:
        points: unit rows, float64, shape `(n, d)`. Not modified.
        max_programs: linear programs at most.
        budget: wall-clock limit; None for none.
        progress: called after every program.

    Returns:
        The polished points. An interruption (Ctrl-C) returns the best points so far.
    """
    climb = _Climb(geometry.as_points(points, normalize=True))
    before = _min_angle(points)
    if climb.angle < before:  # normalising may cost the last bit; the angle must not fall
        climb.points, climb.angle = np.array(points, dtype=np.float64), before
    history: list[float] = []
    status = Status.STEP_LIMIT
    try:
        for step in range(1, max_programs + 1):
            done = climb.step()
            history.append(climb.angle)
            progress(Progress("polish", step, max_programs, climb.angle))
            if done is not None:
                status = done
                break
            if budget is not None and budget.spent():
                status = Status.TIME_LIMIT
                break
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return Polished(climb.points, status, len(history), before, climb.angle, tuple(history))


@dataclass(frozen=True)
class _Program:
    """Solution of one linear program."""

    gain: float  # promised growth of the minimal angle, radians
    displacement: Floats  # (n, d), tangent
    contact_sets: tuple[Ints, ...]  # (m, 2) each: which pairs may be the contacts, likeliest first


class _Climb:
    """The state of a polish: points, their measured angle, the trust radius."""

    def __init__(self, points: Floats) -> None:
        self.points = points
        self.angle = _min_angle(points)
        if self.angle == 0.0:  # coinciding points have no direction to part in: give them one
            nudge = np.random.default_rng(0).normal(size=points.shape)
            self.points = _retract(points, 1e-6 * nudge)
            self.angle = _min_angle(self.points)
        spacing = float(np.median(geometry.nearest_neighbours(self.points)[0]))
        self.radius = _FIRST_RADIUS * spacing
        self._newton_gain = _NEWTON_GAIN

    def step(self) -> Status | None:
        """One program and what follows from it; the status once the climb is over."""
        points, start = self.points, self.angle
        if start >= math.pi - _LAST_RADIUS:
            return Status.LOCAL_MAXIMUM  # antipodes: no angle is larger
        program = self._solve_program()
        if program is None:
            self.radius *= 0.25
            return None if self.radius > _LAST_RADIUS else Status.STALLED
        closed = False
        if program.gain < self._newton_gain:
            for contacts in program.contact_sets:
                closed |= self._close_contacts(contacts)
            self._newton_gain = program.gain if closed else program.gain / 3.0  # fail seldom: a try costs a program
        candidate = _retract(points, program.displacement)
        angle = _min_angle(candidate)
        agreement = (angle - start) / program.gain if program.gain > 0.0 else 0.0
        if angle > self.angle:
            self.points, self.angle = candidate, angle
        slope = program.gain / self.radius
        if closed and angle < self.angle:
            return None  # the next program, from there, says whether these contacts hold
        if (slope <= _FLAT and agreement < 0.5) or (slope <= _NEARLY_FLAT and program.gain <= _RESOLUTION):
            return Status.LOCAL_MAXIMUM
        self.radius *= 1.5 if agreement > 0.7 else 0.6 if agreement > 0.2 else 0.25
        if self.radius > _LAST_RADIUS:
            return None
        return Status.LOCAL_MAXIMUM if self.angle > math.pi - _ANTIPODAL else Status.STALLED

    def _solve_program(self) -> _Program | None:
        """The best displacement within the trust region to first order."""
        n, d = self.points.shape
        # A point moves at most radius * sqrt(d - 1), and a pair closes by both its ends.
        reach = 2.0 * self.radius * math.sqrt(d - 1)
        i, j, theta = geometry.pairs_within(self.points, self.angle + reach)
        pairs = np.stack([i, j], axis=1)
        approach = stress.equilibrium_matrix(self.points, pairs).T
        size = n * (d - 1)
        cost = np.zeros(size + 1)
        cost[-1] = -1.0
        solution = linprog(
            cost,
            A_ub=hstack([approach, _ones(len(pairs))], format="csr"),
            b_ub=(theta - self.angle) / self.radius,
            bounds=[(-1.0, 1.0)] * size + [(0.0, None)],
            method="highs-ipm" if size > _INTERIOR_POINT_SIZE else "highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if solution.x is None:
            return None
        multipliers = -solution.ineqlin.marginals
        gain = float(solution.x[-1]) * self.radius
        return _Program(
            gain=gain,
            displacement=_ambient(self.points, solution.x[:-1] * self.radius),
            # Multipliers show a generic code's contacts; of a symmetric code's they pick only a basis.
            contact_sets=(pairs[multipliers > 1e-9], pairs[theta - self.angle <= 30.0 * gain + _CLOSED]),
        )

    def _close_contacts(self, contacts: Ints) -> bool:
        """Gauss-Newton on `theta_ij = tau`; True if the equations close at a larger minimal angle."""
        points, best, spread = self.points, self.angle, math.inf
        ends = contacts.T
        for _ in range(8):
            theta = geometry.angle(points[ends[0]], points[ends[1]])
            tau = float(theta.mean())
            if np.abs(theta - tau).max() > 0.5 * spread:
                return False  # these angles cannot all be equal nearby
            spread = float(np.abs(theta - tau).max())
            if spread <= _CLOSED and best > self.angle - 1e-15:
                gained = best > self.angle
                if gained:
                    self.points, self.angle = points, best
                return gained
            approach = stress.equilibrium_matrix(points, contacts).T
            jacobian = hstack([approach, _ones(len(contacts))], format="csr")
            step = lsmr(jacobian, theta - tau, atol=1e-14, btol=1e-14, conlim=1e14, maxiter=20_000)[0]
            if np.abs(step[:-1]).max() > 0.25 * self.angle:
                return False  # not the contacts of a nearby maximum
            points = _retract(points, _ambient(points, step[:-1]))
            best = _min_angle(points)
            if best < self.angle - 1e-15:
                return False
        return False


def _min_angle(points: Floats) -> float:
    """The measured minimal angle, radians."""
    return float(geometry.nearest_neighbours(points)[0].min())


def _ones(m: int) -> csr_array[np.float64]:
    """A sparse column of ones."""
    column: NDArray[np.float64] = np.ones((m, 1))
    return csr_array(column)


def _ambient(points: Floats, local: Floats) -> Floats:
    """Tangent coordinates `(n (d - 1),)` as displacements `(n, d)`."""
    n, d = points.shape
    return np.asarray(np.einsum("ndk,nk->nd", geometry.tangent_bases(points), local.reshape(n, d - 1)))


def _retract(points: Floats, displacement: Floats) -> Floats:
    """Displaced points, back on the sphere."""
    return geometry.as_points(points + displacement, normalize=True)
