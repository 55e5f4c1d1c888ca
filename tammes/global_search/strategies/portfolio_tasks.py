"""Tasks of the portfolio: a few starts or moves of one kind, relaxed, ranked, and the best of them polished."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, ProgressCallback
from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.global_search import moves, starts
from tammes.global_search.tasks import RELAXED, Found, Outcome, Task
from tammes.groups.catalogue import parse
from tammes.groups.orbits import Orbits, orbits_of, random_orbits
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.local_solver import Descent
from tammes.solvers.polish.polish import Polish

__all__ = ["LadderAndPolish", "PortfolioTask"]

_CHEAP = 300  # coordinates up to which a polish costs no more than a few starts
_MARGIN, _SMALL_MARGIN = 3e-4, 5e-5  # of the angle: a prediction this much too low is still worth a polish
_POLISH_COST = 150.0  # evaluations that a Newton step is worth, about
_NEAR_HOPS, _FAR_HOPS = (8.0, 32.0, 128.0, 512.0, 2_048.0), (16.0, 32.0)
_ROUGH, _FINE = 1e-4, 1e-5  # gradients at which a rung ends: in long cascades, most is gained between the two
_LARGE = 600  # coordinates from which cascades are long
_SAME = 1e-7  # cosines: predictions nearer than this are of one code
_PLACES = 4  # candidates that a task may polish
_BROKEN = 0.25  # share of the symmetric starts whose symmetry is broken again


@dataclass(frozen=True)
class LadderAndPolish:
    """The local solvers of a portfolio: a ladder for every start, a polish for what promises most."""

    ladder: CompiledLadder
    polish: Polish


@dataclass(frozen=True)
class _Candidate:
    """A relaxed start, not yet polished."""

    points: Floats
    predicted: float
    """The largest cosine that a polish is predicted to reach."""
    evaluations: int
    orbits: Orbits | None = None

    @property
    def angle(self) -> float:
        """The minimal angle that a polish is predicted to reach, radians."""
        return math.acos(min(1.0, max(-1.0, self.predicted)))


@dataclass(frozen=True, kw_only=True)
class PortfolioTask(Task):
    """A few starts or moves of one kind."""

    seed: int
    arm: str
    """`kind/exponent` of cold starts, `vacant/count` and `extra/count` of symmetric codes with a defect, or
    `symmetric`, `hop`, `sibling`, `insert`, `delete`, `polish`."""
    chord_bound: float
    """A length that no smallest chord exceeds."""
    bar: float = 0.0
    """Best minimal angle so far, radians: what is predicted to stay below is not polished."""
    base: Floats | None = None
    """The code that moves begin from, shape `(k, d)`."""
    target: float = math.inf
    """Minimal angle at which to end at once, radians."""
    prescribed: bool = False
    """True if the result must keep the symmetry of `group`."""

    @property
    def kind(self) -> str:
        """The family of the arm: what comes before the exponent."""
        return self.arm.partition("/")[0]

    def run(self, solver: LadderAndPolish, budget: Budget, progress: ProgressCallback) -> Outcome:
        """Do the task; see `Task.run`."""
        outcome = _Run(self, solver, budget).outcome()
        if any(found.status == Status.INTERRUPTED.code for found in outcome.found):
            return replace(outcome, status=Status.INTERRUPTED)
        return outcome


class _Run:
    """A task under way."""

    def __init__(self, task: PortfolioTask, solver: LadderAndPolish, budget: Budget) -> None:
        self.task = task
        self.solver = solver
        self.budget = budget
        coordinates = task.n * (task.d - 1)
        self.cheap = coordinates <= _CHEAP
        self.settled = replace(
            solver.ladder,
            chord_bound=task.chord_bound,
            iterations=1_000 if coordinates > _LARGE else 100,
            gradient_tol=_FINE if coordinates > _LARGE else _ROUGH,
        )

    def outcome(self) -> Outcome:
        """Do the task."""
        task = self.task
        if task.kind == "sibling":
            return self._siblings()
        if task.kind == "polish":
            assert task.base is not None
            whole, steps = self._polished(_Candidate(task.base, 0.0, 0, self._orbits()))
            return Outcome(task.index, 0, _POLISH_COST * steps, (whole,))
        ranking, tried, evaluations = self._chain() if task.kind == "hop" else self._batch()
        work = float(evaluations)
        if ranking.there is not None:
            points = ranking.there.points
            relaxed = Found(points, geometry.min_angle(points), RELAXED, task.group)
            return Outcome(task.index, tried, work, (relaxed,))
        found: list[Found] = []
        for candidate in ranking.best:
            hopeless = candidate.angle < task.target * (1.0 - _MARGIN) < math.inf
            if found and (self.budget.spent() or hopeless):
                break  # one code to move from; no other will reach the target
            polished, steps = self._polished(candidate)
            found.append(polished)
            work += _POLISH_COST * steps
            if polished.angle >= task.target:
                break
        return Outcome(task.index, tried, work, tuple(found))

    # --- starts ---------------------------------------------------------------------------------

    def _batch(self) -> tuple[_Ranking, int, int]:
        """Relax independent starts; return the most promising, their number, and their evaluations."""
        task, ranking, evaluations = self.task, _Ranking(self.task, cheap=self.cheap), 0
        for k in range(task.count):
            if k and (ranking.promising or self.budget.spent()):
                return ranking, k, evaluations
            try:
                candidate = self._start(self._rng(k))
            except InvalidPointsError:  # an orbit has collapsed into one point
                continue
            evaluations += candidate.evaluations
            ranking.add(candidate)
        return ranking, task.count, evaluations

    def _start(self, rng: np.random.Generator) -> _Candidate:
        """Relax one start of the task's kind."""
        task = self.task
        n, d, base = task.n, task.d, task.base
        if task.kind in ("vacant", "extra"):
            return self._defect_start(rng)
        if task.group is not None:
            return self._symmetric_start(rng)
        if task.kind == "insert":
            assert base is not None
            return self._relax(moves.insert(base, n - len(base), rng), 32.0)
        if task.kind == "delete":
            assert base is not None
            return self._relax(moves.delete(base, rng.choice(len(base), len(base) - n, False)), 32.0)
        points = starts.KINDS[task.kind](n, d, rng)
        noise = None
        if rng.random() < 0.25:  # a little noise at every rung leads off saddles
            size = 0.02 * task.chord_bound

            def noise(rows: Floats) -> Floats:
                return rows + rng.standard_normal(rows.shape) * size

        return self._relax(points, float(task.arm.partition("/")[2]), noise=noise)

    def _symmetric_start(self, rng: np.random.Generator) -> _Candidate:
        """Relax a start made of whole orbits with its symmetry kept, and then perhaps broken."""
        task = self.task
        assert task.group is not None
        orbits, points = random_orbits(parse(task.group, task.d), task.n, rng)
        relaxed = self._relax(points, float(rng.choice([2.0, 4.0, 8.0, 32.0])), orbits)
        if task.prescribed or rng.random() >= _BROKEN:
            return relaxed
        broken = self._relax(moves.kick(relaxed.points, 0.05, rng), 32.0)
        return replace(broken, evaluations=relaxed.evaluations + broken.evaluations)

    def _defect_start(self, rng: np.random.Generator) -> _Candidate:
        """Relax a symmetric code of a few points more or fewer, with as many deleted from it or inserted."""
        task = self.task
        assert task.group is not None
        count = int(task.arm.partition("/")[2])
        size = task.n + (count if task.kind == "vacant" else -count)
        orbits, points = random_orbits(parse(task.group, task.d), size, rng)
        whole = self._relax(points, float(rng.choice([2.0, 4.0, 8.0, 32.0])), orbits)
        if task.kind == "vacant":
            defect = moves.delete(whole.points, rng.choice(size, count, replace=False))
        else:
            defect = moves.insert(whole.points, count, rng)
        relaxed = self._relax(defect, 32.0)
        return replace(relaxed, evaluations=whole.evaluations + relaxed.evaluations)

    # --- moves ----------------------------------------------------------------------------------

    def _chain(self) -> tuple[_Ranking, int, int]:
        """Relax a chain of moves, each from the most promising code so far; return as `_batch` does."""
        task, ranking = self.task, _Ranking(self.task, cheap=self.cheap)
        assert task.base is not None
        orbits = self._orbits()
        exponents = _NEAR_HOPS if self.cheap else _FAR_HOPS  # high ones find the near siblings of small codes
        current = self._relax(task.base, max(exponents), orbits)  # predictions compare with predictions
        own, evaluations = current.predicted, current.evaluations
        for k in range(task.count):
            if k and (ranking.promising or self.budget.spent()):
                return ranking, k, evaluations
            rng = self._rng(k)
            try:
                moved = _moved(current.points, rng, orbits)
                relaxed = self._relax(moved, float(rng.choice(exponents)), orbits)
            except InvalidPointsError:
                continue
            evaluations += relaxed.evaluations
            if relaxed.predicted < own - _SAME or (self.cheap and relaxed.predicted > own + _SAME):
                ranking.add(relaxed)
            if relaxed.predicted < current.predicted - _SAME:
                current = relaxed
        return ranking, task.count, evaluations

    def _siblings(self) -> Outcome:
        """Polish from beside the base, gently: this finds codes that differ from it in few contacts."""
        task = self.task
        assert task.base is not None
        orbits = self._orbits()
        found: list[Found] = []
        steps = 0
        for k in range(task.count):
            if k and self.budget.spent():
                break
            rng = self._rng(k)
            kicked = moves.kick(task.base, 10.0 ** rng.uniform(-2.5, -0.9), rng)
            if orbits is not None:
                kicked = orbits.symmetrize(kicked)
            gentle = replace(self.solver.polish, smoothing=10.0 ** rng.uniform(-9.0, -6.0))
            done = gentle.run(kicked[None], orbits=orbits, budget=self.budget)
            found.append(_found(done, task.group))
            steps += done.steps
        return Outcome(task.index, len(found), _POLISH_COST * steps, tuple(found))

    # --- what they share ------------------------------------------------------------------------

    def _rng(self, k: int) -> np.random.Generator:
        """Return the random numbers of start k of this task."""
        return np.random.default_rng([self.task.seed, self.task.index, k])

    def _orbits(self) -> Orbits | None:
        """Return the orbits that the base must keep; None unless a symmetry is prescribed."""
        task = self.task
        if not task.prescribed:
            return None
        assert task.group is not None
        assert task.base is not None
        return orbits_of(parse(task.group, task.d), task.base)

    def _relax(
        self,
        points: Floats,
        first: float,
        orbits: Orbits | None = None,
        *,
        noise: Callable[[Floats], Floats] | None = None,
    ) -> _Candidate:
        """Climb the ladder from its exponent `first` to where predictions tell near siblings apart."""
        climb = replace(self.settled, exponents=ladder(first, 2_048.0 if self.cheap else 512.0))
        made = climb.run(points[None], orbits=orbits, noise=noise)
        if made.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        assert made.predicted is not None
        return _Candidate(made.points[0], float(made.predicted[0]), made.evaluations, orbits)

    def _polished(self, candidate: _Candidate) -> tuple[Found, int]:
        """Polish within the symmetry first, then without it unless it is prescribed; return Newton steps too."""
        points, orbits, steps = candidate.points, candidate.orbits, 0
        if orbits is not None:
            done = self.solver.polish.run(orbits.symmetrize(points)[None], orbits=orbits, budget=self.budget)
            if self.task.prescribed:
                return _found(done, self.task.group), done.steps
            points, steps = done.points[0], done.steps
        done = self.solver.polish.run(points[None], budget=self.budget)
        return _found(done, self.task.group), steps + done.steps


