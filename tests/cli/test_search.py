"""`tammes search` on the command line."""

import json

import pytest
from typer.testing import CliRunner

from tammes.base.errors import InvalidParameterError, TammesError
from tammes.cli.main import app
from tammes.cli.search import sizes

runner = CliRunner()


def run(*arguments):
    """Exit status, stdout and the package's own error, if any."""
    result = runner.invoke(app, ["search", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | TammesError):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [("130", [130]), ("4..7", [4, 5, 6, 7]), ("4..10:3", [4, 7, 10]), (" 5 ", [5])],
)
def test_ranges(text, expected):
    assert sizes(text) == expected


@pytest.mark.parametrize("text", ["10..4", "x", "1..3", "4..", "4-7", "", "1", "4..9:0", "-3"])
def test_bad_ranges(text):
    with pytest.raises(InvalidParameterError, match="`n`"):
        sizes(text)


def test_a_search_prints_saves_and_keeps(tmp_path):
    out = tmp_path / "best.npy"
    result = run(
        "--d", "3", "--n", "12", "--time", "20s", "--workers", "1", "--archive", str(tmp_path / "a"), "-o", str(out)
    )
    assert result.exit_code == 0, result.output
    assert "63.434948822922" in result.stdout
    assert "no code is better" in result.stdout
    assert out.exists()
    assert (tmp_path / "a" / "d3" / "n00012.json").exists()
    checked = runner.invoke(app, ["verify", str(tmp_path / "a" / "d3" / "n00012.json")])
    assert checked.exit_code == 0, checked.output


@pytest.mark.slow
def test_json_is_one_document(tmp_path):
    result = run("--d", "3", "--n", "15", "--starts", "24", "--workers", "1", "--archive", str(tmp_path), "--json")
    document = json.loads(result.stdout)
    assert document["method"] == ["search", "polish"]
    assert document["status"]["code"] == "starts-tried"
    assert document["phases"][0]["arms"]["random/4"]["rounds"] >= 0


def test_a_range_writes_its_tables(tmp_path):
    result = run(
        *("--d", "3", "--n", "7..8", "--time", "4s", "--starts", "24", "--workers", "1", "--symmetry", "none"),
        *("--archive", str(tmp_path / "a"), "-o", str(tmp_path / "t")),
    )
    assert result.exit_code == 0, result.output
    assert "2 matches" in result.stdout
    assert (tmp_path / "t" / "sweep.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--n", "12", "--time", "0"], "time"),
        (["--n", "12", "--workers", "0"], "workers"),
        (["--n", "12", "--target", "64"], "target"),
        (["--n", "12", "--target", "much"], "target"),
        (["--n", "5", "--symmetry", "T"], "symmetry"),
        (["--n", "12", "--symmetry", "Q"], "symmetry"),
        (["--n", "13", "--antipodal"], "even"),
        (["--n", "9..4"], "range"),
    ],
)
def test_bad_options(arguments, word, tmp_path):
    result = run("--d", "3", "--archive", str(tmp_path), *arguments)
    assert result.exit_code != 0
    assert word in str(result.exception) + result.output


def test_existing_files_are_not_replaced(tmp_path):
    out = tmp_path / "best.npy"
    out.write_bytes(b"mine")
    result = run("--d", "3", "--n", "12", "--archive", str(tmp_path / "a"), "-o", str(out))
    assert result.exit_code != 0
    assert out.read_bytes() == b"mine"
