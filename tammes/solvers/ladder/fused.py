"""Functions of tensors as one kernel: compiled by `torch.compile` where that can be done and pays, eager elsewhere.

Many small steps over the same pairs are bound by memory on a GPU; one kernel reads the coordinates and writes the
sums alone. What cannot be compiled here (no compiler, an old driver) runs as it is written, and nobody is warned.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable
from functools import partial
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor

from tammes.base.torch_geometry import on_gpu

__all__ = ["Fused"]

# Pairs are cheap to compute again and dear to store: what several sums share is not written out.
_OPTIONS = {"realize_reads_threshold": 1_000, "realize_opcount_threshold": 10_000}
_RACES = 3  # of which the fastest counts
_WORDS = 200  # letters that are kept of a failure


class Fused:
    """A function of tensors and its compiled form, of which every call takes one.

    Args:
        function: of tensors on one device, which it leaves as they are; loops over a fixed number of axes only.
        backend: of `torch.compile`.
        clock: monotonic seconds; tests pass their own.
    """

    def __init__(
        self,
        function: Callable[..., tuple[Tensor, ...]],
        *,
        backend: str = "inductor",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.function = function
        self.failure: str | None = None
        """Why it could not be compiled; None as long as it could."""
        self._backend = backend
        self._clock = clock
        self._compiled: dict[Hashable, Callable[..., tuple[Tensor, ...]]] = {}
        self._pays: dict[Hashable, bool] = {}

    def __call__(self, fused: bool | None, kind: Hashable, *arguments: Any) -> tuple[Tensor, ...]:
        """What the function returns for these arguments.

        Args:
            fused: whether to take the compiled form, if there can be one; None for the faster of the two on
                CUDA, found by a race at the first call of its kind, and for the eager one on a CPU.
            kind: what the form and the race's outcome depend on: the dimension.
            arguments: of the function; numbers that vary should come as tensors, or each has a form of its own.
        """
        if fused is None:
            fused = on_gpu(arguments[0]) and self.pays(kind, *arguments)
        return self._kernel(kind, *arguments) if fused else self.function(*arguments)

    def pays(self, kind: Hashable, *arguments: Any) -> bool:
        """Whether the compiled form is the faster one for this kind of arguments; measured once."""
        if kind not in self._pays:
            kernel = partial(self._kernel, kind)
            kernel(*arguments)  # compiles
            won = self.failure is None and self._seconds(kernel, arguments) < self._seconds(self.function, arguments)
            self._pays[kind] = won and self.failure is None
        return self._pays[kind]

    def _kernel(self, kind: Hashable, *arguments: Any) -> tuple[Tensor, ...]:
        """The compiled form; from its first failure on, the function."""
        if self.failure is not None:
            return self.function(*arguments)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the compiler: nothing that a user could act on
                if kind not in self._compiled:
                    options: dict[str, Any] | None = dict(_OPTIONS) if self._backend == "inductor" else None
                    self._compiled[kind] = torch.compile(
                        _twin(self.function), dynamic=True, fullgraph=True, backend=self._backend, options=options
                    )
                return self._compiled[kind](*arguments)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the compiler's many parts raise
            self.failure = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_WORDS]
            return self.function(*arguments)

    def _seconds(self, function: Callable[..., tuple[Tensor, ...]], arguments: tuple[Any, ...]) -> float:
        """The fastest of a few calls; what is under way on a GPU is waited for."""
        times = []
        for _ in range(_RACES):
            _wait(arguments[0])
            began = self._clock()
            function(*arguments)
            _wait(arguments[0])
            times.append(self._clock() - began)
        return min(times)


def _twin(function: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
    """The same function with code of its own: `torch.compile` keeps a few forms at most for one piece of code."""
    plain = cast(FunctionType, function)
    twin = FunctionType(plain.__code__.replace(), plain.__globals__, plain.__name__, None, plain.__closure__)
    return cast(Callable[..., tuple[Tensor, ...]], twin)


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
