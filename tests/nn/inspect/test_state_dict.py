"""The rows in state dicts of real modules against the weights that the modules compute with."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tammes.nn.inspect.state_dict import stored_layers


def by_name(state):
    found, skipped = stored_layers(state)
    assert len({layer.name for layer in found}) == len(found)
    assert not {layer.name for layer in found} & set(skipped)
    for layer in found:
        assert layer.rows.shape == (layer.n, layer.d)
    return {layer.name: layer for layer in found}, skipped


def rows_of(state, name):
    return by_name(state)[0][name].rows


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


# --- plain weights --------------------------------------------------------------------------------


def test_rows_lie_along_the_first_axis():
    model = nn.Sequential(nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 7), nn.Embedding(9, 4))
    found, skipped = by_name(model.state_dict())
    assert {name: (layer.n, layer.d) for name, layer in found.items()} == {
        "0.weight": (5, 12),
        "3.weight": (7, 20),
        "4.weight": (9, 4),
    }
    np.testing.assert_array_equal(found["0.weight"].rows, model[0].weight.detach().numpy().reshape(5, 12))
    assert skipped["0.bias"] == skipped["1.running_mean"] == "a vector"
    assert skipped["1.num_batches_tracked"] == "no real numbers but int64"
    assert set(skipped) | set(found) == set(model.state_dict())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.ones(4), "a vector"),
        (torch.tensor(1.0), "a single number"),
        (torch.ones(1, 4), "one row"),
        (torch.ones(0, 4), "no rows"),
        (torch.ones(3, 1), "rows of one number"),
        (torch.ones(3, 1, 1, 1), "rows of one number"),
        (torch.ones(3, 0), "rows without numbers"),
        (torch.ones(3, 3, dtype=torch.int32), "no real numbers but int32"),
        (torch.ones(3, 3, dtype=torch.bool), "no real numbers but bool"),
        (torch.ones(3, 3, dtype=torch.complex64), "complex numbers"),
        (torch.ones(3, 3).to(torch.float8_e4m3fn), "float8_e4m3fn, whose scales are stored apart"),
        (torch.ones(3, 3).to_sparse(), "sparse"),
        (torch.empty(3, 3, device="meta"), "without numbers (meta)"),
        (torch.zeros(1).expand(10**6, 10**6), "repeats of fewer stored numbers"),
        ([[1.0, 0.0], [0.0, 1.0]], "no tensor but list"),
        (None, "no tensor but NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_entries_that_are_no_weights_have_a_reason(value, reason):
    found, skipped = by_name({"x": value, "y": torch.eye(3)})
    assert (list(found), skipped) == (["y"], {"x": reason})


def test_quantised_tensors_are_no_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)
    assert stored_layers({"x": value}) == ([], {"x": "quantised"})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_no_precision_is_lost(dtype):
    weight = torch.randn(6, 5).to(dtype)
    np.testing.assert_array_equal(rows_of({"w": weight}, "w"), weight.double().numpy())


def test_views_and_parameters_are_read_as_they_are():
    weight = torch.randn(8, 6)
    np.testing.assert_array_equal(rows_of({"w": weight.T}, "w"), weight.numpy().T)
    np.testing.assert_array_equal(rows_of({"w": nn.Parameter(weight)[1:5]}, "w"), weight[1:5].numpy())
    last = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    np.testing.assert_array_equal(
        rows_of({"w": last.weight}, "w"), last.weight.detach().contiguous().numpy().reshape(4, 27)
    )


def test_nothing_is_copied_before_it_is_asked_for():
    weight = torch.randn(4, 3)
    layer = stored_layers({"w": weight})[0][0]
    assert np.shares_memory(layer.rows, weight.numpy())


# --- several weights in one tensor ----------------------------------------------------------------


def test_queries_keys_and_values_are_apart():
    attention = nn.MultiheadAttention(6, 2)
    found, _ = by_name({f"block.{name}": value for name, value in attention.state_dict().items()})
    assert list(found) == [*(f"block.in_proj_weight[{part}]" for part in "qkv"), "block.out_proj.weight"]
    q, k, v = attention.in_proj_weight.detach().numpy().reshape(3, 6, 6)
    for part, expected in (("q", q), ("k", k), ("v", v)):
        np.testing.assert_array_equal(found[f"block.in_proj_weight[{part}]"].rows, expected)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.LSTMCell])
def test_a_gate_of_an_lstm_is_the_gate(kind):
    """Only the rows of a gate move that gate: with all else zero, o saturated, c = sigma(i) tanh(g) is known."""
    layer = kind(3, 4)
    end = "_l0" if kind is nn.LSTM else ""
    state = {f"r.{name}": value for name, value in layer.state_dict().items()}
    found, _ = by_name(state)
    names = [f"r.weight_{side}{end}[{gate}]" for side in ("ih", "hh") for gate in "ifgo"]
    assert list(found) == names
    x = torch.randn(1, 3)
    gates = {gate: found[f"r.weight_ih{end}[{gate}]"].rows @ x[0].numpy() for gate in "ifgo"}
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("bias"):
                parameter.zero_()
        _, c = layer(x)[1] if kind is nn.LSTM else (None, layer(x)[1])
        h = layer(x)[0]
    cell = 1 / (1 + np.exp(-gates["i"])) * np.tanh(gates["g"])
    np.testing.assert_allclose(c.numpy().ravel(), cell, rtol=1e-5)
    np.testing.assert_allclose(h.numpy().ravel(), np.tanh(cell) / (1 + np.exp(-gates["o"])), rtol=1e-5)


def test_gates_of_other_recurrent_layers():
    gru = nn.GRU(3, 4, num_layers=2, bidirectional=True).state_dict()
    found, _ = by_name(gru)
    assert (found["weight_hh_l1_reverse[n]"].n, found["weight_ih_l1[r]"].d) == (4, 8)
    np.testing.assert_array_equal(found["weight_hh_l1_reverse[n]"].rows, gru["weight_hh_l1_reverse"][8:].numpy())
    assert len(found) == 2 * 2 * 2 * 3
    assert list(by_name(nn.RNN(3, 4).state_dict())[0]) == ["weight_ih_l0", "weight_hh_l0"]
    projected, _ = by_name(nn.LSTM(3, 8, proj_size=2).state_dict())
    assert (projected["weight_hh_l0[o]"].n, projected["weight_hh_l0[o]"].d) == (8, 2)
    assert (projected["weight_hr_l0"].n, projected["weight_hr_l0"].d) == (2, 8)
    assert by_name(nn.LSTM(3, 1).state_dict())[1]["weight_ih_l0"] == "one row a part"


def test_names_like_those_of_recurrent_layers_are_left_whole():
    found, _ = by_name({"weight_ih_l0": torch.eye(8), "in_proj_weight": torch.eye(7), "x.weight_hh": torch.ones(7, 3)})
    assert list(found) == ["weight_ih_l0", "in_proj_weight", "x.weight_hh"]


# --- parametrisations -----------------------------------------------------------------------------


def directions(weight):
    rows = weight.detach().double().numpy().reshape(len(weight), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("old", [False, True])
def test_weight_norm_gives_the_weight_of_the_module(dim, old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrap = nn.utils.weight_norm if old else parametrizations.weight_norm
        layer = nn.Sequential(wrap(nn.Conv2d(3, 5, 2), dim=dim))
    with torch.no_grad():
        lengths = layer[0].weight_g if old else layer[0].parametrizations.weight.original0
        lengths.copy_(torch.randn_like(lengths))  # some are negative, and turn their row round
        layer(torch.zeros(1, 3, 4, 4))  # the old kind computes its weight here
    found, skipped = by_name(layer.state_dict())
    assert list(found) == ["0.weight"]
    assert found["0.weight"].note == "weight norm"
    np.testing.assert_allclose(found["0.weight"].rows, layer[0].weight.detach().numpy().reshape(5, 12), rtol=1e-5)
    assert "lengths of 0.weight (weight norm)" in skipped.values()


@pytest.mark.parametrize("old", [False, True])
def test_spectral_norm_keeps_the_directions_of_rows(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = (nn.utils.spectral_norm if old else parametrizations.spectral_norm)(nn.Linear(6, 5))
    layer(torch.zeros(1, 6))
    found, _ = by_name(layer.state_dict())
    assert list(found) == ["weight"]
    assert found["weight"].note == "stored before spectral norm, which turns no row"
    stored = torch.from_numpy(found["weight"].rows)
    np.testing.assert_allclose(directions(stored), directions(layer.weight), atol=1e-6)


def test_other_parametrisations_are_named_for_what_they_are():
    layer = parametrizations.orthogonal(nn.Linear(4, 4))
    found, _ = by_name({f"deep.{name}": value for name, value in layer.state_dict().items()})
    assert found["deep.weight"].note == "stored before a parametrisation, which may turn rows"


def test_parametrised_gates_are_gates():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = nn.utils.weight_norm(nn.LSTM(3, 4), "weight_hh_l0")
    found, _ = by_name(layer.state_dict())
    assert {f"weight_hh_l0[{gate}]" for gate in "ifgo"} <= set(found)
    expected = layer.weight_hh_l0.detach().numpy()[4:8]
    np.testing.assert_allclose(found["weight_hh_l0[f]"].rows, expected, rtol=1e-5)


def test_pruned_rows_are_zero():
    layer = prune.ln_structured(nn.Linear(6, 5), "weight", amount=2, n=2, dim=0)
    found, skipped = by_name(layer.state_dict())
    np.testing.assert_array_equal(found["weight"].rows, layer.weight.detach().numpy())
    assert (found["weight"].rows == 0.0).all(axis=1).sum() == 2
    assert (found["weight"].note, skipped["weight_mask"]) == ("pruned", "mask of weight (pruning)")


def test_names_that_only_look_parametrised():
    state = {"a_v": torch.eye(3), "b_g": torch.eye(3), "c_orig": torch.eye(3), "d_mask": torch.eye(3)}
    assert list(by_name(state)[0]) == list(state)


def test_parts_that_do_not_fit_are_refused_not_guessed():
    v = torch.randn(4, 3)
    assert by_name({"w_v": v, "w_g": torch.ones(5, 1)})[1]["w_v"] == (
        "its lengths of shape (5, 1) (weight norm) do not fit"
    )
    assert by_name({"w_v": v, "w_g": None})[1]["w_v"] == "its lengths (weight norm) are no real numbers"
    assert by_name({"w_orig": v, "w_mask": torch.ones(2)})[1]["w_orig"] == "its mask w_mask does not fit"


# --- ties -----------------------------------------------------------------------------------------


def test_tied_tensors_are_measured_once():
    weight = torch.randn(6, 4)
    found, skipped = by_name({"embed.weight": weight, "head.weight": weight, "copy.weight": weight.clone()})
    assert list(found) == ["embed.weight", "copy.weight"]
    assert found["embed.weight"].note == "tied with head.weight"
    assert found["copy.weight"].note == ""
    assert skipped == {"head.weight": "tied with embed.weight"}


def test_other_views_of_one_storage_are_not_tied():
    weight = torch.randn(6, 6)
    found, _ = by_name({"a": weight, "b": weight.T, "c": weight[:3], "d": weight[3:]})
    assert list(found) == ["a", "b", "c", "d"]
    attention = torch.randn(9, 3)
    found, skipped = by_name({"x.in_proj_weight": attention, "y.in_proj_weight": attention})
    assert [layer.note for layer in found.values()] == ["tied with y.in_proj_weight"] * 3
    assert skipped == {"y.in_proj_weight": "tied with x.in_proj_weight"}


def test_two_tensors_for_one_name_are_both_kept():
    state = {"weight": torch.eye(3), "weight_orig": torch.eye(4), "weight_u": torch.ones(4)}
    found, _ = by_name(state)
    assert {name: layer.n for name, layer in found.items()} == {"weight": 3, "weight_orig": 4}


@pytest.mark.parametrize(
    "mask",
    [torch.ones(4, 3).to_sparse(), torch.ones(4, 3, device="meta"), torch.ones(4, 3, dtype=torch.complex64)],
    ids=["sparse", "meta", "complex"],
)
def test_a_mask_that_cannot_be_multiplied_with(mask):
    found, skipped = stored_layers({"w_orig": torch.ones(4, 3), "w_mask": mask})
    assert found == []
    assert skipped["w_orig"] == "its mask w_mask does not fit"


def test_lengths_that_cannot_be_multiplied_with():
    found, skipped = stored_layers({"w_v": torch.ones(4, 3), "w_g": torch.ones(4, 1).to_sparse()})
    assert found == []
    assert "no real numbers" in skipped["w_v"]


def test_a_recurrent_layer_of_no_width():
    found, _ = stored_layers({"weight_ih_l0": torch.ones(20, 4), "weight_hh_l0": torch.ones(20, 0)})
    assert [layer.name for layer in found] == ["weight_ih_l0"]
