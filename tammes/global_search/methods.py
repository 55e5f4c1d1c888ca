"""Which strategy, local solver and executor serve a problem: the one place that asks how large it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tammes.base import memory
from tammes.base.geometry import Floats
from tammes.base.processors import cores
from tammes.global_search.executors.executor import InProcess, TaskExecutor
from tammes.global_search.pool import Pool
from tammes.global_search.problem import Problem
from tammes.global_search.state import Limits, SearchState
from tammes.global_search.strategy import Strategy
from tammes.solvers.ladder.cutoffs import list_capacity

if TYPE_CHECKING:
    from tammes.solvers.local_solver import LocalSolver

__all__ = ["Method", "Sizes", "choose", "choose_climb", "choose_codebook", "choose_on_device", "here"]


@dataclass(frozen=True)
class Sizes:
    """Sizes at which methods change."""

    many_points: int = 3_000
    """Points from which a search has no polish, and nothing that grows faster than n does."""
    list_dimensions: tuple[int, int] = (3, 8)
    """Dimensions of neighbour lists: above, nearly all points are neighbours of all, and lists save nothing."""
    device_batch: int = 2_000
    """Points above which starts on a CUDA device climb one at a time, without a polish."""
    short_seconds: float = 5.0
    """Time limit below which loading compiled code is not worth its while."""
    short_work: float = 1e5
    """Likewise `starts * n^1.75 * d`: about a second."""
    compiler_seconds: float = 60.0
    """Time limit from which some is left for the compiler of fused kernels."""
    tensor_climb: int = 200
    """Points up to which a single climb is not worth loading compiled code."""
    polished_coordinates: int = 1_000
    """Coordinates n (d - 1) up to which a search with its exact polish takes seconds, for a codebook."""

    def listed(self, n: int, d: int) -> bool:
        """Return True for many points in a dimension that neighbour lists serve."""
        low, high = self.list_dimensions
        return n >= self.many_points and low <= d <= high


SIZES = Sizes()
"""The sizes of this version."""
_CLIMB = (32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)  # exponents from a given code: high ones stay near it
_CLIMB_LISTED = tuple(2.0**k for k in range(5, 18))
_MULTITHREADED = 2_000_000  # pairs in the lists above which one ladder takes all threads
_DEVICE_REPAIRS = 6  # on a CUDA device, without a limit of time
_DEVICE_GRADIENT_TOL = 0.02  # longest gradient row times the smallest chord, times n
_DENSE = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0)  # where there are no lists on a device
_TENSOR_FIRST = (4.0, 1.0, 16.0, 64.0)  # exponents that batches begin with, in turn
_TENSOR_LAST = 1_024.0
_TENSOR_SMALLEST = 32  # starts of the first batches: a short run is to have tried every exponent
_POLISHED = 3  # of a batch
_MOST_CODEBOOK_STARTS = 64
_CODEBOOK_WORK = 8_000  # starts * n (d - 1) of a search: some seconds
_PRODUCT_WORK = 4e7  # starts * n^2 d of the product ladder: small codes differ from start to start


@dataclass(frozen=True)
class Method:
    """What serves a problem."""

    strategy: Strategy
    solver: Any
    """The local solver, or the local solvers, that the strategy's tasks run."""
    limits: Limits
    executor: Callable[[], AbstractContextManager[TaskExecutor]]
    pool_size: int = 12
    """Distinct codes that the search keeps."""
    save_seconds: float = 60.0
    """How often the state is written."""
    save_improvements: bool = False
    """True if it is written after every improvement too."""
    resumable: bool = False
    """True if the state can be saved and taken up again."""

    def state(self, problem: Problem) -> SearchState:
        """Return the state that a search begins with."""
        return SearchState(problem, Pool(self.pool_size))


