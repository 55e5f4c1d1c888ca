"""The report on layers: angles of known codes, the printed table, the dictionary for logs."""

import json
import math

import oracles
import pytest
import torch
from torch import nn

from tammes.base.errors import InvalidParameterError
from tammes.nn import Regularizer


def linear(rows):
    layer = nn.Linear(rows.shape[1], rows.shape[0], dtype=torch.float64)
    layer.weight = nn.Parameter(torch.from_numpy(rows).clone())
    return layer


def test_codes_whose_angles_are_known():
    model = nn.Sequential(linear(3.0 * oracles.icosahedron()), linear(oracles.orthoplex(4)), linear(oracles.simplex(5)))
    lines = {line.layer: line for line in Regularizer(model).report().lines}
    assert [lines[k].min_angle_degrees for k in "012"] == pytest.approx(
        [math.degrees(math.atan(2.0)), 90.0, math.degrees(math.acos(-0.2))], abs=1e-11
    )
    assert [lines[k].mean_nearest_degrees for k in "012"] == pytest.approx([lines[k].min_angle_degrees for k in "012"])
    assert [lines[k].bound_degrees for k in "012"] == pytest.approx(
        [lines[k].min_angle_degrees for k in "012"], abs=1e-9
    )
    assert (lines["0"].rows, lines["0"].d, lines["0"].coef) == (12, 3, 0.07)


def test_zero_rows_copies_nan_frozen():
    rows = oracles.random_code(8, 5)
    rows[2] = 0.0
    rows[5] = 2.0 * rows[1]
    broken = oracles.random_code(4, 5)
    broken[0, 0] = math.nan
    model = nn.Sequential(linear(rows), linear(broken), linear(oracles.random_code(6, 4)))
    model[2].requires_grad_(False)
    report = Regularizer(model).report()
    first, second, third = report.lines
    assert (first.zero_rows, first.duplicates, first.min_angle_degrees) == (1, 2, 0.0)
    assert second.non_finite_rows == 1
    assert math.isnan(second.min_angle_degrees)
    assert third.frozen
    assert report.to_dict()["1"]["min_angle_degrees"] is None
    json.dumps(report.to_dict(), allow_nan=False)
    text = str(report)
    assert "1 nan" in text
    assert "2 (frozen)" in text


def test_groups_are_one_line_parts_are_several():
    model = nn.ModuleDict({"conv": nn.Conv2d(4, 8, 3, groups=2), "att": nn.MultiheadAttention(6, 2)})
    report = Regularizer(model).report()
    assert [line.layer for line in report.lines] == [
        "conv",
        *(f"att.in_proj_weight[{k}]" for k in "qkv"),
        "att.out_proj",
    ]
    conv = report.lines[0]
    assert (conv.groups, conv.rows, conv.d) == (2, 8, 18)
    weight = model["conv"].weight.detach().double().numpy().reshape(2, 4, 18)
    assert conv.min_angle_degrees == pytest.approx(
        math.degrees(float(min(oracles.min_angle(rows) for rows in weight))), abs=1e-9
    )
    assert "8 in 2" in str(report)
    assert "[q]" in str(report)  # not taken for markup


def test_padding_is_not_measured():
    model = nn.Sequential(nn.Embedding(6, 4, padding_idx=1))
    (line,) = Regularizer(model, embeddings=True).report().lines
    assert (line.rows, line.zero_rows) == (5, 0)


def test_an_antipodal_loss_is_reported_by_angles_of_lines():
    model = nn.Sequential(linear(oracles.orthoplex(3)))
    (line,) = Regularizer(model, antipodal=True).report().lines
    assert line.min_angle_degrees == pytest.approx(0.0, abs=1e-12)


def test_the_mean_nearest_angle_is_minus_the_loss():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(9, 15, dtype=torch.float64))
    (line,) = Regularizer(model).report().lines
    assert math.radians(line.mean_nearest_degrees) == pytest.approx(-Regularizer(model, coef=1.0)().item(), rel=1e-12)


@pytest.mark.parametrize("max_rows", ["a", 0, -1, 2.5])
def test_bad_numbers_of_rows(max_rows):
    with pytest.raises(InvalidParameterError, match="`max_rows` must be an integer of at least 2, or None"):
        Regularizer(nn.Linear(3, 4)).report(max_rows)


def test_layers_on_the_meta_device_are_refused():
    with pytest.raises(InvalidParameterError, match="materialised before it is measured"):
        Regularizer(nn.Linear(3, 4, device="meta")).report()
