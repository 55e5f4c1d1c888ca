"""The compiled ladder: what it predicts, its schedule; the formula itself is tested in test_continuation."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from ladders import relaxed

from tammes.base import geometry
from tammes.base.errors import InvalidParameterError
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.polish.polish import polish


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


def test_the_prediction_is_what_the_polish_reaches():
    # (3, 7): Schuette and van der Waerden's optimum, isolated enough for a sharp prediction.
    best = min(
        (relaxed(rows(7, 3, seed), ladder(4.0, 2048.0), chord_bound=1.3) for seed in range(4)),
        key=lambda r: r.predicted,
    )
    reached = polish(best.points).after
    assert math.degrees(reached) == pytest.approx(77.86954215542, abs=1e-10)
    assert best.predicted == pytest.approx(math.cos(reached), abs=1e-6)


def test_lists_of_neighbours_change_nothing():
    # 60 points use lists from p = 16 on; the smallest chord after the ladder must be close to that of the polish.
    top = relaxed(rows(60, 3), ladder(4.0, 1024.0), chord_bound=0.5, iterations=200)
    measured = float(geometry.nearest_neighbours(top.points)[0].min())
    assert measured <= math.acos(top.predicted) + 1e-9
    assert measured > math.acos(top.predicted) * (1.0 - 2e-3)


def test_noise_and_symmetry_come_in_between():
    seen = []

    def between(points):
        seen.append(points.shape)
        return points

    class Symmetric:
        symmetrize = staticmethod(between)

    relaxed(rows(8, 3), (4.0, 8.0, 16.0), chord_bound=1.3, noise=between)
    assert seen == [(8, 3)] * 3  # before every rung
    relaxed(rows(8, 3), (4.0, 8.0, 16.0), chord_bound=1.3, orbits=Symmetric)
    assert seen == [(8, 3)] * 7  # and at the end: the result has the symmetry


def test_the_ladder_is_a_geometric_series():
    assert ladder(4.0, 64.0) == (4.0, 8.0, 16.0, 32.0, 64.0)
    assert ladder(2.0, 512.0, 4.0) == (2.0, 8.0, 32.0, 128.0, 512.0)


@pytest.mark.parametrize("p", [3.0, 0.5, 0.0])
def test_exponents_are_powers_of_two(p):
    with pytest.raises(InvalidParameterError, match="powers of two"):
        relaxed(rows(5, 3), (p,), chord_bound=1.0)


def test_input_is_left_alone_and_runs_repeat():
    start = rows(30, 3)
    kept = start.copy()
    first, second = (relaxed(start, (8.0, 16.0)) for _ in range(2))
    assert (start == kept).all()
    assert (first.points == second.points).all()


@pytest.mark.slow
def test_the_first_run_ever_has_the_bits_of_those_after_it(tmp_path):
    """What numba has just compiled and what it loads from the disk differ in last digits."""
    code = (
        "import hashlib, numpy as np; from tammes.solvers.ladder.compiled import CompiledLadder\n"
        "ladder = CompiledLadder((2.0, 32.0, 512.0), chord_bound=1.2)\n"
        "found = hashlib.sha256()\n"
        "for seed in range(8):\n"
        "    points = np.random.default_rng(seed).normal(size=(18, 4))\n"
        "    found.update(ladder.run(points[None]).points.tobytes())\n"
        "print(found.hexdigest())\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    digests = {
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
