"""A search on disk: it goes on where it stopped, and nothing that lies there is ever deleted."""

import numpy as np
import pytest

from tammes.base.errors import FileAccessError
from tammes.global_search import saved
from tammes.global_search.crew import Crew
from tammes.global_search.hunt import Hunt, Limits
from tammes.global_search.problem import Problem
from tammes.global_search.saved import SavedSearchWarning

PROBLEM = Problem(16, 3, seed=2)


@pytest.fixture(scope="module")
def searched():
    hunt = Hunt(PROBLEM)
    with Crew(1) as crew:
        hunt.run(Limits(starts=60), crew=crew)
    return hunt


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped(searched, tmp_path):
    path = saved.path_of(tmp_path, PROBLEM)
    saved.save(path, searched)
    again = Hunt(PROBLEM)
    assert saved.restore(path, again)
    assert again.report() == searched.report()
    assert np.array_equal(again.pool.best.points, searched.pool.best.points)
    with Crew(1) as crew:
        again.run(Limits(starts=120), crew=crew)
    assert again.tried == 120
    assert again.pool.best.angle >= searched.pool.best.angle


def test_nothing_saved_is_no_search(tmp_path):
    assert not saved.restore(saved.path_of(tmp_path, PROBLEM), Hunt(PROBLEM))


@pytest.mark.parametrize("damage", ["empty", "half", "html", "npz of another kind"])
def test_what_is_no_saved_search_is_set_aside(searched, tmp_path, damage):
    path = saved.path_of(tmp_path, PROBLEM)
    saved.save(path, searched)
    whole = path.read_bytes()
    if damage == "npz of another kind":
        np.savez(path, points=np.zeros((2, 2)))
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "html": b"<html>"}[damage])
    kept = path.read_bytes()
    hunt = Hunt(PROBLEM)
    with pytest.warns(SavedSearchWarning, match="begins anew"):
        assert not saved.restore(path, hunt)
    assert hunt.pool.best is None
    assert path.with_name(path.name + ".old-1").read_bytes() == kept


@pytest.mark.parametrize("other", [Problem(16, 3, seed=3), Problem(16, 3, 2, "C5"), Problem(15, 3, seed=2)])
def test_other_settings_are_another_search(searched, tmp_path, other):
    assert saved.path_of(tmp_path, other) != saved.path_of(tmp_path, PROBLEM)
    path = saved.path_of(tmp_path, other)
    saved.save(path, searched)
    with pytest.warns(SavedSearchWarning, match="other settings"):
        assert not saved.restore(path, Hunt(other))
    saved.save(path, searched)
    with pytest.warns(SavedSearchWarning):
        saved.restore(path, Hunt(other))
    assert len(list(path.parent.glob("*.old-*"))) == 2


def test_a_folder_that_is_a_file_is_an_error(searched, tmp_path):
    (tmp_path / "search").write_text("not a folder")
    with pytest.raises(FileAccessError):
        saved.save(saved.path_of(tmp_path, PROBLEM), searched)
