"""The stages of a search for many points: what is tried, in what order, from where it goes on.

A generation has six stages. *Spread*: well-spread points, all free. *Copies*: random parts of the sphere
with their images under a group, many since each is cheap. *Changed*: the best of these, changed in a region
with their symmetry kept, again and again. *Broken*: the best of these, all points free again. *Squeeze*:
repairs of the best code; points move from its tightest places into its deepest holes, and the lower rungs
let its defects heal. *Finish*: the last exponents, which part its worst pairs.

Where a symmetry is prescribed, the stages that keep it are all: copies, changed, finish.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.constructions import spread
from tammes.global_search.attempts import ALIKE, Attempt, Symmetric, admitted, shaken
from tammes.global_search.copies import changed, symmetric_start
from tammes.global_search.plans import Plan, neighbours, work_of
from tammes.global_search.problem import Problem
from tammes.global_search.stored_runs import Checkpoint
from tammes.groups.finite_groups import Group
from tammes.solvers.ladder import cell_lists as cells
from tammes.solvers.ladder import many_points as large
from tammes.solvers.ladder.many_points import EXPONENTS, Descended, Images, Place

__all__ = ["Search"]

_FROM = EXPONENTS[3:]  # 16: from a relaxed code on, its structure is kept
_REPAIR = EXPONENTS[4:]  # 32: distant regions stay as they are
_LAST = tuple(2.0**k for k in range(13, 18))  # 8,192 to 131,072: the worst pairs, to 1e-5 of their length
_COPIES = EXPONENTS[:12]  # to 4,096: enough to rank
_CHANGED = EXPONENTS[3:12]  # 16: from there what was not changed keeps its structure
_ITERATIONS = 100
_BATCH = 16  # symmetric codes begun or changed at once
_POINTS = 2_000_000  # of them together: a checkpoint is due every minute, and written between batches
_KICK = 0.02  # spacings: enough to leave a saddle that symmetry holds
_ALONE = 2_000_000  # pairs in the lists above which one ladder takes all threads, and below each takes one
_HALF = 0.5  # of a time limit, for the first ladder
_MOST = 0.75  # likewise, where no symmetric starts follow
_HALVINGS = 3.0  # of the pool, in the course of the changes: the more promising have more of them
_OF_A_GROUP = 2  # symmetric codes that are broken: siblings lead to the same place
# Repairs without a transplant: first exponent, kick in spacings; in d = 3, and above.
_SHAKES = (((8.0, 0.0), (16.0, 0.02), (16.0, 0.05)), ((8.0, 0.0), (8.0, 0.03)))


class Search:
    """One search: its best code, and where it stands."""

    def __init__(
        self,
        problem: Problem,
        groups: list[Group],
        starts: int | None,
        budget: Budget,
        workers: int,
        keeper: Checkpoint,
        progress: ProgressCallback,
        target: float = math.inf,
    ) -> None:
        n, d = self.n, self.d = problem.n, problem.d
        self.seed, self.groups = problem.seed, {group.name: group for group in groups}
        self.kept = problem.prescribed is not None
        self.target, self.budget = target, budget.until(self._reached)
        self.workers, self.keeper, self.progress = workers, keeper, progress
        self.spacing = 2.0 * math.sin(0.5 * bounds.upper_bound(n, d).angle)
        self.plan, self.starts = Plan.symmetric(n, d) if self.kept else Plan.of(n, d), starts
        self.alone = n * neighbours(d) > _ALONE
        self.batch = max(2, min(_BATCH, _POINTS // n))
        self.endless = starts is None and (math.isfinite(budget.left()) or math.isfinite(target))
        self.best, self.chord, self.found_by = np.zeros((0, d)), 0.0, ""
        self.generation, self.stage, self.index, self.part = 0, 0, 0, 0
        self.evaluations = 0
        self.changes = 0.0  # their work in this generation
        self.pool: list[Symmetric] = []  # the best symmetric codes of this generation
        self.scores: dict[str, float] = {}  # the best of each group
        self.report: dict[str, float] = {}
        self.under_way: tuple[Floats, Place] | None = None
        self.resumed = False

    # --- the course -------------------------------------------------------------------------------

    def go(self) -> Status:
        """All stages in turn, from where the checkpoint says."""
        self._restore()
        try:
            status = self._all_stages()
            return Status.TARGET if status is not Status.INTERRUPTED and self._reached() else status
        except KeyboardInterrupt:  # between two descents
            if not len(self.best):
                raise
            return Status.INTERRUPTED

    def _all_stages(self) -> Status:
        free = (self._spread, self._copies, self._changed, self._broken, self._squeeze, self._finish)
        stages = (self._copies, self._changed, self._finish) if self.kept else free
        while True:
            while self.stage < len(stages):
                status = stages[self.stage]()
                if status is not Status.CONVERGED:
                    return self._ended(status)
                self.stage, self.index = self.stage + 1, 0
                self._save_if_due()
                if self.budget.spent():
                    return Status.TIME_LIMIT
            if not self.endless:
                return Status.REPAIRED
            self.generation, self.stage, self.index = self.generation + 1, 0, 0
            self.pool, self.scores, self.changes = [], {}, 0.0

    def _ended(self, status: Status) -> Status:
        """As it ended; a start that no iteration has moved is said to be one."""
        if status is Status.TIME_LIMIT and self.found_by == "start" and not self.evaluations:
            return Status.START
        return status

    def _seeds(self, stage: int) -> tuple[int, int, int]:
        """What the random numbers of a stage depend on."""
        return self.seed, self.generation, stage

    def _spread(self) -> Status:
        """Well-spread points up the whole ladder; from the second generation on, shaken first."""
        start = spread.fibonacci(self.n) if self.d == 3 else spread.equal_area(self.n, self.d)
        if self.generation or self.seed:
            start = shaken(start, (0.05 + 0.05 * self.generation) * self.spacing, self._seeds(0))
        if not self._begun(start):
            return Status.TIME_LIMIT
        if not self.plan.spread and self.groups:
            return Status.CONVERGED
        rungs = EXPONENTS if self.d == 3 else EXPONENTS[2:]  # in d = 3 the spiral is to flow; above, layers hold
        part = self.budget if not self.endless else self.budget.part(_HALF if self.plan.copies else _MOST)
        return self._climb(start, rungs, "spread", part)

    def _copies(self) -> Status:
        """Symmetric starts: in turn for all groups, then for the three best."""
        groups = list(self.groups.values()) if self.plan.copies > 0.0 or self.starts is not None else []
        if self.kept and not self._begun(self._start(groups[0], 0)[0]):
            return Status.TIME_LIMIT
        due = self._due(groups)
        while self.index < due:
            leading = sorted(groups, key=lambda group: -self.scores.get(group.name, 0.0))[:3]
            chosen = groups if self.index < 2 * len(groups) else leading
            ahead = min(self.batch, due - self.index)
            batch = [(chosen[k % len(chosen)], k) for k in range(self.index, self.index + ahead)]
            found, status = self._together([partial(self._copy, *each) for each in batch], "copies")
            for (group, k), descended in zip(batch, found, strict=False):
                self._take_in(group, k, descended)
            if status is not Status.CONVERGED:
                return status
            self.index += len(batch)
            self._save_if_due()
        return Status.CONVERGED

    def _due(self, groups: list[Group]) -> int:
        """How many symmetric starts there are to be: as many as do the planned work, taken in turn."""
        if not groups or self.starts is not None:
            spread = 0 if self.kept else 1
            return self.starts - spread if groups and self.starts is not None else 0
        return self.plan.starts([group.order for group in groups])

    def _copy(self, group: Group, index: int, budget: Budget) -> Descended:
        points, images = self._start(group, index)
        return large.descend(points, chord_bound=self.spacing, exponents=_COPIES, images=images, budget=budget)

    def _take_in(self, group: Group, index: int, descended: Descended) -> None:
        new = Symmetric(descended.chord / self.spacing, descended.points, group.name, index)
        self.scores[group.name] = max(new.score, self.scores.get(group.name, 0.0))
        most = max(1, self.plan.broken)
        self.pool = admitted(self.pool, new, most, most if self.kept else _OF_A_GROUP)
        self._offer(descended.points, descended.chord, f"copies/{group.name}")

    def _changed(self) -> Status:
        """Changes to the symmetric codes of the pool, their symmetry kept; a better one takes its parent's place.

        All have a turn at first, then fewer and fewer: the best of those that gained.
        """
        while self.pool and self.changes < self.plan.changes:
            self.pool.sort(key=lambda member: -member.score)
            active = math.ceil(len(self.pool) * 0.5 ** (_HALVINGS * self.changes / self.plan.changes))
            slots = [k % active for k in range(self.batch)]
            batch = [(self.pool[slot], self.index + k) for k, slot in enumerate(slots)]
            found, status = self._together([partial(self._change, *each) for each in batch], "changed")
            for slot, descended in zip(slots, found, strict=False):
                score = descended.chord / self.spacing
                if score > self.pool[slot].score + ALIKE:
                    self.pool[slot] = replace(self.pool[slot], score=score, points=descended.points)
                    self._offer(descended.points, descended.chord, f"changed/{self.pool[slot].group}")
            if status is not Status.CONVERGED:
                return status
            self.index += len(batch)
            self.changes += sum(work_of(self.groups[member.group].order) for member, _ in batch)
            self._save_if_due()
        self.pool.sort(key=lambda member: -member.score)
        return Status.CONVERGED

    def _change(self, member: Symmetric, index: int, budget: Budget) -> Descended:
        group = self.groups[member.group]
        _, images = self._start(group, member.index)
        rng = np.random.default_rng((*self._seeds(4), index))
        points = changed(group, member.points, images, self.spacing, rng)
        return large.descend(points, chord_bound=self.spacing, exponents=_CHANGED, images=images, budget=budget)

    def _start(self, group: Group, index: int) -> tuple[Floats, Images]:
        return symmetric_start(group, self.n, np.random.default_rng((*self._seeds(1), index)))

    def _broken(self) -> Status:
        """The best symmetric codes, shaken a little, all points free."""
        return self._each(len(self.pool), self._breaking, "broken")

    def _breaking(self, k: int) -> Attempt:
        return Attempt(self.pool[k].points, _FROM, (*self._seeds(2), k), _KICK)

    def _squeeze(self) -> Status:
        """Repairs of the best code, of several kinds in each round."""
        kinds = 1 if self.alone and self.d == 3 else 1 + len(_SHAKES[self.d > 3])
        while self.index < self.plan.squeezes:
            status = self._each(kinds, self._repair, "squeeze")
            if status is not Status.CONVERGED:
                return status
            self.index += 1
            self._save_if_due()  # not before: the round would be done again, from its own outcome
        return Status.CONVERGED

    def _repair(self, k: int) -> Attempt:
        """A transplant first, then slow healing in several ways."""
        seed = (*self._seeds(3), self.index, k)
        if k == 0:
            moves = int(np.random.default_rng(seed).integers(1, 2 + self.n // 1_000))
            return Attempt(self.best, _REPAIR, seed, moves=moves)
        first, kick = _SHAKES[self.d > 3][k - 1]
        return Attempt(self.best, tuple(p for p in EXPONENTS if p >= first), seed, kick)

    def _finish(self) -> Status:
        """The highest exponents from the best code: its worst pairs, as far apart as they go."""
        if not self.kept:
            return self._climb(self.best, _LAST, "finish")
        member = self.pool[0]
        _, images = self._start(self.groups[member.group], member.index)
        return self._climb(member.points, _LAST, "finish", images=images)

    # --- what all stages share --------------------------------------------------------------------

    def _each(self, count: int, make: Callable[[int], Attempt], name: str) -> Status:
        """Ladders with all points free: one after the other with all threads, or together with one each."""
        if not self.alone:
            found, status = self._together([partial(self._attempt, make(k)) for k in range(count)], name)
            for descended in found:
                self._offer(descended.points, descended.chord, name)
            return status
        while self.part < count:
            attempt = make(self.part)  # from the best so far, as after a checkpoint
            start = attempt.points if self.under_way else attempt.start(self.spacing)
            status = self._climb(start, attempt.exponents, name)
            if status is not Status.CONVERGED:
                return status
            self.part += 1
        self.part = 0
        return Status.CONVERGED

    def _attempt(self, attempt: Attempt, budget: Budget) -> Descended:
        start = attempt.start(self.spacing)
        return large.descend(
            start, chord_bound=self.spacing, exponents=attempt.exponents, iterations=_ITERATIONS, budget=budget
        )

    def _together(self, tasks: list[Callable[[Budget], Descended]], name: str) -> tuple[list[Descended], Status]:
        """Descents at once, a thread each, in order; those that were stopped are left out."""
        halt = threading.Event()
        left = self.budget.left()
        limit = Budget(None if math.isinf(left) else max(1e-9, left), stop=halt.is_set).until(self._reached)
        found: list[Descended] = []
        status = Status.CONVERGED
        with ThreadPoolExecutor(cells.at_once(self.workers)) as pool:
            futures = [pool.submit(task, limit) for task in tasks]
            try:
                for k, future in enumerate(futures):
                    descended = future.result()
                    self.evaluations += descended.evaluations
                    if descended.status is not Status.CONVERGED:
                        status = descended.status
                        break
                    found.append(descended)
                    self.progress(Progress(name, self.index + k + 1, 0, self._angle()))
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
            finally:
                halt.set()
                for future in futures:
                    future.cancel()
        return found, status

    def _climb(
        self,
        start: Floats,
        rungs: tuple[float, ...],
        name: str,
        budget: Budget | None = None,
        images: Images | None = None,
    ) -> Status:
        """One ladder, with all points free or their images following; goes on where a checkpoint stood."""
        points, place = (start, None) if self.under_way is None else self.under_way
        self.under_way = None

        def keep(points: Floats, place: Place) -> None:
            self.under_way = (points, place)
            self._save_if_due()

        descended = large.descend(
            points,
            chord_bound=self.spacing,
            exponents=rungs,
            iterations=_ITERATIONS,
            images=images,
            threads=self.workers if self.alone else 1,
            budget=self.budget if budget is None else budget,
            place=place,
            keep=keep,
            progress=lambda event: self.progress(
                replace(event, phase=name, min_angle=max(event.min_angle, self._angle()))
            ),
        )
        self.evaluations += descended.evaluations
        self._offer(descended.points, descended.chord, name)
        if descended.status is Status.TIME_LIMIT and not self.budget.spent():
            descended = replace(descended, status=Status.CONVERGED)  # only the part of the first ladder is over
        if descended.status is Status.CONVERGED:
            self.under_way = None
        return descended.status

    def _offer(self, points: Floats, chord: float, name: str) -> None:
        if name != "start" and chord > 0.0:
            self.report[name] = max(self.report.get(name, 0.0), chord / self.spacing)
        if chord > self.chord:
            self.best, self.chord, self.found_by = points, chord, name

    def _begun(self, start: Floats) -> bool:
        """Whether there is time for more than the first start."""
        if not len(self.best):
            self._offer(start, 2.0 * math.sin(0.5 * geometry.min_angle(start)), "start")
        return not self.budget.spent()

    def _reached(self) -> bool:
        return self._angle() >= self.target

    def _angle(self) -> float:
        return 2.0 * math.asin(0.5 * self.chord)

    # --- the checkpoint ---------------------------------------------------------------------------

    def _save_if_due(self) -> None:
        if self.keeper.due():
            self.keeper.save(*self.state())

    def state(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Everything that the rest of the run depends on."""
        place = None if self.under_way is None else [self.under_way[1].rung, self.under_way[1].iteration]
        values = {
            "at": [self.generation, self.stage, self.index, self.part],
            "place": place,
            "chord": self.chord,
            "found_by": self.found_by,
            "evaluations": self.evaluations,
            "changes": self.changes,
            "pool": [[member.score, member.group, member.index] for member in self.pool],
            "scores": self.scores,
            "report": self.report,
        }
        arrays = {"best": self.best, **{f"pool{k}": each.points for k, each in enumerate(self.pool)}}
        if self.under_way is not None:
            arrays["points"] = self.under_way[0]
        return values, arrays

    def _restore(self) -> None:
        stored = self.keeper.load()
        if stored is None:
            return
        values, arrays = stored
        self.generation, self.stage, self.index, self.part = values["at"]
        self.best, self.chord, self.found_by = arrays["best"], values["chord"], values["found_by"]
        self.evaluations, self.scores, self.report = values["evaluations"], values["scores"], values["report"]
        self.changes = values["changes"]
        self.pool = [
            Symmetric(score, arrays[f"pool{k}"], group, index) for k, (score, group, index) in enumerate(values["pool"])
        ]
        if values["place"] is not None:
            self.under_way = arrays["points"], Place(*values["place"])
        self.resumed = True
