"""The gradients of the term under compilers, wrappers, scalers, precisions and parametrisations."""

import copy

import pytest
import torch
import two_processes
from naive_terms import gradients, naive_gradients, naive_mma, naive_term, of_the_term, same, weights
from torch import nn
from torch.nn.functional import mse_loss

from tammes.base.errors import InvalidParameterError
from tammes.nn import Regularizer

COEF = 0.5


def expected_gradients(model, x, y, coef=COEF):
    """Return the gradients of the loss and the naive term, on a copy without wrappers."""
    model = copy.deepcopy(model)
    model.zero_grad()
    (mse_loss(model(x), y) + naive_term(model, coef)).backward()
    return gradients(model)


# --- processes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return two_processes.results(tmp_path_factory.mktemp("two"))


class OneProcess:
    """The reference: one process on the joint batch."""

    def __init__(self, loss):
        self.model = two_processes.network()
        self.reg = Regularizer(self.model, coef=two_processes.COEF, **two_processes.LOSSES[loss])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=two_processes.LR)

    def data(self):
        x, y = two_processes.batch()
        return mse_loss(self.model(x), y)

    def gradients(self):
        (self.data() + self.reg()).backward()
        return gradients(self.model)

    def descend(self, *losses):
        for _ in range(two_processes.STEPS):
            for loss in losses:
                self.optimizer.zero_grad()
                loss().backward()
                self.optimizer.step()
        return weights(self.model)

    def attached(self):
        return self.descend(lambda: self.data() + self.reg())

    def decoupled(self):
        """Steps on the loss, each followed by one on the term."""
        return self.descend(self.data, self.reg)


@pytest.mark.slow
@pytest.mark.parametrize("loss", two_processes.LOSSES)
@pytest.mark.parametrize("scenario", two_processes.SCENARIOS)
@pytest.mark.parametrize("wrapper", two_processes.WRAPPERS)
def test_two_processes_agree_with_one_on_the_joint_batch(found, wrapper, scenario, loss):
    alone = OneProcess(loss)
    value = found[wrapper, scenario, loss]
    assert isinstance(value, dict), value
    if scenario == "reported":
        lines = alone.reg.report().lines
        assert {name: angle.item() for name, angle in value.items()} == pytest.approx(
            {line.layer: line.min_angle_degrees for line in lines}, rel=1e-12
        )
    elif scenario in ("attached", "decoupled"):
        same(value, getattr(alone, scenario)())
    else:
        same(value, alone.gradients())


def test_the_regulariser_alone_has_the_naive_gradients():
    model = two_processes.network()
    x, y = two_processes.batch()
    expected = expected_gradients(model, x, y)
    (mse_loss(model(x), y) + Regularizer(model, coef=COEF)()).backward()
    same(gradients(model), expected)


# --- compilers ------------------------------------------------------------------------------------

SCHEDULES = {
    "plain": {},
    "every": {"every": 2},
    "refreshed": {"refresh_every": 3},
    "both": {"every": 2, "refresh_every": 2},
    "sampled": {"sample": 0.6, "seed": 3},
    "energy": {"loss": "riesz-fisher", "antipodal": True},
}


