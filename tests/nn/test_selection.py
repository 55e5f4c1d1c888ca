"""The choice of the layers of a model: kinds, names, predicates, ties, wrappers."""

import pytest
import torch
from torch import nn

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.nn.selection import check_present, find_layers


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8, padding_idx=0)
        self.stem = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)])
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.rnn = nn.GRU(8, 8)
        self.head = nn.Linear(8, 20)


def names(**options):
    return [layer.name for layer in find_layers(Net(), **options).chosen]


EVERY = ["stem", "blocks.0", "blocks.1", "blocks.2", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "head"]


def test_every_layer_with_angles_in_order():
    assert names() == EVERY


def test_what_is_left_out_has_its_reason():
    assert find_layers(Net()).skipped == {
        "depthwise": "no angles: 1 row in each group",
        "embed": "embedding: taken when it is asked for",
    }


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("head", ["head"]),
        ("blocks.*", ["blocks.0", "blocks.1", "blocks.2"]),
        ("blocks", ["blocks.0", "blocks.1", "blocks.2"]),
        ("rnn", ["rnn.weight_ih_l0", "rnn.weight_hh_l0"]),
        (["head", "stem"], ["stem", "head"]),
        ("embed", ["embed"]),
        (lambda name, module: isinstance(module, nn.Conv2d), ["stem"]),
        (["head", lambda name, module: name.endswith("1")], ["blocks.1", "head"]),
    ],
)
def test_include(include, expected):
    assert names(include=include) == expected


def test_exclude():
    found = find_layers(Net(), exclude=["blocks.1", lambda _, module: isinstance(module, nn.GRU)])
    assert [layer.name for layer in found.chosen] == ["stem", "blocks.0", "blocks.2", "head"]
    assert found.skipped["blocks.1"] == found.skipped["rnn.weight_ih_l0"] == "excluded"


def test_the_first_layer_can_be_left_out():
    assert names(first_layer=False) == EVERY[1:]
    assert find_layers(Net(), first_layer=False).skipped["stem"] == "the first layer"
    assert names(first_layer=False, exclude="stem") == EVERY[1:]  # the first layer of the model, not of the choice
    assert names(first_layer=False, include="blocks.*") == EVERY[1:4]


def test_embeddings_on_request():
    assert names(embeddings=True) == ["embed", *EVERY]


def test_the_last_layer_is_the_output_layer_unless_named():
    assert find_layers(Net()).output == {"head"}
    assert find_layers(Net(), output="blocks.*").output == {"blocks.0", "blocks.1", "blocks.2"}
    assert find_layers(Net(), exclude="head").output == frozenset()


@pytest.mark.parametrize("option", ["include", "exclude", "output"])
@pytest.mark.parametrize(("pattern", "closest"), [("haed", "head"), ("layer4.*", ""), ("norm", "")])
def test_a_pattern_that_matches_nothing_says_what_there_is(option, pattern, closest):
    with pytest.raises(UnknownNameError, match=rf"`{option}` must be one of: {closest}") as caught:
        find_layers(Net(), **{option: pattern})
    assert all(name in str(caught.value) for name in ("stem", "blocks.0", "head"))


@pytest.mark.parametrize("option", ["include", "exclude", "output"])
def test_choices_of_the_wrong_type_are_refused(option):
    with pytest.raises(InvalidParameterError, match=f"`{option}` must be a name, a predicate"):
        find_layers(Net(), **{option: [3]})


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.ReLU(), "no weights at all"),
        (nn.Sequential(nn.Linear(5, 1)), "0: no angles: 1 row"),
        (nn.Sequential(nn.Embedding(5, 3)), "0: embedding: taken when it is asked for"),
    ],
)
def test_a_model_without_layers(model, said):
    with pytest.raises(
        InvalidParameterError, match="`model` must be a module with a layer of two or more rows"
    ) as found:
        find_layers(model)
    assert said in str(found.value)


def test_nothing_left_after_a_predicate():
    with pytest.raises(InvalidParameterError, match="head: excluded"):
        find_layers(Net(), exclude=lambda *_: True)


def test_a_model_that_is_no_module_is_refused():
    with pytest.raises(InvalidParameterError, match=r"`model` must be a torch module\. Got 'list'"):
        find_layers([nn.Linear(2, 2)])


def test_tied_weights_are_taken_once():
    model = nn.ModuleDict({"embed": nn.Embedding(9, 4), "a": nn.Linear(4, 9), "b": nn.Linear(4, 9)})
    model["a"].weight = model["embed"].weight
    model["b"].weight = model["embed"].weight
    found = find_layers(model)
    assert [layer.name for layer in found.chosen] == ["a"]
    assert found.skipped["b"] == "tied to a"
    shared = nn.Linear(4, 4)
    assert [layer.name for layer in find_layers(nn.Sequential(shared, shared, nn.Linear(4, 5))).chosen] == ["0", "2"]


def test_wrappers_do_not_change_names():
    compiled = torch.compile(Net(), backend="eager")
    assert [layer.name for layer in find_layers(compiled).chosen] == EVERY

    class Wrapper(nn.Module):  # as DistributedDataParallel names it
        def __init__(self, module):
            super().__init__()
            self.module = module

    assert [layer.name for layer in find_layers(Wrapper(compiled), include="blocks.*").chosen] == EVERY[1:4]


def test_fsdp1_is_refused():
    class FullyShardedDataParallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(4, 4)

    with pytest.raises(InvalidParameterError, match="FSDP2"):
        find_layers(FullyShardedDataParallel())


def test_a_view_says_what_the_rows_are():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 5))

    model = nn.ModuleDict({"qkv": nn.Linear(4, 12), "head": Head()})
    found = find_layers(model, views={"qkv": lambda w: w.reshape(3, 4, 4), "h*": lambda w: w.T})
    shapes = {layer.name: tuple(layer.rows.weight().shape) for layer in found.chosen}
    assert shapes == {"qkv": (3, 4, 4), "head": (5, 3)}
    with pytest.raises(UnknownNameError, match="`views` must be one of: qkv"):
        find_layers(model, views={"kqv": lambda w: w})


@pytest.mark.parametrize(
    "options",
    [{"views": [1]}, {"views": {"stem": 3}}, {"include": 3}, {"first_layer": "no"}, {"embeddings": 1}],
    ids=str,
)
def test_options_of_the_wrong_kind(options):
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        find_layers(Net(), **options)


def test_what_is_taken_on_request_is_no_output_layer_unless_taken():
    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 5)
            self.tail = nn.ParameterDict({"own": nn.Parameter(torch.randn(5, 3))})

    assert find_layers(Ends(), include=["body", "head"]).output == {"head"}
    assert find_layers(Ends(), include=["body", "tail"]).output == {"tail.own"}


def test_layers_that_have_left_the_model_are_refused():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    layers = find_layers(model).chosen
    check_present(model, layers)
    model[1] = nn.Linear(4, 5)
    with pytest.raises(InvalidParameterError, match="`1` must be a layer of the model"):
        check_present(model, layers)
    del model[0].weight
    with pytest.raises(InvalidParameterError, match="`0` must be a layer of the model"):
        check_present(model, layers)
