"""The most points at an angle: what closed forms and bounds settle, what is hunted for, what is refused."""

import math
from dataclasses import replace

import pytest

from tammes.base.errors import InvalidParameterError, WorkersLostError
from tammes.base.status import Status
from tammes.global_search import most_points
from tammes.global_search.most_points import largest_size, pack
from tammes.storage.archive import Archive


@pytest.mark.parametrize(
    ("d", "degrees", "n"),
    [
        (2, 10.0, 36),
        (2, 72.0, 5),
        (3, 180.0, 2),
        (3, 120.0, 3),
        (3, 100.0, 4),
        (3, 90.0, 6),
        (3, 109.4712206345, 4),
        (5, 90.0, 10),
        (7, 97.0, 8),
    ],
)
def test_closed_forms_need_no_search(d, degrees, n):
    found = pack(d, degrees, time_limit=1.0)
    assert (found.n, found.limit, found.optimal, found.probes) == (n, n, True, ())
    assert found.result.code.min_angle_degrees >= degrees - 1e-9


def test_the_kissing_number_of_three_dimensions():
    found = pack(3, 60.0, time_limit=30.0, workers=1)
    assert (found.n, found.limit) == (12, 12)
    assert [probe.n for probe in found.probes] == [12]
    assert found.result.code.min_angle_degrees >= 60.0
    document = found.to_dict()
    assert (document["n"], document["most_possible"], document["optimal"]) == (12, 12, True)


def test_it_ends_between_what_is_found_and_what_is_possible(tmp_path):
    archive, shown = Archive(tmp_path), []
    found = pack(3, 71.0, time_limit=8.0, workers=1, archive=archive, show=lambda probe, limit: shown.append(limit))
    assert found.n == 8  # the square antiprism has 74.86 degrees, nine points at best 70.53
    assert found.limit == 8
    assert archive.get(8, 3).code.min_angle_degrees >= 71.0
    assert shown == [8] * len(found.probes)


@pytest.mark.slow
def test_sizes_that_fail_are_left_behind():
    """43 degrees: 24 points have 43.69, 25 have 41.63 at best, and bounds allow no more than 26."""
    found = pack(3, 43.0, time_limit=8.0, workers=1)
    assert found.n == 24
    assert found.limit in (25, 26)
    assert not found.optimal
    assert {probe.n for probe in found.probes if probe.reached} <= set(range(7, 25))


@pytest.mark.parametrize(
    ("degrees", "d", "limit", "name"),
    [(60.0, 3, 12, "proved optimum"), (60.0, 8, 240, "levenshtein"), (36.0, 4, 120, "boroczky"), (90.0, 6, 12, None)],
)
def test_the_largest_size_that_bounds_allow(degrees, d, limit, name):
    found, by = largest_size(degrees, d)
    assert found == limit
    assert name is None or by == name


@pytest.mark.parametrize("bad", [0.0, -1.0, 181.0, math.nan, math.inf, "60", None, True, 1e-9])
def test_what_is_no_angle(bad):
    with pytest.raises(InvalidParameterError, match="`angle` must be"):
        largest_size(bad, 3)


def test_the_command(run, tmp_path):
    status, out, err = run(
        "search", "--d", 3, "--angle", 60, "--time", "20s", "--workers", 1, "--archive", "a", "-o", "twelve.npy"
    )
    assert status == 0
    assert "12 found, no more are possible (proved optimum)" in out
    assert "n = 12 (at most 12)" in err
    assert (tmp_path / "twelve.npy").exists()


@pytest.mark.parametrize(
    ("failing", "status", "exits", "said"),
    [
        (KeyboardInterrupt(), Status.INTERRUPTED, 130, ""),
        (WorkersLostError("all gone"), Status.WORKERS_LOST, 1, "The workers are lost: all gone."),
    ],
)
@pytest.mark.parametrize("found_before", [False, True])
def test_what_ends_a_later_probe_is_told_and_the_best_is_kept(
    failing, status, exits, said, found_before, monkeypatch, run, tmp_path
):
    """At 43 degrees bounds allow more points than there are: several sizes are probed."""
    real, probed = most_points.search, []

    def failed(n, d, **settings):
        probed.append(n)
        if len(probed) < 3:
            return real(n, d, **settings | {"starts": 8, "time_limit": None})
        if found_before:
            lost = {"lost": str(failing)}
            return replace(real(n, d, **settings | {"starts": 8, "target": None}), status=status, phases=(lost,))
        raise failing

    monkeypatch.setattr(most_points, "search", failed)
    found = pack(3, 43.0, time_limit=60.0, workers=1)
    assert found.status is status
    assert len(probed) == 3
    assert len(found.probes) == 2 + found_before
    assert found.result.code.min_angle_degrees >= 43.0 - 1e-9
    assert found.n < found.limit
    probed.clear()
    code, out, err = run("search", "--d", 3, "--angle", 43, "--workers", 1, "--archive", "a", "-o", "best.npy")
    assert code == exits
    assert "most points" in out
    assert said in err
    assert (tmp_path / "best.npy").exists()


@pytest.mark.parametrize(
    "options", [[], ["--n", 5, "--angle", 60], ["--angle", 60, "--antipodal"], ["--angle", 0], ["--angle", "x"]]
)
def test_wrong_usage(run, options):
    assert run("search", "--d", 3, *options)[0] == 2
