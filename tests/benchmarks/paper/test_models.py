"""The networks of the paper: parameters counted by hand, names of layers, what they do to images, shortcuts."""

import math

import pytest
import torch
from torch import nn

from benchmarks.paper import models
from benchmarks.paper.models.arcface import FaceBlock, MarginHead
from benchmarks.paper.models.densenet import DenseLayer, Transition
from benchmarks.paper.models.layers import Decimate, initialise_
from benchmarks.paper.models.resnet import BasicBlock
from benchmarks.paper.models.wide_resnet import WideBlock
from tammes.base.errors import InvalidParameterError, UnknownNameError
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


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
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


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_autocast_is_near_float32(name):
    model, images = built(name).eval(), some_images(name)
    exact = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(images)
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_its_images_one_by_one(name):
    model, images = built(name).double().eval(), some_images(name).double()
    together = model(images)
    apart = torch.cat([model(image[None]) for image in images])
    model.float()  # what it was: its weights are of float32
    torch.testing.assert_close(together, apart, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
