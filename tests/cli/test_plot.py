"""`tammes plot`: pictures of codes and of the course of a run."""

import pytest


@pytest.fixture
def solved(run, tmp_path):
    run("solve", "--n", 6, "--d", 3, "-o", "code.npy")
    return tmp_path / "code.npy"


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_plot(run, solved, suffix):
    target = solved.with_name(f"picture{suffix}")
    assert run("plot", solved, "-o", target)[:2] == (0, f"{target}\n")
    assert target.stat().st_size > 5000


def test_plot_history(run, tmp_path):
    run("solve", "--n", 12, "--d", 3, "--loss", "mma", "--steps", 400)
    assert run("plot", "tammes_d3_n12.npy", "--history")[0] == 0
    assert (tmp_path / "tammes_d3_n12.png").stat().st_size > 5000
    status, _, err = run("plot", "tammes_d3_n12.npy")  # never over an existing picture
    assert status == 1
    assert "--force" in err


def test_plot_history_of_a_closed_form(run, solved):
    status, _, err = run("plot", solved, "--history")
    assert status == 2
    assert "closed forms have none" in err


def test_bad_picture_suffix(run, solved):
    status, _, err = run("plot", solved, "-o", "x.bmp")
    assert status == 2
    assert ".png, .svg, .pdf" in err
