"""The stages of a search: their work, their order, and going on from a checkpoint."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tammes.base.budget import Budget
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.global_search import generations
from tammes.global_search.copies import groups_for
from tammes.global_search.generations import Search
from tammes.global_search.plans import Plan
from tammes.global_search.problem import Problem
from tammes.global_search.stored_runs import Checkpoint
from tammes.solvers.ladder import many_points as large

pytestmark = pytest.mark.slow  # its loops are compiled first, which takes a minute

STAGES = ["spread", "copies", "changed", "broken", "squeeze", "finish"]


def search(n=150, seed=0, starts=None, budget=None, keeper=None, progress=lambda event: None, workers=1, **wanted):
    problem = {"n": n, "d": 3, "seed": seed, "starts": starts}
    keeper = (
        Checkpoint(None, problem) if keeper is None else Checkpoint(keeper, problem, iter(range(0, 10**9, 61)).__next__)
    )
    budget = Budget(None) if budget is None else budget
    target = wanted.pop("target", np.inf)
    sought = Problem(n, 3, seed, **wanted)
    return Search(sought, groups_for(sought), starts, budget, workers, keeper, progress, target)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A plan of seconds."""
    for name in ("of", "symmetric"):
        monkeypatch.setattr(Plan, name, classmethod(lambda cls, n, d: cls(0.4, 0.4, 2, 1)))
    monkeypatch.setattr(generations, "_ITERATIONS", 12)
    monkeypatch.setattr(large, "_SEGMENT", 8)
    for name in ("EXPONENTS", "_FROM", "_REPAIR", "_COPIES", "_CHANGED", "_LAST"):
        monkeypatch.setattr(generations, name, getattr(generations, name)[::3])
    monkeypatch.setattr(generations, "_BATCH", 4)


def test_every_stage_has_its_turn_and_the_best_is_kept():
    seen = []
    run = search(progress=lambda event: seen.append((event.phase, event.min_angle)))
    assert run.go() is Status.REPAIRED
    assert list(dict.fromkeys(phase for phase, _ in seen)) == STAGES
    best = [angle for phase, angle in seen if phase in ("copies", "changed")]
    assert (np.diff(best) >= 0.0).all()
    assert run.chord == max(run.report.values()) * run.spacing
    # Strict progress over the spiral's own ladder, and short of the bound.
    assert run.report["spread"] < run.chord / run.spacing < 1.0


def test_changes_keep_the_symmetry_and_better_ones_take_the_place(monkeypatch):
    monkeypatch.setattr(Plan, "of", classmethod(lambda cls, n, d: cls(0.4, 4.0, 2, 1)))
    run = search()
    assert run._spread() is run._copies() is Status.CONVERGED
    before = [(member.score, member.group, member.index) for member in run.pool]
    run.index = 0
    assert run._changed() is Status.CONVERGED
    after = [(member.score, member.group, member.index) for member in run.pool]
    assert [names for _, *names in after] == [names for _, *names in before]
    assert all(new >= old for (new, *_), (old, *_) in zip(after, before, strict=True))
    assert after != before
    for member in run.pool:
        group = next(group for group in groups_for(Problem(150, 3)) if group.name == member.group)
        assert member.score * run.spacing == pytest.approx(2 * np.sin(min_angle(member.points) / 2), rel=1e-9)
        for element in group.matrices:
            gaps, _ = cKDTree(member.points).query(member.points @ element.T)
            assert gaps.max() < 1e-9


def test_the_same_seed_gives_the_same_bits_with_any_number_of_workers():
    one, two, other = search(workers=1), search(workers=3), search(seed=5)
    for run in (one, two, other):
        run.go()
    assert (one.best == two.best).all()
    assert not np.allclose(one.best, other.best)


def test_the_largest_sizes_begin_with_symmetric_starts_alone(monkeypatch):
    monkeypatch.setattr(Plan, "of", classmethod(lambda cls, n, d: cls(0.3, 0.0, 1, 0, spread=False)))
    seen = []
    run = search(progress=lambda event: seen.append(event.phase))
    assert run.go() is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["copies", "broken", "finish"]
    assert run.chord / run.spacing > 0.8


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
    run = search(progress=lambda event: seen.append(event.phase), **wanted)
    assert run.go() is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["copies", "changed", "finish"]
    gaps, places = cKDTree(run.best).query(run.best @ element.T)
    assert gaps.max() < 1e-9
    assert len(set(places.tolist())) == 150
    assert 2 * np.sin(min_angle(run.best) / 2) == pytest.approx(run.chord, rel=1e-9)
    assert 0.75 < run.chord / run.spacing < 1.0
    assert search(workers=3, **wanted).go() is Status.REPAIRED


