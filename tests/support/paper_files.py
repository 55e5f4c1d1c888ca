"""Files and checks that the tests of the paper's readers share."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.paper import generated

JPEG = generated.encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
"""64 x 64, of noise."""


def one_line(error, *words):
    """Check that an error is one line and contains these words."""
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said


def maps(folder):
    """Return the files of decoded images in a folder, complete or not."""
    return sorted(Path(folder).glob(".tammes-*"))


def pillow(path):
    """Return the pixels of a file as Pillow decodes them, in colour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
