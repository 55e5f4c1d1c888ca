"""What the tests of the paper's readers share."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.paper import generated

JPEG = generated.encoded(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))
"""64 x 64, of noise."""


def one_line(error, *words):
    """An error that was raised is one line, and says these words."""
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said


def maps(folder):
    """Files of decoded images in a folder, whole or not."""
    return sorted(Path(folder).glob(".tammes-*"))


def pillow(path):
    """What Pillow makes of a file, in colour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
