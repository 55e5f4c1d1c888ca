"""The soft-min ladder in tensors: its formula, its gradient, its way up; and the compiled one beside it."""

import itertools
import math

import numpy as np
import pytest
import torch
from ladders import relaxed

from tammes.base import geometry
from tammes.base.budget import Budget
from tammes.base.status import Status
from tammes.constructions.closed_forms import orthoplex
from tammes.solvers.ladder import compiled
from tammes.solvers.ladder import tensor as continuation
from tammes.solvers.ladder.compiled import CompiledLadder
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.ladder.many_points import ManyPointsLadder
from tammes.solvers.ladder.products import ProductLadder
from tammes.solvers.ladder.tensor import TensorLadder
from tammes.solvers.ladder.tensor_forces import All

REALISATIONS = ["tensors", "compiled"]


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


def soft_min(realisation, points, p):
    if realisation == "compiled":
        return compiled.soft_min(points, p)
    value, grad = continuation.soft_min(torch.tensor(points)[None], p)
    return float(value[0]), grad[0].numpy()


def chords(points):
    return [math.dist(points[a], points[b]) for a in range(len(points)) for b in range(a)]


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("p", [1.0, 2.0, 16.0, 256.0])
@pytest.mark.parametrize(("n", "d"), [(9, 4), (60, 3)])
def test_value_against_the_double_loop(realisation, p, n, d):
    points = rows(n, d)
    # f_p = (1/p) log sum |x - y|^-p, since the factors m cancel
    least = min(chords(points))
    expected = math.log(math.fsum((least / chord) ** p for chord in chords(points))) / p - math.log(least)
    assert soft_min(realisation, points, p)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_never_overflows_and_tends_to_the_smallest_chord(realisation):
    points = rows(50, 3)
    value, grad = soft_min(realisation, points, 2.0**24)
    assert value == pytest.approx(-math.log(min(chords(points))), rel=1e-5)
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_gradient_against_differences_along_the_sphere(realisation):
    points = rows(12, 4)
    grad = soft_min(realisation, points, 16.0)[1]
    assert np.abs((grad * points).sum(axis=1)).max() < 1e-14
    rng = np.random.default_rng(1)
    for _ in range(5):
        move = rng.normal(size=points.shape)
        move -= (move * points).sum(axis=1, keepdims=True) * points
        step = 1e-6
        values = [
            soft_min(realisation, geometry.as_points(points + s * step * move, normalize=True), 16.0)[0]
            for s in (1, -1)
        ]
        assert (values[0] - values[1]) / (2 * step) == pytest.approx((grad * move).sum(), rel=1e-6)


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_duplicates_have_an_infinite_value(realisation):
    points = rows(5, 3)
    points[3] = points[1]
    value, grad = soft_min(realisation, points, 8.0)
    assert value == math.inf
    assert (grad == 0.0).all()


@pytest.mark.parametrize(("n", "d"), [(5, 2), (30, 3), (130, 4)])
@pytest.mark.parametrize("p", [2.0, 64.0, 1024.0])
def test_both_realisations_agree(n, d, p):
    points = rows(n, d, seed=2)
    (value, grad), (other, other_grad) = (soft_min(name, points, p) for name in REALISATIONS)
    assert value == pytest.approx(other, rel=1e-13)
    assert np.abs(grad - other_grad).max() <= 1e-12 * np.abs(grad).max()


@pytest.mark.parametrize(("n", "d", "cosine"), [(12, 3, 1 / math.sqrt(5)), (10, 4, 1 / 6), (16, 5, 1 / 5)])
def test_both_ladders_lead_to_the_optimum(n, d, cosine):
    starts = np.stack([rows(n, d, seed) for seed in range(6)])
    found = continuation.descend(starts)
    assert found.status is Status.CONVERGED
    assert min(found.predicted) == pytest.approx(cosine, abs=2e-5)
    spacing = math.sqrt(2.0 - 2.0 * cosine)
    best = min(relaxed(start, ladder(4.0, 1024.0), chord_bound=spacing).predicted for start in starts)
    assert best == pytest.approx(cosine, abs=2e-5)


def test_a_maximum_stays_one():
    found = continuation.descend(orthoplex(4), exponents=ladder(64.0, 1024.0))
    assert geometry.nearest_neighbours(found.points[0])[0].min() == pytest.approx(math.pi / 2, abs=1e-9)


