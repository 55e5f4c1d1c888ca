"""The losses as functions: closed forms on the square, and their options."""

import math

import oracles
import pytest
import torch

from tammes import losses

SQUARE = torch.from_numpy(oracles.polygon(4))
FUNCTIONS = {
    "mma": (losses.mma, -math.pi / 2, -math.pi / 2),
    "cosine": (losses.cosine, 0.0, 0.0),
    # Of the six pairs of a square four are at a chord of sqrt 2, two at a chord of 2; lines: 4 and 0.
    "riesz-fisher": (losses.riesz_fisher, (4 / 2 + 2 / 4) / 6, None),
    "logarithmic": (losses.logarithmic, -(4 * math.log(2) / 2 + 2 * math.log(2)) / 6, None),
    "orthogonal": (losses.orthogonal, 2 / 6, 2 / 6),
}


def test_every_loss_has_a_function():
    assert set(FUNCTIONS) == set(losses.LOSSES)


@pytest.mark.parametrize(("function", "value", "_"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_value_of_the_square(function, value, _):
    assert function(SQUARE).item() == pytest.approx(value, abs=1e-14)


@pytest.mark.parametrize(("function", "_", "value"), [FUNCTIONS[k] for k in ("mma", "orthogonal")])
def test_the_value_of_the_lines_of_the_square(function, _, value):
    if function is losses.mma:  # opposite ends are one line: at angle zero to itself
        assert function(SQUARE, antipodal=True).item() == pytest.approx(0.0, abs=1e-14)
        assert function(SQUARE[:2], antipodal=True).item() == pytest.approx(value, abs=1e-14)
    else:
        assert function(SQUARE, antipodal=True).item() == pytest.approx(value, abs=1e-14)


@pytest.mark.parametrize(("function", "value", "_"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_labels_masks_and_options_reach_the_loss(function, value, _):
    doubled = torch.cat([SQUARE, SQUARE[:1]])
    kept = torch.tensor([True] * 4 + [False])
    assert function(doubled, mask=kept).item() == pytest.approx(value, abs=1e-14)
    labels = torch.tensor([7, 1, 2, 3, 7])
    assert function(doubled, labels=labels).item() == pytest.approx(
        float(oracles.loss_with_options(function.__name__.replace("_", "-"), doubled.numpy(), labels=labels.tolist())),
        abs=1e-14,
    )
    terms = 4 if function in (losses.mma, losses.cosine) else 12
    found = function(SQUARE, sample=1.0, dead=0.5, reduction="sum", block_size=3)
    assert found.item() == pytest.approx(terms * value, abs=1e-13)
