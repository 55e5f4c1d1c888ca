"""The configurations of the paper's experiments: what is stated, what is assumed, and what is refused."""

import dataclasses
import itertools
import shutil
import tomllib

import pytest
import torch

from benchmarks.paper import config
from benchmarks.paper.schedule import Schedule
from tammes.base.errors import FileAccessError, FileFormatError, UnknownNameError

ALL = {name: config.load(name) for name in config.EXPERIMENTS}

# What the issue says of the paper: unit, length, batch (None: not stated), milestones, factor, nesterov, weight decay.
STATED = {
    ("cifar-100", "vgg19-bn"): ("epochs", 164, 128, (81, 122), 0.1, None, 5e-4),
    ("cifar-100", "resnet20"): ("epochs", 164, 128, (81, 122), 0.1, None, 1e-4),
    ("cifar-100", "resnet56"): ("epochs", 164, 128, (81, 122), 0.1, None, 1e-4),
    ("cifar-100", "wrn-16-8"): ("epochs", 200, None, (60, 120, 160), 0.2, True, 5e-4),
    ("cifar-100", "densenet-40-12"): ("epochs", 300, 64, (150, 225), 0.1, True, 1e-4),
    ("tiny-imagenet-200", "vgg16-bn"): ("epochs", 300, None, (150, 225), 0.1, None, None),
    ("tiny-imagenet-200", "resnet56"): ("epochs", 300, None, (150, 225), 0.1, None, None),
    ("faces", config.ARC): ("iterations", 38_000, 440, (23_750, 33_250), 0.1, None, None),
}
FIELDS = ("unit", "length", "batch", "milestones", "factor", "nesterov", "weight_decay")
SKIPS = {"resnet20", "resnet56", "wrn-16-8", "densenet-40-12"}


def networks():
    return [(name, network) for name, found in ALL.items() for network in found.recipes]


@pytest.mark.parametrize(("name", "network"), networks())
def test_what_the_paper_states_is_there_and_is_not_called_assumed(name, network):
    found = ALL[name]
    recipe = found.recipes[network]
    assert recipe.momentum == 0.9
    for field, stated in zip(FIELDS, STATED[found.data.name, network], strict=True):
        key = f"networks.{network}.{field}"
        if stated is None:
            assert key in found.assumed
        else:
            assert getattr(recipe, field) == stated
            assert key not in found.assumed


def test_a_network_is_trained_alike_in_all_tables():
    seen = {}
    for found in ALL.values():
        for network, recipe in found.recipes.items():
            assert seen.setdefault((found.data.name, network), (found.data, recipe)) == (found.data, recipe)
    assert set(seen) == set(STATED)


def test_coefficients_are_the_papers():
    for name, found in ALL.items():
        for arm, network in ((each, one) for each in found.arms for one in each.networks):
            if arm.loss == "mma" and name != "figure3":
                tiny = (found.data.name, network) == ("tiny-imagenet-200", "resnet56")
                assert arm.coef == (0.01 if tiny else 0.03 if network in SKIPS | {config.ARC} else 0.07)
            elif arm.loss.startswith("mhe"):
                assert (arm.coef, arm.sample) == (1.0, 0.3)
            elif arm.loss == "orthogonal":
                assert arm.coef == 1e-4


def test_table_3_compares_all_and_table_2_all_places():
    assert {arm.loss for arm in ALL["table3"].arms} == {"none", "mma", "mhe-0", "mhe-2", "orthogonal"}
    assert ALL["table3"].layers == ("L3-3", "L4-3", "L5-3", "Classify")
    for network in ALL["table2"].recipes:
        placed = {arm.place for arm in ALL["table2"].arms_of(network) if arm.loss == "mma"}
        assert placed == {"hidden", "output", "both"}
        assert ALL["table2"].baseline(network).loss == "none"


def test_only_table_2_says_where_a_loss_is():
    """Elsewhere hidden layers and output layer are regularised, and it is said that this is assumed."""
    for name, found in ALL.items():
        for arm in found.arms:
            if arm.loss != "none" and name not in {"table2", "table6"}:
                key = "arms.mma.place" if name == "figure3" else f"arms.{arm.name}.place"
                assert (arm.place, found.assumed[key].value) == ("both", "both")
    assert {arm.place for arm in ALL["table6"].arms if arm.loss == "mma"} == {"output"}


