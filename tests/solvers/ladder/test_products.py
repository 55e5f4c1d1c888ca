"""The ladder in matrix products: its function against a double loop, its ends, what it keeps."""

import itertools
import math

import numpy as np
import pytest
import torch
from ladders import climb

from tammes.base import geometry
from tammes.base.budget import Budget, silent
from tammes.base.errors import InvalidParameterError
from tammes.base.status import Status
from tammes.solvers.ladder import products as prototypes
from tammes.solvers.ladder.products import ProductLadder, soft_max


def rows(n, d, seed=0):
    points = np.random.default_rng(seed).standard_normal((n, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def descend(points, *, bar=0.0, budget=None, progress=silent, **settings):
    return climb(ProductLadder(**settings), points, bar=bar, budget=budget, progress=progress)


def naive(points, p):
    """g_p by a double loop."""
    pairs = itertools.combinations(range(len(points)), 2)
    total = sum(math.exp(p * (float(points[i] @ points[j]) - 1.0)) for i, j in pairs)
    return 1.0 + math.log(total) / p


def measured(points):
    return math.cos(geometry.min_angle(points))


@pytest.mark.parametrize("p", [1.0, 8.0, 200.0])
@pytest.mark.parametrize("block", [1 << 21, 60])
def test_value_and_gradient(p, block, monkeypatch):
    monkeypatch.setattr(prototypes, "_BLOCK", block)
    points = rows(17, 5)
    value, grad = soft_max(torch.tensor(points), p)
    assert value == pytest.approx(naive(points, p), abs=1e-12)
    assert value >= measured(points)
    for i, k in ((0, 0), (9, 3), (16, 4)):
        tangent = np.zeros_like(points)
        tangent[i, k] = 1.0
        tangent[i] -= points[i, k] * points[i]
        ahead, behind = ((points + h * tangent) for h in (1e-6, -1e-6))
        ahead, behind = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (ahead, behind))
        slope = (naive(ahead, p) - naive(behind, p)) / 2e-6
        assert float((grad.numpy() * tangent).sum()) == pytest.approx(slope, abs=1e-6)
    assert np.abs((grad.numpy() * points).sum(axis=1)).max() < 1e-12


def test_float32_agrees_with_float64_at_high_exponents():
    points = torch.tensor(rows(60, 20))
    for p in (1_024.0, 16_384.0):
        assert soft_max(points.float(), p)[0] == pytest.approx(soft_max(points, p)[0], abs=1e-6)


@pytest.mark.parametrize(("n", "d", "cosine"), [(6, 5, -0.2), (12, 3, 5**-0.5), (16, 8, 0.0), (27, 6, 0.25)])
def test_optimal_codes_are_found(n, d, cosine):
    found = min(measured(descend(rows(n, d, seed)).points) for seed in range(3))
    assert found == pytest.approx(cosine, abs=5e-4)


def test_the_start_is_not_changed_and_never_lost():
    start = rows(30, 10)
    kept = start.copy()
    found = descend(start, exponents=(2.0,), iterations=3)
    assert np.array_equal(start, kept)
    assert measured(found.points) <= measured(start) + 1e-6
    orthoplex = np.concatenate([np.eye(6), -np.eye(6)])
    assert measured(descend(orthoplex, exponents=(1.0, 2.0), iterations=5).points) <= 1e-6  # a good start stays


def test_same_bits_again_whatever_the_threads_and_no_random_state_is_touched():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first = descend(rows(150, 40), iterations=5)
    try:
        torch.set_num_threads(2)
        again = descend(rows(150, 40), iterations=5)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(first.points, again.points)
    assert first.evaluations == again.evaluations
    assert torch.equal(state, torch.get_rng_state())


def test_the_settings_of_a_training_run_do_not_matter():
    plain = descend(rows(150, 40), iterations=5)
    precision = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            within = descend(rows(150, 40), iterations=5)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(precision)
    assert np.array_equal(plain.points, within.points)


def test_coinciding_rows_part():
    start = rows(20, 10)
    start[3] = start[4] + 1e-3 * start[5]
    assert measured(descend(start).points) < 0.2


def test_a_bar_out_of_reach_ends_the_run_early():
    whole = descend(rows(60, 12))
    reached = measured(whole.points)
    cut = descend(rows(60, 12), bar=math.acos(0.5 * reached))
    assert cut.status is Status.STEP_LIMIT
    assert cut.evaluations < 0.6 * whole.evaluations
    beaten = descend(rows(60, 12), bar=math.acos(reached + 0.01))
    assert np.array_equal(beaten.points, whole.points)


def test_a_budget_ends_the_run():
    ticks = iter(range(1_000))
    found = descend(rows(30, 10), budget=Budget(5.0, clock=lambda: float(next(ticks))))
    assert found.status is Status.TIME_LIMIT
    assert measured(found.points) <= measured(rows(30, 10)) + 1e-6


def test_an_interrupt_keeps_the_best():
    seen = []

    def stop_at_the_third(report):
        seen.append(report.min_angle)
        if len(seen) == 3:
            raise KeyboardInterrupt

    found = descend(rows(30, 10), progress=stop_at_the_third)
    assert found.status is Status.INTERRUPTED
    assert math.acos(measured(found.points)) == pytest.approx(seen[-1], abs=1e-5)
    assert seen == sorted(seen)


@pytest.mark.parametrize(("name", "value"), [("iterations", 0), ("iterations", True), ("exponents", ())])
def test_bad_settings(name, value):
    with pytest.raises(InvalidParameterError, match=name):
        ProductLadder(**{name: value})
