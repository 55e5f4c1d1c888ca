"""The fixed classifier: logits, state, representation, training of a network in front of it."""

import copy
import io
import math
import pickle
import re

import oracles
import pytest
import torch

import tammes
from tammes.base.errors import DeviceError, InvalidParameterError
from tammes.nn.classifier import FixedTammesClassifier


@pytest.mark.parametrize("classes", [2, 5, 8, 12])
def test_logits_are_products_with_unit_rows(classes):
    head = FixedTammesClassifier(6, classes, scale=3.0)
    x = torch.randn(7, 2, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("abf,cf->abc", x, head.weight) * 3.0
    assert torch.allclose(head(x), expected, atol=1e-5)
    assert head.weight.shape == (classes, 6)
    assert oracles.largest_cosine(head.weight) <= head.max_cosine <= oracles.largest_cosine(head.weight) + 1e-12
    assert head.max_cosine == pytest.approx(-1.0 / (classes - 1) if classes <= 7 else 0.0, abs=1e-6)


def test_cosine_logits():
    head = FixedTammesClassifier(6, 4, normalize=True, scale=2.0)
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(head(x), head(100.0 * x), atol=1e-5)
    assert head(x).abs().max() <= 2.0 + 1e-5
    assert torch.allclose(head(head.weight).diagonal(), torch.full((4,), 2.0), atol=1e-5)
    assert torch.isfinite(head(torch.zeros(1, 6))).all()


def test_frozen_has_nothing_to_train_and_gradients_pass_through():
    head = FixedTammesClassifier(6, 4)
    assert list(head.parameters()) == []
    assert [name for name, _ in head.named_buffers()] == ["weight"]
    x = torch.randn(3, 6).requires_grad_()
    head(x).sum().backward()
    assert torch.allclose(x.grad, head.weight.sum(dim=0).expand(3, 6), atol=1e-6)
    assert torch.equal(head.prototypes, head.weight)


def test_an_unfrozen_weight_is_a_parameter_and_learns():
    head = FixedTammesClassifier(6, 4, frozen=False, bias=True)
    assert {name for name, _ in head.named_parameters()} == {"weight", "bias"}
    assert torch.equal(head.bias, torch.zeros(4))
    before = head.max_cosine
    optimizer = torch.optim.SGD(head.parameters(), lr=5.0)
    torch.nn.functional.cross_entropy(head(torch.ones(2, 6)), torch.tensor([0, 1])).backward()
    optimizer.step()
    assert head.max_cosine > before  # measured anew
    assert head.max_cosine == pytest.approx(oracles.largest_cosine(head.weight), abs=1e-12)
    assert torch.allclose(head.prototypes.norm(dim=1), torch.ones(4))
    assert not head.prototypes.requires_grad


def test_a_network_in_front_of_a_fixed_classifier_learns():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10  # more classes than features + 1
    centres = torch.randn(10, 12, generator=generator)
    x = 3.0 * centres[labels] + 0.3 * torch.randn(200, 12, generator=generator)
    body = torch.nn.Linear(12, 4)
    with torch.no_grad():
        body.weight.copy_(0.1 * torch.randn(4, 12, generator=generator))
        body.bias.zero_()
    model = torch.nn.Sequential(body, FixedTammesClassifier(4, 10, normalize=True, scale=16.0))
    fixed = model[1].weight.clone()

    def accuracy():
        return (model(x).argmax(dim=1) == labels).double().mean().item()

    before = accuracy()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    assert before < 0.4
    assert accuracy() > 0.95
    assert torch.equal(model[1].weight, fixed)


@pytest.mark.parametrize("frozen", [True, False])
def test_state_dict_round_trip(frozen):
    head = FixedTammesClassifier(6, 5, frozen=frozen, bias=True, seed=1)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    other = FixedTammesClassifier(6, 5, frozen=not frozen, bias=True, seed=2)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.weight, head.weight)
    assert other.source == "loaded from a state dict"
    head.load_state_dict(head.state_dict())  # nothing changes
    assert head.source == "closed form: simplex"


def test_loading_on_meta_runs_no_solver(monkeypatch):
    state = FixedTammesClassifier(3, 9, bias=True).state_dict()
    monkeypatch.setattr("tammes.nn.classifier.codebook", lambda *_, **__: pytest.fail("a solver runs"))
    with torch.device("meta"):
        head = FixedTammesClassifier(3, 9, bias=True)
    assert "not built" in repr(head)
    for use in (lambda: head.max_cosine, head.reset_parameters):
        with pytest.raises(InvalidParameterError, match="meta"):
            use()
    head.load_state_dict(state, assign=True)
    assert torch.equal(head.weight, state["weight"])
    assert head.source == "loaded from a state dict"
    assert head(torch.ones(2, 3)).shape == (2, 9)


def test_reset_parameters_after_to_empty():
    head = FixedTammesClassifier(6, 5, device="meta", bias=True)
    head.to_empty(device="cpu").reset_parameters()
    assert torch.equal(head.weight, FixedTammesClassifier(6, 5).weight)
    assert torch.equal(head.bias, torch.zeros(5))


def test_a_bad_state_dict_changes_nothing():
    head = FixedTammesClassifier(6, 5)
    before = head.weight.clone()
    with pytest.raises(RuntimeError, match="size mismatch"):
        head.load_state_dict({"weight": torch.ones(4, 6)})
    assert head.source == "closed form: simplex"
    assert torch.equal(head.weight, before)


