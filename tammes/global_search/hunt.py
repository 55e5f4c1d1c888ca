"""The hunt: rounds planned, done and taken in until there is a reason to stop.

Rounds are taken in strictly in the order in which they were planned, and how far planning runs
ahead depends on their number alone. So the same seed and the same number of starts give the same
codes, bit for bit, whatever the number of workers.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.errors import WorkersLostError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.global_search.crew import Crew, Pending
from tammes.global_search.pool import SAME_ANGLE, Member, Pool
from tammes.global_search.problem import Problem
from tammes.global_search.rounds import RELAXED, Outcome, Round
from tammes.global_search.shares import Arm, Shares
from tammes.groups.catalogue import candidates
from tammes.storage import tables

__all__ = ["Hunt", "Limits"]

COLD = {
    "random/1": 1.0,
    "random/2": 1.5,
    "random/4": 1.0,
    "random/8": 1.0,
    "random/16": 1.0,
    "random/64": 1.0,
    "spiral/8": 0.5,
    "lattice/16": 0.5,
    "hinge/32": 0.5,
}
"""Arms of cold starts, kind and first exponent, with their weights."""
_SYMMETRIC, _DEFECT, _HOP, _SIBLING, _NEIGHBOUR = 2.5, 1.5, 5.0, 2.5, 1.0  # weights of the other arms
DEFECTS = {"vacant/1": 1, "vacant/2": 2, "extra/1": -1}
"""Arms of symmetric codes with a defect: how many points more the whole code has."""
_MOVES = ("hop", "sibling")
_LEAST_ROUNDS = 3  # of every arm of cold starts, before a search may be called exhausted
_LEAST_HOPS = 40  # rounds of moves since the best code was found: near siblings hide from cold starts
_HITS, _FAMILIES = 10, 3  # of the same best code, likewise
_MET = 1e-9  # radians: a bound that a code comes as near to is met
_AHEAD, _WIDER, _MOST_AHEAD = 8, 8, 256  # rounds planned ahead: more as their number grows
_EXPENSIVE = 1_000  # coordinates from which a polish takes seconds
_CASCADE = 300  # coordinates from which a chain of moves gains by being long
_ROUND_SECONDS = 0.35  # a round should take about this on one core


@dataclass(frozen=True)
class Limits:
    """When to stop, besides a met bound and an exhausted search; None for no limit."""

    seconds: float | None = None
    starts: int | None = None
    target: float | None = None
    """Minimal angle, radians."""


@dataclass
class Hunt:
    """A search under way: everything that a later session needs to go on.

    Args:
        problem: what is searched for.
        neighbours: codes of n - 1 and n + 1 points to begin from, by their number of points.
    """

    problem: Problem
    neighbours: dict[int, Floats] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)
    hits: Counter[str] = field(default_factory=Counter)
    """How often the best code was found, by family."""
    groups: dict[str, list[int]] = field(default_factory=dict)
    """Rounds planned and successes of every group tried."""
    applied: int = 0
    """Rounds taken in."""
    tried: int = 0
    """Starts and moves."""
    work: float = 0.0
    """Evaluations of the soft-min, and what was spent on polish in the same unit."""
    settled: int = 0
    """Rounds of moves when the best code was found."""
    ending: bool = False
    """Whether the last `save` of a run is being called."""
    lost: str | None = None
    """Why the workers were lost, if they were."""

    def __post_init__(self) -> None:
        n, d = self.problem.n, self.problem.d
        self.bound = bounds.lines(n, d) if self.problem.antipodal else tables.upper_bound(n, d)
        self._prescribed = self.problem.prescribed
        self._cascading, self._expensive = n * (d - 1) > _CASCADE, n * (d - 1) > _EXPENSIVE
        arms = [] if self._prescribed is not None else [Arm(name, base) for name, base in COLD.items()]
        if self._prescribed is not None or self.problem.symmetry == "auto":
            arms.append(Arm("symmetric", _SYMMETRIC * (2.0 if self._expensive else 1.0)))
        if self._prescribed is None and self.problem.symmetry == "auto":
            arms += [Arm(name, _DEFECT) for name, more in DEFECTS.items() if n + more > d + 1]
        arms.append(Arm("hop", _HOP * min(5.0, max(1.0, n * (d - 1) / 100.0))))
        if not self._expensive:
            arms.append(Arm("sibling", _SIBLING))
        if self._prescribed is None:
            arms += [Arm(name, _NEIGHBOUR) for name, size in self._neighbour_sizes().items() if size in self.neighbours]
        self.shares = Shares(arms)
        self._plans: dict[int, tuple[Round, Member | None]] = {}
        self._others: dict[int, list[str]] = {}
        self._listed = False

    def _neighbour_sizes(self) -> dict[str, int]:
        step = 2 if self.problem.antipodal else 1
        return {"insert": self.problem.n - step, "delete": self.problem.n + step}

    def run(
        self,
        limits: Limits,
        *,
        crew: Crew,
        progress: ProgressCallback = silent,
        save: Callable[[Hunt], None] = lambda _: None,
    ) -> Status:
        """Search until there is a reason to stop, and say which.

        Args:
            limits: time, starts, target.
            crew: who does the rounds.
            progress: called after every round.
            save: called after every round, and at the end.

        Returns:
            The reason. Ctrl-C is one of them, and workers that are lost once something was found: the pool is kept.

        Raises:
            WorkersLostError: if they are lost before.
        """
        budget = Budget(limits.seconds)
        self.ending = False
        deadline = math.inf if limits.seconds is None else time.time() + limits.seconds
        pending: dict[int, Pending] = {}
        planned = self.applied
        planned_starts = self.tried
        try:
            while True:
                reason = self._reason(limits)
                if reason is not None:
                    return reason
                if budget.spent():
                    return Status.TIME_LIMIT
                while planned < self.applied + self._ahead():
                    left = None if limits.starts is None else limits.starts - planned_starts
                    if left is not None and left <= 0:
                        break
                    task = self._plan(planned, left, deadline, limits.target)
                    planned_starts += task.count
                    pending[planned] = crew.submit(task)
                    planned += 1
                if self.applied not in pending:
                    return Status.STARTS
                outcome = pending.pop(self.applied).result()
                improved = self._take(outcome)
                best = self.pool.best
                if best is not None:
                    detail = {"tried": float(self.tried), "hits": float(self.hits.total()), "improved": float(improved)}
                    progress(Progress("search", self.applied, 0, best.angle, detail))
                save(self)
        except KeyboardInterrupt:
            return Status.INTERRUPTED
        except WorkersLostError as error:
            if self.pool.best is None:
                raise
            self.lost = str(error)
            return Status.WORKERS_LOST
        finally:
            crew.recall()
            self.ending = True
            save(self)

    def finish(self, crew: Crew, budget: Budget) -> Status:
        """Polish the best code if it reached a target without; whatever hinders or ends that, the code is kept."""
        best = self.pool.best
        if best is None or best.status != RELAXED:
            return Status.TARGET
        problem, kept = self.problem, self._prescribed is not None
        group = None if self._prescribed is None else self._prescribed.name
        task = Round(
            self.applied,
            problem.n,
            problem.d,
            problem.seed,
            "polish",
            1,
            0.0,
            base=best.points,
            group=group,
            prescribed=kept,
            deadline=time.time() + budget.left(),
        )
        try:
            found = crew.submit(task).result().found[0]
        except KeyboardInterrupt:
            crew.recall()
            return Status.INTERRUPTED
        except WorkersLostError as error:
            self.lost = str(error)
            return Status.WORKERS_LOST
        self.pool.members = [member for member in self.pool.members if member is not best]
        self.pool.add(Member(found.points, found.angle, found.status, best.arm, best.group))
        return Status.TARGET

    def _ahead(self) -> int:
        """How many rounds are planned beyond those taken in: more, as there are more of them."""
        if self._cascading:  # a round planned in ignorance of the others costs much here
            return min(2 + self.applied // 2, _MOST_AHEAD)
        return min(_AHEAD + self.applied // _WIDER, _MOST_AHEAD)

    def groups_to_try(self) -> dict[str, list[int]]:
        """`groups`, with those not tried yet: listed when first asked for, since many searches end before."""
        if not self._listed:
            self._listed = True
            self.groups = {name: self.groups.get(name, [0, 0]) for name in self.problem.groups()}
        return self.groups

    def _groups_of(self, n: int) -> list[str]:
        """Names of the groups to try for codes of n points."""
        if n not in self._others:
            self._others[n] = [group.name for group in candidates(n, self.problem.d)]
        return self._others[n]

    # --- planning -------------------------------------------------------------------------------

    def _plan(self, index: int, left: int | None, deadline: float, target: float | None) -> Round:
        """The next round; it depends on what was taken in so far and on the index alone."""
        problem = self.problem
        rng = np.random.default_rng([problem.seed, index, 2**31])
        best = self.pool.best
        later = () if best is not None else _MOVES if self._prescribed is not None else (*_MOVES, *DEFECTS, "symmetric")
        arm = self.shares.next([arm.name for arm in self.shares.arms if arm.name not in later])
        group, base, parent = None, None, None
        if arm.name == "symmetric":
            tried = self.groups_to_try()
            group = min(tried, key=lambda name: tried[name][0] / (1.0 + 2.0 * tried[name][1]))
            tried[group][0] += 1
        elif arm.name in DEFECTS:
            names = self._groups_of(problem.n + DEFECTS[arm.name])
            share = 1.0 / np.arange(1.0, len(names) + 1.0)  # the most promising come first
            group = names[int(rng.choice(len(names), p=share / share.sum()))]
        elif arm.name in _MOVES:
            parent = self.pool.choose(rng)
            base = parent.points
            group = parent.group if self._prescribed is not None else None
        elif arm.name in ("insert", "delete"):
            base = self.neighbours[self._neighbour_sizes()[arm.name]]
        count = max(1, min(24, round(_ROUND_SECONDS / _start_seconds(problem.n, problem.d))))
        if arm.name == "hop" and self._cascading:
            count = 48  # a polish costs as much as many moves
        elif index < _AHEAD:
            count = min(count, 8)  # something to show, and to hop from, soon
        if arm.name in DEFECTS:
            count = min(count, 4)  # few of each group, so that all have their turn soon
        elif arm.name == "sibling":
            count = 2 if self._cascading else 4
        if self._expensive:
            count = 32 if arm.name == "hop" else 4  # likewise
        if left is not None:
            count = min(count, left)
        task = Round(
            index,
            problem.n,
            problem.d,
            problem.seed,
            arm.name,
            count,
            2.0 * math.sin(0.5 * self.bound.angle),
            0.0 if best is None else best.angle,
            base,
            math.inf if target is None else target,
            group,
            self._prescribed is not None,
            deadline,
        )
        self._plans[index] = task, parent
        return task

    # --- taking in --------------------------------------------------------------------------------

    def _take(self, outcome: Outcome) -> bool:
        """Take a round in; True if it improved the best code."""
        task, parent = self._plans.pop(outcome.index)
        self.applied += 1
        self.tried += outcome.tried
        self.work += outcome.cost
        improved = hit = False
        for found in outcome.found:
            best = self.pool.best
            again = best is not None and abs(found.angle - best.angle) <= SAME_ANGLE
            member = Member(found.points, found.angle, found.status, task.arm, found.group)
            better = self.pool.add(member, parent)
            if better:
                self.hits.clear()
                self.settled = self.shares["hop"].rounds
            improved |= better
            hit |= again and task.kind not in _MOVES  # a move that leads back says nothing
        if improved or hit:
            self.hits[task.kind] += 1
            if task.group in self.groups:
                self.groups[task.group][1] += 1
        self.shares.record(task.arm, outcome.cost, improved=improved, hit=hit)
        return improved

    def _reason(self, limits: Limits) -> Status | None:
        """Why to stop now, if there is a reason."""
        best = self.pool.best
        if best is None:
            return None
        if best.angle >= self.bound.angle - _MET:
            return Status.BOUND
        if limits.target is not None and best.angle >= limits.target:
            return Status.TARGET
        return Status.EXHAUSTED if self.exhausted else None

    @property
    def exhausted(self) -> bool:
        """Whether all had their share, and the best code came again and again from several families."""
        if self.hits.total() < _HITS or len(self.hits) < _FAMILIES:
            return False
        for arm in self.shares.arms:
            least = self.settled + _LEAST_HOPS if arm.name == "hop" else _LEAST_ROUNDS
            if arm.rounds < least:
                return False
        return all(rounds > 0 for rounds, _ in self.groups_to_try().values())

    def report(self) -> dict[str, Any]:
        """What was done, for the record: JSON-ready."""
        best = self.pool.best
        return {
            "rounds": self.applied,
            "starts": self.tried,
            "evaluations": round(self.work),
            "found_by": None if best is None else best.arm,
            "symmetry_of_start": None if best is None else best.group,
            "hits": dict(self.hits),
            **({} if self.lost is None else {"lost": self.lost}),
            "pool_degrees": [math.degrees(member.angle) for member in self.pool.members],
            "arms": {
                arm.name: {"rounds": arm.rounds, "improvements": arm.improvements, "hits": arm.hits}
                for arm in self.shares.arms
            },
        }


def _start_seconds(n: int, d: int) -> float:
    """About what one start takes on one core; only to make rounds of a handy size."""
    return float(2.3e-3 * (n / 30.0) ** 1.75 * (d / 3.0) ** 0.7)
