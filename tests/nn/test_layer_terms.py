"""The summands of Eq. 13: which loss and coefficient each layer has."""

import pytest
from torch import nn

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.losses import MMA, Cosine, RieszFisher
from tammes.nn.layer_terms import DEAD, layer_terms
from tammes.nn.selection import find_layers


def terms(**changes):
    found = find_layers(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 6)))
    settings = {"loss": "mma", "output_loss": None, "coef": 0.5, "output_coef": None, "dead": DEAD, "options": {}}
    return layer_terms(found, **(settings | changes))


def test_every_layer_has_the_loss_and_the_coefficient():
    assert [(term.layer.name, term.loss, term.coef) for term in terms()] == [(k, MMA(dead=DEAD), 0.5) for k in "012"]


def test_the_output_layer_may_have_its_own():
    found = terms(output_loss="cosine", output_coef=2)
    assert [term.loss for term in found] == [MMA(dead=DEAD), MMA(dead=DEAD), Cosine(dead=DEAD)]
    assert [term.coef for term in found] == [0.5, 0.5, 2.0]


@pytest.mark.parametrize(
    ("settings", "layers"),
    [({"output_coef": 0.0}, ["0", "1"]), ({"coef": 0.0, "output_coef": 1.0}, ["2"]), ({"coef": 0.0}, [])],
    ids=str,
)
def test_layers_with_the_coefficient_zero_are_left_out(settings, layers):
    assert [term.layer.name for term in terms(**settings)] == layers


def test_a_loss_with_a_share_of_its_own_keeps_it():
    found = terms(loss=MMA(dead=0.1), output_loss=MMA())
    assert [term.loss.dead for term in found] == [0.1, 0.1, DEAD]


def test_options_belong_to_the_loss_given_by_name():
    found = terms(loss=MMA(), output_loss="riesz-fisher", options={"s": 1.0})
    assert [term.loss for term in found] == [MMA(dead=DEAD), MMA(dead=DEAD), RieszFisher(1.0, dead=DEAD)]
    with pytest.raises(InvalidParameterError, match="name where options are given"):
        terms(loss=MMA(), options={"antipodal": True})
    with pytest.raises(UnknownNameError, match="`loss` must be one of: mma"):
        terms(output_loss="mmma")
