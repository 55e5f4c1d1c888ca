"""The search in tensors."""

import math

import pytest

from tammes.hunting.tensor import tensor_search
from tammes.solvers.run import Budget, Status


def test_it_finds_the_icosahedron_and_keeps_to_its_starts():
    result = tensor_search(12, 3, starts=8, seed=0, budget=Budget(None))
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)
    assert result.status is Status.STARTS
    assert result.settings["starts"] == 8
    assert result.phases[0]["code"] == "local-maximum"


def test_the_same_seed_gives_the_same_code():
    first, second = (tensor_search(9, 3, starts=3, seed=4, budget=Budget(None)) for _ in range(2))
    assert first.code.digest == second.code.digest


def test_a_spent_budget_ends_it_with_a_code():
    clock = iter([0.0, *[100.0] * 10_000])
    result = tensor_search(20, 3, starts=None, seed=0, budget=Budget(1.0, clock=lambda: next(clock)))
    assert result.status is Status.TIME_LIMIT
    assert result.code.min_angle > 0.0


def test_ctrl_c_keeps_a_code():
    def interrupt(_):
        raise KeyboardInterrupt

    result = tensor_search(20, 3, starts=4, seed=0, budget=Budget(None), progress=interrupt)
    assert result.status is Status.INTERRUPTED
