"""The soft-min ladder on a CPU, one start at a time: the compiled realisation.

`tensor_forces` says what f_p is; `tensor` is the other realisation. The loops are in `compiled_pairs`, the minimiser
in `compiled_lbfgs`.
"""

from __future__ import annotations

import functools
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tammes.base import geometry
from tammes.base.budget import Budget, Progress, ProgressCallback, silent
from tammes.base.errors import InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.bounds import best as bounds
from tammes.groups.orbits import Orbits
from tammes.solvers.ladder import compiled_pairs
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.local_solver import Descent

__all__ = ["CompiledLadder", "soft_min"]


@dataclass(frozen=True)
class CompiledLadder:
    """The soft-min ladder as a local solver: compiled, one start at a time, on one core of a CPU.

    Args:
        exponents: p of the rungs, powers of two of at least 1.
        iterations: L-BFGS iterations on each rung.
        gradient_tol: largest gradient row times the smallest chord at which a rung ends.
        chord_bound: a length that no smallest chord exceeds; None for that of the smallest closed bound.
    """

    exponents: tuple[float, ...] = ladder(4.0)
    iterations: int = 100
    gradient_tol: float = 1e-4
    chord_bound: float | None = None

    def run(
        self,
        starts: Floats,
        *,
        orbits: Orbits | None = None,
        bar: float = 0.0,
        budget: Budget | None = None,
        progress: ProgressCallback = silent,
        noise: Callable[[Floats], Floats] | None = None,
    ) -> Descent:
        """Climb the ladder from every start; see `LocalSolver.run`.

        Args:
            starts: rows of any non-zero length, shape `(B, n, d)`. Not modified.
            orbits: symmetry that the points keep: they are symmetrised before every rung.
            bar: not used.
            budget: asked after every rung; None for no limit.
            progress: called after every rung.
            noise: applied to the points before every rung, instead of a symmetry.
        """
        _prepared()
        bound = self.chord_bound
        if bound is None:
            bound = 2.0 * math.sin(0.5 * bounds.upper_bound(*starts.shape[-2:]).angle)
        rows = np.array(starts, dtype=np.float64)
        predicted = np.full(len(rows), math.nan)
        status, evaluations = Status.CONVERGED, 0
        try:
            for k in range(len(rows)):
                for rung, p in enumerate(self.exponents, start=1):
                    points = rows[k]
                    if orbits is not None:
                        points = orbits.symmetrize(points)
                    if noise is not None:
                        points = noise(points)
                    axes = np.ascontiguousarray(points.T)  # (d, n)
                    axes /= np.linalg.norm(axes, axis=0)
                    squarings = _squarings(p)
                    made, *_ = compiled_pairs.minimise(axes, squarings, self.iterations, bound, self.gradient_tol)
                    evaluations += made
                    rows[k] = axes.T
                    if progress is not silent:
                        angle = geometry.min_angle(geometry.normalize_rows(rows[k]))
                        progress(Progress("ladder", rung, len(self.exponents), angle))
                    if budget is not None and budget.spent():
                        status = Status.TIME_LIMIT
                        break
                if orbits is not None:
                    rows[k] = orbits.symmetrize(rows[k])
                rows[k] = geometry.normalize_rows(rows[k])
                predicted[k] = compiled_pairs.predict(np.ascontiguousarray(rows[k].T), squarings)
                if status is Status.TIME_LIMIT:
                    break
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        rows = geometry.normalize_rows(rows)
        return Descent(rows, status, evaluations, predicted=np.where(np.isnan(predicted), 1.0, predicted))


def soft_min(points: Floats, p: float) -> tuple[float, Floats]:
    """Return f_p of unit rows `(n, d)` and its tangent gradient, `(n, d)`, as the compiled loops compute them."""
    axes = np.ascontiguousarray(points.T, dtype=np.float64)
    n = axes.shape[1]
    gradient, none = np.empty_like(axes), np.empty(0, np.int64)
    pairs = compiled_pairs.Pairs(none, none, _squarings(p), np.empty(n), np.empty(n))
    least = min(float(((axes[:, :i] - axes[:, i : i + 1]) ** 2).sum(axis=0).min()) for i in range(1, n))
    if least == 0.0:
        return math.inf, np.zeros_like(points)
    total, _ = compiled_pairs.evaluate(pairs, axes, gradient, least)
    return math.log(total) / p - 0.5 * math.log(least), np.ascontiguousarray(gradient.T) / total


@functools.cache
def _prepared() -> None:
    """Compile in a process of its own where nothing is on the disk yet.

    What numba has just compiled and what it loads again from the disk differ in last digits. So every process
    loads, and a search that is the first one gives the same bits as those after it.
    """
    folder = Path(str(compiled_pairs.minimise.stats.cache_path))
    if _COMPILING in os.environ or all(
        any(folder.glob(f"compiled_pairs.{name}-*.nbi")) for name in ("minimise", "predict")
    ):
        return
    code = (
        "import numpy as np; from tammes.solvers.ladder.compiled import CompiledLadder; "
        "CompiledLadder((2.0,), iterations=1).run(np.eye(3)[None])"
    )
    environment = os.environ | {_COMPILING: "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)


_COMPILING = "TAMMES_COMPILING"


def _squarings(p: float) -> int:
    """Return how often (m / D) is squared for the exponent p / 2; -1 is a square root."""
    mantissa, exponent = math.frexp(p)
    if mantissa != 0.5 or exponent < 1:
        raise InvalidParameterError("exponents", "powers of two of at least 1", p)
    return exponent - 2
