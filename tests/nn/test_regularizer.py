"""The regularisation term: Eq. 13 written out, its schedule, its updates of the weights, bad input."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tammes import losses
from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.nn import Regularizer


def net(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(*layers).to(dtype)


def grads(model):
    return [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]


def test_equation_13():
    model = net()
    a, b, c = model[0].weight, model[2].weight, model[5].weight
    expected = 0.07 * (losses.mma(a.flatten(1)) + losses.mma(b.reshape(2, 4, -1)).mean() + losses.mma(c))
    torch.testing.assert_close(Regularizer(model)(), expected, rtol=1e-14, atol=0.0)


def test_output_layers_have_their_own_loss_and_coefficient():
    model = net()
    reg = Regularizer(model, "mma", 0.5, output_coef=3.0, output_loss="orthogonal", exclude="2")
    expected = 0.5 * losses.mma(model[0].weight.flatten(1)) + 3.0 * losses.orthogonal(model[5].weight)
    torch.testing.assert_close(reg(), expected, rtol=1e-14, atol=0.0)
    assert Regularizer(model, output_coef=0.0).layers == ("0", "2")
    assert Regularizer(model, coef=0.0, output_coef=1.0).layers == ("5",)


def test_parts_count_as_layers_of_their_own():
    torch.manual_seed(0)
    model = nn.GRU(5, 6).double()
    expected = sum(losses.mma(w.reshape(3, 6, -1)).sum() for w in (model.weight_ih_l0, model.weight_hh_l0))
    torch.testing.assert_close(Regularizer(model, coef=1.0)(), expected, rtol=1e-14, atol=0.0)


def test_options_of_a_named_loss():
    model = net()
    reg = Regularizer(model, "riesz-fisher", 1.0, s=1.0, antipodal=True, reduction="sum", include="5")
    expected = losses.riesz_fisher(model[5].weight, 1.0, antipodal=True, reduction="sum")
    torch.testing.assert_close(reg(), expected, rtol=1e-14, atol=0.0)


def test_the_gradient_is_that_of_the_sum_of_losses():
    model = net()
    Regularizer(model, coef=2.0)().backward()
    got = grads(model)
    model.zero_grad()
    sum(
        2.0 * value
        for value in (
            losses.mma(model[0].weight.flatten(1)),
            losses.mma(model[2].weight.reshape(2, 4, -1)).mean(),
            losses.mma(model[5].weight),
        )
    ).backward()
    for one, other in zip(got, grads(model), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_give_a_float32_term(dtype):
    model = net(dtype)
    reg = Regularizer(model)
    exact = Regularizer(copy.deepcopy(model).double())()
    term = reg()
    assert term.dtype == torch.float32
    assert term.item() == pytest.approx(exact.item(), rel=0.01)
    term.backward()
    assert model[5].weight.grad.dtype == dtype
    assert model[5].weight.grad.isfinite().all()


# --- schedules --------------------------------------------------------------------------------------


def test_every_third_call_three_times_the_term():
    model = net()
    reg, plain = Regularizer(model, every=3), Regularizer(model)
    values = [reg() for _ in range(7)]
    expected = plain().item()
    assert [value.item() for value in values] == pytest.approx([3 * expected, 0, 0] * 2 + [3 * expected])
    values[1].backward()  # connected to the graph
    assert not model[0].weight.grad.any()
    assert reg.calls == 7


@pytest.mark.slow
def test_nearest_rows_are_searched_at_every_third_call(monkeypatch):
    model = net()
    searches = []
    original = losses.NearestLoss.nearest_of

    def counted(self, rows, mask):
        searches.append(self)
        return original(self, rows, mask)

    monkeypatch.setattr(losses.NearestLoss, "nearest_of", counted)
    reg = Regularizer(model, refresh_every=3)
    counts = []
    for _ in range(7):
        reg()
        counts.append(len(searches))
    assert counts == [3, 3, 3, 6, 6, 6, 9]


def test_angles_to_stale_nearest_rows_are_exact():
    model = net()
    reg = Regularizer(model, refresh_every=10, include="5", coef=1.0)
    reg()
    old = losses.MMA().nearest(model[5].weight)
    with torch.no_grad():
        model[5].weight += 0.3 * torch.randn_like(model[5].weight)
    assert not torch.equal(losses.MMA().nearest(model[5].weight), old)
    torch.testing.assert_close(reg(), losses.MMA()(model[5].weight, nearest=old), rtol=1e-14, atol=0.0)


def test_refresh_every_has_no_effect_on_energies():
    model = net()
    reg = Regularizer(model, "riesz-fisher", refresh_every=5)
    reg()
    torch.testing.assert_close(reg(), Regularizer(model, "riesz-fisher")(), rtol=1e-14, atol=0.0)


def test_random_subsets_depend_on_seed_call_and_layer_alone():
    model = net()
    first, again = (Regularizer(model, "mma", sample=0.5, seed=3) for _ in range(2))
    other = Regularizer(model, "mma", sample=0.5, seed=4)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    values = [first().item() for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), state)
    assert [again().item() for _ in range(3)] == values
    assert len(set(values)) == 3
    assert other().item() not in values


@pytest.mark.slow
def test_a_resumed_run_continues_exactly():
    settings = {"refresh_every": 4, "every": 2}

    def run(model, reg, steps):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(steps):
            optimizer.zero_grad()
            (reg() + 0.01 * sum(w.square().sum() for w in model.parameters())).backward()
            optimizer.step()

    whole = net()
    run(whole, Regularizer(whole, **settings), 11)
    first = net()
    reg = Regularizer(first, **settings)
    run(first, reg, 5)
    second = net(seed=9)
    second.load_state_dict(first.state_dict())
    resumed = Regularizer(second, **settings)
    resumed.load_state_dict(reg.state_dict())
    run(second, resumed, 6)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


# --- without autograd -------------------------------------------------------------------------------


def test_step_is_a_decoupled_update():
    model = net()
    reg = Regularizer(model, coef=2.0)
    before = [w.clone() for w in model.parameters()]
    reg().backward()
    expected = [w if g is None else w - 0.1 * g for w, g in zip(before, grads(model), strict=True)]
    model.zero_grad()
    term = reg.step_(0.1)
    assert not term.requires_grad
    assert all(w.grad is None for w in model.parameters())
    for one, other in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("scale", [1.0, torch.tensor(8.0)])
def test_accumulate_adds_to_the_gradients_that_are_there(scale):
    model = net()
    reg = Regularizer(model)
    model(torch.ones(2, 3, 6, 6).double()).sum().backward()
    plain = grads(model)
    model.zero_grad()
    (model(torch.ones(2, 3, 6, 6).double()).sum() + float(scale) * reg()).backward()
    expected = grads(model)
    for parameter, grad in zip(model.parameters(), plain, strict=True):
        parameter.grad = grad
    reg.accumulate_(scale)
    for one, other in zip(grads(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_an_attached_optimizer_takes_the_steps_of_the_term_in_the_loss():
    x = torch.randn(4, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain, attached = net(), net()
    optimizers = [torch.optim.Adam(model.parameters(), lr=0.01) for model in (plain, attached)]
    reg, held = Regularizer(plain), Regularizer(attached)
    handle = held.attach(optimizers[1])
    for _ in range(4):
        for optimizer in optimizers:
            optimizer.zero_grad()
        (plain(x).square().mean() + reg()).backward()
        attached(x).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(plain.parameters(), attached.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    handle.remove()
    calls = held.calls
    optimizers[1].step()
    assert held.calls == calls


def test_closures_are_refused_with_a_remedy():
    model = net()
    reg = Regularizer(model)
    with pytest.raises(InvalidParameterError, match="closure") as caught:
        reg.attach(torch.optim.LBFGS(model.parameters()))
    assert "Add `reg()` to the loss inside the closure" in str(caught.value)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reg.attach(optimizer)
    with pytest.raises(InvalidParameterError, match="RegularizerCallback"):
        optimizer.step(reg)
    before = [w.clone() for w in model.parameters()]
    with pytest.raises(InvalidParameterError):
        optimizer.step(closure=reg)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_an_optimizer_of_other_parameters_is_refused():
    with pytest.raises(InvalidParameterError, match="holds weights of the regularised layers"):
        Regularizer(net()).attach(torch.optim.SGD(net(seed=1).parameters(), lr=0.1))


# --- weights as they come ---------------------------------------------------------------------------


def test_frozen_layers_are_left_out_while_they_are_frozen():
    model = net()
    reg = Regularizer(model, coef=1.0)
    model[0].requires_grad_(False)
    model[2].requires_grad_(False)
    torch.testing.assert_close(reg(), losses.mma(model[5].weight), rtol=1e-14, atol=0.0)
    model.requires_grad_(False)
    assert reg() == 0.0
    assert reg.step_(0.1) == 0.0
    model.requires_grad_(True)
    assert reg().item() < losses.mma(model[5].weight).item()


def test_zero_and_dead_rows_have_no_gradient():
    model = net(torch.float32)
    with torch.no_grad():
        model[5].weight[2] = 0.0
        model[5].weight[3] *= 1e-9  # what weight decay leaves of a dead filter
    Regularizer(model)().backward()
    grad = model[5].weight.grad
    assert grad.isfinite().all()
    assert grad.abs().max() < 1.0
    assert not grad[[2, 3]].any()


def test_nan_in_a_weight_gives_nan():
    model = net()
    with torch.no_grad():
        model[2].weight[1, 0, 0, 0] = torch.nan
    assert Regularizer(model)().isnan()


def test_embeddings_without_their_padding():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(8, 4, padding_idx=3)).double()
    kept = torch.ones(8, dtype=torch.bool)
    kept[3] = False
    for refresh in (1, 2):
        reg = Regularizer(model, coef=1.0, embeddings=True, refresh_every=refresh)
        torch.testing.assert_close(reg(), losses.mma(model[0].weight[kept]), rtol=1e-14, atol=0.0)


def test_meta_weights_are_named():
    with torch.device("meta"):
        model = net()
    reg = Regularizer(model)
    with pytest.raises(InvalidParameterError, match="`0` must be materialised before its loss is taken"):
        reg()
    model.to_empty(device="cpu")
    model.load_state_dict(net().state_dict())
    assert reg() == Regularizer(net())()


def test_a_replaced_parameter_is_read():
    model = net()
    reg = Regularizer(model, coef=1.0, include="5")
    model[5].weight = nn.Parameter(torch.eye(10, 32, dtype=torch.float64))
    assert reg().item() == pytest.approx(-torch.pi / 2)


def test_repr_lists_the_terms():
    shown = repr(Regularizer(net(), "riesz-fisher", 0.5, s=1.0))
    assert "5: 0.5 * RieszFisher" in shown
    assert "s=1.0" in shown


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"coef": "0.07"}, "`coef` must be a finite number. Got '0.07'."),
        ({"coef": float("nan")}, "`coef` must be a finite number"),
        ({"output_coef": True}, "`output_coef` must be a finite number"),
        ({"every": 0}, "`every` must be an integer of at least 1. Got 0."),
        ({"refresh_every": 2.0}, "`refresh_every` must be an integer of at least 1"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"refresh_every": 2, "sample": 0.3}, "`refresh_every` must be 1 for a loss that samples its rows"),
        ({"dead": 2.0}, "`dead` must be a share of the longest row"),
    ],
)
def test_settings_out_of_range(settings, said):
    with pytest.raises(InvalidParameterError) as caught:
        Regularizer(net(), **settings)
    assert said in str(caught.value)


def test_an_unknown_loss_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="`loss` must be one of: mma"):
        Regularizer(net(), "mmma")


def test_numbers_of_numpy():
    reg = Regularizer(net(), coef=np.float32(0.5), every=np.int64(2))
    torch.testing.assert_close(reg(), 2.0 * Regularizer(net(), coef=0.5)())


def test_options_beside_a_loss_are_refused():
    with pytest.raises(InvalidParameterError, match="name where options are given"):
        Regularizer(net(), losses.MMA(), antipodal=True)
    with pytest.raises(InvalidParameterError, match="name where options are given"):
        Regularizer.from_preset(net(), "mma_paper", antipodal=True)
    mixed = Regularizer(net(), losses.MMA(), output_loss="cosine", antipodal=True)  # the option of the other loss
    assert "5: 0.07 * Cosine(antipodal=True" in repr(mixed)
    assert "0: 0.07 * MMA(antipodal=False" in repr(mixed)


def test_a_replaced_layer_is_an_error():
    model = net()
    reg = Regularizer(model)
    model[5] = nn.Linear(model[5].in_features, 3, dtype=torch.float64)
    with pytest.raises(InvalidParameterError, match=r"`5` must be a layer of the model.*anew"):
        reg()


def test_nearest_rows_of_a_weight_of_another_size_are_searched():
    model = net()
    reg = Regularizer(model, refresh_every=5)
    reg()
    rows = torch.randn(9, model[5].in_features, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model[5].weight = nn.Parameter(rows)
    torch.testing.assert_close(reg(), Regularizer(model)())


@pytest.mark.parametrize("lr", ["a", None, True, float("nan"), float("inf")])
def test_a_bad_learning_rate_changes_nothing(lr):
    model = net()
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(InvalidParameterError, match="lr"):
        Regularizer(model).step_(lr)
    assert all(map(torch.equal, before, model.parameters()))


def test_the_update_is_made_in_inference_mode_too():
    one, other = net(), net()
    Regularizer(one).step_(0.1)
    reg = Regularizer(other)
    with torch.inference_mode():
        reg.step_(torch.tensor(0.1, dtype=torch.float64))
    assert all(map(torch.equal, one.parameters(), other.parameters()))


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"calls": -1, "nearest": {}},
        {"calls": 1.5, "nearest": {}},
        {"calls": 1, "nearest": {"unknown": torch.tensor([1, 0])}},
        {"calls": 1, "nearest": {"5": torch.tensor([99, 0])}},
        {"calls": 1, "nearest": {"5": torch.zeros(3)}},
    ],
    ids=str,
)
def test_states_of_other_objects_are_refused(state):
    reg = Regularizer(net(), refresh_every=3)
    with pytest.raises(InvalidParameterError):
        reg.load_state_dict(state)
    assert reg.calls == 0


def test_attached_to_no_optimizer():
    with pytest.raises(InvalidParameterError, match="an optimiser of torch"):
        Regularizer(net()).attach(None)


def test_seeds_beyond_int64():
    model = net()
    values = [Regularizer(model, sample=0.5, seed=seed)().item() for seed in (10**30, 10**30, 10**30 + 1)]
    assert values[0] == values[1] != values[2]


def test_a_preset_changed_by_arguments():
    model = net()
    reg = Regularizer.from_preset(model, "mma_paper", coef=0.5)
    torch.testing.assert_close(reg(), Regularizer(model, "mma", 0.5)(), rtol=0.0, atol=0.0)
