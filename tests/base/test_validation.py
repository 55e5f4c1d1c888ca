"""Checks of parameters: one rule for integers and numbers, everywhere, and the wordings that users see."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

import tammes
from tammes import bounds, closed_forms, constructions
from tammes.base import validation
from tammes.base.budget import Budget
from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.codes.certificates import rounded_vectors
from tammes.codes.extended_precision import refine
from tammes.codes.minimal_polynomials import minimal_polynomial
from tammes.codes.optimality import local_optimality
from tammes.losses import RieszFisher
from tammes.nn.inspect.weights import cosine_histogram
from tammes.solvers.sgd import SGD

SQUARE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
GOLDEN = "0.809016994374947424102293417182819058860"

INTEGERS = {
    "closed_form n": (4, lambda value: closed_forms.closed_form(value, 3)),
    "closed_form d": (4, lambda value: closed_forms.closed_form(4, value)),
    "simplex n": (4, lambda value: closed_forms.simplex(value, 4)),
    "regular_polygon n": (4, closed_forms.regular_polygon),
    "orthoplex d": (4, closed_forms.orthoplex),
    "polygon n": (4, lambda value: constructions.construct("polygon", n=value)),
    "hypercube d": (4, lambda value: constructions.construct("hypercube", d=value)),
    "lookup n": (4, lambda value: tammes.lookup(value, 3)),
    "lookup d": (4, lambda value: tammes.lookup(4, value)),
    "upper_bound n": (4, lambda value: bounds.upper_bound(value, 3)),
    "upper_bound d": (4, lambda value: bounds.upper_bound(5, value)),
    "most_points d": (4, lambda value: bounds.most_points(1.0, value)),
    "delsarte_lp degree": (4, lambda value: bounds.delsarte_lp(13, 3, value)),
    "refine digits": (20, lambda value: refine(SQUARE, value)),
    "rounded_vectors decimals": (9, lambda value: rounded_vectors(SQUARE, value)),
    "minimal_polynomial degree": (2, lambda value: minimal_polynomial(GOLDEN, value)),
    "loss block_size": (4, lambda value: RieszFisher(block_size=value)),
    "SGD steps": (4, lambda value: SGD(steps=value)),
    "histogram bins": (4, lambda value: cosine_histogram(SQUARE, bins=value)),
    "codebook n": (4, lambda value: tammes.codebook(value, 3)),
    "codebook seed": (4, lambda value: tammes.codebook(4, 3, seed=value)),
    "codebook starts": (4, lambda value: tammes.codebook(4, 3, starts=value)),
}
NUMBERS = {
    "Riesz exponent": (2.0, lambda value: RieszFisher(s=value)),
    "share of the rows": (0.5, lambda value: RieszFisher(sample=value)),
    "angle": (1.0, lambda value: bounds.most_points(value, 3)),
    "tolerance of local_optimality": (2.0**-30, lambda value: local_optimality(tammes.SphericalCode(SQUARE), value)),
    "tolerance of refine": (2.0**-30, lambda value: refine(SQUARE, 20, value)),
    "time limit": (1.0, Budget),
}


def integers():
    return [pytest.param(good, call, id=name) for name, (good, call) in INTEGERS.items()]


def numbers():
    return [pytest.param(good, call, id=name) for name, (good, call) in NUMBERS.items()]


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("good", "call"), integers())
def test_numpy_integers_pass_wherever_integers_do(good, call, kind):
    call(kind(good))


@pytest.mark.parametrize("bad", [True, np.True_, 4.0, np.float64(4.0), "4", math.nan], ids=repr)
@pytest.mark.parametrize(("good", "call"), integers())
def test_what_is_no_integer_is_refused_everywhere(good, call, bad):
    with pytest.raises(InvalidParameterError, match=f"must be an integer .*Got {re.escape(repr(bad))}"):
        call(bad)


@pytest.mark.parametrize("kind", [float, np.float64, np.float32], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("good", "call"), numbers())
def test_numpy_numbers_pass_wherever_floats_do(good, call, kind):
    call(kind(good))


@pytest.mark.parametrize(
    "bad", [True, np.True_, "1", math.nan, math.inf, -1.0, 10**400, 1j], ids=lambda bad: str(bad)[:6]
)
@pytest.mark.parametrize(("good", "call"), numbers())
def test_what_is_no_number_in_the_range_is_refused_everywhere(good, call, bad):
    with pytest.raises(InvalidParameterError):
        call(bad)


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2)])
def test_an_integer_comes_back_as_an_int(value):
    found = validation.check_integer("n", value, 2)
    assert found == 2
    assert type(found) is int


@pytest.mark.parametrize(
    ("value", "least", "most", "message"),
    [
        (1, 2, None, "`n` must be an integer of at least 2. Got 1."),
        (None, 2, None, "`n` must be an integer of at least 2. Got None."),
        (201, 1, 200, "`n` must be an integer from 1 to 200. Got 201."),
        (0, 1, 200, "`n` must be an integer from 1 to 200. Got 0."),
        (-(10**400), 1, None, "`n` must be an integer of at least 1. Got about -10^400."),
    ],
)
def test_the_wording_for_integers(value, least, most, message):
    with pytest.raises(InvalidParameterError) as caught:
        validation.check_integer("n", value, least, most)
    assert str(caught.value) == message


def test_the_purpose_ends_the_requirement():
    with pytest.raises(InvalidParameterError, match=r"^`n` must be an integer of at least 3 for a polygon\. Got 2\.$"):
        validation.check_integer("n", 2, 3, purpose="for a polygon")


def test_an_optional_integer():
    assert validation.check_optional_integer("max_rows", None, 2) is None
    assert validation.check_optional_integer("max_rows", np.int32(2), 2) == 2
    with pytest.raises(
        InvalidParameterError, match=r"^`max_rows` must be an integer of at least 2, or None\. Got 1\.$"
    ):
        validation.check_optional_integer("max_rows", 1, 2)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
def test_a_number_comes_back_as_a_float(value):
    found = validation.check_number("x", value)
    assert found == 0.5
    assert type(found) is float


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        ({"least": 0.0}, 0.0, -1e-300),
        ({"above": 0.0}, 5e-324, 0.0),
        ({"most": 1.0}, 1.0, 1.0 + 2.0**-52),
        ({"below": 1.0}, 1.0 - 2.0**-53, 1.0),
    ],
    ids=str,
)
def test_the_ends_of_a_range_of_numbers(limits, inside, outside):
    assert validation.check_number("x", inside, "in the range", **limits) == inside
    with pytest.raises(InvalidParameterError, match="`x` must be in the range"):
        validation.check_number("x", outside, "in the range", **limits)


def test_both_sizes_come_back_as_ints():
    sizes = validation.check_size(np.int64(12), np.uint8(3))
    assert sizes == (12, 3)
    assert [type(size) for size in sizes] == [int, int]


@pytest.mark.parametrize(
    ("n", "d", "message"),
    [
        (1, 1, "`n` must be an integer of at least 2. Got 1."),
        (2, 1, "`d` must be an integer of at least 2. Got 1."),
        (10**9 + 1, 2, "`n` must be at most 10^9. Got 1000000001."),
        (2, 10**400, "`d` must be at most 10^9. Got about 10^400."),
    ],
)
def test_the_wording_for_sizes(n, d, message):
    with pytest.raises(InvalidParameterError) as caught:
        validation.check_size(n, d, most=10**9)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("check", "name", "least"),
    [
        (validation.check_seed, "seed", 0),
        (validation.check_starts, "starts", 1),
        (validation.check_workers, "workers", 1),
    ],
    ids=["seed", "starts", "workers"],
)
def test_seed_starts_and_workers(check, name, least):
    assert check(np.int64(least)) == least
    with pytest.raises(
        InvalidParameterError, match=f"^`{name}` must be an integer of at least {least}. Got {least - 1}"
    ):
        check(least - 1)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf, True, "90s"])
def test_a_duration_is_positive_and_finite(seconds):
    assert validation.check_duration("time_limit", np.float32(0.5)) == 0.5
    with pytest.raises(InvalidParameterError, match="`time_limit` must be a positive number of seconds"):
        validation.check_duration("time_limit", seconds)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_names_of_devices(name):
    assert validation.check_device(name) == name


@pytest.mark.parametrize(
    "name", ["", "tpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cuda:²", "cuda:1\n", 0, None]
)
def test_what_names_no_device(name):
    with pytest.raises(InvalidParameterError, match=r"^`device` must be auto, cpu, cuda or cuda:N"):
        validation.check_device(name)


@pytest.mark.parametrize("value", [0, 1, None, "yes", np.True_])
def test_a_flag_is_true_or_false(value):
    assert validation.check_flag("lp", False) is False
    with pytest.raises(InvalidParameterError, match=r"^`lp` must be True or False"):
        validation.check_flag("lp", value)


@pytest.mark.parametrize("value", ["meen", None, ["mean"]])
def test_an_unknown_name_lists_the_known_ones(value):
    assert validation.check_name("reduction", "sum", ["mean", "sum"]) == "sum"
    with pytest.raises(UnknownNameError, match=r"^`reduction` must be one of: mean, sum. Got "):
        validation.check_name("reduction", value, ["mean", "sum"])


@pytest.mark.parametrize("value", [3, "2", True, None])
def test_one_of_a_few_values(value):
    assert validation.check_choice("q", np.int64(2), (1, 2)) == 2
    with pytest.raises(InvalidParameterError, match=r"^`q` must be one of: 1, 2 for a field. Got "):
        validation.check_choice("q", value, (1, 2), purpose="for a field")


def test_an_integer_of_more_digits_than_python_prints():
    with pytest.raises(InvalidParameterError, match=r"Got about 10\^5000\.$"):
        validation.check_integer("n", 10**5000, 1, 2)
