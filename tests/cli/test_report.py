"""What people read: no digit more than the source has, no claim more than is proved."""

import pytest
from rich.console import Console

from tammes.base.status import Status
from tammes.cli import report
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import simplex
from tammes.constructions.spread import fibonacci
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


def test_a_best_known_value_without_a_proof_is_not_called_optimal():
    shown = text(report.result_block(Result(SphericalCode(fibonacci(30)), ("sgd",), Status.STEP_LIMIT, 1.0)))
    assert "best known" in shown
    assert "optimal" not in shown


def test_a_large_code_says_what_is_left_out():
    result = Result(SphericalCode(fibonacci(6000)), ("ladder",), Status.TIME_LIMIT, 1.0)
    shown = text(report.result_block(result))
    assert "rattlers not computed above n = 3000" in shown
    assert "not computed above n = 5000; `tammes certify` makes one" in shown


def test_rows_and_counts():
    assert [report.counted(k, "rattler") for k in (0, 1, 2)] == ["0 rattlers", "1 rattler", "2 rattlers"]
    shown = text(report.named_rows([("name", "said"), ("", "more")])).splitlines()
    assert [line.split() for line in shown] == [["name", "said"], ["more"]]


def test_numbers_are_set_flush_right():
    table = report.plain_table("n", "what", numbers=["n"])
    table.add_row("7", "a")
    table.add_row("100", "b")
    assert [line.rstrip() for line in text(table).splitlines()] == ["  n  what", "  7  a", "100  b"]