def test_it_compiles_without_graph_breaks():
    head = FixedTammesClassifier(6, 5, normalize=True, scale=4.0, bias=True)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(head, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), head(x))


def test_two_classes():
    assert torch.equal(FixedTammesClassifier(1, 2).weight, torch.tensor([[1.0], [-1.0]]))
    for features in (1, 2, 7):
        head = FixedTammesClassifier(features, 2)
        assert torch.allclose(head.weight[0], -head.weight[1], atol=1e-6)
        assert head.max_cosine == pytest.approx(-1.0, abs=1e-6)
        assert head.min_angle_degrees == pytest.approx(180.0, abs=0.1)
    plane = FixedTammesClassifier(2, 5)
    assert plane.max_cosine == pytest.approx(math.cos(2.0 * math.pi / 5.0), abs=1e-6)


def test_dtypes_devices_and_copies():
    head = FixedTammesClassifier(3, 4, dtype=torch.bfloat16)
    assert head.max_cosine == pytest.approx(oracles.largest_cosine(head.weight), abs=1e-12)
    for _ in range(20):  # the float32 copy of a half may lie where the first weight lay
        back = FixedTammesClassifier(3, 4).half().float()
        assert back.max_cosine == pytest.approx(oracles.largest_cosine(back.weight), abs=1e-12)
    half = FixedTammesClassifier(3, 4).half()
    assert half.weight.dtype == torch.float16
    assert half.max_cosine == pytest.approx(oracles.largest_cosine(half.weight), abs=1e-12)
    for twin in (copy.deepcopy(half), pickle.loads(pickle.dumps(half))):
        assert torch.equal(twin.weight, half.weight)
        assert repr(twin) == repr(half)
    with torch.inference_mode():
        made = FixedTammesClassifier(3, 4)
    assert made.max_cosine == pytest.approx(-1.0 / 3.0, abs=1e-6)


def test_representation():
    text = repr(FixedTammesClassifier(4, 120, normalize=True, scale=16, bias=True, frozen=False))
    assert "features=4, classes=120, frozen=False, normalize=True, scale=16, bias=True" in text
    (angle,) = re.findall(r"min_angle=(\S+) degrees", text)
    assert float(angle) == pytest.approx(36.0, abs=1e-3)
    assert "source='construction: 600-cell'" in text


def test_an_interrupt_in_progress_keeps_the_best_weight():
    reports = []

    def one_is_enough(report):
        reports.append(report)
        raise KeyboardInterrupt  # and the best so far is kept

    head = FixedTammesClassifier(20, 60, progress=one_is_enough)
    assert len(reports) == 1
    assert head.max_cosine == pytest.approx(oracles.largest_cosine(head.weight), abs=1e-12)


def test_the_global_random_state_is_left_alone():
    state = torch.get_rng_state()
    first, again = FixedTammesClassifier(4, 120), FixedTammesClassifier(4, 120)
    assert torch.equal(first.weight, again.weight)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"classes": 1}, "classes"),
        ({"classes": 2.0}, "classes"),
        ({"features": 0}, "features"),
        ({"features": 1}, "features"),
        ({"scale": 0.0}, "scale"),
        ({"scale": math.nan}, "scale"),
        ({"seed": -1}, "seed"),
        ({"dtype": torch.int32}, "dtype"),
    ],
)
def test_bad_input(change, name):
    with pytest.raises(InvalidParameterError, match=f"`{name}` must be"):
        FixedTammesClassifier(**{"features": 4, "classes": 3, **change})


def test_inputs_of_the_wrong_width():
    with pytest.raises(InvalidParameterError, match=r"`x` must be of shape \(..., 4\)"):
        FixedTammesClassifier(4, 3)(torch.ones(2, 5))


def test_the_package_offers_it():
    assert tammes.nn.FixedTammesClassifier is FixedTammesClassifier


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_unit_inputs_of_every_length(dtype):
    head = FixedTammesClassifier(3, 4, normalize=True, dtype=dtype)
    expected = head(torch.tensor([1.0, 2.0, -2.0], dtype=dtype))
    span = torch.finfo(dtype)
    for length in (1e-3, 1.0, span.max / 4):  # in float16 the length itself, or its square, has no number
        x = torch.tensor([1.0, 2.0, -2.0], dtype=torch.float64).mul(length).to(dtype)
        torch.testing.assert_close(head(x), expected, rtol=8 * span.eps, atol=8 * span.eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_inputs_of_length_zero_give_zero_and_a_finite_gradient(dtype):
    x = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    logits = FixedTammesClassifier(3, 4, normalize=True, dtype=dtype)(x)
    logits[:, 0].sum().backward()
    assert not logits.any()
    assert (x.grad.norm(dim=1) < 1.1).all()


def test_logits_on_the_meta_device_need_inputs_there():
    head = FixedTammesClassifier(3, 4, device="meta")
    assert head(torch.zeros(2, 3, device="meta")).shape == (2, 4)
    with pytest.raises(InvalidParameterError, match="meta"):
        head(torch.zeros(2, 3))


def test_weights_without_directions_can_be_printed():
    head = FixedTammesClassifier(3, 4)
    head.load_state_dict({"weight": torch.zeros(4, 3)})
    assert "min_angle=none" in repr(head)


def test_devices_that_are_not_there():
    with pytest.raises(InvalidParameterError, match="device"):
        FixedTammesClassifier(3, 4, device="nowhere")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="cuda"):
            FixedTammesClassifier(3, 4, device="cuda")