class _Ranking:
    """The few distinct candidates that promise most: which of several near siblings wins, only a polish tells."""

    def __init__(self, task: PortfolioTask, *, cheap: bool) -> None:
        self._places = _PLACES if cheap else 1
        self._least = task.bar * (1.0 - (_MARGIN if cheap else _SMALL_MARGIN))
        self._target = task.target
        self.best: list[_Candidate] = []
        self.there: _Candidate | None = None
        """The first that measures at least the target as it is."""
        self.promising = False
        """True if a candidate is predicted to reach the target when polished."""

    def add(self, candidate: _Candidate) -> None:
        """Take a candidate in, if it is new and promises enough."""
        if candidate.angle >= self._target:
            self.promising = True
            if self.there is None and geometry.min_angle(candidate.points) >= self._target:
                self.there = candidate
        known = any(abs(candidate.predicted - old.predicted) < _SAME for old in self.best)
        if candidate.angle < self._least or known:
            return
        self.best.append(candidate)
        self.best.sort(key=lambda each: each.predicted)
        del self.best[self._places :]


def _found(done: Descent, group: str | None) -> Found:
    """Return the polished code as found."""
    assert done.angles is not None
    return Found(done.points[0], float(done.angles[0]), done.status.code, group)


def _moved(points: Floats, rng: np.random.Generator, keep: Orbits | None) -> Floats:
    """Make one move, drawn from what has paid: mostly patches shaken, at times points put into holes."""
    draw = rng.random()
    if keep is not None or draw < 0.6:
        size, radius = rng.choice([0.3, 0.5, 0.7, 1.0]), rng.choice([1.2, 1.7, 2.3])
        moved = moves.patch_kick(points, float(size), float(radius), rng)
        return moved if keep is None else keep.symmetrize(moved)
    if draw < 0.85 and len(points) > 8:
        return moves.reinsert(points, int(rng.integers(1, 6)), rng, together=bool(rng.integers(2)))
    return moves.kick(points, float(rng.choice([0.03, 0.1, 0.2])), rng)
