"""One round of a search: a few starts or moves of one kind, relaxed, ranked, the best one polished.

A round is all that a worker process sees. It depends on its own fields alone, so that a search
gives the same codes however many workers share it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget
from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats
from tammes.global_search import moves, starts
from tammes.groups.catalogue import parse
from tammes.groups.finite_groups import Orbits, random_orbits
from tammes.groups.orbits import orbits_of
from tammes.solvers.ladder.compiled import Relaxed, ladder, relax
from tammes.solvers.polish.polish import polish

__all__ = ["RELAXED", "Found", "Outcome", "Round", "run_round"]

RELAXED = "relaxed"
"""Status of a code that reached the target before any polish."""

_CHEAP = 300  # coordinates up to which a polish costs no more than a few starts
_MARGIN, _SMALL_MARGIN = 3e-4, 5e-5  # of the angle: a prediction this much too low is still worth a polish
_POLISH_COST = 150.0  # evaluations that a Newton step is worth, about
_NEAR_HOPS, _FAR_HOPS = (8.0, 32.0, 128.0, 512.0, 2_048.0), (16.0, 32.0)
_ROUGH, _FINE = 1e-4, 1e-5  # gradients at which a rung ends: in long cascades, most is gained between the two
_LARGE = 600  # coordinates from which cascades are long
_SAME = 1e-7  # cosines: predictions nearer than this are of one code
_PLACES = 4  # candidates that a round may polish
_BROKEN = 0.25  # share of the symmetric starts whose symmetry is broken again

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Round:
    """What to try: plain data, so that it can be sent to another process."""

    index: int
    n: int
    d: int
    seed: int
    arm: str
    """`kind/exponent` of cold starts, `vacant/count` and `extra/count` of symmetric codes with a defect, or
    `symmetric`, `hop`, `sibling`, `insert`, `delete`, `polish`."""
    count: int
    """Starts, or moves of a chain."""
    spacing: float
    """An upper bound on the smallest chord."""
    bar: float = 0.0
    """Best minimal angle so far, radians: what is predicted to stay below is not polished."""
    base: Floats | None = None
    """The code that moves begin from, shape `(k, d)`."""
    target: float = math.inf
    """Minimal angle at which to end at once, radians."""
    group: str | None = None
    """A symmetry of the starts."""
    prescribed: bool = False
    """Whether the result must keep the symmetry."""
    deadline: float = math.inf
    """`time.time()` at which to end."""

    @property
    def kind(self) -> str:
        """The family of the arm: what comes before the exponent."""
        return self.arm.partition("/")[0]


@dataclass(frozen=True)
class Found:
    """A polished code."""

    points: Floats
    angle: float
    """Measured minimal angle, radians."""
    status: str
    """How the polish ended."""
    group: str | None = None
    """The symmetry of the start it came from."""


@dataclass(frozen=True)
class Outcome:
    """What a round brought."""

    index: int
    tried: int
    cost: float
    """Work done, in evaluations of the soft-min."""
    found: tuple[Found, ...]


@dataclass(frozen=True)
class _Candidate:
    """A relaxed start, not yet polished."""

    relaxed: Relaxed
    orbits: Orbits | None = None

    @property
    def angle(self) -> float:
        return math.acos(min(1.0, max(-1.0, self.relaxed.cosine)))


def run_round(task: Round, stop: Stop = lambda: False) -> Outcome:
    """Do a round; ends early, with what it has, at the deadline or when `stop` says so."""

    def ended() -> bool:
        return stop() or time.time() >= task.deadline

    if task.kind == "sibling":
        return _siblings(task, ended)
    if task.kind == "polish":
        assert task.base is not None
        whole, steps = _polished(task, _Candidate(Relaxed(task.base, 0.0, 0), _orbits(task)), ended)
        return Outcome(task.index, 0, _POLISH_COST * steps, (whole,))
    ranking, tried, evaluations = _chain(task, ended) if task.kind == "hop" else _batch(task, ended)
    found: list[Found] = []
    cost = float(evaluations)
    if ranking.there is not None:
        points = ranking.there.relaxed.points
        return Outcome(task.index, tried, cost, (Found(points, geometry.min_angle(points), RELAXED, task.group),))
    for candidate in ranking.best:
        if found and (ended() or candidate.angle < task.target * (1.0 - _MARGIN) < math.inf):
            break  # one code to move from; no other will reach the target
        polished, steps = _polished(task, candidate, ended)
        found.append(polished)
        cost += _POLISH_COST * steps
        if polished.angle >= task.target:
            break
    return Outcome(task.index, tried, cost, tuple(found))


class _Ranking:
    """The few distinct candidates that promise most: which of several near siblings wins, only a polish tells."""

    def __init__(self, task: Round) -> None:
        size = task.n * (task.d - 1)
        self._places = _PLACES if size <= _CHEAP else 1
        self._least = task.bar * (1.0 - (_MARGIN if size <= _CHEAP else _SMALL_MARGIN))
        self._target = task.target
        self.best: list[_Candidate] = []
        self.there: _Candidate | None = None
        """The first that measures at least the target as it is."""
        self.promising = False
        """Whether one is predicted to reach the target when polished."""

    def add(self, candidate: _Candidate) -> None:
        """Take a candidate in, if it is new and promises enough."""
        cosine = candidate.relaxed.cosine
        if candidate.angle >= self._target:
            self.promising = True
            if self.there is None and geometry.min_angle(candidate.relaxed.points) >= self._target:
                self.there = candidate
        if candidate.angle < self._least or any(abs(cosine - old.relaxed.cosine) < _SAME for old in self.best):
            return
        self.best.append(candidate)
        self.best.sort(key=lambda each: each.relaxed.cosine)
        del self.best[self._places :]


def _orbits(task: Round) -> Orbits | None:
    """The orbits that the base must keep, if a symmetry is prescribed."""
    if not task.prescribed:
        return None
    assert task.group is not None
    assert task.base is not None
    return orbits_of(parse(task.group, task.d), task.base)


def _rng(task: Round, k: int) -> np.random.Generator:
    """Random numbers of start k of this round."""
    return np.random.default_rng([task.seed, task.index, k])


def _batch(task: Round, ended: Stop) -> tuple[_Ranking, int, int]:
    """Independent starts: the most promising, how many there were, and their evaluations."""
    ranking, evaluations = _Ranking(task), 0
    for k in range(task.count):
        if k and (ranking.promising or ended()):
            return ranking, k, evaluations
        try:
            candidate = _start(task, _rng(task, k))
        except InvalidPointsError:  # an orbit has collapsed into one point
            continue
        evaluations += candidate.relaxed.evaluations
        ranking.add(candidate)
    return ranking, task.count, evaluations


def _chain(task: Round, ended: Stop) -> tuple[_Ranking, int, int]:
    """A chain of moves, each from the most promising so far; likewise."""
    assert task.base is not None
    orbits = _orbits(task)
    between = None if orbits is None else orbits.symmetrize
    top = max(_hop_exponents(task))
    current = _relax(task, task.base, _ladder(task, top), between)  # predictions compare with predictions
    own, ranking, evaluations = current.cosine, _Ranking(task), current.evaluations
    cheap = task.n * (task.d - 1) <= _CHEAP
    for k in range(task.count):
        if k and (ranking.promising or ended()):
            return ranking, k, evaluations
        rng = _rng(task, k)
        try:
            moved = _moved(current.points, rng, keep=orbits)
            relaxed = _relax(task, moved, _ladder(task, float(rng.choice(_hop_exponents(task)))), between)
        except InvalidPointsError:
            continue
        evaluations += relaxed.evaluations
        if relaxed.cosine < own - _SAME or (cheap and relaxed.cosine > own + _SAME):
            ranking.add(_Candidate(relaxed, orbits))
        if relaxed.cosine < current.cosine - _SAME:
            current = relaxed
    return ranking, task.count, evaluations


def _siblings(task: Round, ended: Stop) -> Outcome:
    """Polishes from beside the base, too gently for the path to forget where: codes that differ in few contacts."""
    assert task.base is not None
    orbits = _orbits(task)
    found: list[Found] = []
    steps = 0
    for k in range(task.count):
        if k and ended():
            break
        rng = _rng(task, k)
        kicked = moves.kick(task.base, 10.0 ** rng.uniform(-2.5, -0.9), rng)
        if orbits is not None:
            kicked = orbits.symmetrize(kicked)
        gentle = 10.0 ** rng.uniform(-9.0, -6.0)
        done = polish(kicked, constraint=orbits, smoothing=gentle, budget=Budget(None, stop=ended))
        found.append(Found(done.points, done.after, done.status.code, task.group))
        steps += done.steps
    return Outcome(task.index, len(found), _POLISH_COST * steps, tuple(found))


def _start(task: Round, rng: np.random.Generator) -> _Candidate:
    """One relaxed start of the round's kind."""
    n, d, base = task.n, task.d, task.base
    if task.kind in ("vacant", "extra"):
        return _defect_start(task, rng)
    if task.group is not None:
        return _symmetric_start(task, rng)
    if task.kind == "insert":
        assert base is not None
        return _Candidate(_relax(task, moves.insert(base, n - len(base), rng), _ladder(task, 32.0)))
    if task.kind == "delete":
        assert base is not None
        return _Candidate(
            _relax(task, moves.delete(base, rng.choice(len(base), len(base) - n, False)), _ladder(task, 32.0))
        )
    first = float(task.arm.partition("/")[2])
    points = starts.KINDS[task.kind](n, d, rng)
    noise = None
    if rng.random() < 0.25:  # a little noise at every rung leads off saddles
        size = 0.02 * task.spacing

        def noise(rows: Floats) -> Floats:
            return rows + rng.standard_normal(rows.shape) * size

    return _Candidate(_relax(task, points, _ladder(task, first), noise))


