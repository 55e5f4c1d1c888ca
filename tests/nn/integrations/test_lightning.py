"""The Lightning callback against loops written by hand, where the term is a part of the loss."""

import importlib
import math
import re
import runpy
import sys
from pathlib import Path

import framework_processes
import oracles
import pytest
import torch
import two_processes
from naive_terms import naive_term, same, weights
from torch import nn
from torch.nn.functional import mse_loss

from tammes.base.errors import InvalidParameterError, MissingPackageError
from tammes.nn import Regularizer

COEF = 0.5
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "lightning_example.py"

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.* is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def pl():
    return pytest.importorskip("lightning.pytorch")


@pytest.fixture(scope="module")
def callback_of(pl):
    from tammes.nn.integrations.lightning import RegularizerCallback

    return RegularizerCallback


@pytest.fixture
def trainer_of(pl, tmp_path):
    def make(**options):
        quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger", "enable_checkpointing"), False)
        options = {"max_epochs": 1, "log_every_n_steps": 1, "accelerator": "cpu", "devices": 1, **quiet, **options}
        return pl.Trainer(default_root_dir=tmp_path, **options)

    return make


def batches(count=4, size=2):
    x, y = two_processes.batch()
    return list(zip(x.split(size), y.split(size), strict=True))[:count]


def loader(count=4):
    return torch.utils.data.DataLoader(batches(count), batch_size=None)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.5)


@pytest.fixture
def module_of(pl):
    """Return a class of LightningModules around the network."""

    class Module(pl.LightningModule):
        def __init__(self, make=sgd, skip=(), term=None, **_):
            super().__init__()
            self.net = two_processes.network()
            self.make, self.skip, self.term = make, skip, term

        def training_step(self, batch, number):
            loss = mse_loss(self.net(batch[0]), batch[1])
            if self.term is not None:
                loss = loss + self.term()
            return None if number in self.skip else loss

        def validation_step(self, batch, number):
            self.log("val", mse_loss(self.net(batch[0]), batch[1]), batch_size=1)

        def configure_optimizers(self):
            return self.make(self.parameters())

    return Module


def by_hand(make=sgd, *, count=4, accumulate=1, clip=None, epochs=1, term=naive_term):
    """Return the weights after epochs on the loss and the term, and the terms."""
    model = two_processes.network()
    optimizer = make(model.parameters())
    terms = []
    for _ in range(epochs):
        for number, (x, y) in enumerate(batches(count)):
            (mse_loss(model(x), y) / accumulate).backward()
            if (number + 1) % accumulate == 0 or number + 1 == count:
                value = term(model)
                terms.append(value.item())
                value.backward()
                if clip is not None:
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
    return weights(model), terms


# --- the same weights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "loop"),
    [
        ({}, {}),
        ({"max_epochs": 2}, {"epochs": 2}),
        ({"accumulate_grad_batches": 3}, {"accumulate": 3}),
        ({"gradient_clip_val": 0.05}, {"clip": 0.05}),
    ],
    ids=["plain", "epochs", "accumulated", "clipped"],
)
@pytest.mark.parametrize("make", [sgd, torch.optim.Adam], ids=["sgd", "adam"])
def test_the_term_is_a_part_of_the_loss(trainer_of, module_of, callback_of, make, options, loop):
    expected, _ = by_hand(make, **loop)
    module = module_of(make)
    trainer_of(callbacks=[callback_of(coef=COEF)], **options).fit(module, loader())
    same(weights(module.net), expected)


@pytest.mark.parametrize("fused", [False, True])
def test_scaled_gradients_get_a_scaled_term(pl, trainer_of, module_of, callback_of, fused):
    def train(term, callbacks):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        plugin = pl.plugins.MixedPrecision("16-mixed", "cpu", scaler=scaler)
        module = module_of(lambda p: torch.optim.SGD(p, lr=0.1, fused=fused))
        module.net.float()
        module.term = term(module.net)
        data = torch.utils.data.DataLoader([(x.float(), y.float()) for x, y in batches()], batch_size=None)
        trainer_of(callbacks=callbacks, plugins=[plugin]).fit(module, data)
        return weights(module.net)

    expected = train(lambda net: Regularizer(net, coef=COEF), [])
    found = train(lambda net: None, [callback_of(coef=COEF)])
    same(found, expected, rtol=1e-3, atol=1e-4)  # half precision
    without = train(lambda net: None, [])
    assert (without["1.weight"] - expected["1.weight"]).abs().max() > 0.02  # the term is not lost in the tolerance


def test_a_skipped_batch_is_skipped(trainer_of, module_of, callback_of):
    module = module_of(skip=(0, 1, 2, 3))
    before = weights(module.net)
    callback = callback_of(coef=COEF)
    with pytest.warns(UserWarning, match="`training_step` returned `None`"):
        trainer_of(callbacks=[callback]).fit(module, loader())
    same(weights(module.net), before)