def choose(
    problem: Problem,
    limits: Limits,
    *,
    device: str = "cpu",
    workers: int | None = None,
    executor: Callable[[], AbstractContextManager[TaskExecutor]] | None = None,
    keep_state: bool = False,
    adjacent: Callable[[], dict[int, Floats]] = dict,
    fused: bool | None = None,
    sizes: Sizes = SIZES,
) -> Method:
    """Return the strategy, solver and executor for a problem, and refuse one that does not fit in memory.

    =====================  ===========================  ====================================  =================
    points, dimension      device                       strategy                              local solver
    =====================  ===========================  ====================================  =================
    n < 3,000              CPU                          portfolio                             compiled ladder,
                                                                                              polish
    n < 3,000              CPU, a second or so          multistart in batches                 tensor ladder,
                                                                                              polish
    n >= 3,000, d = 3..8   CPU                          staged                                many-points ladder
    n >= 3,000, d > 8      CPU                          multistart                            product ladder
    n <= 2,000             CUDA                         multistart in batches                 tensor ladder,
                                                                                              polish
    n > 2,000, d = 3..8    CUDA                         staged: one ladder, then repairs      tensor ladder with
                                                                                              neighbour lists
    n > 2,000, d > 8       CUDA                         multistart                            tensor ladder
    =====================  ===========================  ====================================  =================

    Args:
        problem: what is searched for.
        limits: of the search.
        device: "cpu", "cuda" or "cuda:N".
        workers: processes or threads; None for all cores.
        executor: opens what runs the tasks of a portfolio, instead of processes of this machine.
        keep_state: the search is to be saved and taken up again, which batches in tensors are not.
        adjacent: returns codes of adjacent sizes to begin from, by their number of points.
        fused: forces as one compiled kernel or not; None for what is faster.
        sizes: where methods change.

    Raises:
        InvalidParameterError: if the search does not fit in memory, or the symmetry does not fit n.
        DeviceError: if the device is not there.
    """
    n, d = problem.n, problem.d
    if device != "cpu":
        return choose_on_device(problem, limits, device, fused, sizes)
    if sizes.listed(n, d):
        return _staged(problem, limits, workers or cores())
    if n >= sizes.many_points and problem.unconstrained:
        return _products(problem, limits)
    if not keep_state and problem.unconstrained and _is_short(problem, limits, sizes):
        return _batches(problem, limits, device, False if fused is None else fused)
    return _portfolio(problem, limits, workers, executor, adjacent)


def _is_short(problem: Problem, limits: Limits, sizes: Sizes) -> bool:
    """Return True if a search is over before compiled code would be loaded, or compiled for the first time."""
    if limits.starts is not None and limits.starts * problem.n**1.75 * problem.d < sizes.short_work:
        return True
    return limits.seconds is not None and limits.seconds < sizes.short_seconds


def _portfolio(
    problem: Problem,
    limits: Limits,
    workers: int | None,
    executor: Callable[[], AbstractContextManager[TaskExecutor]] | None,
    adjacent: Callable[[], dict[int, Floats]],
) -> Method:
    from tammes.global_search.executors.opening import open_executor
    from tammes.global_search.strategies.portfolio import Portfolio
    from tammes.global_search.strategies.portfolio_tasks import LadderAndPolish
    from tammes.solvers.ladder.compiled import CompiledLadder
    from tammes.solvers.polish.polish import Polish

    n, d = problem.n, problem.d
    count = 1 if executor is not None else workers or cores()
    memory.require("n", n, count * portfolio_memory(n, d), f"a search for {n} points in R^{d} with {count} workers")
    return Method(
        Portfolio(problem, adjacent()),
        LadderAndPolish(CompiledLadder(), Polish()),
        limits,
        (lambda: open_executor(count)) if executor is None else executor,
        save_seconds=5.0,
        save_improvements=True,
        resumable=True,
    )


def _staged(problem: Problem, limits: Limits, workers: int) -> Method:
    from tammes.global_search.strategies.staged import Staged
    from tammes.solvers.ladder.many_points import ManyPointsLadder

    n, d = problem.n, problem.d
    memory.require("n", n, staged_memory(n, d), f"a search for {n} points in R^{d}")
    multithreaded = n * list_capacity(d) > _MULTITHREADED
    strategy = Staged(
        problem,
        starts=limits.starts,
        endless=limits.starts is None and not limits.unlimited,
        one_at_a_time=multithreaded,
    )
    solver = ManyPointsLadder(chord_bound=problem.chord_bound, threads=workers if multithreaded else 1)
    return Method(strategy, solver, limits, lambda: _threads(workers), pool_size=1, resumable=True)


