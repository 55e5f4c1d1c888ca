"""The hunt: the reasons to stop, the same codes for the same work, what stands in its report."""

import json
import math

import numpy as np
import pytest

from tammes import bounds
from tammes.base.budget import Budget
from tammes.base.status import Status
from tammes.global_search.crew import Crew
from tammes.global_search.hunt import COLD, Hunt, Limits
from tammes.global_search.problem import Problem
from tammes.global_search.rounds import RELAXED, Outcome
from tammes.global_search.starts import KINDS


@pytest.fixture(scope="module")
def alone():
    with Crew(1) as crew:
        yield crew


def degrees(hunt):
    return math.degrees(hunt.pool.best.angle)


def test_a_met_bound_stops_it(alone):
    hunt = Hunt(Problem(12, 3))
    assert hunt.run(Limits(seconds=60.0), crew=alone) is Status.BOUND
    assert degrees(hunt) == pytest.approx(63.43494882292201, abs=1e-11)
    assert hunt.applied < 5


def test_a_target_stops_it(alone):
    hunt = Hunt(Problem(13, 3))
    assert hunt.run(Limits(seconds=60.0, target=math.radians(57.0)), crew=alone) is Status.TARGET
    assert degrees(hunt) >= 57.0


def test_the_polish_of_a_reached_target_ends_with_the_time(alone):
    """Of many points it takes minutes."""
    hunt = Hunt(Problem(60, 3))
    assert hunt.run(Limits(target=math.radians(25.0)), crew=alone) is Status.TARGET
    before = hunt.pool.best
    assert before.status == RELAXED
    assert hunt.finish(alone, Budget(1e-9)) is Status.TARGET
    assert hunt.pool.best.status == Status.TIME_LIMIT.code
    assert hunt.pool.best.angle == before.angle
    hunt.pool.members = [before]
    assert hunt.finish(alone, Budget(None)) is Status.TARGET
    assert hunt.pool.best.status == Status.LOCAL_MAXIMUM.code
    assert hunt.pool.best.angle > before.angle


@pytest.mark.slow
def test_an_exhausted_search_stops_with_everything_tried(alone):
    hunt = Hunt(Problem(7, 3))
    hunt.bound = bounds.cap_area(7, 3)  # as if nobody had proved that no code is better
    assert hunt.run(Limits(starts=20_000), crew=alone) is Status.EXHAUSTED
    assert degrees(hunt) == pytest.approx(77.86954215542, abs=1e-10)  # Schuette and van der Waerden 1951
    assert hunt.hits.total() >= 10
    assert len(hunt.hits) >= 3
    assert all(rounds > 0 for rounds, _ in hunt.groups.values())
    assert all(hunt.shares[name].rounds >= 3 for name in COLD)


@pytest.mark.slow
def test_a_number_of_starts_is_kept_to(alone):
    hunt = Hunt(Problem(19, 3, seed=5))
    assert hunt.run(Limits(starts=45), crew=alone) is Status.STARTS
    assert hunt.tried == 45


def test_time_ends_it_and_keeps_the_best(alone):
    hunt = Hunt(Problem(40, 4))
    assert hunt.run(Limits(seconds=0.2), crew=alone) is Status.TIME_LIMIT
    assert hunt.pool.best is not None


def test_ctrl_c_keeps_the_best(alone):
    def interrupt(event):
        if event.step == 2:
            raise KeyboardInterrupt

    saved = []
    hunt = Hunt(Problem(20, 3))
    assert hunt.run(Limits(seconds=60.0), crew=alone, progress=interrupt, save=saved.append) is Status.INTERRUPTED
    assert hunt.pool.best is not None
    assert saved[-1].ending


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(alone):
    limits = Limits(starts=150)
    first = Hunt(Problem(18, 4, seed=3))
    first.run(limits, crew=alone)
    with Crew(2) as pair:
        second = Hunt(Problem(18, 4, seed=3))
        second.run(limits, crew=pair)
    assert first.report() == second.report()
    for a, b in zip(first.pool.members, second.pool.members, strict=True):
        assert np.array_equal(a.points, b.points)


def test_a_late_outcome_waits_for_its_turn(alone):
    hunt = Hunt(Problem(12, 3))
    tasks = [hunt._plan(k, None, math.inf, None) for k in range(3)]
    assert [task.index for task in tasks] == [0, 1, 2]
    hunt._take(Outcome(0, 8, 100.0, ()))
    assert hunt.applied == 1
    assert hunt.pool.best is None


@pytest.mark.parametrize(("n", "d", "cosine"), [(10, 4, 1 / 6), (16, 5, 1 / 5), (24, 4, 1 / 2), (27, 6, 1 / 4)])
def test_named_codes_are_found_cold(alone, n, d, cosine):
    hunt = Hunt(Problem(n, d))
    reason = hunt.run(Limits(seconds=60.0, target=math.acos(cosine) - 1e-12), crew=alone)
    assert reason in (Status.TARGET, Status.BOUND)
    assert math.cos(hunt.pool.best.angle) == pytest.approx(cosine, abs=1e-13)


def test_lines_and_their_bound(alone):
    hunt = Hunt(Problem(12, 3, antipodal=True))
    assert hunt.run(Limits(seconds=60.0), crew=alone) is Status.BOUND  # six lines: the icosahedron's axes
    points = hunt.pool.best.points
    assert np.abs(points[:, None] + points[None]).max(axis=2).min(axis=1).max() < 1e-12


def test_a_prescribed_symmetry_is_kept(alone):
    hunt = Hunt(Problem(16, 3, symmetry="T"))
    hunt.run(Limits(starts=60), crew=alone)
    group = hunt.problem.prescribed
    points = hunt.pool.best.points
    for matrix in group.matrices:
        images = points @ matrix.T
        assert np.abs(images[:, None] - points[None]).max(axis=2).min(axis=1).max() < 1e-9


def test_none_tries_no_group():
    assert Hunt(Problem(12, 3, symmetry="none")).groups_to_try() == {}
    assert len(Hunt(Problem(12, 3)).groups_to_try()) > 5


@pytest.mark.slow
def test_the_report_is_json_and_names_every_arm(alone):
    hunt = Hunt(Problem(15, 3))
    hunt.run(Limits(starts=60), crew=alone)
    report = json.loads(json.dumps(hunt.report()))
    assert set(COLD) <= set(report["arms"])
    assert report["starts"] == 60
    assert report["found_by"] in report["arms"]


def test_every_cold_arm_names_a_kind_and_a_power_of_two():
    for name in COLD:
        kind, _, exponent = name.partition("/")
        assert kind in KINDS
        assert math.log2(float(exponent)).is_integer()
