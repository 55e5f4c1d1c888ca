"""ArcFace+ (Eq. 15): the losses as `weight_regularizer` of pytorch-metric-learning, whatever its loss."""

import re
import runpy
from pathlib import Path

import oracles
import pytest
import torch

from tammes import losses
from tammes.nn.inspect.weights import measure

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "arcface_plus.py"
CLASSES, EMBEDDING, WEIGHT = 7, 5, 3.0


@pytest.fixture(scope="module")
def pml():
    return pytest.importorskip("pytorch_metric_learning.losses")


NAMES = {
    "ArcFaceLoss": {},
    "SubCenterArcFaceLoss": {"sub_centers": 2},
    "CosFaceLoss": {},
    "SphereFaceLoss": {},
    "LargeMarginSoftmaxLoss": {},
    "NormalizedSoftmaxLoss": {},
    "ProxyNCALoss": {},
    "ProxyAnchorLoss": {},
    "SoftTripleLoss": {"centers_per_class": 2},
}
MODULES = {
    "mma": losses.MMALoss(),
    "cosine": losses.CosineLoss(),
    "riesz-fisher": losses.RieszFisherLoss(),
    "logarithmic": losses.LogarithmicLoss(),
    "orthogonal": losses.OrthogonalLoss(),
}


def both(pml, name, module):
    """Return value, class vectors as rows and their gradient of a loss, without and with the regulariser."""
    found = []
    for options in ({}, {"weight_regularizer": module, "weight_reg_weight": WEIGHT}):
        torch.manual_seed(0)
        criterion = getattr(pml, name)(num_classes=CLASSES, embedding_size=EMBEDDING, **NAMES[name], **options).double()
        embeddings = torch.randn(20, EMBEDDING).double()
        value = criterion(embeddings, torch.arange(20) % CLASSES)
        value.backward()
        (vectors,) = criterion.parameters()
        rows = (lambda w: w) if name.startswith("Proxy") else torch.t
        found.append((value.item(), rows(vectors.detach()), rows(vectors.grad)))
    return found


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning")  # SphereFace's binomials
@pytest.mark.parametrize("name", NAMES)
def test_mma_is_added_to_every_loss_that_takes_a_weight_regulariser(pml, name):
    (plain, vectors, gradient), (plus, same_vectors, plus_gradient) = both(pml, name, MODULES["mma"])
    assert torch.equal(vectors, same_vectors)
    expected = float(oracles.LOSSES["mma"](vectors.numpy(), 2.0))
    assert (plus - plain) / WEIGHT == pytest.approx(expected, rel=1e-10)
    weight = vectors.clone().requires_grad_()
    unit = torch.nn.functional.normalize(weight, dim=1)
    (unit @ unit.T - 4.0 * torch.eye(len(unit))).amax(dim=1).acos().mean().neg().backward()
    torch.testing.assert_close((plus_gradient - gradient) / WEIGHT, weight.grad, rtol=1e-8, atol=1e-10)


def test_every_loss_has_been_named(pml):
    from pytorch_metric_learning.losses.mixins import WeightRegularizerMixin

    takers = {name for name, kind in vars(pml).items() if isinstance(kind, type)}
    takers = {name for name in takers if issubclass(getattr(pml, name), WeightRegularizerMixin)}
    assert takers - {"WeightRegularizerMixin"} == set(NAMES)


@pytest.mark.parametrize("kind", MODULES)
def test_every_loss_of_ours_will_do(pml, kind):
    assert MODULES.keys() == losses.LOSSES.keys()
    (plain, vectors, _), (plus, _, _) = both(pml, "ArcFaceLoss", MODULES[kind])
    expected = float(oracles.LOSSES[kind](vectors.numpy(), 2.0))
    assert (plus - plain) / WEIGHT == pytest.approx(expected, rel=1e-10)


def test_the_example_says_what_it_measures(pml, capsys):
    example = runpy.run_path(str(EXAMPLE))
    example["main"]()
    lines = capsys.readouterr().out.splitlines()
    shown = re.compile(r"accuracy +(\d+\.\d\d) %.*vectors +(\d+\.\d\d)°.*nearest +(\d+\.\d\d)°")
    found = [shown.search(line).groups() for line in lines]
    (accuracy, least, nearest), (plus_accuracy, plus_least, plus_nearest) = (map(float, line) for line in found)
    assert min(accuracy, plus_accuracy) > 90.0
    assert plus_least > least + 5.0
    assert plus_nearest > nearest
    bound = measure(torch.randn(example["CLASSES"], example["EMBEDDING"]).numpy()).bound.degrees
    assert plus_least < bound