def test_sanity_checks_and_validation_do_not_add_the_term(trainer_of, module_of, callback_of):
    module, callback = module_of(), callback_of(coef=COEF)
    trainer = trainer_of(callbacks=[callback], num_sanity_val_steps=2)
    trainer.validate(module, loader(), verbose=False)
    with pytest.raises(InvalidParameterError, match="when training has begun"):
        callback.regularizer  # noqa: B018
    trainer.fit(module, loader(), loader())
    same(weights(module.net), by_hand()[0])
    assert callback.state_dict()["optimizers"][0]["calls"] == 4


@pytest.mark.parametrize("every", [1, 2])
def test_each_of_two_optimisers_has_the_term_of_its_layers(pl, trainer_of, module_of, callback_of, every):
    class Manual(module_of):
        automatic_optimization = False

        def training_step(self, batch, number):
            first, rest = self.optimizers()
            for optimizer, repeats in ((first, 2), (rest, 1)):
                for _ in range(repeats):
                    self.toggle_optimizer(optimizer)
                    optimizer.zero_grad()
                    self.manual_backward(mse_loss(self.net(batch[0]), batch[1]))
                    optimizer.step()
                    self.untoggle_optimizer(optimizer)

        def configure_optimizers(self):
            return [sgd(self.net[0].parameters()), sgd(self.net[1:].parameters())]

    model = two_processes.network()
    optimizers = [sgd(model[0].parameters()), sgd(model[1:].parameters())]
    steps = [0, 0]
    for x, y in batches():
        for k, part in ((0, model[0]), (0, model[0]), (1, model[1:])):
            model.zero_grad()
            loss = mse_loss(model(x), y)
            (loss + every * naive_term(part) if steps[k] % every == 0 else loss).backward()
            optimizers[k].step()
            steps[k] += 1
    module = Manual()
    trainer_of(callbacks=[callback_of(coef=COEF, every=every)]).fit(module, loader())
    same(weights(module.net), weights(model))


def test_a_resumed_run_ends_with_the_same_weights(trainer_of, module_of, callback_of, tmp_path):
    options = {"coef": COEF, "every": 3, "refresh_every": 2}
    whole = module_of()
    trainer_of(callbacks=[callback_of(**options)], max_epochs=2).fit(whole, loader())

    trainer = trainer_of(callbacks=[callback_of(**options)], max_epochs=1)
    trainer.fit(module_of(), loader())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    module, callback = module_of(), callback_of(**options)
    trainer_of(callbacks=[callback], max_epochs=2).fit(module, loader(), ckpt_path=tmp_path / "half.ckpt")
    same(weights(module.net), weights(whole.net), rtol=0.0, atol=0.0)
    assert callback.state_dict()["optimizers"][0]["calls"] == 8


def test_two_callbacks_have_two_states(trainer_of, module_of, callback_of):
    callbacks = [callback_of(include="net.1", coef=COEF), callback_of(name="rest", exclude="net.1", coef=COEF)]
    module = module_of()
    trainer = trainer_of(callbacks=callbacks)
    trainer.fit(module, loader())
    same(weights(module.net), by_hand()[0])
    assert {"reg/term", "rest/term"} <= trainer.logged_metrics.keys()


def test_a_factory_or_a_regulariser_in_place_of_settings(trainer_of, module_of, callback_of):
    expected = by_hand()[0]
    module = module_of()
    for source in (lambda module: Regularizer(module.net, coef=COEF), Regularizer(module.net, coef=COEF)):
        module.net.load_state_dict(two_processes.network().state_dict())
        trainer_of(callbacks=[callback_of(source)]).fit(module, loader())
        same(weights(module.net), expected)


def test_a_preset_and_what_differs_from_it(trainer_of, module_of, callback_of):
    callback = callback_of(preset="mma_paper", include="net.1")
    trainer_of(
        callbacks=[callback], barebones=True, logger=None, enable_checkpointing=None, log_every_n_steps=None
    ).fit(module_of(), loader())
    assert callback.regularizer.layers == ("net.1",)
    assert "0.07 * MMA" in repr(callback.regularizer)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_processes_end_with_the_weights_of_one(pl, kind, tmp_path):
    same(framework_processes.run("lightning", kind, tmp_path), framework_processes.expected())


# --- what is logged -----------------------------------------------------------------------------------


def angle_of(layer):
    """Return the minimal angle of the rows of a layer, in degrees."""
    return math.degrees(oracles.min_angle(layer.weight.detach().numpy()))


def angles_of(net):
    names = {"net.0.0": net[0][0], "net.1": net[1], "net.3": net[3]}
    return {f"reg/min_angle_degrees/{name}": angle_of(layer) for name, layer in names.items()}


@pytest.mark.parametrize("options", [{}, {"max_rows": 6}], ids=["all", "small"])
def test_angles_are_logged_in_degrees_at_the_end_of_an_epoch(trainer_of, module_of, callback_of, options):
    module = module_of()
    trainer = trainer_of(callbacks=[callback_of(coef=COEF, **options)])
    trainer.fit(module, loader())
    expected = angles_of(module.net)
    if options:
        del expected["reg/min_angle_degrees/net.0.0"]  # seven rows
    found = {name: value.item() for name, value in trainer.callback_metrics.items() if "angle" in name}
    assert found == pytest.approx(expected, rel=1e-6)  # Lightning keeps float32


