"""A search on disk: it goes on where it stopped, and nothing that lies there is ever deleted."""

import json
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from tammes.base.errors import FileAccessError
from tammes.base.status import Status
from tammes.global_search.executors.executor import InProcess
from tammes.global_search.loop import run_search
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.store import SavedSearchWarning, SearchStore, state_path
from tammes.global_search.strategies.portfolio import Portfolio
from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish
from tammes.global_search.strategies.staged import Staged
from tammes.global_search.strategies.staged_plan import Plan
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.polish.polish import Polish
from tammes.storage import formats as files
from tammes.storage.archive import Archive

PROBLEM = Problem(16, 3, seed=2)
SOLVER = LadderAndPolish(CompiledLadder(), Polish())


class Search:
    """A portfolio with its state."""

    def __init__(self, problem=PROBLEM):
        self.strategy, self.state = Portfolio(problem), SearchState(problem)

    def run(self, store, starts=60):
        limits = Limits(starts=starts)
        return run_search(self.state.problem, self.strategy, SOLVER, InProcess(), limits, store, state=self.state)

    def load(self, path):
        return SearchStore(path).load(self.state, self.strategy)

    def report(self):
        return self.strategy.report(self.state, Status.STARTS)


@pytest.fixture
def path(tmp_path):
    return state_path(tmp_path, PROBLEM, Portfolio(PROBLEM))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of 60 starts, and the bytes of its saved state."""
    path = tmp_path_factory.mktemp("saved") / "state.npz"
    search = Search()
    search.run(SearchStore(path))
    return search, path.read_bytes()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_search_goes_on_where_it_stopped(searched, path):
    first, content = searched
    write(path, content)
    again = Search()
    assert again.load(path)
    assert again.report() == first.report()
    assert np.array_equal(again.state.best.points, first.state.best.points)
    later = Search()
    result = later.run(SearchStore(path), starts=80)
    assert result.settings["resumed"]
    assert later.state.tried == 80
    assert later.state.best_angle >= first.state.best_angle


def test_in_two_parts_it_finds_what_it_finds_in_one(tmp_path):
    """What is proposed depends on the outcomes taken in alone, not on when they were."""
    parts = Search()
    for starts in (24, 48):
        parts = Search()
        parts.run(SearchStore(tmp_path / "state.npz"), starts)
    assert parts.state.tried == 48


def test_nothing_saved_is_no_search(path):
    assert not Search().load(path)


@pytest.mark.parametrize("damage", ["empty", "half", "html", "npz of another kind", "objects"])
def test_what_is_no_saved_search_is_set_aside(searched, path, damage):
    whole = searched[1]
    write(path, {"empty": b"", "half": whole[: len(whole) // 2], "html": b"<html>"}.get(damage, b""))
    if damage == "npz of another kind":
        np.savez(path, points=np.zeros((2, 2)))
    if damage == "objects":  # never unpickled
        np.savez(path, state=np.array(json.dumps({})), members=np.array([{}], dtype=object))
    kept = path.read_bytes()
    search = Search()
    with pytest.warns(SavedSearchWarning, match="begins anew"):
        assert not search.load(path)
    assert search.state.best is None
    assert path.with_name(path.name + ".old-1").read_bytes() == kept


def test_a_changed_bit_is_found(searched, path):
    content = bytearray(searched[1])
    generator = np.random.default_rng(0)
    for at in generator.integers(len(content), size=40):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(generator.integers(8))
        write(path, bytes(damaged))
        search = Search()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SavedSearchWarning)
            if search.load(path):  # a bit that the archive format does not use
                assert search.report() == searched[0].report()


@pytest.mark.parametrize("other", [Problem(16, 3, seed=3), Problem(16, 3, 2, "C5"), Problem(15, 3, seed=2)])
def test_other_settings_are_another_search(searched, tmp_path, path, other):
    own = state_path(tmp_path, other, Portfolio(other))
    assert own != path
    for _ in range(2):
        write(own, searched[1])
        with pytest.warns(SavedSearchWarning, match="other settings"):
            assert not Search(other).load(own)
    assert len(list(own.parent.glob("*.old-*"))) == 2


def test_another_strategy_is_another_search(searched, path):
    write(path, searched[1])
    strategy = Staged(PROBLEM, plan=Plan.repairs_only(1))
    with pytest.warns(SavedSearchWarning, match="strategy = portfolio, here staged"):
        assert not SearchStore(path).load(SearchState(PROBLEM), strategy)


def first_version(search):
    """The same state as version 0.1 wrote it."""
    state, members = search.state, search.state.pool.members
    values, _ = search.strategy.to_dict()
    document = {
        "schema": "tammes.search/1",
        "problem": asdict(state.problem),
        "applied": state.applied,
        "tried": state.tried,
        "work": state.evaluations,
        **values,
        "members": [
            {"angle": m.angle, "status": m.status, "arm": m.arm, "group": m.group, "hops": m.hops} for m in members
        ],
    }
    return {"points": np.stack([m.points for m in members]), "state": np.array(json.dumps(document))}


def test_a_search_of_the_first_version_is_read(searched, path):
    path.parent.mkdir()
    np.savez(path, **first_version(searched[0]))
    again = Search()
    assert again.load(path)
    assert again.report() == searched[0].report()
    assert again.state.tried == 60


def test_a_checkpoint_of_the_first_version_is_set_aside_in_one_line(tmp_path):
    path = tmp_path / "run.checkpoint.npz"
    np.savez(path, state=np.array(json.dumps({"schema": "tammes.large/3", "problem": {}, "values": {}})))
    with pytest.warns(SavedSearchWarning, match=r"another version \(tammes.large/3, this is tammes.search/2\)") as told:
        assert not SearchStore(path).load(SearchState(PROBLEM), Portfolio(PROBLEM))
    assert "\n" not in str(told[0].message)


def test_a_state_that_cannot_be_written_is_a_warning_and_the_search_goes_on(tmp_path):
    (tmp_path / "search").write_text("not a folder")
    search = Search()
    store = SearchStore(tmp_path / "search" / "state.npz", seconds=0.0)
    with pytest.warns(SavedSearchWarning, match="cannot be saved.*the search goes on"):
        assert search.run(store, 16).status is Status.STARTS
    assert (tmp_path / "search").read_text() == "not a folder"


def test_a_full_disk_keeps_the_old_state(searched, path, monkeypatch):
    write(path, searched[1])

    def full(target, content, *, force):
        raise FileAccessError(target, "cannot be written (no space left on device)")

    monkeypatch.setattr(files, "write_atomically", full)
    with pytest.warns(SavedSearchWarning, match="no space left on device"):
        Search().run(SearchStore(path), 80)
    assert path.read_bytes() == searched[1]


class Clock:
    """Seconds that stand still until they are set."""

    now = 0.0

    def __call__(self):
        return self.now


def test_the_state_is_written_every_so_often_and_after_improvements(searched, tmp_path):
    search, clock = searched[0], Clock()
    path = tmp_path / "state.npz"
    store = SearchStore(path, seconds=60.0, on_improvement=True, clock=clock)
    for now, improved, written in ((59.0, False, False), (60.0, False, True), (61.0, False, False), (62.0, True, True)):
        path.unlink(missing_ok=True)
        clock.now = now
        store.keep(search.state, search.strategy, improved=improved)
        assert path.exists() is written


@pytest.mark.parametrize(
    ("status", "transient", "left"),
    [
        (Status.INTERRUPTED, True, True),
        (Status.TIME_LIMIT, True, False),
        (Status.TIME_LIMIT, False, True),
        (Status.TARGET, False, True),
        (Status.REPAIRED, False, False),
    ],
)
def test_the_state_stays_where_there_is_something_left_to_do(searched, tmp_path, status, transient, left):
    search, path = searched[0], tmp_path / "state.npz"
    path.write_bytes(searched[1])
    SearchStore(path, transient=transient).close(search.state, search.strategy, status)
    assert path.exists() is left


def test_an_improvement_goes_to_the_archive_at_once(tmp_path):
    archive = Archive(tmp_path)
    search = Search()
    seen = []

    class Watched(SearchStore):
        def keep(self, state, strategy, *, improved):
            super().keep(state, strategy, improved=improved)
            if state.best is not None:
                seen.append(archive.get(16, 3).code.min_angle == state.best_angle)

    search.run(Watched(None, archive), 24)
    assert seen
    assert all(seen)