def _products(problem: Problem, limits: Limits, iterations: int | None = None, bar: float = 0.0) -> Method:
    from tammes.global_search.strategies.multistart import Multistart
    from tammes.solvers.ladder.products import ProductLadder, affordable

    n, d = problem.n, problem.d
    memory.require("n", n, products_memory(n, d), f"a search for {n} points in R^{d}")
    iterations = affordable(n, d) if iterations is None else iterations
    strategy = Multistart(
        problem,
        phase="products",
        bar=bar,
        settings={"iterations": iterations},
        notes={"polish": "not done in that many dimensions"},
    )
    if limits.unlimited:
        limits = replace(limits, starts=1)
    return Method(strategy, ProductLadder(iterations), limits, here, pool_size=1)


def _batches(problem: Problem, limits: Limits, device: str, fused: bool | None) -> Method:
    import torch

    from tammes.global_search.strategies.multistart import Batches, Multistart
    from tammes.solvers import device_memory
    from tammes.solvers.chain import Chain, Link
    from tammes.solvers.ladder.exponents import ladder
    from tammes.solvers.ladder.tensor import TensorLadder
    from tammes.solvers.polish.polish import Polish

    climbing = Link("ladder", TensorLadder(device=device, fused=fused))
    solver = Chain((climbing, Link("polish", Polish(), best=_POLISHED)))
    batches = Batches(
        _TENSOR_SMALLEST,
        device_memory.batch(problem.n, problem.d, torch.device(device)),
        tuple(ladder(first, _TENSOR_LAST) for first in _TENSOR_FIRST),
    )
    strategy = Multistart(problem, batches=batches, settings={"device": device})
    return Method(strategy, solver, limits, here, pool_size=1)


def choose_on_device(
    problem: Problem, limits: Limits, device: str, fused: bool | None = None, sizes: Sizes = SIZES
) -> Method:
    """Return the method in tensors, as `choose` does for a CUDA device; a CPU serves too.

    Args:
        problem: what is searched for, without a symmetry.
        limits: of the search.
        device: "cpu", "cuda" or "cuda:N".
        fused: forces as one compiled kernel or not; None for what is faster.
        sizes: where methods change.

    Raises:
        InvalidParameterError: if not even one start fits in the device's memory.
        DeviceError: if the device is not there.
    """
    from tammes.global_search.strategies.multistart import Multistart
    from tammes.global_search.strategies.staged import Staged
    from tammes.global_search.strategies.staged_plan import Plan
    from tammes.solvers import device_memory
    from tammes.solvers.ladder.tensor import TensorLadder
    from tammes.solvers.sgd import resolve_device

    n, d = problem.n, problem.d
    where = resolve_device(device)
    limited = limits.seconds is not None
    if fused is None and limits.seconds is not None and limits.seconds < sizes.compiler_seconds:
        fused = False
    if n <= sizes.device_batch:
        return _batches(problem, limits, str(where), fused)
    listed = d <= sizes.list_dimensions[1]
    device_memory.require(n, d, list_capacity(d) if listed else 0, where)
    settings = {"device": str(where)}
    ladder = TensorLadder(
        device=str(where),
        iterations=100,
        gradient_tol=_DEVICE_GRADIENT_TOL / n,
        fused=fused,
        lists=listed,
        time_shared=limited and limits.starts is None,
    )
    if not listed:
        if limits.unlimited:
            limits = replace(limits, starts=1)
        strategy: Strategy = Multistart(
            problem,
            phase="search",
            settings=settings,
            notes={"polish": f"not done above n = {sizes.device_batch}"},
        )
        return Method(strategy, replace(ladder, exponents=_DENSE), limits, here, pool_size=1)
    # In the plane, the spread points are as wide as they get.
    repairs = 0 if d == 2 else 10**9 if limited else _DEVICE_REPAIRS
    strategy = Staged(
        problem,
        plan=Plan.repairs_only(repairs),
        starts=limits.starts,
        one_at_a_time=True,
        settings=settings,
    )
    return Method(strategy, ladder, limits, here, pool_size=1, resumable=True)