def test_a_sweep_is_an_arm_a_coefficient():
    coefs = [arm.coef for arm in ALL["figure3"].arms if arm.loss == "mma"]
    assert coefs == sorted(set(coefs))
    assert {0.03, 0.07} < set(coefs)
    assert "arms.mma.coefs" in ALL["figure3"].assumed


@pytest.mark.parametrize("name", config.EXPERIMENTS)
def test_every_assumption_has_its_reason(name):
    text = (config.FOLDER / f"{name}.toml").read_text()
    assert text.count("assumed =") == len(ALL[name].assumed)
    assert all(len(one.because.split()) >= 3 for one in ALL[name].assumed.values())


def test_a_part_of_the_networks_is_a_table_of_them_alone():
    part = ALL["table4"].only(["wrn-16-8"])
    assert set(part.recipes) == {"wrn-16-8"}
    assert part.assumed["networks.wrn-16-8.batch"].value == 128
    assert not any(key.startswith("networks.vgg") for key in part.assumed)
    assert "data.statistics" in part.assumed
    assert ALL["table4"].only(list(ALL["table4"].recipes)) == ALL["table4"]
    with pytest.raises(UnknownNameError, match="networks"):
        ALL["table4"].only(["vgg16-bn"])


def test_unknown_experiments_are_refused_by_name():
    with pytest.raises(UnknownNameError, match="table3"):
        config.load("table33")


# --- what is refused ----------------------------------------------------------------------------------


def changed(tmp_path, old, new, count=1):
    text = (config.FOLDER / "table3.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, count))
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("batch = 128", "bach = 128", "`networks.vgg19-bn.bach` must be one of: batch"),
        ("batch = 128\n", "", "`networks.vgg19-bn.batch` must be given"),
        ("batch = 128", "batch = 0", "`networks.vgg19-bn.batch` must be an integer of at least 1. Got 0"),
        ("batch = 128", "batch = 128.0", "integer of at least 1. Got 128.0"),
        ("batch = 128", "batch = true", "integer of at least 1. Got True"),
        ("rate = 0.1", "rate = 0.0", "`networks.vgg19-bn.rate` must be a finite number above 0. Got 0"),
        ("rate = 0.1", "rate = nan", "finite number above 0. Got nan"),
        ("rate = 0.1", "rate = inf", "finite number above 0. Got inf"),
        ("factor = 0.1", "factor = 10", "above 0 and at most 1. Got 10"),
        ("[81, 122]", "[122, 81]", "each above the one before. Got [122, 81]"),
        ("[81, 122]", "[81, 164]", "`networks.vgg19-bn.milestones` must be below the length, 164"),
        ("[81, 122]", '[81, "122"]', "an integer of at least 1"),
        ("last = 5", "last = 165", "at most the length, 164. Got 165"),
        ('unit = "epochs"', 'unit = "weeks"', "one of: epochs, iterations. Got 'weeks'"),
        ("[networks.vgg19-bn]", "[networks.vgg-19]", "one of: vgg19-bn"),
        ('name = "cifar-100"', 'name = "cifar"', "`data.name` must be one of: cifar-100"),
        ('name = "cifar-100"', 'name = "faces"', "arcface-resnet50 for faces"),
        ("pad = 4", "pad = -1", "`data.pad` must be an integer of at least 0"),
        ("flip = true", 'flip = "true"', "`data.flip` must be true or false"),
        ("coef = 0.07", "coef = -0.07", "`arms.mma.coef` must be a finite number of at least 0"),
        ("coef = 0.07", "coef = 0.0", "`arms.mma.coef` must be a finite number above 0"),
        ('loss = "none"', 'loss = "none"\ncoef = 1.0', "`arms.baseline.coef` must be left out"),
        ('loss = "mma"', 'loss = "mna"', "`arms.mma.loss` must be one of: none, mma"),
        ('name = "mma"', 'name = "mhe-2"', "tables whose names differ"),
        ('name = "mma"', "name = 3", "`arms[4].name` must be text"),
        ('loss = "none"', 'loss = "mma"\ncoef = 1.0', "one with loss"),
        ("sample = 0.3", "sample = 30", "above 0 and at most 1. Got 30"),
        ("sample = 0.3", "sample = 0.3\ncoefs = [1.0]", "without `coef` where there are `coefs`"),
        ('columns = ["accuracy", "cost", "angles"]', 'columns = ["price"]', "`columns` must be a list of columns"),
        ("{ assumed = false, because", "{ assumed = 1, because", "`networks.vgg19-bn.nesterov` must be true or false"),
        ("{ assumed = false, because", "{ assumed = false, why", "`networks.vgg19-bn.nesterov.why`"),
        ("coef = 0.07", "coefs = []", "`arms.mma.coefs` must be a list of one number or more"),
        ("coef = 0.07", "coefs = [0.1, 0.1]", "each of them once"),
        ('["L3-3", "L4-3"', '["L3-3", "L3-3"', "a list of names of layers, each of them once"),
        ("momentum = 0.9", "momentum = [0.9]", "`networks.vgg19-bn.momentum` must be a finite number"),
        ('title = "Table 3', 'tilte = "Table 3', "`tilte` must be one of"),
    ],
)
def test_a_wrong_value_is_refused_with_key_requirement_and_value(tmp_path, old, new, words):
    with pytest.raises(FileFormatError) as caught:
        config.read(changed(tmp_path, old, new))
    message = str(caught.value)
    assert words in message
    assert "mine.toml" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", [b"", b"a = ", b"\xff\xfe", b"arms = 1", b"title = 1\n[data]\n", b"[[data]]\n[[arms]]\n"]
)
def test_what_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_bytes(text)
    with pytest.raises(FileFormatError, match=r"bad\.toml"):
        config.read(path)
    with pytest.raises(FileAccessError, match=r"none\.toml"):
        config.read(tmp_path / "none.toml")


