"""The rows of each kind of layer against index loops over its definition of an output."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tammes.base.errors import InvalidParameterError
from tammes.nn.rows import RowSet, row_sets


def only(module, name=""):
    """Return the only set of rows of a module."""
    (found,) = row_sets(module, name)
    assert isinstance(found, RowSet), found
    return found


def reasons(module):
    return [found for found in row_sets(module) if not isinstance(found, RowSet)]


def test_linear():
    layer = nn.Linear(5, 3)
    assert torch.equal(only(layer).weight(), layer.weight)


@pytest.mark.parametrize(("kind", "kernel"), [(nn.Conv1d, (3,)), (nn.Conv2d, (3, 2)), (nn.Conv3d, (1, 2, 3))])
def test_convolution(kind, kernel):
    layer = kind(4, 6, kernel)
    rows = only(layer).weight()
    assert all(torch.equal(rows[k], layer.weight[k].flatten()) for k in range(6))


def test_a_grouped_convolution_has_the_rows_of_each_group():
    layer = nn.Conv2d(4, 6, 3, groups=2)
    rows = only(layer).weight()
    assert rows.shape == (2, 3, 2 * 9)
    for k in range(6):
        assert torch.equal(rows[k // 3, k % 3], layer.weight[k].flatten())


@pytest.mark.parametrize("groups", [1, 2])
def test_rows_of_a_transposed_convolution_are_the_weights_of_one_output_channel(groups):
    layer = nn.ConvTranspose2d(4, 6, 3, groups=groups, bias=False)
    rows = only(layer).weight().reshape(6, -1)
    for k in range(6):
        # Output channel k is linear in its rows alone: an input of ones sums them.
        image = layer(torch.ones(1, 4, 1, 1))[0, k]
        torch.testing.assert_close(rows[k].sum(), image.sum())
        (grad,) = torch.autograd.grad(image.square().sum(), layer.weight, retain_graph=True)
        mine = torch.zeros_like(layer.weight)
        part = k // (6 // groups)
        mine[part * 4 // groups : (part + 1) * 4 // groups, k % (6 // groups)] = 1.0
        assert torch.equal(grad != 0.0, mine > 0.0)  # and no other weight reaches it
        assert rows[k].numel() == int(mine.sum())


def test_attention_has_queries_keys_and_values_apart():
    layer = nn.MultiheadAttention(6, 2)
    (packed,) = row_sets(layer)
    assert packed.parts == ("q", "k", "v")
    for part, rows in enumerate(packed.weight()):
        assert torch.equal(rows, layer.in_proj_weight[6 * part : 6 * part + 6])
    apart = [found.parameter for found in row_sets(nn.MultiheadAttention(6, 2, kdim=4, vdim=5))]
    assert apart == ["q_proj_weight", "k_proj_weight", "v_proj_weight"]


@pytest.mark.parametrize(
    ("layer", "gates", "names"),
    [
        (nn.LSTM(5, 4, num_layers=2, bidirectional=True), 4, ("i", "f", "g", "o")),
        (nn.GRU(5, 4), 3, ("r", "z", "n")),
        (nn.LSTMCell(5, 4), 4, ("i", "f", "g", "o")),
        (nn.GRUCell(5, 4), 3, ("r", "z", "n")),
        (nn.RNN(5, 4), 1, ()),
        (nn.RNNCell(5, 4), 1, ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_recurrent_layers_have_their_gates_apart(layer, gates, names):
    found = list(row_sets(layer))
    wanted = [name for name, _ in layer.named_parameters() if "weight" in name]
    assert [rows.parameter for rows in found] == wanted
    for rows in found:
        weight = getattr(layer, rows.parameter)
        assert rows.parts == names
        sets = rows.weight().reshape(gates, 4, -1)
        for gate in range(gates):
            assert torch.equal(sets[gate], weight[4 * gate : 4 * gate + 4])


def test_a_projected_lstm():
    found = {rows.parameter: rows.weight().shape for rows in row_sets(nn.LSTM(5, 4, proj_size=2))}
    assert found == {"weight_ih_l0": (4, 4, 5), "weight_hh_l0": (4, 4, 2), "weight_hr_l0": (2, 4)}


def test_an_embedding_is_taken_on_request_without_its_padding():
    rows = only(nn.Embedding(7, 3, padding_idx=2))
    assert rows.on_request
    assert rows.padding == 2
    assert only(nn.EmbeddingBag(7, 3)).on_request


def test_conv1d_of_transformers_is_a_linear_layer_transposed():
    class Conv1D(nn.Module):
        def __init__(self, nf, nx):
            super().__init__()
            self.nf = nf
            self.weight = nn.Parameter(torch.randn(nx, nf))

    layer = Conv1D(6, 4)
    assert torch.equal(only(layer, "mlp.c_fc").weight(), layer.weight.T)
    packed = Conv1D(12, 4)
    rows = only(packed, "h.0.attn.c_attn")
    assert rows.parts == ("q", "k", "v")
    assert torch.equal(rows.weight()[1], packed.weight.T[4:8])


def test_an_unknown_kind_of_layer_is_taken_on_request():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 3))

    assert only(Head()).on_request


def test_normalisations_have_no_rows():
    for layer in (nn.BatchNorm2d(4), nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.PReLU(4), nn.ReLU()):
        assert not any(isinstance(found, RowSet) or found[1] for found in row_sets(layer))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Linear(5, 1), "no angles: 1 row"),
        (nn.Linear(1, 5), "no angles: rows of 1 number"),
        (nn.Conv2d(4, 4, 3, groups=4), "no angles: 1 row in each group"),
        (nn.LazyLinear(3), "not initialised yet: run the model once"),
        (nn.Linear(4, 3, dtype=torch.complex64), "complex"),
    ],
)
def test_weights_without_angles_are_left_out_for_a_reason(layer, reason):
    assert reasons(layer) == [("weight", reason)]


def test_whole_numbers_and_sparse_weights_are_left_out():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(torch.ones(3, 4, dtype=torch.int8), requires_grad=False)
    assert reasons(layer) == [("weight", "whole numbers (torch.int8)")]
    layer.weight = nn.Parameter(torch.eye(4).to_sparse())
    assert reasons(layer) == [("weight", "sparse (torch.sparse_coo)")]


@pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated", "ignore::DeprecationWarning", "ignore::UserWarning"
)
def test_a_quantised_layer_is_left_out():
    quantised = torch.ao.nn.quantized.dynamic.Linear(4, 3)
    assert reasons(quantised) == [("weight", "quantised")]


def test_a_depthwise_convolution_with_a_multiplier_has_rows():
    assert only(nn.Conv2d(4, 8, 3, groups=4)).weight().shape == (4, 2, 9)


def test_spectral_norm_is_read_without_a_step_of_its_power_iteration():
    layer = parametrizations.spectral_norm(nn.Linear(5, 4))
    layer(torch.ones(1, 5))
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    rows = only(layer)
    weight = rows.weight()
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())
    assert all(part.training for part in layer.parametrizations.weight)
    assert rows.leaves() == [layer.parametrizations.weight.original]
    layer.eval()
    assert torch.equal(weight, layer.weight)


def test_weight_norm_is_read_through_to_its_parameters():
    layer = parametrizations.weight_norm(nn.Linear(5, 4))
    rows = only(layer)
    assert torch.equal(rows.weight(), layer.weight)
    assert len(rows.leaves()) == 2
    rows.weight().sum().backward()
    assert all(leaf.grad is not None for leaf in rows.leaves())


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_norms_by_hooks_are_read_through_to_their_parameters(norm):
    layer = norm(nn.Linear(5, 4))
    layer(torch.ones(1, 5)).sum().backward()  # frees the graph behind the weight of that pass
    rows = only(layer)
    rows.weight().square().sum().backward()
    assert all(leaf.grad is not None for leaf in rows.leaves())
    layer(torch.ones(1, 5))
    direction = nn.functional.normalize(rows.weight(), dim=1)
    torch.testing.assert_close(direction, nn.functional.normalize(layer.weight, dim=1))


def test_frozen_follows_requires_grad():
    layer = nn.Linear(5, 4)
    rows = only(layer)
    assert not rows.frozen
    layer.requires_grad_(False)
    assert rows.frozen


def test_a_pruned_weight_has_a_graph_of_its_own():
    # The tensor that the hook left there belongs to the graph of the forward pass, which is gone.
    layer = prune.random_unstructured(nn.Linear(4, 5), "weight", 0.3)
    rows = only(layer)
    layer(torch.ones(1, 4)).sum().backward()
    with torch.no_grad():
        layer.weight_orig.mul_(2.0)
    torch.testing.assert_close(rows.weight(), layer.weight_orig * layer.weight_mask)
    rows.weight().sum().backward()
    assert rows.leaves() == [layer.weight_orig]


def test_float8_is_left_out():
    assert reasons(nn.Linear(4, 4).to(torch.float8_e4m3fn)) == [
        ("weight", "float8_e4m3fn, whose scales are kept apart")
    ]


def test_a_parameter_of_any_name_is_taken_on_request():
    class ClassVectors(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.randn(5, 3))

    rows = only(ClassVectors())
    assert (rows.parameter, rows.on_request) == ("W", True)


@pytest.mark.parametrize("view", [lambda _: None, lambda w: w[0], lambda w: w[None, None]])
def test_a_view_that_returns_no_rows(view):
    with pytest.raises(InvalidParameterError, match=r"`views` must be functions that return rows"):
        RowSet(nn.Linear(3, 4), "weight", view).weight()