def _symmetric_start(task: Round, rng: np.random.Generator) -> _Candidate:
    """A start made of whole orbits, relaxed among its kind, perhaps with the symmetry broken afterwards."""
    assert task.group is not None
    orbits, points = random_orbits(parse(task.group, task.d), task.n, rng)
    first = float(rng.choice([2.0, 4.0, 8.0, 32.0]))
    relaxed = _relax(task, points, _ladder(task, first), orbits.symmetrize)
    if task.prescribed or rng.random() >= _BROKEN:
        return _Candidate(relaxed, orbits)
    broken = _relax(task, moves.kick(relaxed.points, 0.05, rng), _ladder(task, 32.0))
    return _Candidate(Relaxed(broken.points, broken.cosine, relaxed.evaluations + broken.evaluations))


def _defect_start(task: Round, rng: np.random.Generator) -> _Candidate:
    """A symmetric code of a few points more or less, from which as many are taken, or to which they are added."""
    assert task.group is not None
    count = int(task.arm.partition("/")[2])
    others = task.n + (count if task.kind == "vacant" else -count)
    orbits, points = random_orbits(parse(task.group, task.d), others, rng)
    whole = _relax(task, points, _ladder(task, float(rng.choice([2.0, 4.0, 8.0, 32.0]))), orbits.symmetrize)
    if task.kind == "vacant":
        defect = moves.delete(whole.points, rng.choice(others, count, replace=False))
    else:
        defect = moves.insert(whole.points, count, rng)
    relaxed = _relax(task, defect, _ladder(task, 32.0))
    return _Candidate(Relaxed(relaxed.points, relaxed.cosine, whole.evaluations + relaxed.evaluations))


