"""Codes of many points in tensors: width, status, memory, interruption; on a CPU as on CUDA."""

import itertools
import math

import numpy as np
import pytest
import torch

import tammes
from tammes.base.budget import Budget
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.global_search import many
from tammes.global_search import repair as squeeze
from tammes.global_search.many import many_search
from tammes.solvers import device_memory, sgd
from tammes.solvers.ladder import tensor as continuation


def clock(step=0.0, start=0.0):
    ticks = itertools.count()
    return lambda: start + step * next(ticks)


def short(monkeypatch, *, repairs=0, iterations=4):
    """So little work that it takes a fraction of a second."""
    monkeypatch.setattr(many, "_ITERATIONS", iterations)
    monkeypatch.setattr(many, "_REPAIRS", repairs)
    monkeypatch.setattr(many, "_DENSE", (4.0, 8.0))


@pytest.mark.slow
def test_it_widens_the_spiral_and_says_what_it_did(monkeypatch):
    short(monkeypatch, repairs=1, iterations=12)
    result = many_search(2_100, 3, budget=Budget(None))
    phase = result.phases[0]
    assert result.status is Status.REPAIRED
    assert 0.9 < phase["chord_over_bound"] < 1.0  # the spiral's is 0.87
    assert phase["repairs"] == phase["starts"] == 1
    assert phase["polish"].startswith("not done")
    assert result.code.min_angle == min_angle(result.code.points)
    assert result.settings["device"] == "cpu"


@pytest.mark.parametrize(("n", "d"), [(650, 4), (301, 9), (2_003, 2)])
def test_other_dimensions(n, d, monkeypatch):
    short(monkeypatch, iterations=1)
    result = many_search(n, d, budget=Budget(None))
    assert result.code.points.shape == (n, d)
    assert result.status is (Status.REPAIRED if d == 4 else Status.STARTS)
    assert 0.0 < result.phases[0]["chord_over_bound"] <= 1.0 + 1e-9


def test_a_worse_repair_does_not_replace_the_best(monkeypatch):
    def spoil(points, *_):
        return points * np.array([1.0, 1.0, 0.2]) / np.linalg.norm(points * [1.0, 1.0, 0.2], axis=1)[:, None], None

    monkeypatch.setattr(squeeze, "transplant", spoil)
    codes = []
    for repairs in (0, 2):
        short(monkeypatch, repairs=repairs, iterations=2)
        codes.append(many_search(400, 3, budget=Budget(None)))
    assert codes[1].phases[0]["repairs"] == 2
    assert codes[1].phases[0]["found_by"] == "ladder"
    assert codes[0].code.digest == codes[1].code.digest


def test_the_same_seed_gives_the_same_code_and_another_another(monkeypatch):
    short(monkeypatch, repairs=1, iterations=1)
    codes = [many_search(410, 3, seed=seed, starts=2, budget=Budget(None)).code.digest for seed in (4, 4, 5)]
    assert codes[0] == codes[1] != codes[2]


def test_a_budget_for_no_iteration_returns_the_start_and_says_so():
    result = many_search(2_100, 3, budget=Budget(1.0, clock(10.0)))
    assert result.status is Status.START
    assert result.phases[0]["found_by"] == "start"
    assert result.phases[0]["steps"] == result.phases[0]["evaluations"] == 0
    assert np.allclose(np.linalg.norm(result.code.points, axis=1), 1.0, atol=1e-14)


def test_a_limit_reaches_the_last_rung_and_leaves_time_for_repairs(monkeypatch):
    monkeypatch.setattr(many, "_ITERATIONS", 1_000)
    repaired = []
    monkeypatch.setattr(
        squeeze, "transplant", lambda points, *_: repaired.append(len(points)) or (points, np.arange(0))
    )
    budget = Budget(400.0, clock(1.0))
    result = many_search(601, 3, budget=budget)
    assert result.status is Status.TIME_LIMIT
    assert repaired
    assert result.phases[0]["chord_over_bound"] > 0.9
    assert budget.elapsed() < 600.0


def test_without_lists_a_limit_is_filled_with_starts(monkeypatch):
    short(monkeypatch, iterations=1)
    result = many_search(301, 9, budget=Budget(30.0, clock(1.0)))
    assert result.status is Status.TIME_LIMIT
    assert result.phases[0]["starts"] > 1


@pytest.mark.parametrize("after", [1, 4])
def test_ctrl_c_keeps_the_best(after, monkeypatch):
    short(monkeypatch)
    reports = []

    def interrupt(event):
        reports.append(event)
        if len(reports) == after:
            raise KeyboardInterrupt

    result = many_search(2_005, 3, budget=Budget(None), progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.n == 2_005
    assert len(reports) == after
    assert all(event.phase == "ladder" for event in reports)


def test_tiles_shrink_where_memory_runs_out(monkeypatch):
    short(monkeypatch, iterations=1)
    tiles, real = [], continuation.descend

    def descend(points, *, forces, **more):
        tiles.append(forces._pairs)
        if forces._pairs > 10_000:
            raise torch.OutOfMemoryError("no memory")
        return real(points, forces=forces, **more)

    monkeypatch.setattr(continuation, "descend", descend)
    result = many_search(2_001, 3, starts=2, budget=Budget(None))
    assert tiles == [32_767, 16_383, 8_191, 8_191]  # the second start begins with what fitted
    assert result.status is Status.REPAIRED


def test_what_never_fits_is_refused(monkeypatch):
    def descend(*_, **__):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(continuation, "descend", descend)
    with pytest.raises(InvalidParameterError, match="does not fit in the memory of the device"):
        many_search(2_001, 3, budget=Budget(None))
    monkeypatch.setattr(device_memory.memory, "available", lambda: 1 << 20)
    with pytest.raises(InvalidParameterError, match="would take about"):
        many_search(2_001, 3, budget=Budget(None))


def test_no_array_of_all_pairs_is_made(monkeypatch):
    short(monkeypatch, iterations=1)
    n, sizes = 3_000, []

    class Sizes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            found = function(*arguments, **(keywords or {}))
            if isinstance(found, torch.Tensor):
                sizes.append(found.numel())
            return found

    with Sizes():
        many_search(n, 3, budget=Budget(None))
    assert max(sizes) < n * n / 4
    assert len(sizes) < 12 * n  # nor a loop over points: calls of torch, in all rungs together


def test_solve_comes_here_for_cuda_and_has_no_limit_of_its_own(monkeypatch):
    short(monkeypatch, iterations=1)
    budgets, real = [], many.many_search

    def search(n, d, *, budget, **more):
        budgets.append(budget.left())
        return real(n, d, budget=budget, **more)

    monkeypatch.setattr(many, "many_search", search)
    monkeypatch.setattr(sgd, "resolve_device", lambda name: torch.device({"cuda": "cpu"}[name]))
    result = tammes.solve(3_000, 3, device="cuda")
    assert result.status is Status.REPAIRED
    assert result.code.min_angle == min_angle(result.code.points)
    tammes.solve(3_000, 3, device="cuda", time_limit=1e-6)
    tammes.solve(2_500, 9, device="cuda", time_limit=1e-6)
    assert math.isinf(budgets[0])
    assert budgets[1:] == [0.0, 0.0]


@pytest.mark.gpu
def test_cuda_reaches_what_the_cpu_does():
    result = many_search(3_000, 3, budget=Budget(30.0), device="cuda")
    assert result.phases[0]["chord_over_bound"] > 0.97
