"""The search in tensors."""

import math
from dataclasses import replace

import pytest
import torch

from tammes.base.budget import Budget
from tammes.base.errors import InvalidParameterError
from tammes.base.status import Status
from tammes.global_search import many, tensor
from tammes.global_search.tensor import tensor_search
from tammes.solvers import device_memory
from tammes.solvers.ladder import fused
from tammes.solvers.ladder import tensor as continuation
from tammes.solvers.ladder import tensor_forces as forces
from tammes.solvers.ladder import tensor_lists as neighbourhoods
from tammes.solvers.ladder.fused import Fused


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


def test_ctrl_c_in_a_polish_that_gains_nothing_ends_the_search_too(monkeypatch):
    real, polished = tensor.polish, []

    def interrupted(points, **more):
        polished.append(real(points, **more))
        return polished[0] if len(polished) == 1 else replace(polished[-1], after=0.0, status=Status.INTERRUPTED)

    monkeypatch.setattr(tensor, "polish", interrupted)
    result = tensor_search(12, 3, starts=60, seed=0, budget=Budget(None))
    assert result.status is Status.INTERRUPTED
    assert result.code.min_angle == polished[0].after
    assert len(polished) == 2


def test_ctrl_c_between_two_batches_keeps_the_best(monkeypatch):
    descend, batches = continuation.descend, []

    def interrupt(points, **more):
        batches.append(len(points))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return descend(points, **more)

    monkeypatch.setattr(continuation, "descend", interrupt)
    result = tensor_search(12, 3, starts=60, seed=0, budget=Budget(None))
    assert result.status is Status.INTERRUPTED
    assert result.settings["starts"] == batches[0]
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)


def counted(monkeypatch, fits):
    """The sizes of the batches that are tried; larger ones than fit run out of memory half-way up the ladder."""
    sizes, real = [], forces.All.__call__

    class Scarce(forces.All):
        calls = 0

        def __call__(self, x, p):
            Scarce.calls += 1
            if len(x) > fits and Scarce.calls > 3:
                raise torch.OutOfMemoryError("no memory")
            return real(self, x, p)

    descend = continuation.descend

    def counting(points, **more):
        sizes.append(len(points))
        return descend(points, **more)

    monkeypatch.setattr(forces, "All", Scarce)
    monkeypatch.setattr(continuation, "descend", counting)
    return sizes


def test_a_batch_is_halved_where_memory_runs_out_and_no_start_is_left_out(monkeypatch):
    sizes = counted(monkeypatch, fits=3)
    result = tensor_search(12, 3, starts=10, seed=0, budget=Budget(None))
    assert sizes == [10, 5, 2, 2, 2, 2, 2]  # what fitted once is kept to
    assert result.settings["starts"] == 10
    assert result.status is Status.STARTS
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)


def test_one_start_that_does_not_fit_is_refused(monkeypatch):
    sizes = counted(monkeypatch, fits=0)
    with pytest.raises(InvalidParameterError, match=r"`n` must be smaller: one start of 12 points in R\^3"):
        tensor_search(12, 3, starts=4, seed=0, budget=Budget(None))
    assert sizes == [4, 2, 1]


def test_batches_follow_what_fits(monkeypatch):
    sizes = counted(monkeypatch, fits=99)
    monkeypatch.setattr(device_memory, "batch", lambda *_: 6)
    tensor_search(6, 3, starts=15, seed=0, budget=Budget(None))
    assert sizes == [6, 6, 3]


def test_many_points_go_over_lists(monkeypatch):
    asked = []
    monkeypatch.setattr(many, "many_search", lambda n, d, **more: asked.append((n, d, more)))
    tensor_search(2_001, 3, starts=None, seed=3, budget=Budget(None), device="cpu")
    tensor_search(2_001, 3, starts=2, seed=3, budget=Budget(5.0))
    assert [(n, d, more["starts"], more["seed"]) for n, d, more in asked] == [(2_001, 3, None, 3), (2_001, 3, 2, 3)]
    assert [more["fused"] for *_, more in asked] == [None, False]  # no time for a compiler


def test_one_kernel_leads_to_the_same_code(monkeypatch):
    monkeypatch.setattr(forces, "_DENSE", Fused(forces._dense, backend="eager"))
    result = tensor_search(12, 3, starts=2, seed=0, budget=Budget(None), fused=True)
    assert forces._DENSE.failure is None
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 90])
def test_the_way_of_a_gpu_races_once_and_ends_as_the_other(n, monkeypatch):
    """All that CUDA does otherwise, on a CPU that is taken for a GPU."""
    for module in (fused, forces, neighbourhoods):
        monkeypatch.setattr(module, "on_gpu", lambda _: True)
    monkeypatch.setattr(many, "BEYOND", 50)
    monkeypatch.setattr(many, "_ITERATIONS", 20)
    monkeypatch.setattr(many, "_REPAIRS", 1)
    forms = {"_DENSE": (forces, forces._dense), "_FULL": (neighbourhoods, neighbourhoods._listed_in_full)}
    forms["_FADING"] = (neighbourhoods, neighbourhoods._listed)
    made = {name: Fused(function, backend="eager") for name, (_, function) in forms.items()}
    for name, (module, _) in forms.items():
        monkeypatch.setattr(module, name, made[name])
    result = tensor_search(n, 3, starts=2, seed=0, budget=Budget(None))
    used = {"_DENSE"} if n == 12 else {"_FADING", "_FULL"}
    assert {name for name, form in made.items() if list(form._pays) == [3]} == used
    assert all(form.failure is None for form in made.values())
    if n == 12:
        assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)
    else:
        assert result.phases[0]["chord_over_bound"] > 0.9
    torch.compiler.reset()


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", [False, True])
def test_cuda_finds_the_icosahedron(kernel):
    result = tensor_search(12, 3, starts=64, seed=0, budget=Budget(None), device="cuda", fused=kernel)
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)
