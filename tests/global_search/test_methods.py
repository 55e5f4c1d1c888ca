"""The choice of methods: which strategy and local solver serve which size, and what does not fit."""

import json
import math

import numpy as np
import pytest
import torch

from tammes.base import memory
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import min_angle
from tammes.base.status import Status
from tammes.global_search import methods
from tammes.global_search.loop import run_search
from tammes.global_search.methods import Sizes, choose, choose_climb, choose_codebook, choose_on_device
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits
from tammes.solvers import device_memory
from tammes.solvers.ladder import fused, tensor, tensor_forces, tensor_lists
from tammes.solvers.ladder.fused import Fused


def strategy_of(n, d, *, keep_state=False, starts=None, seconds=30.0, **wanted):
    limits = Limits(seconds, starts)
    return choose(Problem(n, d, **wanted), limits, workers=1, keep_state=keep_state).strategy.name


@pytest.mark.parametrize(
    ("n", "d", "expected"),
    [
        (30, 3, "portfolio"),
        (2_999, 3, "portfolio"),
        (3_000, 3, "staged"),
        (3_000, 8, "staged"),
        (3_000, 9, "multistart"),
        (200, 64, "portfolio"),
    ],
)
def test_the_size_decides(n, d, expected):
    assert strategy_of(n, d) == expected


def test_short_searches_stay_with_tensors_unless_their_state_is_kept():
    assert strategy_of(30, 3, seconds=2.0) == "multistart"
    assert strategy_of(12, 3, seconds=None, starts=8) == "multistart"
    assert strategy_of(30, 3, seconds=2.0, keep_state=True) == "portfolio"
    assert strategy_of(30, 3, seconds=2.0, symmetry="C3") == "portfolio"
    assert strategy_of(30, 3, seconds=2.0, antipodal=True) == "portfolio"


def test_sizes_are_one_table():
    small = Sizes(many_points=40)
    chosen = choose(Problem(40, 9), Limits(starts=1), sizes=small)
    assert chosen.strategy.name == "multistart"
    assert choose(Problem(40, 3), Limits(starts=9), workers=1, sizes=small).strategy.name == "staged"
    assert choose(Problem(39, 3), Limits(30.0), workers=1, sizes=small).strategy.name == "portfolio"


def test_many_points_in_many_dimensions_come_from_products():
    problem = Problem(40, 9)
    method = choose(problem, Limits(), sizes=Sizes(many_points=40))
    result = run(problem, method)
    assert result.phases[0]["phase"] == "products"
    assert result.settings["starts"] == 1


def test_what_does_not_fit_in_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**28)
    for n, d in ((5_000, 9), (2_000_000, 3), (2_000, 3)):
        with pytest.raises(InvalidParameterError, match=rf"`n` must be smaller: a search for {n} points in R\^{d}"):
            choose(Problem(n, d), Limits(30.0), workers=1)


def test_predictions_grow_with_the_work():
    assert methods.staged_memory(10**6, 3) < 5 * 2**30
    assert methods.staged_memory(10**5, 3) < 1.5 * 2**30
    assert methods.staged_memory(10**4, 4) < 2 * 2**30
    assert methods.staged_memory(2 * 10**6, 3) > 1.9 * methods.staged_memory(10**6, 3) - 5e8
    assert methods.products_memory(10_000, 128) < 2**31


@pytest.mark.parametrize(("n", "d"), [(30, 3), (250, 3)])
def test_a_climb_ends_on_a_local_maximum(n, d):
    rows = np.random.default_rng(0).standard_normal((n, d))
    start = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    descent = choose_climb(n, d).run(start[None])
    assert [phase["phase"] for phase in descent.phases] == ["ladder", "polish"]
    assert min_angle(descent.points[0]) > 2.0 * min_angle(start)
    assert descent.status in (Status.LOCAL_MAXIMUM, Status.FIRST_ORDER, Status.STALLED)


def test_a_codebook_has_a_search_where_that_takes_seconds():
    small, source = choose_codebook(60, 4, 0)
    assert small.strategy.name == "portfolio"
    assert source.startswith("search: ")
    large, source = choose_codebook(2_000, 16, 3, iterations=5)
    assert large.strategy.name == "multistart"
    assert source == "soft-maximum ladder: 1 start, 5 iterations a rung, seed 3"


# --- a device: the same in the tests on a CPU -------------------------------------------------------


def run(problem, method, progress=lambda event: None):
    with method.executor() as executor:
        return run_search(
            problem,
            method.strategy,
            method.solver,
            executor,
            method.limits,
            progress=progress,
            state=method.state(problem),
        )


def short(method, iterations=4, repairs=0):
    """The same method with so little work that it takes a fraction of a second."""
    from dataclasses import replace

    if method.strategy.name == "staged":
        method.strategy.plan = replace(method.strategy.plan, repairs=repairs)
        return replace(method, solver=replace(method.solver, iterations=iterations))
    return replace(method, solver=replace(method.solver, iterations=iterations, exponents=(4.0, 8.0)))


def on_device(n, d, *, iterations=4, repairs=0, seed=0, progress=lambda event: None, **limits):
    problem = Problem(n, d, seed)
    method = choose_on_device(problem, Limits(**limits), "cpu", sizes=Sizes(device_batch=200))
    return run(problem, short(method, iterations, repairs), progress)