def test_without_symmetry_all_points_are_free():
    seen = []
    run = search(progress=lambda event: seen.append(event.phase), symmetry="none")
    assert run.go() is Status.REPAIRED
    assert list(dict.fromkeys(seen)) == ["spread", "squeeze", "finish"]
    assert run.pool == []


def test_a_prescribed_symmetry_goes_on_from_a_checkpoint_with_the_same_bits(tmp_path):
    wanted = {"antipodal": True}
    whole = search(**wanted)
    whole.go()
    for phase in ("copies", "changed", "finish"):

        def kill(event, phase=phase):
            if event.phase == phase:
                raise SystemExit

        path = tmp_path / f"{phase}.npz"
        with pytest.raises(SystemExit):
            search(keeper=path, progress=kill, **wanted).go()
        resumed = search(keeper=path, **wanted)
        assert resumed.go() is Status.REPAIRED
        assert (resumed.best == whole.best).all()


def test_a_target_ends_the_search_and_only_it_does():
    whole = search()
    whole.go()
    near = 2 * np.arcsin(whole.chord / 2) * 0.999
    run = search(target=near)
    assert run.go() is Status.TARGET
    assert near <= run._angle()
    assert run.evaluations <= whole.evaluations
    beyond = search(target=1.5 * near, budget=Budget(3.0))
    assert beyond.go() is Status.TIME_LIMIT
    # Without another limit, generations follow each other until the target is met.
    assert search(target=1.0).endless
    assert not search(target=1.0, starts=2).endless


def test_starts_are_counted():
    run = search(starts=4)
    assert run.go() is Status.REPAIRED
    assert run.index == 0 or run.stage == 6
    assert len([name for name in run.report if name.startswith("copies/")]) <= 3


@pytest.mark.parametrize("alone", [False, True])
def test_a_killed_run_goes_on_with_the_same_bits(tmp_path, monkeypatch, alone):
    if alone:  # as where one ladder takes all threads: a checkpoint in the middle of it
        monkeypatch.setattr(generations, "_ALONE", 0)
    whole = search()
    whole.go()
    path = tmp_path / "run.checkpoint.npz"

    class Killed(BaseException):
        pass

    reports = {}
    kills = 0
    for stage in STAGES:
        for at in (2, 9):

            def kill(event, stage=stage, at=at):
                reports[event.phase] = reports.get(event.phase, 0) + 1
                if event.phase == stage and reports[stage] == at:
                    raise Killed

            reports.clear()
            try:
                again = search(keeper=path, progress=kill)
                again.go()
            except Killed:
                kills += 1
                assert path.exists() or stage == "spread"
                resumed = search(keeper=path)
                resumed.go()
                assert (resumed.best == whole.best).all(), (stage, at)
                assert resumed.chord == whole.chord
            path.unlink(missing_ok=True)
    assert kills >= 5


def test_a_kill_between_repairs_does_none_of_them_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(Plan, "of", classmethod(lambda cls, n, d: cls(0.4, 0.0, 1, 3)))
    whole = search()
    whole.go()
    seen = []

    def kill(event):
        seen.append(event.phase)
        if seen.count("squeeze") == 6:  # in the second round of four
            raise SystemExit

    path = tmp_path / "run.checkpoint.npz"
    with pytest.raises(SystemExit):
        search(keeper=path, progress=kill).go()
    resumed = search(keeper=path)
    resumed.go()
    assert resumed.resumed
    assert (resumed.best == whole.best).all()
    assert resumed.evaluations == whole.evaluations


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_any_stage_keeps_the_best_code(stage):
    def interrupt(event):
        if event.phase == stage:
            raise KeyboardInterrupt

    run = search(progress=interrupt)
    assert run.go() is Status.INTERRUPTED
    assert run.best.shape == (150, 3)
    assert run.chord / run.spacing > 0.8


def test_a_time_limit_fills_itself_with_generations():
    now = [0.0]

    def tick():
        now[0] += 0.01
        return now[0]

    run = search(n=120, budget=Budget(6.0, tick))
    assert run.go() is Status.TIME_LIMIT
    assert run.generation >= 1


def test_no_time_returns_the_start_and_says_so():
    ticks = iter([0.0] * 2 + [100.0] * 10_000)
    run = search(budget=Budget(1.0, lambda: next(ticks)))
    assert run.go() is Status.START
    assert run.found_by == "start"
    assert run.best.shape == (150, 3)
