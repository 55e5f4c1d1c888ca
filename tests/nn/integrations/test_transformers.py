"""The callback of Hugging Face's Trainer against loops written by hand, where the term is a part of the loss."""

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
from framework_processes import Net
from naive_terms import naive_term, same, weights
from torch import nn
from torch.nn.functional import mse_loss

from tammes.base.errors import InvalidParameterError, MissingPackageError
from tammes.nn import Regularizer

COEF = 0.5
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "trainer_example.py"


@pytest.fixture(scope="module")
def hf():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        pytest.importorskip("accelerate")
        yield pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def callback_of(hf):
    from tammes.nn.integrations.transformers import RegularizerCallback

    return RegularizerCallback


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.5)


@pytest.fixture
def trainer_of(hf, tmp_path):
    class InOrder(hf.Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    def make(model, callbacks=(), make=sgd, **options):
        x, y = two_processes.batch()
        data = [{"x": one, "labels": other} for one, other in zip(x, y, strict=True)]
        settings = {
            "output_dir": str(tmp_path),
            "use_cpu": True,
            "dataloader_pin_memory": False,
            "report_to": [],
            "disable_tqdm": True,
            "save_strategy": "no",
            "logging_steps": 1,
            "num_train_epochs": 1,
            "per_device_train_batch_size": 2,
            "max_grad_norm": 0.0,
            "lr_scheduler_type": "constant",
            "remove_unused_columns": False,
        }
        return InOrder(
            model=model,
            args=hf.TrainingArguments(**(settings | options)),
            train_dataset=data,
            callbacks=list(callbacks),
            optimizers=(make(model.parameters()), None),
        )

    return make


def by_hand(make=sgd, *, accumulate=1, clip=None, epochs=1):
    """Return the weights after epochs on the loss and the term, which is not clipped, and the terms."""
    model = two_processes.network()
    optimizer = make(model.parameters())
    x, y = two_processes.batch()
    terms = []
    for _ in range(epochs):
        for start in range(0, 8, 2 * accumulate):
            for few in range(start, start + 2 * accumulate, 2):
                (mse_loss(model(x[few : few + 2]), y[few : few + 2]) / accumulate).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            term = naive_term(model)
            terms.append(term.item())
            term.backward()
            optimizer.step()
            optimizer.zero_grad()
    return weights(model), terms


# --- the same weights -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "loop"),
    [
        ({}, {}),
        ({"num_train_epochs": 2}, {"epochs": 2}),
        ({"gradient_accumulation_steps": 2}, {"accumulate": 2}),
        ({"max_grad_norm": 0.05}, {"clip": 0.05}),
    ],
    ids=["plain", "epochs", "accumulated", "clipped"],
)
@pytest.mark.parametrize("make", [sgd, torch.optim.AdamW], ids=["sgd", "adamw"])
def test_the_term_is_a_part_of_the_loss(trainer_of, callback_of, make, options, loop):
    model = Net()
    trainer_of(model, [callback_of(coef=COEF)], make, **options).train()
    same(weights(model.net), by_hand(make, **loop)[0])


@pytest.mark.slow
def test_autocast_in_bfloat16_does_not_touch_the_term(trainer_of, callback_of):
    def train(callbacks):
        model = Net().float()
        trainer = trainer_of(model, callbacks, bf16=True, max_steps=1)
        trainer.train_dataset = [{name: part.float() for name, part in row.items()} for row in trainer.train_dataset]
        trainer.train()
        return weights(model.net)

    net = two_processes.network().float()
    naive_term(net).backward()
    without, found = train([]), train([callback_of(coef=COEF)])
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            moved = (without[name] - found[name]) / 0.1
            torch.testing.assert_close(moved, parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unscaled", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_scaled_gradients_get_a_scaled_term(hf, callback_of, unscaled, fused):
    """Accelerate refuses fp16 on a CPU: its optimiser and a scaler, step by step, as the Trainer does it."""
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer

    Accelerator(cpu=True)
    net = two_processes.network()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    inner = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5, fused=fused)
    optimizer = AcceleratedOptimizer(inner, device_placement=False, scaler=scaler)
    callback, state = callback_of(coef=COEF), hf.TrainerState()
    callback.on_train_begin(None, state, None, model=net, optimizer=optimizer)
    x, y = two_processes.batch()
    for few in range(0, 8, 2):
        scaler.scale(mse_loss(net(x[few : few + 2]), y[few : few + 2])).backward()
        if unscaled:
            scaler.unscale_(inner)
        callback.on_pre_optimizer_step(None, state, None, optimizer=optimizer)
        optimizer.step()
        optimizer.zero_grad()
    same(weights(net), by_hand()[0], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_resumed_run_continues_at_its_step(trainer_of, callback_of, tmp_path):
    whole = Net()
    trainer_of(whole, [callback_of(coef=COEF, every=3)], num_train_epochs=2).train()
    options = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 2}
    trainer_of(Net(), [callback_of(coef=COEF, every=3)], **options).train()
    model, callback = Net(), callback_of(coef=COEF, every=3)
    trainer_of(model, [callback], **options).train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    same(weights(model.net), weights(whole.net), rtol=1e-12, atol=1e-14)
    assert callback._training.state_dict()[0]["calls"] == 8