def _moved(points: Floats, rng: np.random.Generator, keep: Orbits | None) -> Floats:
    """One move, drawn from what has paid: mostly patches shaken, at times points put into holes."""
    draw = rng.random()
    if keep is not None or draw < 0.6:
        size, radius = rng.choice([0.3, 0.5, 0.7, 1.0]), rng.choice([1.2, 1.7, 2.3])
        moved = moves.patch_kick(points, float(size), float(radius), rng)
        return moved if keep is None else keep.symmetrize(moved)
    if draw < 0.85 and len(points) > 8:
        return moves.reinsert(points, int(rng.integers(1, 6)), rng, together=bool(rng.integers(2)))
    return moves.kick(points, float(rng.choice([0.03, 0.1, 0.2])), rng)


def _ladder(task: Round, first: float) -> tuple[float, ...]:
    """Exponents up to where predictions tell near siblings apart, if a polish may ask for several."""
    return ladder(first, 2_048.0 if task.n * (task.d - 1) <= _CHEAP else 512.0)


def _hop_exponents(task: Round) -> tuple[float, ...]:
    """Where a moved code is relaxed from: high exponents find the near siblings of small codes."""
    return _NEAR_HOPS if task.n * (task.d - 1) <= _CHEAP else _FAR_HOPS


def _relax(
    task: Round, points: Floats, exponents: tuple[float, ...], between: Callable[[Floats], Floats] | None = None
) -> Relaxed:
    large = task.n * (task.d - 1) > _LARGE
    return relax(
        points,
        exponents,
        chord_bound=task.spacing,
        iterations=1_000 if large else 100,
        gradient_tol=_FINE if large else _ROUGH,
        between=between,
    )


def _polished(task: Round, candidate: _Candidate, ended: Stop) -> tuple[Found, int]:
    """The candidate at its local maximum: within its symmetry first, then without it unless that is prescribed."""
    budget = Budget(None, stop=ended)
    points, orbits, steps = candidate.relaxed.points, candidate.orbits, 0
    if orbits is not None:
        done = polish(orbits.symmetrize(points), constraint=orbits, budget=budget)
        if task.prescribed:
            return Found(done.points, done.after, done.status.code, task.group), done.steps
        points, steps = done.points, done.steps
    done = polish(points, budget=budget)
    return Found(done.points, done.after, done.status.code, task.group), steps + done.steps
