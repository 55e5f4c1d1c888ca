"""Module forms: the same numbers as the functions, and no parameters of their own."""

import pytest
import torch
from loss_inputs import grad_of, rows

from tammes import losses

MODULES = [
    (losses.MMALoss(), losses.mma),
    (losses.CosineLoss(), losses.cosine),
    (losses.RieszFisherLoss(), losses.riesz_fisher),
    (losses.RieszFisherLoss(s=1.0, block_size=20), lambda w: losses.riesz_fisher(w, 1.0)),
    (losses.LogarithmicLoss(block_size=20), losses.logarithmic),
    (losses.OrthogonalLoss(), losses.orthogonal),
]


def test_every_loss_has_a_module():
    assert {module.loss.name for module, _ in MODULES} == set(losses.LOSSES)


@pytest.mark.parametrize(("module", "function"), MODULES, ids=lambda form: getattr(form, "__name__", None))
def test_modules_equal_functions(module, function):
    weight = rows(2, 8, 3)
    torch.testing.assert_close(module(weight), function(weight), rtol=1e-14, atol=0.0)
    torch.testing.assert_close(grad_of(module, weight), grad_of(function, weight), rtol=1e-12, atol=1e-13)
    expected = losses.get(module.loss.name, getattr(module.loss, "s", 2.0))
    assert torch.equal(function(weight), expected(weight))
    assert repr(module.loss) in repr(module)
    assert not list(module.parameters())
