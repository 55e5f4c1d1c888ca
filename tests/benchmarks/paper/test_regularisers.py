"""The losses that the paper compares, on its networks: which layers, which coefficient, which formula."""

import copy
import dataclasses
import math

import numpy as np
import oracles
import pytest
import torch

from benchmarks.paper import config, models
from benchmarks.paper.regularisers import loss_of, monitor, regulariser
from tammes.base.errors import UnknownNameError

TABLE2, TABLE3, TABLE6 = (config.load(name) for name in ("table2", "table3", "table6"))


def arm(loss, *, coef=1.0, place="both", sample=1.0):
    return config.Arm(loss, loss, ("resnet20",), loss, coef, place, sample)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.build("resnet20", 10, 8)


def layers(model):
    """Unit rows of every layer in float64, by the paper's name."""
    found = {}
    for name, path in models.layer_names(model).items():
        rows = model.get_submodule(path).weight.detach().double().flatten(1).numpy()
        found[name] = oracles.normalized(rows)
    return found


def pairs(rows):
    """Cosines of all pairs i < j."""
    return (rows @ rows.T)[np.triu_indices(len(rows), 1)]


# The formulas, written out for all rows of one layer.
FORMULAS = {
    "mma": lambda rows: -np.mean(np.arccos(np.max(rows @ rows.T - 3.0 * np.eye(len(rows)), axis=1))),
    "cosine": lambda rows: np.mean(np.max(rows @ rows.T - 3.0 * np.eye(len(rows)), axis=1)),
    "mhe-0": lambda rows: np.mean(-0.5 * np.log(2.0 - 2.0 * pairs(rows))),
    "mhe-2": lambda rows: np.mean(1.0 / (2.0 - 2.0 * pairs(rows))),
    "orthogonal": lambda rows: np.sum((rows @ rows.T - np.eye(len(rows))) ** 2),
}


@pytest.mark.parametrize("place", config.PLACES)
@pytest.mark.parametrize("loss", FORMULAS)
def test_the_term_is_the_coefficient_times_the_formula_on_the_layers_of_its_place(network, loss, place):
    value = float(regulariser(network, arm(loss, coef=0.3, place=place))().detach())
    chosen = [
        FORMULAS[loss](rows)
        for name, rows in layers(network).items()
        if place == "both" or (name == "Classify") == (place == "output")
    ]
    assert value == pytest.approx(0.3 * sum(chosen), rel=2e-5)


def test_every_loss_of_a_configuration_has_a_formula():
    used = {one.loss for name in config.EXPERIMENTS for one in config.load(name).arms}
    assert used <= {"none", *FORMULAS}
    assert set(config.LOSSES) == {"none", *FORMULAS}


def test_the_baseline_has_no_term(network):
    assert regulariser(network, arm("none")) is None
    with pytest.raises(UnknownNameError, match="loss"):
        loss_of(arm("none"))


def test_energies_take_a_share_of_the_rows_and_another_one_at_every_step(network):
    for name in ("mhe-0", "mhe-2"):
        one = next(each for each in TABLE3.arms if each.name == name)
        assert loss_of(one).sample == 0.3
        reg = regulariser(network, one, seed=3)
        values = [float(reg().detach()) for _ in range(3)]
        assert len(set(values)) == 3
        again = regulariser(network, one, seed=3)
        assert [float(again().detach()) for _ in range(3)] == values
        assert float(regulariser(network, one, seed=4)().detach()) not in values
    assert loss_of(arm("mma")).sample is None


def test_the_share_of_rows_is_right_on_average(network):
    """The mean over many draws of the energy of 30 % of the rows is the energy of all: each pair is as likely."""
    head = dataclasses.replace(arm("mhe-2", sample=0.5), place="output")
    reg = regulariser(network, head)
    drawn = [float(reg().detach()) for _ in range(400)]
    error = np.std(drawn) / math.sqrt(len(drawn))
    assert abs(np.mean(drawn) - FORMULAS["mhe-2"](layers(network)["Classify"])) < 4.0 * error


def test_nearest_rows_are_kept_between_searches_where_a_loss_needs_them(network):
    """Kept rows are no nearer than the nearest ones: the angles to them are larger, and minus their mean is smaller."""
    model = copy.deepcopy(network)
    terms = {name: regulariser(model, arm(name), refresh_every=3) for name in ("mma", "mhe-0", "orthogonal")}
    for term in terms.values():
        term()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    fresh = {name: float(regulariser(model, arm(name))().detach()) for name in terms}
    calls = {name: [float(term().detach()) for _ in range(3)] for name, term in terms.items()}
    assert all(value < fresh["mma"] - 0.1 for value in calls["mma"][:2])
    assert calls["mma"][2] == pytest.approx(fresh["mma"], rel=1e-6)  # the fourth call searches again
    for name in ("mhe-0", "orthogonal"):
        assert calls[name] == pytest.approx([fresh[name]] * 3, rel=1e-6)
    regulariser(network, arm("mhe-2", sample=0.3), refresh_every=5)()  # a sampled loss may not keep nearest rows


def test_arcface_plus_spreads_the_class_vectors_alone():
    """Eq. 15: ArcFace plus MMA on the rows of the head."""
    torch.manual_seed(0)
    model = models.build("arcface-resnet50", 6, 16)
    plus = next(one for one in TABLE6.arms if one.loss == "mma")
    reg = regulariser(model, plus)
    assert reg.layers == (models.layer_names(model)["Classify"],)
    assert float(reg().detach()) == pytest.approx(plus.coef * FORMULAS["mma"](layers(model)["Classify"]), rel=1e-5)
    reg().backward()
    moved = [name for name, parameter in model.named_parameters() if parameter.grad is not None]
    assert moved == ["head.directions.weight"]
    assert regulariser(model, TABLE6.baseline(config.ARC)) is None


@pytest.mark.parametrize("name", [one for one in models.NAMES if not one.startswith("vgg")])
def test_every_layer_of_every_network_takes_part_and_is_measured(name):
    if name == config.ARC:
        torch.manual_seed(0)
    model = models.build(name, 10, 16)
    paths = list(models.layer_names(model).values())
    assert sorted(regulariser(model, arm("mma")).layers) == sorted(paths)
    assert sorted(monitor(model).layers) == sorted(paths)


def test_networks_of_the_configurations_are_the_networks_there_are():
    assert set(config.NETWORKS) == set(models.NAMES)
    assert config.ARC in models.NAMES
    for name in ("table2", "table3"):
        found = config.load(name)
        for network in found.recipes:
            model = models.build(network, 100)
            missing = [layer for layer in found.layers if layer not in models.layer_names(model)]
            assert missing == []
