"""A run on disk: what is written comes back; what is foreign, damaged or full is said."""

import json

import numpy as np
import pytest

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.global_search import stored_runs as checkpoints
from tammes.global_search.stored_runs import Checkpoint, CheckpointWarning
from tammes.storage import formats as files

PROBLEM = {"n": 7, "d": 3, "seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint.npz"


def test_what_is_written_comes_back_to_the_bit(path):
    points = np.random.default_rng(0).normal(size=(7, 3))
    Checkpoint(path, PROBLEM).save({"at": [1, 2]}, {"best": points, "pool0": points[:2]})
    values, arrays = Checkpoint(path, PROBLEM).load()
    assert values == {"at": [1, 2]}
    assert (arrays["best"] == points).all()
    assert arrays.keys() == {"best", "pool0"}
    Checkpoint(path, PROBLEM).remove()
    assert Checkpoint(path, PROBLEM).load() is None
    Checkpoint(path, PROBLEM).remove()  # nothing there is no error


def test_it_is_due_once_a_minute():
    now = [0.0]
    keeper = Checkpoint(None, PROBLEM, lambda: now[0])
    keeper.save({}, {})
    assert not keeper.due()
    assert keeper.load() is None


def test_due_counts_from_the_last_one(path):
    now = [0.0]
    keeper = Checkpoint(path, PROBLEM, lambda: now[0])
    for time, due in ((59.0, False), (60.0, True)):
        now[0] = time
        assert keeper.due() is due
    keeper.save({}, {})
    assert not keeper.due()
    now[0] = 120.0
    assert keeper.due()


def test_another_problem_is_refused_by_name(path):
    Checkpoint(path, PROBLEM).save({}, {})
    with pytest.raises(FileFormatError, match=r"another problem \(n = 7, here 8\)"):
        Checkpoint(path, PROBLEM | {"n": 8}).load()


def test_another_version_is_refused(path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SCHEMA", "tammes.large/0")
    Checkpoint(path, PROBLEM).save({}, {})
    monkeypatch.undo()
    with pytest.raises(FileFormatError, match=r"another version \(tammes.large/0"):
        Checkpoint(path, PROBLEM).load()


@pytest.mark.parametrize("damage", ["truncated", "text", "no state", "empty"])
def test_damaged_files_are_refused(path, damage):
    Checkpoint(path, PROBLEM).save({}, {"best": np.zeros((500, 3))})
    whole = path.read_bytes()
    if damage == "no state":
        np.savez(path, best=np.zeros(3))
    else:
        path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"points", "empty": b""}[damage])
    with pytest.raises(FileFormatError, match=str(path)):
        Checkpoint(path, PROBLEM).load()


def test_objects_are_never_unpickled(path):
    np.savez(path, state=np.array(json.dumps({})), best=np.array([{}], dtype=object))
    with pytest.raises(FileFormatError):
        Checkpoint(path, PROBLEM).load()


def test_a_full_disk_is_a_warning_and_the_old_state_stays(path, monkeypatch):
    keeper = Checkpoint(path, PROBLEM)
    keeper.save({"at": 1}, {})

    def full(target, content, *, force):
        raise FileAccessError(target, "cannot be written (no space left on device)")

    monkeypatch.setattr(files, "write_atomically", full)
    with pytest.warns(CheckpointWarning, match="no space left on device.*the run goes on"):
        keeper.save({"at": 2}, {})
    assert not keeper.due()
    assert Checkpoint(path, PROBLEM).load()[0] == {"at": 1}
