"""The networks of the paper: parameters counted by hand, names of layers, shortcuts, the margin of an angle."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.paper import models, step_cost
from benchmarks.paper.models.arcface import FaceBlock, MarginHead
from benchmarks.paper.models.densenet import DenseLayer, Transition
from benchmarks.paper.models.layers import Decimate, initialise_
from benchmarks.paper.models.resnet import BasicBlock
from benchmarks.paper.models.wide_resnet import WideBlock
from tammes.errors import DeviceError, FileAccessError, InvalidParameterError, UnknownNameError
from tammes.nn import Regularizer

LARGE = ("vgg19-bn", "vgg16-bn", "wrn-16-8", "arcface-resnet50")
SMALL = tuple(name for name in models.NAMES if name not in LARGE)
SIZES = {"vgg19-bn": 32, "vgg16-bn": 32, "arcface-resnet50": 16}  # of the images of most tests; 8 for the others

_built = {}


def built(name, classes=10):
    """A network that the tests share, since drawing millions of weights takes time; its gradients are cleared."""
    if name not in _built:
        torch.manual_seed(0)
        _built[name] = models.build(name, classes, SIZES.get(name, 8))
    _built[name].train().zero_grad()
    return _built[name]


def some_images(name, count=4):
    side = SIZES.get(name, 8)
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def on_paper(name, classes, **options):
    """A network without weights."""
    with torch.device("meta"):
        return models.build(name, classes, **options)


# --- parameters, counted from the papers' descriptions --------------------------------------------------


def conv(inputs, outputs, k=3, bias=False):
    return inputs * outputs * k * k + bias * outputs


def counted_vgg(depths, classes, bias=True):
    total, inputs = 0, 3
    for width, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        total += conv(inputs, width, bias=bias) + (depth - 1) * conv(width, width, bias=bias) + depth * 2 * width
        inputs = width
    return total + 512 * classes + classes


def counted_resnet(n, classes):
    plain = sum(2 * n * (conv(w, w) + 2 * w) for w in (16, 32, 64))
    first = sum(conv(w, w) - conv(w // 2, w) for w in (32, 64))  # the first of a resolution sees half the channels
    return conv(3, 16) + 2 * 16 + plain - first + 64 * classes + classes


def counted_wrn(n, k, classes):
    total = conv(3, 16)
    for inputs, outputs in ((16, 16 * k), (16 * k, 32 * k), (32 * k, 64 * k)):
        total += conv(inputs, outputs) + (2 * n - 1) * conv(outputs, outputs) + conv(inputs, outputs, k=1)
        total += 2 * inputs + (2 * n - 1) * 2 * outputs  # a batch norm before every convolution
    return total + 2 * 64 * k + 64 * k * classes + classes


def counted_densenet(n, growth, classes):
    total, channels = conv(3, 16), 16
    for resolution in range(3):
        widths = range(channels, channels + n * growth, growth)
        total += sum(2 * width + conv(width, growth) for width in widths)
        channels += n * growth
        if resolution < 2:
            total += 2 * channels + conv(channels, channels, k=1)
    return total + 2 * channels + channels * classes + classes


def counted_arcface(classes, positions=49):
    total, inputs = conv(3, 64) + 3 * 64, 64  # with batch norm and PReLU
    for outputs, blocks in ((64, 3), (128, 4), (256, 14), (512, 3)):
        total += conv(inputs, outputs, k=1) + 2 * outputs  # the shortcut of the first block
        for _ in range(blocks):
            total += 2 * inputs + conv(inputs, outputs) + 3 * outputs + conv(outputs, outputs) + 2 * outputs
            inputs = outputs
    return total + 2 * 512 + 512 * positions * 512 + 512 + 2 * 512 + 512 * classes


COUNTS = {
    "vgg19-bn": (20_086_692, lambda classes: counted_vgg((2, 2, 4, 4, 4), classes)),
    "vgg16-bn": (14_774_436, lambda classes: counted_vgg((2, 2, 3, 3, 3), classes)),
    "resnet20": (275_572, lambda classes: counted_resnet(3, classes)),
    "resnet56": (858_868, lambda classes: counted_resnet(9, classes)),
    "wrn-16-8": (11_007_540, lambda classes: counted_wrn(2, 8, classes)),
    "densenet-40-12": (1_060_132, lambda classes: counted_densenet(12, 12, classes)),
    "arcface-resnet50": (43_642_048, counted_arcface),
}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", models.NAMES)
def test_parameters(name):
    published, counted = COUNTS[name]
    assert parameters(on_paper(name, 100)) == published == counted(100)
    assert parameters(on_paper(name, 7)) == counted(7)


def test_parameters_of_variants():
    assert parameters(on_paper("vgg19-bn", 100, bias=False)) == 20_081_188
    assert counted_vgg((2, 2, 4, 4, 4), 100, bias=False) == 20_081_188
    assert parameters(on_paper("vgg16-bn", 200, image_size=64)) == 14_825_736
    assert parameters(on_paper("arcface-resnet50", 10, image_size=33)) == counted_arcface(10, positions=9)
    backbone = on_paper("arcface-resnet50", 10_575)
    assert parameters(backbone) - parameters(backbone.head) == 43_590_848  # as the release's, which counts no head


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.NAMES)
def test_every_layer_has_one_name(name):
    model = on_paper(name, 100)
    names = models.layer_names(model)
    with_rows = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert sorted(names.values()) == sorted(with_rows)
    assert list(names)[-1] == "Classify"
    assert model.get_submodule(names["Classify"]).weight.shape[0] == 100


@pytest.mark.parametrize(
    ("model", "shapes"),
    [
        ("vgg19-bn", {"L1-1": (64, 27), "L3-3": (256, 2304), "L4-3": (512, 4608), "L5-3": (512, 4608)}),
        ("vgg16-bn", {"L1-1": (64, 27), "L3-1": (256, 1152), "L5-3": (512, 4608), "Classify": (100, 512)}),
        ("resnet20", {"Stem": (16, 27), "L2-1": (32, 144), "L3-6": (64, 576), "Classify": (100, 64)}),
        ("resnet56", {"Stem": (16, 27), "L1-18": (16, 144), "L3-18": (64, 576), "Classify": (100, 64)}),
        ("wrn-16-8", {"Stem": (16, 27), "S1": (128, 16), "L3-1": (512, 2304), "S3": (512, 256), "L3-4": (512, 4608)}),
        ("densenet-40-12", {"L1-1": (12, 144), "T2": (304, 304), "L3-12": (12, 3924), "Classify": (100, 448)}),
        ("arcface-resnet50", {"S1": (64, 64), "L3-28": (256, 2304), "Embed": (512, 25088), "Classify": (100, 512)}),
    ],
)
def test_shapes_of_rows(model, shapes):
    network = on_paper(model, 100)
    names = models.layer_names(network)
    got = {name: tuple(network.get_submodule(names[name]).weight.flatten(1).shape) for name in shapes}
    assert got == shapes


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("vgg19-bn", 16 + 1),
        ("vgg16-bn", 13 + 1),
        ("resnet20", 20),
        ("resnet56", 56),
        ("wrn-16-8", 16 + 1),  # its depth counts the three shortcuts, and the classifier not
        ("densenet-40-12", 40),
        ("arcface-resnet50", 1 + 2 * 24 + 4 + 2),
    ],
)
def test_as_deep_as_the_name_says(name, layers):
    assert len(models.layer_names(on_paper(name, 100))) == layers


def test_names_within_wrappers():
    model = built("resnet20")
    assert models.layer_names(nn.DataParallel(model)) == models.layer_names(model)
    assert models.layer_names(torch.compile(model, backend="eager")) == models.layer_names(model)
    with pytest.raises(InvalidParameterError, match="Linear"):
        models.layer_names(nn.Linear(2, 2))


@pytest.mark.parametrize("name", models.NAMES)
def test_the_regulariser_takes_all_of_them(name):
    model = built(name)
    reg = Regularizer(model, "mma", 0.07, output_coef=0.5)
    assert sorted(reg.layers) == sorted(models.layer_names(model).values())
    coefs = {layer.name: coef for layer, _, coef in reg._terms}
    assert [layer for layer, coef in coefs.items() if coef == 0.5] == [models.layer_names(model)["Classify"]]


@pytest.mark.parametrize("name", SMALL)
def test_the_report_has_a_line_a_layer(name):
    lines = Regularizer(built(name), "mma", 0.07).report().to_dict()
    assert sorted(lines) == sorted(models.layer_names(built(name)).values())
    assert all(0.0 < line["min_angle_degrees"] < 180.0 for line in lines.values())


# --- forward and backward ---------------------------------------------------------------------------------


def loss_of(model, images, labels):
    """Cross entropy; a network that embeds is asked through its head."""
    logits = model(images, labels) if hasattr(model, "head") else model(images)
    assert logits.shape == (len(images), 10)
    return nn.functional.cross_entropy(logits.float(), labels)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", models.NAMES)
def test_every_parameter_learns(name, bf16):
    model, images = built(name), some_images(name)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = loss_of(model, images, torch.tensor([0, 3, 9, 3]))
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    fixed = [path for path, parameter in model.named_parameters() if not parameter.requires_grad]
    assert fixed == (["embed_bn.weight"] if name == "arcface-resnet50" else [])
    convolutions = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    rounding = [f"{path}.bias" for path in convolutions]  # batch norm takes these away again
    for path, parameter in model.named_parameters():
        if path not in fixed:
            assert parameter.grad is not None, path
            assert parameter.grad.isfinite().all(), path
            assert path in rounding or parameter.grad.abs().max() > 0.0, path


@pytest.mark.parametrize("name", SMALL)
def test_autocast_is_near_float32(name):
    model, images = built(name).eval(), some_images(name)
    exact = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(images)
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_its_images_one_by_one(name):
    model, images = built(name).double().eval(), some_images(name).double()
    together = model(images)
    apart = torch.cat([model(image[None]) for image in images])
    model.float()  # what it was: its weights are of float32
    torch.testing.assert_close(together, apart, rtol=1e-10, atol=1e-12)


def test_compiled_in_one_graph():
    torch.compiler.reset()
    model, images = built("resnet20").eval(), some_images("resnet20")
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), model(images))
    head, labels = MarginHead(10, 5), torch.tensor([1, 2, 3, 4])
    compiled = torch.compile(head, fullgraph=True, backend="eager")
    embeddings = model(images).detach()
    torch.testing.assert_close(compiled(embeddings, labels), head(embeddings, labels))


@pytest.mark.parametrize(
    ("name", "side"), [("resnet20", 33), ("resnet56", 64), ("wrn-16-8", 7), ("densenet-40-12", 4), ("vgg16-bn", 64)]
)
def test_other_sizes(name, side):
    assert built(name).eval()(torch.zeros(1, 3, side, side)).shape == (1, 10)


def test_a_vgg_classifies_the_mean_of_its_positions():
    model = built("vgg16-bn").eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    seen = model.features(images)
    assert seen.shape == (1, 512, 2, 2)
    apart = [model.classifier(seen[:, :, i, j]) for i in (0, 1) for j in (0, 1)]
    torch.testing.assert_close(model(images), sum(apart) / 4.0)


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_says_everything(name):
    def logits(seed):
        torch.manual_seed(seed)
        return models.build(name, 10).eval()(some_images(name))

    assert torch.equal(logits(3), logits(3))
    assert not torch.equal(logits(3), logits(4))


def test_weights_begin_with_the_deviation_of_their_fan_out():
    model = built("vgg19-bn")
    fresh = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1), nn.Linear(128, 256))
    initialise_(fresh)
    assert float(fresh[0].weight.detach().std()) == pytest.approx(math.sqrt(2.0 / (9 * 128)), rel=0.02)
    assert float(fresh[1].weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert float(model.features[0].weight.detach().mean()) == pytest.approx(0.0, abs=0.01)
    biases = [parameter for path, parameter in fresh.named_parameters() if path.endswith("bias")]
    assert not any(bias.any() for bias in biases)


# --- shortcuts and blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 9])
def test_a_shortcut_without_parameters_is_the_input_decimated(side):
    x = torch.randn(2, 4, side, side)
    out = Decimate(10, 2)(x)
    half = (side + 1) // 2
    assert out.shape == (2, 10, half, half)
    for i in range(half):
        for j in range(half):
            assert torch.equal(out[:, :4, i, j], x[:, :, 2 * i, 2 * j])
    assert not out[:, 4:].any()
    assert not list(Decimate(10, 2).parameters())


def without_weights(block):
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    return block


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 8, 2)])
def test_a_block_without_weights_is_its_shortcut(inputs, outputs, stride):
    x = torch.randn(2, inputs, 6, 6)
    out = without_weights(BasicBlock(inputs, outputs, stride))(x)
    assert torch.equal(out[:, :inputs], x[:, :, ::stride, ::stride].relu())
    assert not out[:, inputs:].any()


def test_plain_shortcuts_carry_the_input_past_its_activation():
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(without_weights(WideBlock(4, 4))(x), x)
    assert torch.equal(without_weights(FaceBlock(4, 4))(x), x)


def test_a_shortcut_of_a_wide_block_begins_at_the_activated_input():
    block = WideBlock(4, 8, 2).eval()
    nn.init.zeros_(block.conv2.weight)
    x = -torch.rand(2, 4, 6, 6)  # nothing of it is left behind the first ReLU
    assert not block(x).any()
    assert block(-x).any()


def test_a_dense_layer_keeps_its_input_in_front():
    x = torch.randn(2, 5, 6, 6)
    out = DenseLayer(5, 3)(x)
    assert out.shape == (2, 8, 6, 6)
    assert torch.equal(out[:, :5], x)


def test_a_transition_is_the_mean_of_two_by_two():
    transition = Transition(3).eval()
    with torch.no_grad():
        transition.conv.weight.copy_(torch.eye(3)[:, :, None, None])
    x = torch.rand(1, 3, 4, 4)
    means = x.reshape(1, 3, 2, 2, 2, 2).mean(dim=(3, 5)) / math.sqrt(1.0 + transition.bn.eps)
    torch.testing.assert_close(transition(x), means)


# --- the margin of ArcFace --------------------------------------------------------------------------------


def head_of(rows, margin=0.5, scale=64.0):
    head = MarginHead(rows.shape[1], rows.shape[0], margin, scale).to(rows.dtype)
    with torch.no_grad():
        head.directions.weight.copy_(rows)
    return head


def angle(a, b):
    """In float64, exact near 0 and pi too: Kahan's half-angle form."""
    u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return 2.0 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))


