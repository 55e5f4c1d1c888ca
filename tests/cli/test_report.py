"""What people read: no digit more than the source has, no claim more than is proved."""

import pytest
from rich.console import Console

from tammes.base.status import Status
from tammes.cli import report
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex, simplex
from tammes.storage import tables
from tammes.storage.result import Result
from tammes.storage.tables import KnownValue


def text(renderable):
    console = Console(width=300, record=True, file=None, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(renderable)
    return capture.get()


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (19.79, "matches"),
        (19.9, "matches"),
        (19.66, "misses it by 0.1°"),
        (19.2048, "misses it by 0.6°"),
        (20.0, "beats it by 0.2°"),
    ],
)
def test_comparison_in_the_digits_of_the_source(measured, expected):
    assert report.comparison(KnownValue(600, 4, "19.8", "paper"), measured) == expected


def test_a_result_block():
    result = Result(SphericalCode(simplex(5, 4)), ("closed form",), Status.CLOSED_FORM, 0.0)
    shown = text(report.result_block(result, ["a.npy", "a.json"]))
    assert "5 points on the unit sphere in R^4" in shown
    assert "104.477512185930°" in shown
    assert "proved optimal" in shown
    assert "attained: no code is better" in shown
    assert "10, 0 rattlers" in shown
    assert "a.npy, a.json" in shown


def test_a_search_says_why_it_ended_and_what_its_best_code_is():
    phases = ({"phase": "search", "code": "local-maximum"},)
    result = Result(SphericalCode(simplex(5, 4)), ("search", "polish"), Status.TIME_LIMIT, 30.0, phases=phases)
    shown = text(report.result_block(result))
    assert Status.TIME_LIMIT.sentence in shown
    assert Status.LOCAL_MAXIMUM.sentence in shown


def test_best_known_is_not_called_optimal_without_a_proof():
    shown = text(report.result_block(Result(SphericalCode(orthoplex(15)), ("sgd",), Status.STEP_LIMIT, 1.0)))
    assert "optimal" in shown  # Rankin
    points = tables.known_values(30, 3)
    assert "proved" not in text(report.known_table(points)).replace("proved optimal by", "")


def test_known_table_keeps_every_printed_digit():
    shown = text(report.known_table(tables.known_values(30, 3)))
    for value in tables.known_values(30, 3):
        assert value.degrees in shown
