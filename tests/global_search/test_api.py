"""solve(): a problem in, a measured result out."""

import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import tammes
from tammes import losses
from tammes.base.errors import DeviceError, InvalidParameterError, InvalidPointsError, UnknownNameError
from tammes.base.status import Status
from tammes.constructions import closed_forms
from tammes.solvers.polish.polish import polish
from tammes.storage import tables

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())


@pytest.mark.parametrize(("n", "d"), [(2, 2), (5, 2), (4, 3), (5, 3), (6, 3), (3, 9), (9, 5), (65, 64)])
def test_closed_forms_are_returned_where_they_apply(n, d):
    result = tammes.solve(n, d)
    form = closed_forms.closed_form(n, d)
    assert result.status is Status.CLOSED_FORM
    assert result.method == ("closed form",)
    assert result.settings["reference"] == form.reference
    assert result.code.min_angle == pytest.approx(form.angle, abs=1e-14)
    assert result.gap_degrees == pytest.approx(0.0, abs=1e-9)
    assert result.best_known.verdict(result.code.min_angle_degrees) == "matches"


@pytest.mark.parametrize("how", [{"analytic": False}, {"loss": "mma"}, {"preset": "paper"}])
@pytest.mark.parametrize(("n", "d"), [(3, 2), (4, 3), (5, 4), (6, 5), (3, 7), (9, 8)])
def test_the_numerical_way_reaches_the_simplex(n, d, how):
    result = tammes.solve(n, d, steps=2000, **how)
    assert result.method == ("sgd", "ladder", "polish")
    assert result.code.min_angle_degrees == pytest.approx(math.degrees(math.acos(-1 / (n - 1))), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_thirty_points_end_on_a_local_maximum(seed):
    result = tammes.solve(30, 3, "mma", seed=seed, steps=3000)
    assert result.status is Status.LOCAL_MAXIMUM
    assert result.code.min_angle > result.before_polish
    # Polished again from there nothing is left to gain.
    again = polish(result.code.points)
    assert math.degrees(again.after) == pytest.approx(result.code.min_angle_degrees, abs=1e-10)
    # At a rigid local maximum 2n - 3 + 1 contacts or more are tight to rounding.
    held = 30 - len(result.rattlers)
    assert len(result.code.contacts(1e-13)) >= 2 * held - 2


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_every_loss_solves(loss):
    result = tammes.solve(8, 3, loss, steps=1500)
    assert result.settings["loss"]["name"] == loss
    assert result.code.min_angle_degrees <= 74.85849218562 + 1e-9  # Schuette & van der Waerden 1951
    assert result.code.min_angle_degrees > 70.0


def test_a_loss_object_serves_as_well():
    named = tammes.solve(8, 3, "riesz-fisher", s=3.0, steps=200)
    handed = tammes.solve(8, 3, losses.RieszFisher(3.0), steps=200)
    assert (named.code.points == handed.code.points).all()


def test_same_seed_same_bits_other_seed_other_points():
    first, second, other = (tammes.solve(12, 3, "mma", seed=seed, steps=300) for seed in (1, 1, 2))
    assert (first.code.points == second.code.points).all()
    assert not np.allclose(first.code.points, other.code.points)


def test_the_best_of_several_starts_is_kept():
    alone = [tammes.solve(20, 3, "mma", steps=400, polish=False, starts=k).code.min_angle for k in (1, 4)]
    assert alone[1] >= alone[0]


def test_without_polish_the_losss_own_optimum_is_reported():
    raw = tammes.solve(12, 3, "mma", steps=300, polish=False)
    polished = tammes.solve(12, 3, "mma", steps=300)
    assert raw.before_polish is None
    assert raw.method == ("sgd",)
    assert polished.before_polish == raw.code.min_angle
    assert polished.code.min_angle > raw.code.min_angle


def test_a_warm_start_is_used_kept_and_named():
    start = closed_forms.orthoplex(3)
    kept = start.copy()
    result = tammes.solve(6, 3, init=start, steps=10)
    assert (start == kept).all()
    assert result.code.min_angle_degrees == pytest.approx(90.0, abs=1e-12)
    assert result.settings["start"] == "given points"
    assert result.settings["init_digest"] == tammes.SphericalCode(start).digest


def test_known_values_never_start_a_solver(monkeypatch):
    """Hiding every table changes no point."""
    with_tables = tammes.solve(13, 3, "mma", steps=200).code.points
    monkeypatch.setattr(tables, "_values", dict)
    assert (tammes.solve(13, 3, "mma", steps=200).code.points == with_tables).all()


def test_ctrl_c_in_any_phase_returns_the_best_so_far():
    for phase in ("sgd", "ladder", "polish"):

        def interrupt(event, phase=phase):
            if event.phase == phase:
                raise KeyboardInterrupt

        result = tammes.solve(30, 3, "mma", steps=500, progress=interrupt)
        assert result.interrupted
        assert result.phases[-1]["phase"] == phase
        assert result.code.min_angle > 0.3


def test_a_time_limit_ends_the_run():
    result = tammes.solve(100, 3, "mma", time_limit=1e-3)
    assert result.status is Status.TIME_LIMIT
    assert result.code.n == 100


@pytest.mark.parametrize(("n", "d", "loss"), [(4, 3, None), (20, 3, "mma"), (13, 4, "riesz-fisher"), (600, 40, None)])
def test_the_record_follows_its_schema_and_holds(n, d, loss):
    result = tammes.solve(n, d, loss, steps=30 if loss or n > 80 else None, polish=n < 100)
    record = json.loads(json.dumps(result.to_dict() | {"file": "x.npy"}, allow_nan=False))
    jsonschema.validate(record, SCHEMA)
    assert record["min_angle"] == result.code.min_angle
    assert record["bound"]["gap_degrees"] >= -1e-9
    assert record["digest"] == result.code.digest


@pytest.mark.parametrize("value", [0, 1, -3, 2.5, "abc", True, None, math.nan])
@pytest.mark.parametrize("name", ["n", "d"])
def test_bad_sizes(name, value):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be an integer of at least 2"):
        tammes.solve(**({"n": 5, "d": 3} | {name: value}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"starts": 0}, "`starts` must be an integer of at least 1. Got 0"),
        ({"starts": 2.0}, "`starts` must be"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"steps": 0}, "`steps` must be an integer of at least 1"),
        ({"time_limit": 0}, "`time_limit` must be a positive"),
        ({"dtype": "float16"}, "`dtype` must be one of"),
        ({"device": "tpu"}, "`device` must be auto, cpu, cuda"),
        ({"loss": "riesz-fisher", "s": 0.0}, "`s` must be a positive"),
        ({"init": np.eye(3)}, "`init` must be of shape \\(7, 3\\)"),
        ({"init": np.tile(np.eye(3), (3, 1))[:7], "starts": 2}, "`starts` must be 1"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        tammes.solve(7, 3, **parameters)


def test_bad_points_unknown_names_missing_devices(monkeypatch):
    with pytest.raises(InvalidPointsError, match="row 1"):
        tammes.solve(2, 2, init=[[1.0, 0.0], [math.nan, 0.0]])
    with pytest.raises(UnknownNameError, match="mma, cosine"):
        tammes.solve(7, 3, "mna")
    with pytest.raises(UnknownNameError, match="paper"):
        tammes.solve(7, 3, preset="papers")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match="CUDA is not available"):
        tammes.solve(7, 3, device="cuda")


def test_a_batch_that_does_not_fit_is_refused_before_the_work():
    with pytest.raises(InvalidParameterError, match=r"`starts` must be smaller: a batch of 1000000 starts of 100000 p"):
        tammes.solve(100_000, 3, "mma", starts=10**6)
