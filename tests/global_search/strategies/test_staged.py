"""The stages of a search for many points: their work, their order, and going on from a saved state."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tammes.base.budget import Budget
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.executors.threads import Threads
from tammes.global_search.loop import run_search
from tammes.global_search.pool import Pool
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.store import SearchStore
from tammes.global_search.strategies.staged import Exponents, Staged, _admitted, _Symmetric
from tammes.global_search.strategies.staged_plan import Plan
from tammes.solvers.ladder.many_points import ManyPointsLadder

STAGES = ["spread", "copies", "changed", "broken", "repair", "finish"]
SHORT = Exponents(*(getattr(Exponents(), field.name)[::3] for field in dataclasses.fields(Exponents)))
PLAN = Plan(0.4, 0.4, 2, 1)


class Search:
    """A staged search of seconds: few exponents and iterations, all at once or one after another."""

    def __init__(self, n=150, seed=0, *, starts=None, plan=PLAN, endless=False, alone=False, **wanted):
        self.problem = Problem(n, 3, seed, **wanted)
        plan = dataclasses.replace(plan, spread=False, repairs=0) if self.problem.prescribed else plan
        self.strategy = Staged(
            self.problem,
            plan=plan,
            starts=starts,
            endless=endless,
            one_at_a_time=alone,
            exponents=SHORT,
            batch=4,
        )
        self.state = SearchState(self.problem, Pool(1))

    def run(self, *, workers=1, limits=None, path=None, progress=lambda event: None, budget=None):
        limits = Limits(starts=self.strategy.starts) if limits is None else limits
        solver = ManyPointsLadder(iterations=12, chord_bound=self.problem.chord_bound)
        executor = Threads(workers)
        store = SearchStore(path, seconds=0.0)
        try:
            self.result = run_search(
                self.problem, self.strategy, solver, executor, limits, store, progress, budget=budget, state=self.state
            )
        finally:
            executor.shutdown()
        return self.result

    @property
    def best(self):
        return self.state.best.points


def searched(**more):
    search = Search(**more)
    search.run()
    return search


@pytest.fixture(scope="module")
def whole():
    return searched()


def test_every_stage_has_its_turn_and_the_best_is_kept():
    seen = []
    search = Search()
    result = search.run(progress=lambda event: seen.append((event.phase, event.min_angle)))
    assert result.status is Status.REPAIRED
    assert list(dict.fromkeys(phase for phase, _ in seen)) == STAGES
    assert (np.diff([angle for _, angle in seen]) >= 0.0).all()
    stages = result.phases[0]["stages"]
    assert result.phases[0]["chord_over_bound"] == pytest.approx(max(stages.values()), rel=1e-12)
    # Strict progress over the spiral's own ladder, and short of the bound.
    assert stages["spread"] < max(stages.values()) < 1.0


def test_changes_keep_the_symmetry_and_better_ones_take_the_place():
    search = Search(plan=Plan(0.4, 4.0, 2, 0, finish=False))
    before = {}

    def watch(event):
        if event.phase == "changed" and not before:
            before.update({(m.group, m.index): m.score for m in search.strategy.pool})

    search.run(progress=watch)
    after = {(m.group, m.index): m.score for m in search.strategy.pool}
    assert after.keys() == before.keys()
    assert all(after[key] >= before[key] for key in after)
    assert after != before
    for member in search.strategy.pool:
        chord = 2 * np.sin(min_angle(member.points) / 2)
        assert member.score * search.problem.chord_bound == pytest.approx(chord, rel=1e-9)
        for element in search.strategy.groups[member.group].matrices:
            gaps, _ = cKDTree(member.points).query(member.points @ element.T)
            assert gaps.max() < 1e-9


@pytest.mark.parametrize("alone", [False, True])
def test_the_same_seed_gives_the_same_bits_with_any_number_of_workers(alone):
    one, two, other = Search(alone=alone), Search(alone=alone), Search(seed=5, alone=alone)
    for search, workers in ((one, 1), (two, 3), (other, 1)):
        search.run(workers=workers)
    assert (one.best == two.best).all()
    assert not np.allclose(one.best, other.best)


def test_the_largest_sizes_begin_with_symmetric_starts_alone():
    seen = []
    search = Search(plan=Plan(0.3, 0.0, 1, 0, spread=False))
    result = search.run(progress=lambda event: seen.append(event.phase))
    assert result.status is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["spread", "copies", "broken", "finish"]
    assert "spread" not in result.phases[0]["stages"]  # measured, and not climbed from
    assert result.phases[0]["chord_over_bound"] > 0.8


@pytest.mark.parametrize(
    ("wanted", "element"),
    [
        ({"antipodal": True}, -np.eye(3)),
        ({"symmetry": "D2"}, np.diag([1.0, -1.0, -1.0])),
        ({"symmetry": "Cs"}, np.diag([1.0, 1.0, -1.0])),  # points on the mirror stand for themselves
        ({"symmetry": "none", "antipodal": True}, -np.eye(3)),
    ],
)
def test_a_prescribed_symmetry_is_kept_to_the_end(wanted, element):
    seen = []
    search = Search(**wanted)
    result = search.run(progress=lambda event: seen.append(event.phase))
    assert result.status is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["copies", "changed", "finish"]
    gaps, places = cKDTree(search.best).query(search.best @ element.T)
    assert gaps.max() < 1e-9
    assert len(set(places.tolist())) == 150
    assert min_angle(search.best) == pytest.approx(search.state.best_angle, rel=1e-9)
    assert 0.75 < result.phases[0]["chord_over_bound"] < 1.0


def test_without_symmetry_all_points_are_free():
    seen = []
    search = Search(symmetry="none")
    assert search.run(progress=lambda event: seen.append(event.phase)).status is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["spread", "repair", "finish"]
    assert search.strategy.pool == []


class Killed(BaseException):
    """A kill: nothing is done after it."""


def killed(path, stage, at, **more):
    """Run until the report number `at` of a stage; True if it came so far."""
    seen = []

    def kill(event):
        seen.append(event.phase)
        if event.phase == stage and seen.count(stage) == at:
            raise Killed

    try:
        Search(**more).run(path=path, progress=kill)
    except Killed:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_a_killed_run_goes_on_with_the_same_bits(tmp_path, alone):
    whole = searched(alone=alone)
    kills = 0
    for stage in STAGES:
        for at in (2, 9):
            path = tmp_path / f"{stage}{at}.npz"
            if killed(path, stage, at, alone=alone):
                kills += 1
                resumed = Search(alone=alone)
                result = resumed.run(path=path)
                assert result.settings["resumed"] or stage == "spread"
                assert (resumed.best == whole.best).all(), (stage, at)
                assert not path.exists()
    assert kills >= 5


@pytest.mark.parametrize("stage", ["copies", "repair"])
def test_a_run_killed_once_goes_on_with_the_same_bits(tmp_path, stage, whole):
    path = tmp_path / "state.npz"
    assert killed(path, stage, 2)
    resumed = Search()
    assert resumed.run(path=path).settings["resumed"]
    assert (resumed.best == whole.best).all()


@pytest.mark.slow
def test_a_prescribed_symmetry_goes_on_with_the_same_bits(tmp_path):
    whole = searched(antipodal=True)
    for stage in ("copies", "changed", "finish"):
        path = tmp_path / f"{stage}.npz"
        assert killed(path, stage, 1, antipodal=True)
        resumed = Search(antipodal=True)
        resumed.run(path=path)
        assert (resumed.best == whole.best).all()


def test_a_kill_between_repairs_does_none_of_them_twice(tmp_path):
    plan = Plan(0.4, 0.0, 1, 3)
    whole = searched(plan=plan)
    path = tmp_path / "state.npz"
    assert killed(path, "repair", 6, plan=plan)  # in the second round of four
    resumed = Search(plan=plan)
    result = resumed.run(path=path)
    assert result.settings["resumed"]
    assert (resumed.best == whole.best).all()
    assert resumed.strategy.repairs == whole.strategy.repairs == 3


def test_a_target_ends_the_search_and_only_it_does(whole):
    near = whole.state.best_angle * 0.999
    search = Search()
    assert search.run(limits=Limits(target=near)).status is Status.TARGET
    assert near <= search.state.best_angle
    assert search.state.evaluations <= whole.state.evaluations
    beyond = Search(endless=True)
    assert beyond.run(limits=Limits(target=1.5 * near, seconds=2.0)).status is Status.TIME_LIMIT


def test_starts_are_counted():
    search = Search(starts=4)
    result = search.run()
    assert result.status is Status.REPAIRED
    assert result.phases[0]["starts"] == 4
    assert len([name for name in result.phases[0]["stages"] if name.startswith("copies/")]) <= 3
    assert Search(starts=3, symmetry="none").run().phases[0]["starts"] == 3


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_any_stage_keeps_the_best_code(stage):
    def interrupt(event):
        if event.phase == stage:
            raise KeyboardInterrupt

    search = Search()
    result = search.run(progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.n == 150
    assert result.phases[0]["chord_over_bound"] > 0.8


def test_a_time_limit_fills_itself_with_generations():
    now = [0.0]

    def tick():
        now[0] += 0.01
        return now[0]

    search = Search(n=120, endless=True)
    result = search.run(budget=Budget(6.0, tick), limits=Limits(seconds=6.0))
    assert result.status is Status.TIME_LIMIT
    assert result.phases[0]["generations"] >= 2


def test_no_time_returns_the_start_and_says_so():
    search = Search()
    result = search.run(limits=Limits(seconds=1e-9))
    assert result.status is Status.START
    assert result.phases[0]["found_by"] == "start"
    assert result.code.min_angle == min_angle(result.code.points)


def test_the_first_ladder_has_its_part_of_a_time_limit():
    """Its rungs share half of the time, low exponents three times as much as high ones."""
    problem = Problem(150, 3)
    strategy, state = Staged(problem, endless=True), SearchState(problem, Pool(1))
    left, spent, weights = 1.0, [], []
    ladder = Exponents().spread
    for rung, p in enumerate(ladder):
        strategy.rung = rung
        (task,) = strategy._plan_spread(state)
        spent.append(left * task.share)
        left -= spent[-1]
        weights.append(3.0 if p <= 16.0 else 1.0)
    assert sum(spent) == pytest.approx(0.5)
    assert np.array(spent) / spent[-1] == pytest.approx(np.array(weights))


def test_a_pool_holds_the_best_so_many_of_a_group_and_none_twice():
    pool = []
    for score, group in [(0.5, "C3"), (0.6, "C3"), (0.7, "C3"), (0.55, "D2"), (0.6 + 1e-9, "C5"), (0.4, "C5")]:
        pool = _admitted(pool, _Symmetric(score, np.zeros((1, 3)), group, 0), 3, 2)
        assert [member.score for member in pool] == sorted((member.score for member in pool), reverse=True)
    assert [(member.score, member.group) for member in pool] == [(0.7, "C3"), (0.6, "C3"), (0.55, "D2")]


def test_it_runs_in_one_process_as_well(whole):
    search = Search()
    solver = ManyPointsLadder(iterations=12, chord_bound=search.problem.chord_bound)
    run_search(search.problem, search.strategy, solver, InProcess(), Limits(), state=search.state)
    assert (search.best == whole.best).all()