def test_logits_by_their_angles():
    rng = np.random.default_rng(0)
    rows, embeddings, labels = rng.normal(size=(5, 7)), 3.0 * rng.normal(size=(20, 7)), rng.integers(0, 5, 20)
    got = head_of(torch.tensor(rows), 0.5, 64.0)(torch.tensor(embeddings), torch.tensor(labels)).detach().numpy()
    for i, embedding in enumerate(embeddings):
        for j, row in enumerate(rows):
            theta = angle(embedding, row)
            expected = math.cos(theta + 0.5) if j == labels[i] else math.cos(theta)
            if j == labels[i] and theta > math.pi - 0.5:
                expected = math.cos(theta) - 0.5 * math.sin(0.5)
            assert got[i, j] == pytest.approx(64.0 * expected, abs=1e-12)


def at(theta, dtype=torch.float64):
    """Unit vectors at these angles to the first axis, in the plane of the first two."""
    theta = torch.as_tensor(theta, dtype=torch.float64)
    return torch.stack([theta.cos(), theta.sin(), 0.0 * theta], dim=-1).to(dtype)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_the_logit_of_the_right_class_falls_all_the_way(margin):
    theta = torch.linspace(0.0, math.pi, 2001, dtype=torch.float64)
    head = head_of(at([0.0, 1.0]), margin, 1.0)
    logits = head(at(theta), torch.zeros(2001, dtype=torch.int64))[:, 0].detach()
    assert (logits.diff() < 0.0).all()
    inside = theta < math.pi - margin
    torch.testing.assert_close(logits[inside], (theta[inside] + margin).cos(), rtol=0.0, atol=1e-14)
    beyond = theta[~inside].cos() - margin * math.sin(margin)
    torch.testing.assert_close(logits[~inside], beyond, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("theta", [1e-7, 1e-4, 0.3, 2.0, 3.1])
def test_the_slope_in_the_angle(theta):
    """d logit / d theta = -sin(theta + m), or -sin(theta) beyond pi - m; the gradient has no other part."""
    embedding = at([theta]).requires_grad_()
    head_of(at([0.0, 1.0]), 0.5, 1.0)(embedding, torch.tensor([0]))[0, 0].backward()
    slope = -math.sin(theta + 0.5) if theta < math.pi - 0.5 else -math.sin(theta)
    along = torch.tensor([-math.sin(theta), math.cos(theta), 0.0], dtype=torch.float64)
    torch.testing.assert_close(embedding.grad[0], slope * along, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("theta", [0.0, 1e-30, 1e-5, math.pi])
def test_gradients_are_finite_at_the_ends(theta, dtype):
    embedding = at([theta], dtype).requires_grad_()
    head = head_of(at([0.0, 1.0], dtype))
    logits = head(embedding, torch.tensor([0]))
    logits.sum().backward()
    assert logits.dtype == torch.promote_types(dtype, torch.float32)
    for gradient in (embedding.grad, head.directions.weight.grad):
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 200.0  # scale times cosines and sines, of two classes


def test_gradcheck_of_the_head():
    torch.manual_seed(0)
    head = MarginHead(5, 4).double()
    embeddings = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 1, 1])
    weight = head.directions.weight

    def logits(embeddings, weight):
        return torch.func.functional_call(head, {"directions.weight": weight}, (embeddings, labels))

    assert torch.autograd.gradcheck(logits, (embeddings, weight))