def test_a_file_of_ones_own_reads_as_the_one_it_was_copied_from(tmp_path):
    for name in config.EXPERIMENTS:
        shutil.copy(config.FOLDER / f"{name}.toml", tmp_path)
        assert config.read(tmp_path / f"{name}.toml") == ALL[name]


def test_values_reach_the_fields_of_their_names():
    table = tomllib.loads((config.FOLDER / "table4.toml").read_text())["networks"]["wrn-16-8"]
    recipe = dataclasses.asdict(ALL["table4"].recipes["wrn-16-8"])
    for name, value in table.items():
        plain = value["assumed"] if isinstance(value, dict) else value
        assert recipe.pop(name) == (tuple(plain) if isinstance(plain, list) else plain)
    assert not recipe


# --- the schedule ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "network"), [("table3", "vgg19-bn"), ("table4", "wrn-16-8"), ("table4", "densenet-40-12")]
)
def test_the_rate_falls_as_torchs_own_schedule_does(name, network):
    recipe = ALL[name].recipes[network]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.rate)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, recipe.milestones, recipe.factor)
    schedule = Schedule(recipe, 50_000)
    for epoch in range(recipe.length):
        rates = [schedule.rate(epoch, step) for step in (0, schedule.steps_an_epoch - 1)]
        assert rates == pytest.approx([optimizer.param_groups[0]["lr"]] * 2, rel=1e-12)
        optimizer.step()
        theirs.step()


def test_iterations_end_within_an_epoch():
    """38,000 steps of 440 of 1,000 images: three steps an epoch, and two in the last."""
    schedule = Schedule(ALL["table6"].recipes[config.ARC], 1_000)
    assert (schedule.steps_an_epoch, schedule.steps, schedule.epochs) == (3, 38_000, 12_667)
    assert sum(schedule.steps_of(epoch) for epoch in range(schedule.epochs)) == 38_000
    assert schedule.steps_of(schedule.epochs - 1) == 2
    rates = [schedule.rate(*divmod(step, 3)) for step in (0, 23_749, 23_750, 33_249, 33_250, 37_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_an_epoch_counts_the_last_smaller_batch():
    recipe = ALL["table3"].recipes["vgg19-bn"]
    for images, steps in itertools.chain([(50_000, 391)], [(128, 1), (129, 2)]):
        schedule = Schedule(recipe, images)
        assert (schedule.steps_an_epoch, schedule.steps, schedule.epochs) == (steps, 164 * steps, 164)
        assert schedule.steps_of(163) == steps