def descend(step, model, reg, count=5):
    """Return the weights after some steps of SGD, whose gradients come from `step`."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = two_processes.batch()
    for _ in range(count):
        optimizer.zero_grad()
        step(model, reg, x, y).backward()
        optimizer.step()
    return weights(model)


def inside(model, reg, x, y):
    return mse_loss(model(x), y) + reg()


def data_only(model, reg, x, y):
    return mse_loss(model(x), y)


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("place", ["inside", "outside", "module"])
def test_compiled_steps_are_those_of_eager(place, schedule, backend):
    torch.compiler.reset()
    eager = two_processes.network()
    expected = descend(inside, eager, Regularizer(eager, coef=COEF, **SCHEDULES[schedule]))
    model = two_processes.network()
    if place == "module":
        wrapped = torch.compile(model, fullgraph=True, backend=backend)
        found = descend(inside, wrapped, Regularizer(wrapped, coef=COEF, **SCHEDULES[schedule]))
        found = {name.removeprefix("_orig_mod."): value for name, value in found.items()}
    else:
        reg = Regularizer(model, coef=COEF, **SCHEDULES[schedule])
        compiled = torch.compile(inside if place == "inside" else data_only, fullgraph=True, backend=backend)
        step = compiled if place == "inside" else lambda *arguments: compiled(*arguments) + reg()
        found = descend(step, model, reg)
    same(found, expected)


def test_a_compiled_step_is_compiled_once():
    torch.compiler.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    model = two_processes.network()
    reg = Regularizer(model, coef=COEF, every=2, refresh_every=2)
    descend(torch.compile(inside, fullgraph=True, backend=counter), model, reg)
    assert counter.frame_count <= 2  # the second one when the nearest rows are there
    assert reg.calls == 5


# --- precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_term(dtype):
    model = two_processes.network().float()
    expected = naive_gradients(model)
    with torch.autocast("cpu", dtype=dtype):
        assert model(two_processes.batch()[0].float()).dtype == dtype  # it is on
        term = Regularizer(model, coef=COEF)()
    assert term.dtype == torch.float32
    same(of_the_term(model, term), expected, rtol=1e-5, atol=1e-7)


def test_a_model_in_half_precision_has_a_term_in_single():
    model = two_processes.network().bfloat16()
    expected = naive_gradients(model)
    term = Regularizer(model, coef=COEF)()
    assert term.dtype == torch.float32
    same(of_the_term(model, term), expected, rtol=2.0**-7, atol=1e-4)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd_fused": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam_fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "adamw_fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
}
STEPS = 4


def in_the_loss(make, model):
    """Return the weights after some steps on the loss and the naive term."""
    optimizer = make(model.parameters())
    x, y = two_processes.batch()
    for _ in range(STEPS):
        optimizer.zero_grad()
        (mse_loss(model(x), y) + naive_term(model)).backward()
        optimizer.step()
    return weights(model)


@pytest.mark.parametrize("how", ["loss", "accumulate", "attach"])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_every_way_into_an_optimiser_agrees_with_the_term_in_the_loss(how, name, scaled):
    expected = in_the_loss(OPTIMIZERS[name], two_processes.network())
    model = two_processes.network()
    reg = Regularizer(model, coef=COEF)
    optimizer = OPTIMIZERS[name](model.parameters())
    scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=2.0**12, growth_interval=2)
    if how == "attach":
        reg.attach(optimizer)
    x, y = two_processes.batch()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        scaler.scale(loss + reg() if how == "loss" else loss).backward()
        if how == "accumulate":
            scaler.unscale_(optimizer)
            reg.accumulate_()
        scaler.step(optimizer)
        scaler.update()
    same(weights(model), expected, rtol=1e-9, atol=1e-9)
    assert reg.calls == STEPS


def test_a_detached_regulariser_adds_nothing():
    model = two_processes.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reg = Regularizer(model, coef=COEF)
    reg.attach(optimizer).remove()
    model.zero_grad()
    before = weights(model)
    optimizer.step()
    same(weights(model), before)
    assert reg.calls == 0


@pytest.mark.parametrize("how", ["loss", "attach"])
def test_accumulated_batches_have_the_term_once(how):
    model = two_processes.network()
    x, y = two_processes.batch()
    expected = expected_gradients(model, x, y)
    reg = Regularizer(model, coef=COEF)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    if how == "attach":
        reg.attach(optimizer)
    for some in (slice(0, 4), slice(4, 8)):
        loss = mse_loss(model(x[some]), y[some])
        ((loss + reg()) / 2 if how == "loss" else loss / 2).backward()
    optimizer.step()
    same(gradients(model), expected)


def test_gradient_checkpointing_changes_nothing():
    model = two_processes.network()
    x, y = two_processes.batch()
    expected = expected_gradients(model, x, y)
    reg = Regularizer(model, coef=COEF)
    out = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False)
    (mse_loss(out, y) + reg()).backward()
    same(gradients(model), expected)


def test_a_checkpointed_term_is_the_term():
    model = two_processes.network()
    expected = naive_gradients(model)
    reg = Regularizer(model, coef=COEF)
    term = torch.utils.checkpoint.checkpoint(lambda x: x.sum() * 0.0 + reg(), torch.ones(1), use_reentrant=False)
    same(of_the_term(model, term), expected)


# --- several optimisers, closures, decoupled steps ------------------------------------------------------


def halves_of(model, lr=0.1):
    """Return an optimiser for the first layer and one for the others."""
    return torch.optim.SGD(model[0].parameters(), lr=lr), torch.optim.SGD(model[1:].parameters(), lr=lr)


@pytest.mark.parametrize("schedule", ["plain", "every", "both", "sampled"])
def test_two_optimisers_take_the_steps_of_one(schedule):
    one = two_processes.network()
    expected = descend(inside, one, Regularizer(one, coef=COEF, **SCHEDULES[schedule]))
    two = two_processes.network()
    reg = Regularizer(two, coef=COEF, **SCHEDULES[schedule])
    optimizers = halves_of(two)
    for optimizer in optimizers:
        reg.attach(optimizer)
    x, y = two_processes.batch()
    for _ in range(5):
        two.zero_grad()
        mse_loss(two(x), y).backward()
        for optimizer in optimizers:
            optimizer.step()
    if schedule == "sampled":  # the same rows are drawn
        assert reg.state_dict()["attached"][0]["calls"] == 5
    same(weights(two), expected)


def test_an_optimiser_gets_no_gradients_of_others():
    model = two_processes.network()
    expected = naive_gradients(model)
    reg = Regularizer(model, coef=COEF)
    first, rest = halves_of(model, lr=0.0)
    reg.attach(first)
    reg.attach(rest)
    first.step()
    same(gradients(model), {"0.0.weight": expected["0.0.weight"]})
    rest.step()
    same(gradients(model), {name: grad for name, grad in expected.items() if name.endswith("weight")})


def test_parameters_added_to_an_optimiser_are_regularised_from_then_on():
    model = two_processes.network()
    expected = naive_gradients(model)
    reg = Regularizer(model, coef=COEF)
    first, _ = halves_of(model, lr=0.0)
    reg.attach(first)
    first.add_param_group({"params": model[1].parameters()})
    first.step()
    same(gradients(model), {name: expected[name] for name in ("0.0.weight", "1.weight")})


def test_a_part_has_its_own_layers_calls_and_state():
    model = two_processes.network()
    reg = Regularizer(model, coef=COEF)
    part = reg.part(model[0].parameters())
    assert part.layers == ("0.0",)
    assert [line.layer for line in part.report().lines] == ["0.0"]
    torch.testing.assert_close(part(), COEF * naive_mma(model[0][0].weight))
    assert (part.calls, reg.calls) == (1, 0)
    nothing = reg.part([])
    assert nothing.layers == ()
    assert nothing().item() == 0.0


def test_a_resumed_run_with_two_optimisers_continues_each_schedule():
    def run(count, state=None):
        model = two_processes.network()
        reg = Regularizer(model, coef=COEF, every=3)
        optimizers = halves_of(model, lr=0.0)
        for optimizer in optimizers:
            reg.attach(optimizer)
        if state is not None:
            reg.load_state_dict(state)
        moved = []  # for each step of the first optimiser, whether the term has a gradient
        for _ in range(count):
            model.zero_grad()
            optimizers[0].step()
            moved.append(model[0][0].weight.grad.norm().item() > 0)
        return reg.state_dict(), moved

    state, before = run(2)
    assert before == [True, False]
    assert [part["calls"] for part in state["attached"]] == [2, 0]
    assert run(3, state)[1] == [False, True, False]


def test_optimisers_that_need_closures_are_refused():
    model = two_processes.network()
    reg = Regularizer(model, coef=COEF)
    with pytest.raises(InvalidParameterError, match=r"takes? no closure. Got 'LBFGS'"):
        reg.attach(torch.optim.LBFGS(model.parameters()))
    with pytest.raises(InvalidParameterError, match="one that holds weights"):
        reg.attach(torch.optim.SGD(nn.Linear(3, 3).parameters(), lr=0.1))


@pytest.mark.parametrize("by_name", [False, True])
def test_steps_with_a_closure_are_refused(by_name):
    model = two_processes.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Regularizer(model, coef=COEF).attach(optimizer)
    before = weights(model)
    with pytest.raises(InvalidParameterError, match=r"reg\(\)` to the loss inside the closure"):
        optimizer.step(closure=lambda: 0.0) if by_name else optimizer.step(lambda: 0.0)
    same(weights(model), before)


def test_lbfgs_takes_the_term_inside_the_closure():
    model = two_processes.network()
    x, y = two_processes.batch()
    reg = Regularizer(model, coef=COEF)
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = mse_loss(model(x), y) + reg()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    assert closure().item() < first


def test_decoupled_steps_leave_the_moments_of_adamw_alone():
    def run(decoupled):
        model = two_processes.network()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        reg = Regularizer(model, coef=COEF)
        x, y = two_processes.batch()
        mse_loss(model(x), y).backward()
        optimizer.step()
        reached = weights(model)
        expected = naive_gradients(model)
        if decoupled:
            term = naive_term(model).item()
            assert reg.step_(0.01).item() == pytest.approx(term, rel=1e-12)
        return model, optimizer, reached, expected

    model, optimizer, reached, expected = run(decoupled=True)
    for name, value in reached.items():
        reached[name] = value - 0.01 * expected[name] if name in expected else value
    same(weights(model), reached)
    plain = run(decoupled=False)[1]
    for one, other in zip(optimizer.state.values(), plain.state.values(), strict=True):
        assert torch.equal(one["exp_avg"], other["exp_avg"])
        assert torch.equal(one["exp_avg_sq"], other["exp_avg_sq"])


# --- parametrised and tied weights ------------------------------------------------------------------------

deprecated = pytest.mark.filterwarnings("ignore:.*torch.nn.utils.(weight|spectral)_norm.*:FutureWarning")
NORMS = {
    "weight": nn.utils.parametrizations.weight_norm,
    "spectral": nn.utils.parametrizations.spectral_norm,
    "orthogonal": nn.utils.parametrizations.orthogonal,
    "weight_hooks": nn.utils.weight_norm,
    "spectral_hooks": nn.utils.spectral_norm,
}


@deprecated
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("how", ["after", "accumulate", "twice"])
def test_gradients_reach_the_parameters_behind_parametrised_weights(norm, how):
    def build():
        torch.manual_seed(0)
        layer = nn.Linear(4, 6).double()
        return nn.Sequential(NORMS[norm](layer), nn.Tanh(), nn.Linear(6, 5).double())

    x = two_processes.batch()[0]
    reference = build()
    out = reference(x).square().mean()
    (out + COEF * (naive_mma(reference[0].weight) + naive_mma(reference[2].weight))).backward()
    model = build()
    reg = Regularizer(model, coef=COEF)
    assert reg.layers == ("0", "2")
    if how == "after":
        (model(x).square().mean() + reg()).backward()
    elif how == "twice":
        loss = model(x).square().mean()
        (loss + 0.5 * reg() + 0.5 * reg()).backward()
    else:
        model(x).square().mean().backward()
        reg.accumulate_()
    same(gradients(model), gradients(reference), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["weight", "spectral", "orthogonal"])
def test_parametrised_weights_in_a_compiled_step(norm):
    torch.compiler.reset()

    def build():
        torch.manual_seed(0)
        return nn.Sequential(NORMS[norm](nn.Linear(4, 6).double()), nn.Tanh(), nn.Linear(6, 6).double())

    eager, model = build(), build()
    expected = descend(inside, eager, Regularizer(eager, coef=COEF, every=2), count=3)
    compiled = torch.compile(inside, fullgraph=True, backend="aot_eager")
    same(descend(compiled, model, Regularizer(model, coef=COEF, every=2), count=3), expected)


@deprecated
@pytest.mark.parametrize("norm", NORMS)
def test_reading_a_weight_does_not_change_its_parametrisation(norm):
    torch.manual_seed(0)
    layer = NORMS[norm](nn.Linear(4, 6).double())
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    reg = Regularizer(layer, coef=COEF)
    first = reg().item()
    assert reg().item() == first
    reg.report()
    assert layer.training
    same(layer.state_dict(), before, rtol=0.0, atol=0.0)


def test_tied_weights_are_taken_once():
    torch.manual_seed(0)
    model = nn.ModuleDict({"wide": nn.Embedding(6, 4), "head": nn.Linear(4, 6, bias=False)}).double()
    model["head"].weight = model["wide"].weight
    reg = Regularizer(model, coef=COEF, embeddings=True)
    assert reg.layers == ("wide",)
    assert reg.skipped["head"] == "tied to wide"
    expected = COEF * naive_mma(model["head"].weight)
    torch.testing.assert_close(reg(), expected)
    found = of_the_term(model, reg())
    same(found, of_the_term(model, expected))


def test_a_frozen_layer_is_left_alone_as_long_as_it_is_frozen():
    model = two_processes.network()
    expected = naive_gradients(model)
    reg = Regularizer(model, coef=COEF)
    model[1].requires_grad_(False)
    assert set(of_the_term(model, reg())) == {"0.0.weight", "3.weight"}
    model[1].requires_grad_(True)
    same(of_the_term(model, reg()), expected)


@pytest.mark.parametrize("how", ["step", "accumulate"])
def test_calls_between_with_a_frozen_first_layer_add_nothing(how):
    model = two_processes.network()
    model[0].requires_grad_(False)
    reg = Regularizer(model, coef=COEF, every=2)
    assert reg().requires_grad
    assert reg().requires_grad  # zero, and still a place for backward to begin
    reg()
    before = weights(model)
    term = reg.step_(0.1) if how == "step" else reg.accumulate_()
    assert term.item() == 0.0
    same(weights(model), before)