def test_the_head_sees_directions_alone():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5).double(), torch.randn(6, 8).double(), torch.arange(6) % 5
    before = head(embeddings, labels)
    with torch.no_grad():
        head.directions.weight.mul_(torch.rand(5, 1) + 0.5)
    torch.testing.assert_close(head(7.0 * embeddings, labels), before, rtol=1e-12, atol=1e-11)


def test_without_labels_no_margin():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5).double(), torch.randn(6, 8).double(), torch.arange(6) % 5
    cosines = nn.functional.cosine_similarity(embeddings[:, None], head.directions.weight[None], dim=2)
    torch.testing.assert_close(head(embeddings), 64.0 * cosines)
    assert (head(embeddings) - head(embeddings, labels)).count_nonzero() == 6


def test_the_head_is_float32_within_autocast():
    torch.manual_seed(0)
    head, embeddings, labels = MarginHead(8, 5), torch.randn(6, 8), torch.arange(6) % 5
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(embeddings, labels)
    assert torch.equal(inside, head(embeddings, labels))


def test_arcface_is_its_embedding_and_its_head():
    model, images, labels = (
        built("arcface-resnet50").eval(),
        some_images("arcface-resnet50"),
        torch.tensor([1, 2, 3, 4]),
    )
    embeddings = model(images)
    assert embeddings.shape == (4, 512)
    assert torch.equal(model(images, labels), model.head(embeddings, labels))


