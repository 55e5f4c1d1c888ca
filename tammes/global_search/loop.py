"""The loop of every search: order, stopping, time, Ctrl-C, progress, the saved state and the result."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.errors import FileAccessError, InvalidParameterError, WorkersLostError
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search.executors.executor import Pending, TaskExecutor
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.store import SearchStore
from tammes.global_search.strategy import Strategy
from tammes.global_search.tasks import Outcome, Task
from tammes.storage import writer
from tammes.storage.result import Result

__all__ = ["run_search"]

_MET = 1e-9  # radians: a bound that a code comes as near to is met


def run_search(
    problem: Problem,
    strategy: Strategy,
    solver: Any,
    executor: TaskExecutor,
    limits: Limits,
    store: SearchStore | None = None,
    progress: ProgressCallback = silent,
    *,
    budget: Budget | None = None,
    state: SearchState | None = None,
) -> Result:
    """Search until there is a reason to stop.

    Tasks are proposed by the strategy, run by the executor, and their outcomes taken in strictly in the order in which
    they were proposed, so that the number of workers changes nothing.

    Args:
        problem: what is searched for.
        strategy: what to try next.
        solver: the local solver that the strategy's tasks run.
        executor: what runs the tasks. It is cancelled at the end, and stays usable.
        limits: when to stop, besides a met bound and the strategy's own end.
        store: where codes and the state are kept; None keeps nothing.
        progress: called during the tasks, where they run in this process, and after every task.
        budget: clock of the time limit, begun earlier by the caller; None for one that begins now.
        state: a state with another pool than the default one; None for a new one.

    Returns:
        The measured best code, with its provenance and the reason of the end as its status. Ctrl-C is one of these.

    Raises:
        WorkersLostError: if the workers are lost before anything is found.
        FileAccessError: if a code cannot be kept; it is then saved in a temporary folder, which the message names.
        KeyboardInterrupt: if Ctrl-C comes before anything is found.
    """
    clock = Budget(limits.seconds) if budget is None else budget
    store = SearchStore() if store is None else store
    state = SearchState(problem) if state is None else state
    state.limits = limits
    redone = executor.redone
    run = _Run(state, strategy, solver, executor, clock, store, progress)
    resumed = store.load(state, strategy)
    try:
        try:
            status = run.go()
        finally:
            executor.cancel()
        store.close(state, strategy, status)
        result = _result(state, strategy, executor, clock, status, resumed=resumed, redone=executor.redone - redone)
        store.offer(result)
    except FileAccessError as error:
        place = store.place(problem)
        if place is None or state.best is None:
            raise
        result = _result(state, strategy, executor, clock, Status.INTERRUPTED, resumed=resumed, redone=0)
        raise writer.rescued(result, place, error) from None
    return result


class _Run:
    """A search under way."""

    def __init__(
        self,
        state: SearchState,
        strategy: Strategy,
        solver: Any,
        executor: TaskExecutor,
        clock: Budget,
        store: SearchStore,
        progress: ProgressCallback,
    ) -> None:
        self.state = state
        self.strategy = strategy
        self.solver = solver
        self.executor = executor
        self.clock = clock
        self.store = store
        self.progress = progress
        self.pending: deque[tuple[Task, Pending]] = deque()

    def go(self) -> Status:
        """Search; return the reason of the end."""
        state = self.state
        try:
            status = self._all_tasks()
            if status in (Status.TARGET, Status.BOUND):
                self.executor.cancel()
                last = self.strategy.closing(state)
                if last is not None:
                    status = self._close(last, status)
        except KeyboardInterrupt:
            if state.best is None:
                raise
            return Status.INTERRUPTED
        except WorkersLostError as error:
            if state.best is None:
                raise
            state.lost = str(error)
            return Status.WORKERS_LOST
        if status is Status.TIME_LIMIT and not state.evaluations:
            return Status.START
        return status

    def _all_tasks(self) -> Status:
        """Propose tasks and take their outcomes in; the first task is done whatever the time."""
        state = self.state
        while True:
            status = self._reason()
            if status is not None:
                return status
            while not (state.best is not None and self.clock.spent()):
                task = self.strategy.propose(state)
                if task is None:
                    break
                self._submit(task)
            if not self.pending:
                return self.strategy.finished(state) or Status.STARTS
            task, outcome = self._next()
            self._take_in(task, outcome)
            if outcome.status is Status.INTERRUPTED:
                return Status.INTERRUPTED

    def _reason(self) -> Status | None:
        """Return why to stop now; None if there is no reason."""
        state, strategy = self.state, self.strategy
        if strategy.stops_at_bound and state.best_angle >= state.problem.bound.angle - _MET:
            return Status.BOUND
        if state.best_angle >= state.target:
            return Status.TARGET
        finished = strategy.finished(state)
        if finished is not None or state.best is None:
            return finished
        return Status.TIME_LIMIT if self.clock.spent() else None

    def _submit(self, task: Task) -> None:
        state = self.state
        state.planned += 1
        state.planned_starts += task.count
        self.pending.append((task, self.executor.submit(task, self.solver, self.clock, self._tell)))

    def _next(self) -> tuple[Task, Outcome]:
        """Return the outcome that is next in order."""
        task, pending = self.pending.popleft()
        outcome = pending.result()
        if outcome.status is Status.TIME_LIMIT and not self.clock.spent():
            outcome = replace(outcome, status=Status.STEP_LIMIT)  # only the task's share of the time is over
        return task, outcome

    def _take_in(self, task: Task, outcome: Outcome) -> None:
        state, before = self.state, self.state.best
        state.applied += 1
        state.tried += outcome.tried
        state.evaluations += outcome.evaluations
        self.strategy.update(state, task, outcome)
        if task.phase is not None and state.best is not None and outcome.status is not Status.INTERRUPTED:
            detail = {"tried": float(state.tried), "improved": float(state.best is not before)}
            self.progress(Progress(task.phase, state.applied, 0, state.best_angle, detail))
        self.store.keep(state, self.strategy, improved=state.best is not before)

    def _close(self, task: Task, status: Status) -> Status:
        """Run the last task after a target or bound was met; the code is kept, whatever hinders it."""
        self.pending.clear()
        self._submit(task)
        task, outcome = self._next()
        self._take_in(task, outcome)
        return Status.INTERRUPTED if outcome.status is Status.INTERRUPTED else status

    def _tell(self, event: Progress) -> None:
        """Pass a report of a running task on, with the best angle of the search if that is larger."""
        self.progress(replace(event, min_angle=max(event.min_angle, self.state.best_angle)))


def _result(
    state: SearchState,
    strategy: Strategy,
    executor: TaskExecutor,
    clock: Budget,
    status: Status,
    *,
    resumed: bool,
    redone: int,
) -> Result:
    """Return the best code as a measured result with its provenance."""
    best = state.best
    if best is None:
        raise InvalidParameterError("time_limit", "long enough for one start", state.limits.seconds)
    problem, limits, seconds = state.problem, state.limits, clock.elapsed()
    report = strategy.report(state, status)
    general: dict[str, Any] = {
        "seed": problem.seed,
        "symmetry": problem.symmetry,
        "antipodal": problem.antipodal,
        "time_limit": limits.seconds,
        "starts": limits.starts,
        "target_degrees": None if limits.target is None else state.target_degrees,
        "workers": executor.workers,
        "redone": redone,
        "resumed": resumed,
    }
    phases = [dict(phase) for phase in report.phases]
    if phases:
        phases[-1].setdefault("seconds", round(seconds, 3))
        if state.lost:
            phases[-1]["lost"] = state.lost
    return Result(
        SphericalCode(best.points),
        report.method,
        status,
        seconds,
        general | report.settings,
        report.before_polish,
        tuple(phases),
        report.history,
        problem.antipodal,
    )
