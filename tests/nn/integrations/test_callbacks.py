"""The common part of the callbacks: sources and settings, the scale of gradients, parts of optimisers, states."""

import pytest
import torch
import two_processes
from naive_terms import naive_gradients, naive_term, same
from torch import nn

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.nn import Regularizer
from tammes.nn.integrations.callbacks import RegularizedTraining, scale_of

COEF = 0.5


def training_with(source=None, *, name="reg", report_every=None, max_rows=1024, **settings):
    return RegularizedTraining(source, settings, name=name, report_every=report_every, max_rows=max_rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, "`name` must be a word. Got ''"),
        ({"name": 3}, "`name` must be a word. Got 3"),
        ({"report_every": -1}, "`report_every` must be an integer of at least 0, or None. Got -1"),
        ({"report_every": 2.0}, "`report_every` must be an integer of at least 0, or None. Got 2.0"),
        ({"report_every": True}, "`report_every` must be"),
        ({"max_rows": 1}, "`max_rows` must be an integer of at least 2, or None. Got 1"),
        (
            {"source": 0.07},
            "`regularizer` must be a Regularizer, or a function that makes one from the model. Got 0.07",
        ),
        ({"source": lambda model: None, "coef": 1.0}, "left out where settings are given. Got 'coef'"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InvalidParameterError) as caught:
        training_with(**options)
    assert message in str(caught.value)


def test_a_source_that_makes_something_else_is_refused():
    with pytest.raises(InvalidParameterError, match=r"a function that returns a Regularizer. Got None"):
        training_with(lambda model: None).begin(nn.Linear(3, 3))


def test_there_is_no_regulariser_before_training_begins():
    with pytest.raises(InvalidParameterError, match="when training has begun"):
        training_with().regularizer  # noqa: B018


def test_settings_are_those_of_the_regulariser():
    model = two_processes.network()
    made = training_with(loss="riesz-fisher", coef=2.0, s=1.0, exclude="1")
    made.begin(model)
    assert repr(made.regularizer) == repr(Regularizer(model, loss="riesz-fisher", coef=2.0, s=1.0, exclude="1"))
    made = training_with(preset="mhe_official", coef=3.0)
    made.begin(model)
    assert repr(made.regularizer) == repr(Regularizer.from_preset(model, "mhe_official", coef=3.0))
    with pytest.raises(UnknownNameError, match="mma_paper"):
        training_with(preset="mma").begin(model)
    with pytest.raises(TypeError, match="antipodel"):
        training_with(antipodel=True).begin(model)


def test_a_given_regulariser_is_used():
    model = two_processes.network()
    reg = Regularizer(model)
    made = training_with(reg)
    made.begin(model)
    assert made.regularizer is reg


@pytest.mark.parametrize("fused", [False, True])
def test_the_scale_of_gradients_is_what_the_scaler_has_multiplied_them_by(fused):
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.0, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    for factor in (8.0, 16.0):  # it grows at every step
        optimizer.zero_grad()
        scaler.scale(weight.sum()).backward()
        assert scale_of(scaler, optimizer) == weight.grad[0].item() == factor
        scaler.unscale_(optimizer)
        assert scale_of(scaler, optimizer) == weight.grad[0].item() == 1.0
        scaler.step(optimizer)
        scaler.update()


def test_without_a_scaler_the_scale_is_one():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.1)
    assert scale_of(None, optimizer) == 1.0
    assert scale_of(torch.amp.GradScaler("cpu", enabled=False), optimizer) == 1.0


def test_the_term_comes_back_as_it_is_without_every():
    model = two_processes.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    work = training_with(coef=COEF, every=3)
    work.begin(model)
    model(two_processes.batch()[0]).mean().backward()
    first = {name: p.grad.clone() for name, p in model.named_parameters()}
    terms = [work.add(optimizer) for _ in range(4)]
    assert terms[1] is None
    assert terms[2] is None
    assert terms[0].item() == pytest.approx(naive_term(model).item(), rel=1e-12)
    assert terms[3].item() == terms[0].item()
    added = {name: p.grad - first[name] for name, p in model.named_parameters() if name.endswith("weight")}
    same({name: grad / 6.0 for name, grad in added.items()}, naive_gradients(model))  # 3, twice


def test_an_optimiser_without_regularised_layers_is_left_alone():
    model = two_processes.network()
    other = nn.Linear(3, 3)
    work = training_with(coef=COEF)
    work.begin(model)
    other(torch.ones(3)).sum().backward()
    assert work.add(torch.optim.SGD(other.parameters(), lr=0.1), number=1) is None
    assert all(parameter.grad is None for parameter in model.parameters())


def test_layers_added_to_an_optimiser_are_regularised_from_then_on():
    model = two_processes.network()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    work = training_with(coef=COEF)
    work.begin(model)
    model(two_processes.batch()[0]).mean().backward()
    few = work.add(optimizer).item()
    optimizer.add_param_group({"params": model[1:].parameters()})
    more = work.add(optimizer).item()
    assert few == pytest.approx(naive_term(model[0]).item(), rel=1e-12)
    assert more == pytest.approx(naive_term(model).item(), rel=1e-12)


def test_states_are_kept_by_the_number_of_the_optimiser():
    def begun():
        model = two_processes.network()
        work = training_with(coef=COEF, refresh_every=5)
        work.begin(model)
        model(two_processes.batch()[0]).mean().backward()
        return work, torch.optim.SGD(model[0].parameters()), torch.optim.SGD(model[1:].parameters())

    work, first, rest = begun()
    for optimizer, number, count in ((first, 0, 3), (rest, 1, 1)):
        for _ in range(count):
            work.add(optimizer, number=number)
    state = work.state_dict()
    assert {number: part["calls"] for number, part in state.items()} == {0: 3, 1: 1}
    assert state[0]["nearest"].keys() == {"0.0"}
    again, first, rest = begun()
    again.load_state_dict(state)  # before the first step
    again.add(rest, number=1)
    again.add(first, number=0)
    assert {number: part["calls"] for number, part in again.state_dict().items()} == {0: 4, 1: 2}
    again.load_state_dict(state)  # and after
    assert {number: part["calls"] for number, part in again.state_dict().items()} == {0: 3, 1: 1}


def test_angles_have_names_and_degrees():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3))
        model[1].weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    work = training_with(name="spread")
    work.begin(model)
    angles = {"spread/min_angle_degrees/0": 90.0, "spread/min_angle_degrees/1": 45.0}
    assert work.angles() == pytest.approx(angles)
    small = training_with(max_rows=2)
    small.begin(model)
    assert small.angles() == pytest.approx({"reg/min_angle_degrees/1": 45.0})
    with torch.no_grad():
        model[0].weight.fill_(torch.nan)
    assert work.angles() == pytest.approx({"spread/min_angle_degrees/1": 45.0})  # nan is not logged
