"""Presets against the terms of the papers, written with the functions of `losses`."""

import pytest
import torch
from torch import nn

from tammes import losses
from tammes.base.errors import UnknownNameError
from tammes.nn import Regularizer
from tammes.nn.presets import PRESETS, preset


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 10)).double()


def weights(net):
    return [net[k].weight for k in (0, 2, 4)]


EXPECTED = {
    "mma_paper": lambda a, b, c: 0.07 * (losses.mma(a) + losses.mma(b) + losses.mma(c)),
    "mhe_official": lambda a, b, c: (
        losses.riesz_fisher(a, antipodal=True) + losses.riesz_fisher(b, antipodal=True) + 10.0 * losses.riesz_fisher(c)
    ),
    "orthogonal_paper": lambda *layers: (
        1e-4
        * sum(
            (torch.nn.functional.normalize(w) @ torch.nn.functional.normalize(w).T - torch.eye(len(w))).square().sum()
            for w in layers
        )
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_term_of_a_preset(name):
    net = model()
    found = Regularizer.from_preset(net, name)()
    torch.testing.assert_close(found, EXPECTED[name](*weights(net)), rtol=1e-12, atol=0.0)


def test_mhe_of_the_paper_takes_three_rows_in_ten():
    net = model()
    Regularizer.from_preset(net, "mhe_paper")().backward()
    assert [int(weight.grad.any(dim=1).sum()) for weight in weights(net)] == [3, 6, 3]


@pytest.mark.parametrize("name", PRESETS)
def test_settings_can_be_changed_and_the_preset_stays(name):
    before = dict(PRESETS[name])
    reg = Regularizer.from_preset(model(), name, coef=0.03, output_coef=0.0)
    assert reg.layers == ("0", "2")
    settings = preset(name)
    settings["coef"] = 7
    assert PRESETS[name] == before


def test_unknown_presets_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="`preset` must be one of: mma_paper"):
        Regularizer.from_preset(model(), "mma_papr")


@pytest.mark.parametrize("name", ["mma", None, []])
def test_names_of_no_preset_are_refused(name):
    with pytest.raises(UnknownNameError, match="mma_paper"):
        preset(name)