# --- bad input -----------------------------------------------------------------------------------------------


def test_names_and_sizes_that_are_none():
    with pytest.raises(UnknownNameError, match=r"one of: vgg19-bn, .*Got 'vgg19'"):
        models.build("vgg19", 100)
    with pytest.raises(UnknownNameError, match="`option of resnet20`"):
        models.build("resnet20", 100, bias=False)
    for classes in (1, 0, 2.0, True):
        with pytest.raises(InvalidParameterError, match="`classes`"):
            models.build("resnet20", classes)
    for name, size in (("vgg19-bn", 31), ("densenet-40-12", 3), ("resnet20", 0)):
        with pytest.raises(InvalidParameterError, match="`image_size`"):
            models.build(name, 10, size)
    assert models.image_size("arcface-resnet50") == 112
    assert models.image_size("resnet56") == 32


@pytest.mark.parametrize("bad", [{"margin": -0.1}, {"margin": 2.0}, {"margin": math.nan}, {"scale": 0.0}])
def test_margins_that_are_none(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        MarginHead(8, 4, **bad)


@pytest.mark.parametrize("labels", [torch.zeros(3), torch.zeros(2, dtype=torch.int64), torch.zeros(3, 1).long()])
def test_labels_that_are_none(labels):
    with pytest.raises(InvalidParameterError, match="`labels`"):
        MarginHead(8, 4)(torch.ones(3, 8), labels)


# --- what MMA adds to a step ---------------------------------------------------------------------------------

TINY = ["--model", "resnet20", "--size", "4", "--batch", "2", "--pairs", "1", "--no-memory"]


def measured(every, tenth, mib=None, **other):
    """As `step_cost.measure` gives it: a plain step of 2, 4 and 8 s, and how many of it the others cost."""
    plain = [2.0, 4.0, 8.0]
    columns = [plain, *([a * b for a, b in zip(plain, ratios, strict=True)] for ratios in (every, tenth))]
    one = {"device": "some processor", "cores": 2, "threads": 1, "python": "3", "torch": "2", **step_cost.STANDARD}
    forms = list(step_cost.FORMS)
    return (
        one
        | {"seconds": dict(zip(forms, columns, strict=True)), "mib": dict(zip(forms, mib or (), strict=False))}
        | other
    )


def cells(report, device, form):
    lines = [line for line in report.splitlines() if line.startswith(f"| {device} | {form} |")]
    return [cell.strip() for cell in lines[0].strip("|").split("|")[2:]]


def test_a_step_costs_the_median_of_its_pairs():
    """Pair by pair: the ratio of the medians is another number."""
    report = step_cost.markdown({"cpu": measured([1.5, 1.3, 1.25], [1.2, 1.0, 1.3], mib=[200.0, 220.0, 210.0])})
    assert cells(report, "CPU", "plain") == ["4", "1", "", "200", "1.000"]
    expected = ["5.2", "1.300 (1.250 to 1.500)", "1.36: met", "220", "1.100"]
    assert cells(report, "CPU", "MMA at every step") == expected
    tenth = cells(report, "CPU", "MMA, `refresh_every=10`")
    assert tenth == ["4", "1.200 (1.000 to 1.300)", "1.10: not met", "210", "1.050"]


def test_what_was_not_measured_has_no_figure():
    report = step_cost.markdown({"cpu": measured([1.0] * 3, [1.0] * 3)})
    for form in step_cost.FORMS:
        assert cells(report, "CUDA", form) == ["not measured", "", "", "", ""]
        assert cells(report, "CPU", form)[3:] == ["not measured", ""]
    other = step_cost.markdown({"cpu": measured([1.0] * 3, [1.0] * 3, model="resnet20")})
    assert cells(other, "CPU", "MMA at every step")[2] == ""  # nothing is demanded of other networks
    assert "--model resnet20" in other


def test_kinds_of_step_take_turns():
    calls = []
    steps = {name: (lambda name=name: calls.append(name)) for name in step_cost.FORMS}
    columns = step_cost.alternate(steps, "cpu", 3)
    assert {len(column) for column in columns.values()} == {3}
    rounds = [tuple(calls[k : k + 3]) for k in range(0, len(calls), 3)]
    assert len(rounds) == 1 + 3 * step_cost.STEPS
    assert all(sorted(one) == sorted(step_cost.FORMS) for one in rounds)
    firsts = [one[0] for one in rounds[1:]]
    assert {firsts.count(name) for name in step_cost.FORMS} == {step_cost.STEPS}


def test_the_three_kinds_of_step_train_with_and_without_mma():
    options = step_cost.parsed(TINY)
    trainings = [step_cost.Training(form, options) for form in step_cost.FORMS]
    before = trainings[0].model.classifier.weight.detach().clone()
    for training in trainings:
        training.step()
    plain, every, tenth = (training.model.classifier.weight.detach() for training in trainings)
    assert not torch.equal(plain, before)
    torch.testing.assert_close(every, tenth, rtol=1e-5, atol=1e-8)  # both looked their neighbours up
    term = trainings[0].model.classifier.weight.detach() - every
    torch.manual_seed(0)
    fresh = models.build("resnet20", 100, 4)
    assert torch.equal(fresh.classifier.weight.detach(), before)
    Regularizer(fresh, "mma", 0.07)().backward()
    torch.testing.assert_close(term, 0.01 * fresh.classifier.weight.grad, rtol=1e-3, atol=1e-6)


def test_a_run_keeps_the_rows_of_other_devices(tmp_path, capsys):
    out = tmp_path / "cost.md"
    (tmp_path / "cost.json").write_text(json.dumps({"cuda": measured([1.1] * 3, [1.05] * 3)}))
    step_cost.run([*TINY, "--out", str(out)])
    report = out.read_text()
    assert report == capsys.readouterr().out
    assert cells(report, "CUDA", "MMA at every step")[1:3] == ["1.100 (1.100 to 1.100)", "1.36: met"]
    assert float(cells(report, "CPU", "plain")[0]) > 0.0
    stored = json.loads((tmp_path / "cost.json").read_text())
    assert stored["cuda"] == measured([1.1] * 3, [1.05] * 3)
    assert stored["cpu"]["model"] == "resnet20"


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own():
    """The outputs of a ResNet20's convolutions, kept for the backward pass, are the least a batch takes."""
    outputs = 7 * 16 * 32**2 + 6 * 32 * 16**2 + 6 * 64 * 8**2
    mib = {
        batch: step_cost.peak("plain", step_cost.parsed([*TINY, "--size", "32", "--batch", str(batch)]))
        for batch in (32, 256)
    }
    assert mib[256] > 256 * 4 * outputs / 2**20
    assert mib[256] > 4 * mib[32]


def test_a_measurement_that_cannot_be_made(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="CUDA is not available"):
        step_cost.parsed(["--device", "cuda"])
    with pytest.raises(InvalidParameterError, match="`pairs`"):
        step_cost.parsed(["--pairs", "0"])
    with pytest.raises(FileAccessError, match="does not exist"):
        step_cost.run([*TINY, "--out", str(tmp_path / "none" / "cost.md")])