def choose_climb(n: int, d: int, *, sizes: Sizes = SIZES) -> LocalSolver:
    """Return the local solver that climbs from given points to a local maximum of the minimal angle nearby."""
    from tammes.solvers.chain import Chain, Link
    from tammes.solvers.polish.polish import Polish

    ladder: LocalSolver
    if sizes.listed(n, d):
        from tammes.solvers.ladder.many_points import ManyPointsLadder

        memory.require("n", n, staged_memory(n, d), f"a climb with {n} points in R^{d}")
        return Chain(
            (Link("ladder", ManyPointsLadder(_CLIMB_LISTED, threads=cores()), must_improve=True),),
            notes={"polish": f"not done from n = {sizes.many_points} on"},
        )
    if n <= sizes.tensor_climb:
        from tammes.solvers.ladder.tensor import TensorLadder

        ladder = TensorLadder(_CLIMB, iterations=1_000)
    else:
        from tammes.solvers.ladder.compiled import CompiledLadder

        ladder = CompiledLadder(_CLIMB, iterations=1_000, gradient_tol=1e-6)
    return Chain((Link("ladder", ladder, must_improve=True), Link("polish", Polish())))


def choose_codebook(
    n: int,
    d: int,
    seed: int,
    *,
    starts: int | None = None,
    iterations: int | None = None,
    bar: float = 0.0,
    sizes: Sizes = SIZES,
) -> tuple[Method, str]:
    """Return the method that makes directions for a codebook, without a clock, and its description.

    A search with an exact polish where that takes seconds, else random starts up the product ladder.

    Args:
        n: number of directions.
        d: dimension.
        seed: of the starts.
        starts: their number; None for as many as take some seconds.
        iterations: of L-BFGS on each rung of the product ladder; None for what fits in about a minute.
        bar: minimal angle that is there already, radians: starts that will not exceed it are given up.
        sizes: where methods change.
    """
    problem, coordinates, work = Problem(n, d, seed), n * (d - 1), float(n) * n * d
    if coordinates <= sizes.polished_coordinates:
        count = starts or max(8, min(_MOST_CODEBOOK_STARTS, _CODEBOOK_WORK // coordinates))
        method = _portfolio(problem, Limits(starts=count), 1, None, dict)
        return method, f"search: {count} starts, seed {seed}"
    count = starts or int(max(1.0, min(8.0, _PRODUCT_WORK / work)))
    method = _products(problem, Limits(starts=count), iterations, bar)
    settled = method.solver.iterations
    plural = "start" if count == 1 else "starts"
    return method, f"soft-maximum ladder: {count} {plural}, {settled} iterations a rung, seed {seed}"


# --- memory, in bytes at the peak, as predicted -----------------------------------------------------


def portfolio_memory(n: int, d: int) -> float:
    """Return the bytes of one worker of a portfolio; 0.30 GiB were measured at (4, 2000)."""
    return 2.2e8 + 24.0 * n * n + 500.0 * n * d


def staged_memory(n: int, d: int) -> float:
    """Return the bytes of a staged search; measured ones are in benchmarks/scale.md."""
    from tammes.solvers.ladder.many_points import MEMORY

    vectors = 2 * MEMORY + 16  # of L-BFGS, and copies of the points
    return 4.0e8 + n * (8.0 * d * vectors + 4.5 * list_capacity(d) + 9.0 * (d + 2) * 8.0)


def products_memory(n: int, d: int) -> float:
    """Return the bytes of the product ladder: copies of the points in L-BFGS, and what is at hand."""
    return 4.0e8 + 32.0 * 8.0 * n * d


# --- executors --------------------------------------------------------------------------------------


@contextmanager
def here() -> Iterator[TaskExecutor]:
    """Open an executor that works in this process, with as many threads as its libraries take."""
    yield InProcess(single_thread=False)


@contextmanager
def _threads(count: int) -> Iterator[TaskExecutor]:
    """Open an executor that works in threads of this process."""
    from tammes.global_search.executors.threads import Threads

    executor = Threads(count)
    try:
        yield executor
    finally:
        executor.shutdown()
