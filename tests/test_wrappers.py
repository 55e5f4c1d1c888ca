"""The same gradients whatever is around the model: compilers, wrappers, scalers, precisions, parametrisations."""

import copy

import pytest
import torch
import two_processes
from torch import nn
from torch.nn.functional import mse_loss

from tammes.nn import Regularizer

COEF = 0.5


def naive_mma(rows):
    """`-(1/n) sum_i min_j theta_ij` by autograd through all angles."""
    unit = nn.functional.normalize(rows.flatten(1), dim=1)
    cosines = unit @ unit.T - 4.0 * torch.eye(len(unit), dtype=unit.dtype)
    return -cosines.amax(dim=1).acos().mean()


def naive_term(model, coef=COEF):
    return coef * sum(naive_mma(layer.weight) for layer in model.modules() if isinstance(layer, nn.Linear))


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(found, expected, rtol=1e-10, atol=1e-12):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=rtol, atol=atol, msg=lambda text, at=name: f"{at}: {text}")


def expected_gradients(model, x, y, coef=COEF):
    """Of the loss and the naive term, on a copy that nothing wraps."""
    model = copy.deepcopy(model)
    model.zero_grad()
    (mse_loss(model(x), y) + naive_term(model, coef)).backward()
    return gradients(model)


# --- processes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return two_processes.results(tmp_path_factory.mktemp("two"))


class Alone:
    """What one process has on the joint batch."""

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
        """A step on the loss, then one on the term where the first has led."""
        return self.descend(self.data, self.reg)


@pytest.mark.slow
@pytest.mark.parametrize("loss", two_processes.LOSSES)
@pytest.mark.parametrize("scenario", two_processes.SCENARIOS)
@pytest.mark.parametrize("wrapper", two_processes.WRAPPERS)
def test_two_processes_have_what_one_has_on_the_joint_batch(found, wrapper, scenario, loss):
    alone = Alone(loss)
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
