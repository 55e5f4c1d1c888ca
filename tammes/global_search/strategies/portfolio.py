"""The portfolio: many kinds of start and move compete, and those that pay get more of the work.

Which kind is next, how far planning runs ahead, and what a task begins from depend on the outcomes taken in so far and
on the number of the task alone. So the same seed and the same number of starts give the same codes, bit for bit,
whatever the number of workers.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.global_search.pool import SAME_ANGLE, Member, fingerprint
from tammes.global_search.problem import Problem
from tammes.global_search.state import SearchState
from tammes.global_search.strategies.portfolio_tasks import PortfolioTask
from tammes.global_search.strategies.shares import Arm, Shares
from tammes.global_search.strategy import Report, Strategy
from tammes.global_search.tasks import ARCHIVED, RELAXED, Outcome, Task
from tammes.groups.candidates import candidates

__all__ = ["COLD", "DEFECTS", "Portfolio"]

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
DEFECTS = {"vacant/1": 1, "vacant/2": 2, "extra/1": -1}
"""Arms of symmetric codes with a defect: how many points more the whole code has."""
_SYMMETRIC, _DEFECT, _HOP, _SIBLING, _ADJACENT = 2.5, 1.5, 5.0, 2.5, 1.0  # weights of the other arms
_MOVES = ("hop", "sibling")
_UNPOLISHED = (RELAXED, ARCHIVED, Status.TIME_LIMIT.code, Status.INTERRUPTED.code)
_POLISHED = 1e-13  # radians: a code of the archive that is so near to the bound needs no polish
_LEAST_TASKS = 3  # of every arm of cold starts, before a search may be called exhausted
_LEAST_HOPS = 40  # tasks of moves since the best code was found: near siblings hide from cold starts
_HITS, _FAMILIES = 10, 3  # of the same best code, likewise
_AHEAD, _WIDER, _MOST_AHEAD = 8, 8, 256  # tasks planned ahead: more as their number grows
_EXPENSIVE = 1_000  # coordinates from which a polish takes seconds
_CASCADE = 300  # coordinates from which a chain of moves gains by being long
_TASK_SECONDS = 0.35  # a task should take about this on one core


class Portfolio(Strategy):
    """Cold starts of several kinds, symmetric starts, codes with defects, moves from the best, adjacent sizes.

    Args:
        problem: what is searched for.
        adjacent: codes of one point (or pair) less and more to begin from, by their number of points.
    """

    name = "portfolio"

    def __init__(self, problem: Problem, adjacent: dict[int, Floats] | None = None) -> None:
        self.problem = problem
        self.adjacent = {} if adjacent is None else adjacent
        self.hits: Counter[str] = Counter()
        """How often the best code was found, by family."""
        self.groups: dict[str, list[int]] = {}
        """Tasks planned and successes of every group tried."""
        self.settled = 0
        """Tasks of moves when the best code was found."""
        n, d = problem.n, problem.d
        self._prescribed = problem.prescribed
        self._cascading = n * (d - 1) > _CASCADE
        self._expensive = n * (d - 1) > _EXPENSIVE
        self.shares = Shares(self._arms())
        self._parents: dict[int, Member | None] = {}
        self._names_of: dict[int, list[str]] = {}
        self._listed = False

    def _arms(self) -> list[Arm]:
        """Return the arms that serve the problem, in the order of a tie."""
        n, d = self.problem.n, self.problem.d
        free = self._prescribed is None
        arms = [Arm(name, weight) for name, weight in COLD.items()] if free else []
        if not free or self.problem.symmetry == "auto":
            arms.append(Arm("symmetric", _SYMMETRIC * (2.0 if self._expensive else 1.0)))
        if free and self.problem.symmetry == "auto":
            arms += [Arm(name, _DEFECT) for name, more in DEFECTS.items() if n + more > d + 1]
        arms.append(Arm("hop", _HOP * min(5.0, max(1.0, n * (d - 1) / 100.0))))
        if not self._expensive:
            arms.append(Arm("sibling", _SIBLING))
        if free:
            arms += [Arm(name, _ADJACENT) for name, size in self._adjacent_sizes().items() if size in self.adjacent]
        return arms

    def _adjacent_sizes(self) -> dict[str, int]:
        """Return the numbers of points of the codes that `insert` and `delete` begin from."""
        step = 2 if self.problem.antipodal else 1
        return {"insert": self.problem.n - step, "delete": self.problem.n + step}

    def groups_to_try(self) -> dict[str, list[int]]:
        """Return `groups`, with those not tried yet: listed when first asked for, since many searches end before."""
        if not self._listed:
            self._listed = True
            self.groups = {name: self.groups.get(name, [0, 0]) for name in self.problem.groups()}
        return self.groups

    def _groups_of(self, n: int) -> list[str]:
        """Return the names of the groups to try for codes of n points."""
        if n not in self._names_of:
            self._names_of[n] = [group.name for group in candidates(n, self.problem.d)]
        return self._names_of[n]

    # --- planning -------------------------------------------------------------------------------

    def propose(self, state: SearchState) -> Task | None:
        """See `Strategy.propose`."""
        if state.pending >= self._ahead(state.applied) or state.starts_left == 0:
            return None
        problem, index = self.problem, state.planned
        rng = np.random.default_rng([problem.seed, index, 2**31])
        arm = self.shares.next(self._ready(state))
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
            parent = state.pool.choose(rng)
            base = parent.points
            group = parent.group if self._prescribed is not None else None
        elif arm.name in ("insert", "delete"):
            base = self.adjacent[self._adjacent_sizes()[arm.name]]
        count = self._count(arm.name, index)
        if state.starts_left is not None:
            count = min(count, state.starts_left)
        self._parents[index] = parent
        return PortfolioTask(
            index=index,
            n=problem.n,
            d=problem.d,
            count=count,
            group=group,
            seed=problem.seed,
            arm=arm.name,
            chord_bound=problem.chord_bound,
            bar=state.best_angle,
            base=base,
            target=state.target,
            prescribed=self._prescribed is not None,
        )

    def _ahead(self, applied: int) -> int:
        """Return how many tasks are planned beyond those taken in: more, as there are more of them."""
        if self._cascading:  # a task planned in ignorance of the others costs much here
            return min(2 + applied // 2, _MOST_AHEAD)
        return min(_AHEAD + applied // _WIDER, _MOST_AHEAD)

    def _ready(self, state: SearchState) -> list[str]:
        """Return the names of the arms that can be planned: moves need a code, and some wait for a first one."""
        later: tuple[str, ...] = ()
        if state.best is None:
            later = _MOVES if self._prescribed is not None else (*_MOVES, *DEFECTS, "symmetric")
        return [arm.name for arm in self.shares.arms if arm.name not in later]

    def _count(self, arm: str, index: int) -> int:
        """Return the number of starts or moves of a task."""
        count = max(1, min(24, round(_TASK_SECONDS / _start_seconds(self.problem.n, self.problem.d))))
        if arm == "hop" and self._cascading:
            count = 48  # a polish costs as much as many moves
        elif index < _AHEAD:
            count = min(count, 8)  # something to show, and to hop from, soon
        if arm in DEFECTS:
            count = min(count, 4)  # few of each group, so that all have their turn soon
        elif arm == "sibling":
            count = 2 if self._cascading else 4
        if self._expensive:
            count = 32 if arm == "hop" else 4  # likewise
        return count

    # --- outcomes -------------------------------------------------------------------------------

    def update(self, state: SearchState, task: Task, outcome: Outcome) -> None:
        """See `Strategy.update`."""
        assert isinstance(task, PortfolioTask)
        if task.kind == "polish":
            self._replace_best(state, outcome)
            return
        parent = self._parents.pop(task.index, None)
        improved = hit = False
        for found in outcome.found:
            best = state.best
            again = best is not None and abs(found.angle - best.angle) <= SAME_ANGLE
            better = state.pool.add(Member(found.points, found.angle, found.status, task.arm, found.group), parent)
            if better:
                self.hits.clear()
                self.settled = self.shares["hop"].rounds
            improved |= better
            hit |= again and task.kind not in _MOVES  # a move that leads back says nothing
        if improved or hit:
            self.hits[task.kind] += 1
            if task.group in self.groups:
                self.groups[task.group][1] += 1
        self.shares.record(task.arm, outcome.evaluations, improved=improved, hit=hit)

    def closing(self, state: SearchState) -> Task | None:
        """Return the polish of the best code, if it met the target or the bound without, or its polish was cut short.

        How a code of the archive was polished is not known: one that is short of the bound is polished again.
        """
        best, problem = state.best, self.problem
        if best is None or best.status not in _UNPOLISHED:
            return None
        if best.status == ARCHIVED and best.angle >= problem.bound.angle - _POLISHED:
            return None
        prescribed = self._prescribed
        return PortfolioTask(
            index=state.planned,
            n=problem.n,
            d=problem.d,
            count=0,
            group=None if prescribed is None else prescribed.name,
            seed=problem.seed,
            arm="polish",
            chord_bound=problem.chord_bound,
            base=best.points,
            prescribed=prescribed is not None,
        )

    def _replace_best(self, state: SearchState, outcome: Outcome) -> None:
        """Put the polished code in the place of the relaxed one."""
        best, (found,) = state.best, outcome.found
        assert best is not None
        state.pool.members.remove(best)
        state.pool.add(Member(found.points, found.angle, found.status, best.arm, best.group))

    def finished(self, state: SearchState) -> Status | None:
        """Return `EXHAUSTED` once all arms had their share, and the best code came again and again."""
        if state.best is None or self.hits.total() < _HITS or len(self.hits) < _FAMILIES:
            return None
        for arm in self.shares.arms:
            least = self.settled + _LEAST_HOPS if arm.name == "hop" else _LEAST_TASKS
            if arm.rounds < least:
                return None
        return Status.EXHAUSTED if all(tasks > 0 for tasks, _ in self.groups_to_try().values()) else None

    # --- record and state -----------------------------------------------------------------------

    def report(self, state: SearchState, status: Status) -> Report:
        """See `Strategy.report`."""
        best = state.best
        phase = {
            "phase": "search",
            "status": status.code,
            "code": None if best is None else best.status,
            "rounds": state.applied,
            "starts": state.tried,
            "evaluations": round(state.evaluations),
            "found_by": None if best is None else best.arm,
            "symmetry_of_start": None if best is None else best.group,
            "hits": dict(self.hits),
            "pool_degrees": [math.degrees(member.angle) for member in state.pool.members],
            "arms": {
                arm.name: {"rounds": arm.rounds, "improvements": arm.improvements, "hits": arm.hits}
                for arm in self.shares.arms
            },
        }
        return Report(("search", "polish"), (phase,))

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """See `Strategy.to_dict`."""
        values = {
            "settled": self.settled,
            "hits": dict(self.hits),
            "groups": self.groups,
            "shares": self.shares.to_dict(),
        }
        return values, {}

    def restore(self, values: dict[str, Any], arrays: dict[str, Floats], state: SearchState) -> None:
        """See `Strategy.restore`."""
        self.shares.restore(values["shares"])
        self.hits = Counter({str(name): int(count) for name, count in values["hits"].items()})
        self.groups.update({str(name): [int(a), int(b)] for name, (a, b) in values["groups"].items()})
        self.settled = int(values["settled"])
        for member in state.pool.members:
            member.mark = fingerprint(member.points)


def _start_seconds(n: int, d: int) -> float:
    """Return about what one start takes on one core; only to make tasks of a handy size."""
    return float(2.3e-3 * (n / 30.0) ** 1.75 * (d / 3.0) ** 0.7)
