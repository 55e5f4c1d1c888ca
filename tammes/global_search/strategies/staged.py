"""The staged search for many points: what is tried, in what order, and from where it goes on.

A generation has six stages:

* *spread*: well-spread points climb the ladder, all free;
* *copies*: random parts of the sphere with their images under a group climb, many since each is cheap;
* *changed*: the best of these are changed in a region, with their symmetry kept, again and again;
* *broken*: the best of these climb with all points free again;
* *repair*: points of the best code move from its tightest places into its deepest holes, or all are shaken a little,
  and the lower rungs let defects heal;
* *finish*: the last exponents part the worst pairs of the best code.

Where a symmetry is prescribed, there are the stages that keep it: copies, changed, finish.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.constructions import spread
from tammes.global_search.moves import shake
from tammes.global_search.pool import Member
from tammes.global_search.problem import Problem
from tammes.global_search.state import SearchState
from tammes.global_search.strategies.staged_plan import Plan, work_of
from tammes.global_search.strategies.staged_tasks import (
    Changed,
    Climb,
    ConcurrentClimb,
    Given,
    Start,
    SymmetricChange,
    SymmetricStart,
)
from tammes.global_search.strategies.symmetric_starts import groups_for
from tammes.global_search.strategy import Report, Strategy
from tammes.global_search.tasks import Outcome, Task
from tammes.groups.finite_groups import Group
from tammes.solvers.ladder.exponents import time_weights
from tammes.solvers.ladder.many_points import EXPONENTS

__all__ = ["Exponents", "Staged"]

SAME_SCORE = 1e-6
"""Smallest chords over the chord bound: codes nearer than this are taken for the same."""

_STAGES = ("spread", "copies", "changed", "broken", "repair", "finish")
_SYMMETRIC_STAGES = ("copies", "changed", "finish")
_POINTS = 2_000_000  # of all tasks of a step: the state is written between steps, and a step should take a minute
_KICK = 0.02  # of the chord bound: enough to leave a saddle that symmetry holds
_FIRST_LADDER = 0.5  # of a time limit
_ONLY_LADDER = 0.75  # likewise, where no symmetric starts follow
_HALVINGS = 3.0  # of the pool, in the course of the changes: the more promising have more of them
_OF_A_GROUP = 2  # symmetric codes that are broken: siblings lead to the same place
# Repairs without a transplant: first exponent, and kick over the chord bound; in d = 3, and above.
_SHAKES = (((8.0, 0.0), (16.0, 0.02), (16.0, 0.05)), ((8.0, 0.0), (8.0, 0.03)))


@dataclass(frozen=True)
class Exponents:
    """Rungs of the ladders of each stage."""

    spread: tuple[float, ...] = EXPONENTS
    """In d = 3 the spiral is to flow; above, layers hold, and climb from the third rung on."""
    copies: tuple[float, ...] = EXPONENTS[:12]
    """To 4,096: enough to rank."""
    changed: tuple[float, ...] = EXPONENTS[3:12]
    """From 16 on, what was not changed keeps its structure."""
    broken: tuple[float, ...] = EXPONENTS[3:]
    repair: tuple[float, ...] = EXPONENTS[4:]
    """From 32 on, distant regions stay as they are."""
    finish: tuple[float, ...] = tuple(2.0**k for k in range(13, 18))
    """8,192 to 131,072: the worst pairs, to 1e-5 of their length."""


@dataclass(frozen=True)
class _Symmetric:
    """A symmetric code of this generation."""

    score: float
    """Its smallest chord over the chord bound."""
    points: Floats
    """The free ones first."""
    group: str
    index: int
    """Of its start, which tells what follows what."""


@dataclass
class _Step:
    """Tasks that belong together: the next step follows when all of them are done."""

    tasks: list[Climb]
    outcomes: list[Outcome]
    proposed: int = 0

    @property
    def done(self) -> bool:
        """True if all outcomes are in."""
        return len(self.outcomes) == len(self.tasks)


class Staged(Strategy):
    """Generations of six stages.

    Args:
        problem: what is searched for.
        plan: how much of each stage; None for that of the size.
        starts: spread and symmetric starts of the only generation; None for as many as suit the size.
        endless: further generations follow, until a limit ends the search.
        one_at_a_time: ladders with all points free follow each other with all threads, instead of running together.
        exponents: rungs of each stage.
        batch: symmetric codes begun or changed at once, at most.
        settings: for the record.
    """

    name = "staged"

    def __init__(
        self,
        problem: Problem,
        *,
        plan: Plan | None = None,
        starts: int | None = None,
        endless: bool = False,
        one_at_a_time: bool = False,
        exponents: Exponents = Exponents(),
        batch: int = 16,
        settings: dict[str, Any] | None = None,
    ) -> None:
        n, d = problem.n, problem.d
        self.problem = problem
        self.prescribed = problem.prescribed is not None
        if plan is None:
            plan = Plan.symmetric(n, d) if self.prescribed else Plan.of(n, d)
        self.plan = plan
        self.starts = starts
        self.settings = {} if settings is None else settings
        self.endless = endless
        self.one_at_a_time = one_at_a_time
        self.exponents = exponents
        self.batch = max(2, min(batch, _POINTS // n))
        wanted = self.prescribed or plan.copies > 0.0 or (starts is not None and plan.broken > 0)
        self.groups: dict[str, Group] = {group.name: group for group in groups_for(problem)} if wanted else {}
        self.stages = _SYMMETRIC_STAGES if self.prescribed else _STAGES
        self.generation = 0
        self.stage = 0
        self.index = 0
        """Starts, changes or rounds done in this stage."""
        self.part = 0
        """Ladders done of those that follow each other in a round."""
        self.rung = 0
        self.climbing: Floats | None = None
        """Points between two rungs of a ladder."""
        self.changes = 0.0
        """Work of the changes of this generation."""
        self.pool: list[_Symmetric] = []
        """Best symmetric codes of this generation."""
        self.scores: dict[str, float] = {}
        """Best score of each group in this generation."""
        self.best_of_stage: dict[str, float] = {}
        self.repairs = 0
        self.over = False
        self._step: _Step | None = None

    # --- the course -----------------------------------------------------------------------------

    def propose(self, state: SearchState) -> Task | None:
        """See `Strategy.propose`."""
        if self._step is None:
            self._step = self._next_step(state)
        step = self._step
        if step is None or step.proposed == len(step.tasks):
            return None
        task = replace(step.tasks[step.proposed], index=state.planned)
        step.proposed += 1
        return task

    def update(self, state: SearchState, task: Task, outcome: Outcome) -> None:
        """See `Strategy.update`. Codes are taken in when the whole step is done, so that a step that is done again
        after a kill begins from the same codes.
        """
        assert self._step is not None
        if outcome.status in (Status.TIME_LIMIT, Status.INTERRUPTED):
            for each in (*self._step.outcomes, outcome):
                self._offer(state, self._step.tasks[0], each)
            return
        self._step.outcomes.append(outcome)
        if self._step.done:
            step, self._step = self._step, None
            for done, result in zip(step.tasks, step.outcomes, strict=True):
                self._offer(state, done, result)
            getattr(self, f"_after_{self.stages[self.stage]}")(step)

    def finished(self, state: SearchState) -> Status | None:
        """See `Strategy.finished`."""
        return Status.REPAIRED if self.over else None

    @property
    def identity(self) -> dict[str, Any]:
        """See `Strategy.identity`."""
        return {"starts": self.starts}

    def _next_step(self, state: SearchState) -> _Step | None:
        """Return the tasks that are next, going on to further stages and generations; None at the end."""
        while not self.over:
            tasks = getattr(self, f"_plan_{self.stages[self.stage]}")(state)
            if tasks:
                return _Step(tasks, [])
            self._next_stage()
        return None

    def _next_stage(self) -> None:
        self.stage, self.index, self.part = self.stage + 1, 0, 0
        if self.stage < len(self.stages):
            return
        if not self.endless:
            self.over = True
            return
        self.generation, self.stage = self.generation + 1, 0
        self.pool, self.scores, self.changes = [], {}, 0.0

    def _seeds(self, stage: int) -> tuple[int, int, int]:
        """Return what the random numbers of a stage depend on."""
        return self.problem.seed, self.generation, stage

    def _offer(self, state: SearchState, task: Climb, outcome: Outcome) -> None:
        """Take the codes of an outcome into the pool of the search."""
        label = task.stage if task.group is None else f"{task.stage}/{task.group}"
        for found in outcome.found:
            arm = "start" if found.status == Status.START.code else label
            state.pool.add(Member(found.points, found.angle, found.status, arm, found.group))
            if arm != "start":
                score = self._score(found.angle)
                self.best_of_stage[label] = max(self.best_of_stage.get(label, 0.0), score)

    def _score(self, angle: float) -> float:
        """Return the chord of an angle over the chord bound."""
        return 2.0 * math.sin(0.5 * angle) / self.problem.chord_bound

    # --- spread ---------------------------------------------------------------------------------

    def _plan_spread(self, state: SearchState) -> list[Climb]:
        """Well-spread points; all but the first are shaken."""
        due = (self.starts or 1) if not self.groups else 1
        if self.index >= due:
            return []
        n, d, shakes = self.problem.n, self.problem.d, self.generation + self.index
        seed = self._seeds(0) if self.index == 0 else (*self._seeds(0), self.index)
        points = spread.fibonacci(n) if d == 3 else spread.equal_area(n, d)
        if self.problem.seed or shakes:
            points = shake(points, (0.05 + 0.05 * shakes) * self.problem.chord_bound, seed)
        if self.groups and not self.plan.spread:  # symmetric starts are to climb: the points are a code to begin with
            return [Climb(**self._common(Given(points), ()), count=1, with_start=True)] if state.best is None else []
        rungs = self.exponents.spread if d in (2, 3) else self.exponents.spread[2:]
        part = 1.0
        if self.endless:
            part = _FIRST_LADDER if self.plan.copies else _ONLY_LADDER
        return [self._rung(state, Given(points), rungs, part=part, count=1)]

    def _after_spread(self, step: _Step) -> None:
        self._after_rung(step)

    # --- copies ---------------------------------------------------------------------------------

    def _plan_copies(self, state: SearchState) -> list[Climb]:
        """Symmetric starts: in turn for all groups, then for the three best."""
        groups = list(self.groups.values())
        due = self._due(groups)
        ahead = min(self.batch, due - self.index)
        if ahead <= 0:
            return []
        leading = sorted(groups, key=lambda group: -self.scores.get(group.name, 0.0))[:3]
        chosen = groups if self.index < 2 * len(groups) else leading
        return [
            self._ladder(state, self._origin(chosen[k % len(chosen)], k), self.exponents.copies, count=1)
            for k in range(self.index, self.index + ahead)
        ]

    def _due(self, groups: list[Group]) -> int:
        """Return how many symmetric starts there are to be: as many as do the planned work, taken in turn."""
        if not groups:
            return 0
        if self.starts is not None:
            return self.starts - (0 if self.prescribed else 1)
        return self.plan.starts([group.order for group in groups])

    def _origin(self, group: Group, index: int) -> SymmetricStart:
        return SymmetricStart(group, self.problem.n, (*self._seeds(1), index))

    def _after_copies(self, step: _Step) -> None:
        """Keep the best symmetric codes."""
        for k, (task, outcome) in enumerate(zip(step.tasks, step.outcomes, strict=True), start=self.index):
            assert task.group is not None
            for found in outcome.found[-1:]:
                new = _Symmetric(self._score(found.angle), found.points, task.group, k)
                self.scores[new.group] = max(new.score, self.scores.get(new.group, 0.0))
                most = max(1, self.plan.broken)
                self.pool = _admitted(self.pool, new, most, most if self.prescribed else _OF_A_GROUP)
        self.index += len(step.tasks)

    # --- changed --------------------------------------------------------------------------------

    def _plan_changed(self, state: SearchState) -> list[Climb]:
        """Changes to the symmetric codes of the pool, their symmetry kept.

        All have a turn at first, then fewer and fewer: the best of those that gained.
        """
        self.pool.sort(key=lambda member: -member.score)
        if not self.pool or self.changes >= self.plan.changes:
            return []
        return [
            self._ladder(
                state,
                SymmetricChange(
                    self._origin(self.groups[member.group], member.index),
                    member.points,
                    (*self._seeds(4), self.index + k),
                ),
                self.exponents.changed,
            )
            for k, member in enumerate(self.pool[slot] for slot in self._slots())
        ]

    def _slots(self) -> list[int]:
        """Return which codes of the pool are changed in the next step."""
        active = math.ceil(len(self.pool) * 0.5 ** (_HALVINGS * self.changes / self.plan.changes))
        return [k % active for k in range(self.batch)]

    def _after_changed(self, step: _Step) -> None:
        """Put better codes into the places of those that they come from."""
        slots = self._slots()
        work = sum(work_of(self.groups[self.pool[slot].group].order) for slot in slots)
        for slot, outcome in zip(slots, step.outcomes, strict=True):
            for found in outcome.found[-1:]:
                score = self._score(found.angle)
                if score > self.pool[slot].score + SAME_SCORE:
                    self.pool[slot] = replace(self.pool[slot], score=score, points=found.points)
        self.index += len(step.tasks)
        self.changes += work

    # --- broken and repair ----------------------------------------------------------------------

    def _plan_broken(self, state: SearchState) -> list[Climb]:
        """The best symmetric codes, shaken a little, all points free."""
        starts = [Changed(member.points, (*self._seeds(2), k), _KICK) for k, member in enumerate(self.pool)]
        return self._round(state, starts, [self.exponents.broken] * len(starts)) if self.index == 0 else []

    def _after_broken(self, step: _Step) -> None:
        self._after_round(step, len(self.pool))

    def _plan_repair(self, state: SearchState) -> list[Climb]:
        """Repairs of the best code: a transplant first, then slow healing in several ways."""
        if self.index >= self.plan.repairs or state.best is None:
            return []
        points, starts, rungs = state.best.points, list[Start](), list[tuple[float, ...]]()
        for k in range(self._kinds()):
            seed = (*self._seeds(3), self.index, k)
            if k == 0:
                moves = int(np.random.default_rng(seed).integers(1, 2 + self.problem.n // 1_000))
                starts.append(Changed(points, seed, moves=moves))
                rungs.append(self.exponents.repair)
            else:
                first, kick = _SHAKES[self.problem.d > 3][k - 1]
                starts.append(Changed(points, seed, kick))
                rungs.append(tuple(p for p in self.exponents.spread if p >= first))
        return self._round(state, starts, rungs)

    def _kinds(self) -> int:
        """Return the number of kinds of repair in a round."""
        if self.one_at_a_time and (self.problem.d == 3 or not self.plan.finish):
            return 1
        return 1 + len(_SHAKES[self.problem.d > 3])

    def _after_repair(self, step: _Step) -> None:
        before = self.index
        self._after_round(step, self._kinds())
        self.repairs += self.index - before

    def _round(self, state: SearchState, starts: Sequence[Start], rungs: list[tuple[float, ...]]) -> list[Climb]:
        """Return ladders with all points free: all of them at once, or the next rung of the next one."""
        if not self.one_at_a_time:
            return [self._ladder(state, start, up) for start, up in zip(starts, rungs, strict=True)]
        return [self._rung(state, starts[self.part], rungs[self.part])] if self.part < len(starts) else []

    def _after_round(self, step: _Step, count: int) -> None:
        """Go on to the next rung, ladder or round."""
        if self.one_at_a_time:
            before = self.index
            self._after_rung(step)
            if self.index == before:  # within a ladder
                return
            self.index, self.part = before, self.part + 1
            if self.part < count:
                return
            self.part = 0
        self.index += 1

    # --- finish ---------------------------------------------------------------------------------

    def _plan_finish(self, state: SearchState) -> list[Climb]:
        """The highest exponents from the best code."""
        if self.index or not self.plan.finish or state.best is None:
            return []
        if not self.prescribed:
            return [self._rung(state, Given(state.best.points), self.exponents.finish)]
        member = self.pool[0]
        _, images = self._origin(self.groups[member.group], member.index).make(self.problem.chord_bound)
        return [self._rung(state, Given(member.points, images), self.exponents.finish)]

    def _after_finish(self, step: _Step) -> None:
        self._after_rung(step)

    # --- tasks ----------------------------------------------------------------------------------

    def _ladder(self, state: SearchState, start: Start, rungs: tuple[float, ...], count: int = 0) -> Climb:
        """Return a whole ladder on one thread."""
        origin = start.origin if isinstance(start, SymmetricChange) else start
        first = state.best is None and state.planned == 0 and isinstance(start, SymmetricStart)
        return ConcurrentClimb(
            **self._common(start, rungs),
            count=count,
            group=origin.group.name if isinstance(origin, SymmetricStart) else None,
            with_start=first,
        )

    def _rung(
        self, state: SearchState, start: Start, rungs: tuple[float, ...], *, part: float = 1.0, count: int = 0
    ) -> Climb:
        """Return the next rung of a ladder with all threads, from its start or from where the rung before ended."""
        if self.climbing is not None:
            start = Given(self.climbing, start.images if isinstance(start, Given) else None)
        weights = time_weights(rungs)
        # What follows the ladder counts as one more rung, of such a weight that the ladder has its part of the whole.
        after = sum(weights) * (1.0 / part - 1.0)
        return Climb(
            **self._common(start, rungs[self.rung : self.rung + 1]),
            count=count if self.rung == 0 else 0,
            part=weights[self.rung] / (sum(weights[self.rung :]) + after),
            rung=self.rung,
            rungs=len(rungs),
            with_start=state.best is None,
        )

    def _common(self, start: Start, rungs: tuple[float, ...]) -> dict[str, Any]:
        """Return the fields that all tasks share; the loop numbers them."""
        return {
            "index": 0,
            "n": self.problem.n,
            "d": self.problem.d,
            "stage": self.stages[self.stage],
            "start": start,
            "exponents": rungs,
            "chord_bound": self.problem.chord_bound,
        }

    def _after_rung(self, step: _Step) -> None:
        """Go on to the next rung, or end the ladder."""
        (task,), (outcome,) = step.tasks, step.outcomes
        self.rung += 1
        self.climbing = outcome.found[-1].points
        if self.rung >= task.rungs:
            self.rung, self.climbing = 0, None
            self.index += 1

    # --- record and state -----------------------------------------------------------------------

    def report(self, state: SearchState, status: Status) -> Report:
        """See `Strategy.report`."""
        phase = {
            "phase": "scale",
            "status": status.code,
            "found_by": None if state.best is None else state.best.arm,
            "generations": self.generation + 1,
            "repairs": self.repairs,
            "starts": state.tried,
            "evaluations": round(state.evaluations),
            "chord_over_bound": self._score(state.best_angle),
            "stages": self.best_of_stage,
            "polish": "not done for many points",
        }
        return Report(("ladder",) if self.prescribed else ("ladder", "repair"), (phase,), self.settings)

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """See `Strategy.to_dict`."""
        values = {
            "at": [self.generation, self.stage, self.index, self.part, self.rung],
            "climbing": self.climbing is not None,
            "changes": self.changes,
            "pool": [[member.score, member.group, member.index] for member in self.pool],
            "scores": self.scores,
            "best_of_stage": self.best_of_stage,
            "repairs": self.repairs,
        }
        arrays = {f"symmetric{k}": member.points for k, member in enumerate(self.pool)}
        if self.climbing is not None:
            arrays["climbing"] = self.climbing
        return values, arrays

    def restore(self, values: dict[str, Any], arrays: dict[str, Floats], state: SearchState) -> None:
        """See `Strategy.restore`."""
        self.generation, self.stage, self.index, self.part, self.rung = map(int, values["at"])
        self.climbing = arrays["climbing"] if values["climbing"] else None
        self.changes = float(values["changes"])
        self.pool = [
            _Symmetric(float(score), arrays[f"symmetric{k}"], str(group), int(index))
            for k, (score, group, index) in enumerate(values["pool"])
        ]
        self.scores = {str(name): float(score) for name, score in values["scores"].items()}
        self.best_of_stage = {str(name): float(score) for name, score in values["best_of_stage"].items()}
        self.repairs = int(values["repairs"])


def _admitted(pool: list[_Symmetric], new: _Symmetric, most: int, of_a_group: int) -> list[_Symmetric]:
    """Return the best of the pool and a new code, best first, unless it is there: `most`, and so many of a group."""
    if any(abs(new.score - member.score) < SAME_SCORE for member in pool):
        return pool
    mine = sorted([*(member for member in pool if member.group == new.group), new], key=lambda member: -member.score)
    others = [member for member in pool if member.group != new.group]
    return sorted([*mine[:of_a_group], *others], key=lambda member: -member.score)[:most]
