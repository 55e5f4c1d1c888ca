"""The registry of losses: known and unknown names, options."""

import math

import oracles
import pytest

from tammes import losses
from tammes.base.errors import InvalidParameterError, TammesError, UnknownNameError

NAMES = sorted(losses.LOSSES)
every_loss = pytest.mark.parametrize("name", NAMES)


def test_every_loss_has_an_oracle():
    assert set(losses.LOSSES) == set(oracles.LOSSES)


@every_loss
def test_get_finds_a_loss_by_name_and_returns_losses_unchanged(name):
    loss = losses.get(name)
    assert loss.name == name
    assert losses.get(loss) is loss
    assert loss == losses.get(name)


def test_the_exponent_reaches_riesz_fisher():
    assert losses.get("riesz-fisher").s == 2.0
    assert losses.get("riesz-fisher", s=0.5) == losses.RieszFisher(0.5)


@pytest.mark.parametrize(
    ("typo", "closest"),
    [("rietz-fisher", "riesz-fisher"), ("logaritmic", "logarithmic"), ("mmaa", "mma"), ("?", "")],
)
def test_unknown_names_list_the_known_ones_closest_first(typo, closest):
    with pytest.raises(UnknownNameError) as caught:
        losses.get(typo)
    message = str(caught.value)
    assert all(name in message for name in NAMES)
    assert message.startswith(f"`loss` must be one of: {closest}")
    assert message.endswith(f"Got {typo!r}.")
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, TammesError)


@pytest.mark.parametrize("s", [0, -1.0, math.nan, math.inf, "2", None, 1j])
def test_exponents_that_are_not_positive_numbers_are_refused(s):
    with pytest.raises(InvalidParameterError, match="`s` must be a positive finite number"):
        losses.get("riesz-fisher", s=s)
    with pytest.raises(InvalidParameterError):
        losses.RieszFisherLoss(s=s)


def test_options_reach_the_loss():
    loss = losses.get("mma", antipodal=True, reduction="sum", sample=0.3, dead=1e-3, block_size=100)
    assert loss == losses.MMA(antipodal=True, reduction="sum", sample=0.3, dead=1e-3, block_size=100)


@every_loss
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"antipodal": 1}, "`antipodal` must be True or False. Got 1."),
        ({"sample": 0.0}, "`sample` must be a share of the rows in \\(0, 1\\], or None. Got 0.0."),
        ({"sample": 30}, "`sample`"),
        ({"dead": 1.0}, "`dead` must be a share of the longest row"),
        ({"dead": math.nan}, "`dead`"),
        ({"block_size": 0}, "`block_size` must be an integer of at least 1"),
        ({"block_size": 2.0}, "`block_size`"),
    ],
)
def test_options_out_of_range_are_refused(name, options, said):
    with pytest.raises(InvalidParameterError, match=said):
        losses.get(name, **options)


@every_loss
def test_unknown_reductions_are_refused(name):
    with pytest.raises(UnknownNameError, match=r"`reduction` must be one of: mean, sum\. Got .none."):
        losses.get(name, reduction="none")


def test_options_beside_a_loss_are_refused():
    # They would have no effect.
    with pytest.raises(InvalidParameterError, match=r"name where options are given.*antipodal=True"):
        losses.get(losses.MMA(), antipodal=True)
