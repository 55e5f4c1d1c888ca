"""Files of figures by their signature, and what drawing one imports."""

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from tammes.base.errors import InvalidParameterError
from tammes.plots.writing import SUFFIXES, figure_bytes

SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


def test_every_suffix_is_tested():
    assert set(SUFFIXES) == set(SIGNATURES)


@pytest.mark.parametrize("suffix", [*SIGNATURES, ".PNG", ".Svg"])
def test_figure_bytes_are_what_the_suffix_says(suffix):
    figure = Figure()
    figure.subplots().plot([0.0, 1.0], [1.0, 0.0])
    content = figure_bytes(figure, suffix)
    assert content.startswith(SIGNATURES[suffix.lower()])
    assert len(content) > 1000


@pytest.mark.parametrize("suffix", [".jpg", "png", "", ".", ".npy"])
def test_other_suffixes_are_refused(suffix):
    with pytest.raises(InvalidParameterError) as caught:
        figure_bytes(Figure(), suffix)
    assert str(caught.value) == f"`output` must be a .png, .svg or .pdf file. Got {suffix!r}."


@pytest.mark.slow
def test_pyplot_is_never_loaded():
    script = """
import sys
from tammes import plots
assert not any(name.startswith("matplotlib") for name in sys.modules), "matplotlib is loaded early"
from tammes.codes.spherical_code import SphericalCode
for points in ([[1, 0], [0, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]]):
    assert plots.figure_bytes(plots.plot_code(SphericalCode(points))).startswith(b"\\x89PNG")
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules, "pyplot is loaded"
assert "torch" not in sys.modules, "torch is loaded"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