def test_a_start_does_not_depend_on_its_batch():
    starts = np.stack([rows(15, 3, seed) for seed in range(7)])
    together = continuation.descend(starts, exponents=ladder(8.0, 64.0), iterations=40)
    for k, start in enumerate(starts):  # in order, and alone
        alone = continuation.descend(start, exponents=ladder(8.0, 64.0), iterations=40)
        assert together.predicted[k] == pytest.approx(alone.predicted[0], abs=1e-6)


def test_work_shrinks_as_starts_finish():
    starts = np.stack([orthoplex(4), *(rows(8, 4, seed) for seed in range(3))])  # the first is at its maximum
    sizes, dense = [], All()

    def forces(x, p):
        sizes.append(len(x))
        return dense(x, p)

    found = continuation.descend(starts, exponents=(16.0,), forces=forces)
    assert sizes[0] == sizes[-1] == 4  # all, before the first step and after the last
    assert sorted(sizes[1:-2], reverse=True) == sizes[1:-2]
    assert sizes[1] == 3
    assert found.evaluations == sum(sizes[:-2])
    assert 0 < found.steps <= found.evaluations - 4


def test_a_shared_budget_reaches_every_rung():
    clock, seen, dense = itertools.count(), [], All()

    def forces(x, p):
        seen.append(p)
        return dense(x, p)

    budget = Budget(200.0, clock=lambda: float(next(clock)))
    found = continuation.descend(
        rows(40, 3), exponents=(4.0, 64.0, 256.0), iterations=10_000, gradient_tol=0.0, budget=budget, forces=forces,
        time_shared=True,
    )  # fmt: skip
    assert set(seen) == {4.0, 64.0, 256.0}
    assert found.chords[0] == pytest.approx(2.0 * math.sin(0.5 * geometry.min_angle(found.points[0])), rel=1e-12)


def test_a_bad_start_stays_and_the_others_go_on():
    starts = np.stack([rows(12, 3, seed) for seed in range(3)])
    starts[1, 4] = starts[1, 2]
    found = continuation.descend(starts, exponents=ladder(4.0, 256.0))
    assert np.allclose(found.points[1], starts[1], atol=1e-15)
    assert max(found.predicted[[0, 2]]) < 0.6


def test_input_is_left_alone_and_runs_repeat():
    start = rows(30, 3)
    kept = start.copy()
    first, second = (continuation.descend(start, iterations=20) for _ in range(2))
    assert (start == kept).all()
    assert (first.points == second.points).all()


LADDERS = {
    "compiled": CompiledLadder((8.0, 16.0)),
    "many points": ManyPointsLadder((8.0, 16.0)),
    "tensors": TensorLadder((8.0, 16.0)),
    "tensors, lists": TensorLadder((8.0, 16.0), lists=True),
    "products": ProductLadder(exponents=(8.0, 16.0)),
}
every_ladder = pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)


@every_ladder
def test_every_ladder_widens_the_code_and_leaves_the_start_alone(ladder):
    start = rows(60, 3)[None]
    kept = start.copy()
    first, again = (ladder.run(start) for _ in range(2))
    assert (start == kept).all()
    assert np.array_equal(first.points, again.points)
    assert np.abs(np.linalg.norm(first.points, axis=2) - 1.0).max() < 1e-14
    assert geometry.min_angle(first.points[0]) > 2.0 * geometry.min_angle(start[0])
    assert first.evaluations > 10


@every_ladder
def test_a_spent_budget_ends_every_ladder(ladder):
    clock = iter([0.0, *[100.0] * 1000])
    budget = Budget(1.0, clock=lambda: next(clock))
    assert ladder.run(rows(60, 3)[None], budget=budget).status is Status.TIME_LIMIT


@every_ladder
def test_ctrl_c_returns_the_points_of_every_ladder(ladder):
    def interrupt(_):
        raise KeyboardInterrupt

    found = ladder.run(rows(60, 3)[None], progress=interrupt)
    assert found.status is Status.INTERRUPTED
    assert np.isfinite(found.points).all()


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    points = torch.tensor(np.stack([rows(40, 3, seed) for seed in range(4)]))
    for here, there in zip(
        continuation.soft_min(points, 64.0), continuation.soft_min(points.cuda(), 64.0), strict=True
    ):
        assert torch.allclose(here, there.cpu(), rtol=1e-12, atol=1e-12)
    found = continuation.descend(points.numpy(), device="cuda")
    assert min(found.predicted) < 0.72
