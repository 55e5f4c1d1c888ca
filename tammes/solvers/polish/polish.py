"""Exact local polish: widen the minimal angle itself, to the last digits of float64.

Three phases, each with its own means. The interior point method of `interior_point` climbs to a
local maximum and names the contacts by their multipliers. Gauss-Newton on the contact equations
`theta_ij = tau` closes them to rounding; its steps are minimum-norm least squares, so rattlers and
floppy codes (too few contacts) and symmetric codes (too many) are served alike. At last the stress
is balanced to rounding and says what was reached, and rattlers go to the middle of their holes.

The minimal angle never falls: points are kept only if their angle, measured, is no smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.geometry import Floats, Ints
from tammes.base.status import Status
from tammes.codes import stress
from tammes.solvers.local_solver import Descent
from tammes.solvers.polish.banded import band_order, least_norm
from tammes.solvers.polish.interior_point import SMOOTHING, Constraint, Program

__all__ = ["Polish", "Polished", "polish"]

_CLOSED = 1e-15  # radians: contact equations that close to this are solved
_NEARLY_CLOSED = 1e-13  # radians: a code near the last digit, where rounding has the last word
_SHARES = (1e-6, 1e-4, 1e-8)  # of the largest multiplier: which pairs may be the contacts
_SLACKS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-11)  # radians above the minimum: likewise
_AGAIN = (1e-8, 1e-7, 1e-6)  # smoothings of further climbs where the contacts do not close
_ESCAPES = 4  # saddles that one polish may leave
_DOWNHILL = 1e-5  # curvature at which a displacement is taken for a way out
_KICK = 1e-2  # of the minimal angle


@dataclass(frozen=True)
class Polished:
    """A polished code and how the polish ended."""

    points: Floats
    status: Status
    steps: int
    """Newton steps."""
    before: float
    """Measured minimal angle at the start, radians."""
    after: float
    """Measured minimal angle at the end, radians; never less than `before`."""
    residual: float
    """Largest difference between two contact angles, radians; inf where no contact equations closed."""
    contacts: Ints = field(default_factory=lambda: np.zeros((0, 2), np.intp))
    """Contacts whose equations closed, shape `(m, 2)`."""
    stress: Floats = field(default_factory=lambda: np.zeros(0))
    """Balanced multipliers of the contacts, shape `(m,)`; empty where none balance."""
    history: tuple[float, ...] = ()
    """Best measured minimal angle after each step, radians."""


def polish(
    points: Floats,
    *,
    constraint: Constraint | None = None,
    smoothing: float = SMOOTHING,
    max_steps: int = 1_000,
    budget: Budget | None = None,
    progress: ProgressCallback = silent,
) -> Polished:
    """The local maximum of the minimal angle that is reached from `points` uphill.

    Args:
        points: unit rows, float64, shape `(n, d)`. Not modified.
        constraint: the family of codes to stay in, as `symmetry.Orbits`; None for all codes.
        smoothing: barrier parameter to start from, relative to half the squared chord; with 1e-8 the
            nearest of several siblings is reached, with the default the broadest.
        max_steps: Newton steps at most.
        budget: wall-clock limit; None for none.
        progress: called after every step.

    Returns:
        The polished points. An interruption (Ctrl-C) returns the best points so far.
    """
    with threadpool_limits(1):  # narrow bands: threads would only wait for each other
        return _polish(np.array(points, dtype=np.float64), constraint, smoothing, max_steps, budget, progress)


def _polish(
    points: Floats,
    constraint: Constraint | None,
    smoothing: float,
    max_steps: int,
    budget: Budget | None,
    progress: ProgressCallback,
) -> Polished:
    climb = _Climb(points, constraint, smoothing)
    before = climb.angle
    status = Status.STEP_LIMIT
    try:
        while len(climb.history) < max_steps:
            done = climb.step()
            progress(Progress("polish", len(climb.history), max_steps, climb.angle))
            if done is not None:
                status = done
                break
            if budget is not None and budget.spent():
                status = Status.TIME_LIMIT
                break
        if status in (Status.LOCAL_MAXIMUM, Status.FIRST_ORDER):
            climb.centre_rattlers()
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return Polished(
        climb.points,
        status,
        len(climb.history),
        before,
        climb.angle,
        climb.residual,
        climb.contacts,
        climb.stress,
        tuple(climb.history),
    )


class _Climb:
    """The state of a polish: the best points, their measured angle, what is known of their contacts."""

    def __init__(self, points: Floats, constraint: Constraint | None, smoothing: float) -> None:
        self.constraint = constraint
        self.points = points
        self.angle = geometry.min_angle(points)
        self.residual = math.inf
        self.contacts: Ints = np.zeros((0, 2), np.intp)
        self.stress: Floats = np.zeros(0)
        self.history: list[float] = []
        self._escapes = self._restarts = 0
        self._left = 0.0  # angle of the last saddle
        start = geometry.as_points(points, normalize=True)
        if self.angle == 0.0:  # coinciding points have no direction to part in: give them one
            nudge = np.random.default_rng(0).normal(size=points.shape)
            start = geometry.as_points(points + 1e-6 * nudge, normalize=True)
        self._fixed = constraint is not None and constraint.tangent_embedding(start).shape[1] == 0
        self._program = None if len(points) == 2 or self._fixed else Program(start, constraint, smoothing)

    def _keep(self, points: Floats) -> bool:
        """Take `points` if their measured angle is no smaller."""
        angle = geometry.min_angle(points)
        if angle < self.angle:
            return False
        self.points, self.angle = points, angle
        return True

    def step(self) -> Status | None:
        """One Newton step; at the end of the path, the last digits and the status."""
        if self._fixed:  # isolated orbits: within this symmetry nothing can move
            self.history.append(self.angle)
            return Status.LOCAL_MAXIMUM
        if self._program is None:  # two points: antipodes, where the angle has no gradient
            self._keep(np.stack([self.points[0], -self.points[0]]))
            self.residual, self.contacts, self.stress = 0.0, np.array([[0, 1]], np.intp), np.ones(1)
            self.history.append(self.angle)
            return Status.LOCAL_MAXIMUM
        done = self._program.step()
        self._keep(self._program.points)
        self.history.append(self.angle)
        return self._finish() if done else None

    def _finish(self) -> Status | None:
        """Contact equations, stress and rigidity at the end of the path; None if it goes on from a saddle."""
        assert self._program is not None
        if not any(self._close(contacts) for contacts in self._contact_sets()):
            return None if self._again() else Status.STALLED
        rigidity = stress.rigidity(self.points, self.contacts, self.stress, self.constraint)
        if rigidity.strict:
            return Status.LOCAL_MAXIMUM
        return None if self._escape(rigidity) else Status.FIRST_ORDER

    def _again(self) -> bool:
        """Climb on from here with a wider barrier: the path was so steep that rounding held it; False if it was not."""
        if self._restarts == len(_AGAIN):
            return False
        self._program = Program(self.points, self.constraint, _AGAIN[self._restarts])
        self._restarts += 1
        return True

    def _contact_sets(self) -> list[Ints]:
        """Which pairs may be the contacts, likeliest first: by multiplier, then by slack."""
        program = self._program
        assert program is not None
        theta = geometry.angle(program.points[program.pairs[:, 0]], program.points[program.pairs[:, 1]])
        slack, share = theta - theta.min(), program.multipliers / program.multipliers.max()
        masks = [share > least for least in _SHARES] + [slack <= most for most in _SLACKS]
        sizes = [int(mask.sum()) for mask in masks]
        return [program.pairs[mask] for k, mask in enumerate(masks) if sizes[k] not in sizes[:k]]

    def _close(self, contacts: Ints) -> bool:
        """Make these contacts equal and their stress balance; True if they are what the path led to."""
        program = self._program
        assert program is not None
        closed = self._gauss_newton(program.points, contacts)
        if closed is None:
            return False
        points, residual = closed
        if geometry.min_angle(points) < self.angle - _CLOSED:
            return False  # pairs that are no contacts by this choice came nearer
        n = len(points)
        known = dict(zip((program.pairs @ np.array([n, 1])).tolist(), program.multipliers.tolist(), strict=True))
        guess = np.array([known[key] for key in (contacts @ np.array([n, 1])).tolist()])
        balanced = stress.balance(points, contacts, guess, self.constraint)
        if balanced is None:
            return False
        self.residual, self.contacts, self.stress = residual, contacts, balanced
        self._keep(points)
        return True

    def _gauss_newton(self, points: Floats, contacts: Ints) -> tuple[Floats, float] | None:
        """Points at which the angles of `contacts` are equal, and how equal; None if there are none nearby."""
        best, least = points, math.inf
        i, j = contacts.T
        for _ in range(8):
            theta = geometry.angle(points[i], points[j])
            tau = float(theta.mean())
            spread = float(theta.max() - theta.min())
            if spread < least:
                best, last, least = points, least, spread
                if spread <= 0.5 * _CLOSED or spread > 0.5 * last:
                    break
            else:
                break
            local = self._least_norm(points, contacts, theta - tau)
            if np.abs(local).max() > 0.01 * tau:
                return None
            points = self._moved(points, local)
        return (best, least) if least <= _NEARLY_CLOSED else None

    def _least_norm(self, points: Floats, contacts: Ints, excess: Floats) -> Floats:
        """The shortest tangent displacement that makes the contact angles equal, to first order."""
        approach = stress.equilibrium_matrix(points, contacts).T  # (m, n (d - 1)): minus the rates of the angles
        embedding = None if self.constraint is None else self.constraint.tangent_embedding(points)
        if embedding is None:
            return least_norm(approach, excess, band_order(contacts, *points.shape))
        return np.asarray(embedding @ least_norm((approach @ embedding).tocsr(), excess, None))

    def _moved(self, points: Floats, local: Floats) -> Floats:
        """Points displaced by tangent coordinates, back on the sphere and in their family."""
        n, d = points.shape
        displacement = np.einsum("ndk,nk->nd", geometry.tangent_bases(points), local.reshape(n, d - 1))
        moved = geometry.as_points(points + displacement, normalize=True)
        return moved if self.constraint is None else self.constraint.symmetrize(moved)

    def _escape(self, rigidity: stress.Rigidity) -> bool:
        """Leave a saddle along the displacement that widens its angle to second order; False if there is none."""
        if rigidity.softest is None or rigidity.lowest_curvature > -_DOWNHILL or self._escapes == _ESCAPES:
            return False
        if self.angle <= self._left + 1e-12:
            return False  # the last way out led back
        self._escapes, self._left = self._escapes + 1, self.angle
        kick = rigidity.softest * (_KICK * self.angle / np.abs(rigidity.softest).max())
        start = geometry.as_points(self.points + kick, normalize=True)
        self._program = Program(
            start if self.constraint is None else self.constraint.symmetrize(start), self.constraint
        )
        return True

    def centre_rattlers(self) -> None:
        """Move every point without stress, alone, to where its nearest neighbour is farthest."""
        if self.constraint is not None:
            return
        bearing = self.contacts[self.stress > 1e-9 * self.stress.max()]
        for k in np.setdiff1d(np.arange(len(self.points)), bearing):
            centred = self.points.copy()
            centred[k] = _deepest(np.delete(self.points, k, axis=0), self.points[k])
            self._keep(centred)


def _deepest(others: Floats, start: Floats) -> Floats:
    """The local maximum of the distance to the nearest of `others`, uphill from `start`: a linear program a step."""
    from scipy.optimize import linprog

    d = len(start)
    point, best = start, float(geometry.angle(others, start).min())
    radius = 0.1 * best
    for _ in range(40):
        theta = geometry.angle(others, point)
        near = theta <= best + 2.0 * radius * math.sqrt(d - 1)
        basis = geometry.tangent_bases(np.stack([point, -point]))[0]  # (d, d - 1)
        toward = geometry.pair_tangents(np.broadcast_to(point, others[near].shape), others[near])[0] @ basis
        program = linprog(
            np.r_[np.zeros(d - 1), -1.0],
            A_ub=np.c_[toward, np.ones(len(toward))],
            b_ub=(theta[near] - best) / radius,
            bounds=[(-1.0, 1.0)] * (d - 1) + [(0.0, None)],
            method="highs-ds",
        )
        if program.x is None or program.x[-1] * radius < 1e-12:
            break
        moved = point + basis @ program.x[:-1] * radius
        moved /= np.linalg.norm(moved)
        angle = float(geometry.angle(others, moved).min())
        if angle > best:
            point, best = moved, angle
        else:
            radius *= 0.25
            if radius < 1e-10:
                break
    return point


@dataclass(frozen=True)
class Polish:
    """The exact polish as a local solver, one start at a time.

    Args:
        smoothing: barrier parameter to start from, as in `polish`.
    """

    smoothing: float = SMOOTHING

    def run(
        self,
        starts: Floats,
        *,
        orbits: Constraint | None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
    ) -> Descent:
        """Polish every start; see `LocalSolver.run`.

        Args:
            starts: unit rows, shape `(B, n, d)`. Not modified.
            orbits: the family of codes to stay in; None for all codes.
            bar: not used.
            budget: asked after every Newton step; None for no limit.
            progress: called after every Newton step.
        """
        done: list[Polished] = []
        for points in starts:
            done.append(polish(points, constraint=orbits, smoothing=self.smoothing, budget=budget, progress=progress))
            if done[-1].status is Status.INTERRUPTED:
                break
        best = max(done, key=lambda each: each.after)
        return Descent(
            np.stack([*(each.points for each in done), *starts[len(done) :]]),
            done[-1].status if done[-1].status is Status.INTERRUPTED else best.status,
            steps=sum(each.steps for each in done),
            angles=np.array([*(each.after for each in done), *(0.0 for _ in starts[len(done) :])]),
            history={"polish_min_angle_degrees": [math.degrees(angle) for angle in best.history]},
        )