@pytest.mark.slow
def test_a_factory_or_a_regulariser_in_place_of_settings(trainer_of, callback_of):
    model = Net()
    for source in (lambda model: Regularizer(model.net, coef=COEF), Regularizer(model.net, coef=COEF)):
        model.net.load_state_dict(two_processes.network().state_dict())
        trainer_of(model, [callback_of(source)]).train()
        same(weights(model.net), by_hand()[0])


def test_a_language_model_has_its_queries_keys_and_values_apart(hf, callback_of):
    config = hf.GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=8, vocab_size=12)
    callback = callback_of(coef=1.0)
    model = hf.GPT2LMHeadModel(config)
    callback.on_train_begin(None, hf.TrainerState(), None, model=model, optimizer=torch.optim.AdamW(model.parameters()))
    assert "transformer.h.0.attn.c_attn[q]" in callback.regularizer.report().to_dict()
    block = "transformer.h.0."
    assert set(callback.regularizer.layers) == {
        *(block + name for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")),
        "lm_head",
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_processes_end_with_the_weights_of_one(hf, kind, tmp_path):
    same(framework_processes.run("transformers", kind, tmp_path), framework_processes.expected())


# --- what is logged -----------------------------------------------------------------------------------


def logged(trainer, name):
    return [(entry["step"], entry[name]) for entry in trainer.state.log_history if name in entry]


def test_the_term_is_in_every_log(trainer_of, callback_of):
    trainer = trainer_of(Net(), [callback_of(coef=COEF)])
    trainer.train()
    terms = by_hand()[1]
    assert logged(trainer, "reg/term") == [(k + 1, pytest.approx(term, rel=1e-12)) for k, term in enumerate(terms)]


def test_a_log_has_the_mean_since_the_last_one(trainer_of, callback_of):
    trainer = trainer_of(Net(), [callback_of(coef=COEF)], logging_steps=2)
    trainer.train()
    a, b, c, d = by_hand()[1]
    expected = [(2, pytest.approx((a + b) / 2, rel=1e-12)), (4, pytest.approx((c + d) / 2, rel=1e-12))]
    assert logged(trainer, "reg/term") == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("report_every", "logging_steps", "steps"),
    [(None, 1, [5, 8]), (2, 1, [2, 4, 6, 8]), (3, 2, [4, 6]), (0, 1, [])],
    ids=["epochs", "steps", "next log", "never"],
)
def test_angles_are_logged_in_degrees(trainer_of, callback_of, report_every, logging_steps, steps):
    model = Net()
    callback = callback_of(coef=COEF, report_every=report_every)
    trainer = trainer_of(model, [callback], num_train_epochs=2, logging_steps=logging_steps)
    trainer.train()
    angles = logged(trainer, "reg/min_angle_degrees/net.1")
    assert [step for step, _ in angles] == steps
    if steps and steps[-1] == 8:
        angle = math.degrees(oracles.min_angle(model.net[1].weight.detach().numpy()))
        assert angles[-1][1] == pytest.approx(angle, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("added", [False, True])
def test_callbacks_after_it_see_the_logged_values(hf, trainer_of, callback_of, added):
    seen = []

    class Watcher(hf.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            seen.append("reg/term" in logs)

    callback = callback_of(coef=COEF)
    trainer = trainer_of(Net(), [Watcher()] if added else [Watcher(), callback])
    if added:
        callback.add_to(trainer)
        callback.add_to(trainer)
    trainer.train()
    assert any(seen) == added
    assert len(logged(trainer, "reg/term")) == 4
    assert callback._training.state_dict()[0]["calls"] == 4  # in the list once


def test_evaluations_are_logged_without_the_term(trainer_of, callback_of):
    trainer = trainer_of(Net(), [callback_of(coef=COEF)])
    trainer.train()
    trainer.evaluate(trainer.train_dataset)
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert evaluations
    assert not any(name.startswith("reg/") for entry in evaluations for name in entry)


# --- what is refused ----------------------------------------------------------------------------------


def wrapped(kind, **plugin):
    """Return an optimiser as accelerate wraps it in that kind of training."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)
    kind = type("Kind", (), {"value": kind})
    optimizer.accelerator_state = type("State", (), {"distributed_type": kind, "fsdp_plugin": type("P", (), plugin)})
    return optimizer


@pytest.mark.parametrize(
    ("kind", "plugin", "what"),
    [
        ("DEEPSPEED", {}, "DeepSpeed"),
        ("MEGATRON_LM", {}, "Megatron-LM"),
        ("XLA", {}, "XLA"),
        ("FSDP", {"fsdp_version": 1}, "FSDP1"),
        ("FSDP", {}, "FSDP1"),
    ],
)
def test_trainings_without_access_to_the_weights_are_refused(hf, callback_of, kind, plugin, what):
    from accelerate.utils import DistributedType

    assert kind in {member.value for member in DistributedType}  # by these names
    with pytest.raises(InvalidParameterError, match=f"Got '?{what}.*fsdp_version: 2"):
        callback_of().on_train_begin(None, hf.TrainerState(), None, model=Net(), optimizer=wrapped(kind, **plugin))


@pytest.mark.parametrize(("kind", "plugin"), [("NO", {}), ("MULTI_GPU", {}), ("FSDP", {"fsdp_version": 2})])
def test_other_trainings_are_accepted(hf, callback_of, kind, plugin):
    callback = callback_of()
    callback.on_train_begin(None, hf.TrainerState(), None, model=Net(), optimizer=wrapped(kind, **plugin))
    assert callback.regularizer.layers == ("net.0.0", "net.1", "net.3")


def test_optimisers_that_step_within_the_backward_pass_are_refused(hf, callback_of):
    from transformers.trainer_pt_utils import LayerWiseDummyOptimizer

    optimizer = LayerWiseDummyOptimizer(optimizer_dict={})
    with pytest.raises(InvalidParameterError, match=r"steps after the backward pass\. Got 'LayerWiseDummyOptimizer'"):
        callback_of().on_train_begin(None, hf.TrainerState(), None, model=Net(), optimizer=optimizer)


def test_an_unknown_layer_is_an_error_when_training_begins(trainer_of, callback_of):
    with pytest.raises(LookupError, match=r"net\.0\.0, net\.1, net\.3"):
        trainer_of(Net(), [callback_of(include="head")]).train()


def test_without_transformers_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "tammes.nn.integrations.transformers", raising=False)
    with pytest.raises(MissingPackageError, match=r"pip install 'tammes\[transformers\]'"):
        importlib.import_module("tammes.nn.integrations.transformers")


# --- the example ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_lowers_the_loss_and_the_term(hf, capsys):
    runpy.run_path(str(EXAMPLE))["main"]()
    printed = capsys.readouterr().out
    steps = re.findall(r"^step +(\d+) +loss (\S+) +term (\S+) +minimal angle of the first MLP (\S+)°$", printed, re.M)
    assert [step for step, *_ in steps] == ["20", "40"]
    (_, loss, term, angle), (_, later_loss, later_term, later_angle) = (map(float, step) for step in steps)
    assert later_loss < loss
    assert later_term < term
    assert later_angle > angle
    (reported,) = re.findall(r"^transformer\.h\.0\.mlp\.c_fc +128 +32 +(\S+)°", printed, re.M)
    assert float(reported) == pytest.approx(later_angle, abs=0.006)