@pytest.fixture
def recorder(pl):
    class Recorder(pl.loggers.logger.DummyLogger):
        def __init__(self):
            super().__init__()
            self.seen = []

        def log_metrics(self, metrics, step=None):
            self.seen.append((step, {name: value for name, value in metrics.items() if name != "epoch"}))

    return Recorder()


def test_the_term_is_logged_at_every_step(trainer_of, module_of, callback_of, recorder):
    trainer_of(callbacks=[callback_of(coef=COEF, report_every=0)], logger=recorder).fit(module_of(), loader())
    assert all(set(metrics) == {"reg/term"} for _, metrics in recorder.seen)
    assert [metrics["reg/term"] for _, metrics in recorder.seen] == pytest.approx(by_hand()[1], rel=1e-6)


def test_the_last_term_is_logged_until_the_next_one(trainer_of, module_of, callback_of, recorder):
    callback = callback_of(coef=COEF, every=3, report_every=0)
    trainer_of(callbacks=[callback], logger=recorder).fit(module_of(), loader())
    terms = [metrics["reg/term"] for _, metrics in recorder.seen]
    assert terms[:3] == [pytest.approx(by_hand()[1][0], rel=1e-6)] * 3  # not three times as large, nor zero
    assert terms[3] != terms[2]


def test_angles_every_so_many_steps(trainer_of, module_of, callback_of, recorder):
    callback = callback_of(coef=COEF, report_every=2, include="net.1")
    module = module_of()
    trainer = trainer_of(callbacks=[callback], logger=recorder, log_every_n_steps=4)
    trainer.fit(module, loader())
    name = "reg/min_angle_degrees/net.1"
    angles = [(step, metrics[name]) for step, metrics in recorder.seen if name in metrics]
    assert [step for step, _ in angles] == [2, 4]
    assert angles[-1][1] == pytest.approx(angle_of(module.net[1]), rel=1e-12)
    assert trainer.callback_metrics[name] == pytest.approx(angles[-1][1], rel=1e-6)


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "what"), [("DeepSpeedStrategy", "DeepSpeed"), ("FSDPStrategy", "FSDP1")])
def test_strategies_without_access_to_the_weights_are_refused(pl, callback_of, name, what):
    strategy = getattr(pl.strategies, name)
    trainer = type("Trainer", (), {"strategy": strategy.__new__(strategy)})
    with pytest.raises(InvalidParameterError, match=f"`strategy` must be .* Got {what}.*ModelParallelStrategy"):
        callback_of().setup(trainer, None, "fit")
    callback_of().setup(trainer, None, "test")


def test_fsdp2_is_not_refused(pl, callback_of):
    strategy = pl.strategies.ModelParallelStrategy
    callback_of().setup(type("Trainer", (), {"strategy": strategy.__new__(strategy)}), None, "fit")


def test_lbfgs_is_refused(trainer_of, module_of, callback_of):
    module = module_of(torch.optim.LBFGS)
    before = weights(module.net)
    with pytest.raises(InvalidParameterError, match=r"steps by the gradient alone\. Got 'LBFGS'"):
        trainer_of(callbacks=[callback_of()]).fit(module, loader())
    same(weights(module.net), before)


def test_an_unknown_layer_is_an_error_when_fit_begins(trainer_of, module_of, callback_of):
    with pytest.raises(LookupError, match=r"net\.0\.0, net\.1, net\.3"):
        trainer_of(callbacks=[callback_of(include="head")]).fit(module_of(), loader())


def test_without_lightning_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lightning", "pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("lightning", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "tammes.nn.integrations.lightning", raising=False)
    with pytest.raises(MissingPackageError, match=r"pip install 'tammes\[lightning\]'"):
        importlib.import_module("tammes.nn.integrations.lightning")


@pytest.mark.slow
def test_the_older_name_of_the_package_works_too(module_of, callback_of, tmp_path):
    old = pytest.importorskip("pytorch_lightning")

    class Module(old.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = two_processes.network()

        def training_step(self, batch, number):
            return mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return sgd(self.parameters())

    module = Module()
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger", "enable_checkpointing"), False)
    trainer = old.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback_of(coef=COEF)], default_root_dir=tmp_path, **quiet
    )
    trainer.fit(module, loader())
    same(weights(module.net), by_hand()[0])
    assert trainer.callback_metrics["reg/term"].item() == pytest.approx(by_hand()[1][-1], rel=1e-6)


# --- the example ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_lowers_the_loss_and_spreads_the_rows(pl, capsys):
    example = runpy.run_path(str(EXAMPLE))
    example["main"]()
    printed = capsys.readouterr().out
    figures = dict(re.findall(r"^(\S+) +(-?\d+\.\d+)$", printed, flags=re.MULTILINE))
    assert float(figures["loss"]) < 0.5
    torch.manual_seed(0)
    before = angle_of(example["Classifier"]().network[2])
    after = float(figures["reg/min_angle_degrees/network.2"])
    assert after > before + 10.0
    (reported,) = re.findall(r"^network\.2 +32 +64 +(\S+)°", printed, flags=re.MULTILINE)
    assert float(reported) == pytest.approx(after, abs=1e-3)