@pytest.mark.slow
def test_on_a_device_one_ladder_is_climbed_and_its_code_repaired():
    result = on_device(2_100, 3, iterations=12, repairs=1)
    phase = result.phases[0]
    assert result.status is Status.REPAIRED
    assert 0.9 < phase["chord_over_bound"] < 1.0  # the spiral's is 0.87
    assert phase["repairs"] == 1
    assert phase["polish"].startswith("not done")
    assert result.code.min_angle == pytest.approx(min_angle(result.code.points), abs=1e-15)
    assert result.settings["device"] == "cpu"


@pytest.mark.parametrize(("n", "d"), [(650, 4), (301, 9), (503, 2)])
def test_other_dimensions_on_a_device(n, d):
    result = on_device(n, d, iterations=1)
    assert result.code.points.shape == (n, d)
    assert result.status in (Status.REPAIRED, Status.STARTS, Status.BOUND)
    assert result.code.min_angle > 0.0


def test_on_a_device_the_same_seed_gives_the_same_code_and_another_another():
    codes = [on_device(410, 3, seed=seed, starts=2, iterations=1, repairs=1).code.digest for seed in (4, 4, 5)]
    assert codes[0] == codes[1] != codes[2]


def test_on_a_device_no_time_returns_the_start_and_says_so():
    result = on_device(500, 3, seconds=1e-9)
    assert result.status is Status.START
    assert result.phases[0]["found_by"] == "start"
    assert result.phases[0]["evaluations"] == 0
    assert np.allclose(np.linalg.norm(result.code.points, axis=1), 1.0, atol=1e-14)


def test_on_a_device_without_lists_a_limit_is_filled_with_starts():
    result = on_device(301, 9, iterations=1, seconds=0.5)
    assert result.status is Status.TIME_LIMIT
    assert result.phases[0]["starts"] > 1


def test_ctrl_c_on_a_device_keeps_the_best():
    def interrupt(_):
        raise KeyboardInterrupt

    result = on_device(505, 3, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.code.n == 505


def test_a_batch_that_does_not_fit_is_done_in_parts(monkeypatch):
    """What fits changes no bit of the result."""
    rows = np.random.default_rng(0).standard_normal((5, 12, 3))
    whole = tensor.TensorLadder((4.0, 8.0)).run(rows)
    sizes, real = [], tensor.descend

    def scarce(points, **more):
        sizes.append(len(points))
        if len(points) > 2:
            raise torch.OutOfMemoryError("no memory")
        return real(points, **more)

    monkeypatch.setattr(tensor, "descend", scarce)
    parts = tensor.TensorLadder((4.0, 8.0)).run(rows)
    assert sizes == [5, 2, 2, 1]
    assert np.array_equal(parts.points, whole.points)


def test_what_never_fits_is_refused(monkeypatch):
    def descend(*_, **__):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(tensor, "descend", descend)
    for n in (12, 500):
        with pytest.raises(InvalidParameterError, match=f"`n` must be smaller: one start of {n} points"):
            on_device(n, 3) if n == 500 else tensor.TensorLadder().run(np.ones((4, n, 3)))
    monkeypatch.setattr(device_memory.memory, "available", lambda: 1 << 20)
    with pytest.raises(InvalidParameterError, match="would take about"):
        on_device(5_000, 3)


def test_no_array_of_all_pairs_is_made():
    n, sizes = 3_000, []

    class Numbers(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            found = function(*arguments, **(keywords or {}))
            if isinstance(found, torch.Tensor):
                sizes.append(found.numel())
            return found

    with Numbers():
        on_device(n, 3, iterations=1)
    assert max(sizes) < n * n / 4
    assert len(sizes) < 20 * n  # nor a loop over points: calls of torch, in all rungs together


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 90])
def test_fused_kernels_race_once_and_lead_to_the_same_code(n, monkeypatch):
    """All that CUDA does otherwise, on a CPU that is taken for a GPU."""
    for module in (fused, tensor_forces, tensor_lists):
        monkeypatch.setattr(module, "on_gpu", lambda _: True)
    forms = {"_DENSE": (tensor_forces, tensor_forces._dense), "_FULL": (tensor_lists, tensor_lists._listed_in_full)}
    forms["_FADING"] = (tensor_lists, tensor_lists._listed)
    made = {name: Fused(function, backend="eager") for name, (_, function) in forms.items()}
    for name, (module, _) in forms.items():
        monkeypatch.setattr(module, name, made[name])
    problem = Problem(n, 3)
    method = choose_on_device(problem, Limits(starts=2), "cpu", sizes=Sizes(device_batch=50))
    result = run(problem, method if n == 12 else short(method, 20, 1))
    used = {"_DENSE"} if n == 12 else {"_FADING", "_FULL"}
    assert {name for name, form in made.items() if list(form._pays) == [3]} == used
    assert all(form.failure is None for form in made.values())
    if n == 12:
        assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)
    else:
        assert result.phases[0]["chord_over_bound"] > 0.9
    torch.compiler.reset()


def test_the_record_of_a_device_is_json():
    result = on_device(410, 3, iterations=1)
    assert json.loads(json.dumps(result.phases))[0]["phase"] == "scale"


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", [False, True])
def test_cuda_finds_the_icosahedron(kernel):
    problem = Problem(12, 3)
    result = run(problem, choose_on_device(problem, Limits(starts=64), "cuda", fused=kernel))
    assert result.code.min_angle == pytest.approx(math.acos(1 / math.sqrt(5)), abs=1e-13)


@pytest.mark.gpu
def test_cuda_reaches_what_the_cpu_does():
    problem = Problem(3_000, 3)
    result = run(problem, choose_on_device(problem, Limits(30.0), "cuda"))
    assert result.phases[0]["chord_over_bound"] > 0.97
