"""What a user would pick instead, and how soon our search has the same angle: one run, one core.

    pip install -c constraints.txt -e ".[peers]"
    python benchmarks/peers.py [--rows 3x30,4x600] [--seeds 3] [--seconds 20] [--out benchmarks/peers.md]

For every row of the paper's Table 1 that is not a simplex, and every seed, each peer restarts at
random until its allowance of CPU seconds is spent; then our search runs, from a cold start, to the
best angle that the peer reached. Peers:

* `pymanopt`: its packing example. Conjugate gradients on the oblique manifold, on the log-sum-exp of
  the cosines with epsilon = 0.0015. The gradient is given in closed form, which is faster than autograd.
* `geoopt`: Riemannian Adam on the sphere, on the MMA loss.
* `torch SGD`: the plain loop of the paper. Momentum 0.9 on the MMA loss, autograd through arccos.

The two on the MMA loss divide their rate on a plateau, and restart once it has been divided six times.

Every angle is measured by `tammes.SphericalCode`; a peer's clock stands still meanwhile. Imports,
compilation and a first short run of everything come before the clocks. The figures are kept next to
the report, as JSON, after every row: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from tammes import SphericalCode
from tammes.errors import InvalidPointsError
from tammes.geometry import Floats

SCHEMA = "tammes.peers/1"
ENOUGH = 20.0  # a ratio under this is pointed out
LARGE, LONGER = 1_000, 3.0  # from this many coordinates, the allowance is this many times as long
PATIENCE = 3.0  # allowances that our search may take, in wall seconds
ROUNDING = 1e-11  # degrees

EPSILON = 0.0015  # of the log-sum-exp: its excess over the largest cosine is at most EPSILON log(pairs)
RATES = {"geoopt": 0.01, "torch SGD": 0.1}
WINDOW, PLATEAU, FACTOR, DIVISIONS, GAIN = 100, 5, 0.2, 6, 1e-4  # steps, windows, of the rate, of it, radians
MEASURED = 25  # steps or gradients from one measurement to the next


class Spent(Exception):  # noqa: N818 - not an error
    """The allowance is spent; raised within a peer's loop that has no other way out."""


class Watch:
    """A peer's CPU seconds, which pass only while the peer works, and the best angle so far.

    Args:
        allowance: CPU seconds.
        clock: seconds; tests pass their own.
    """

    def __init__(self, allowance: float, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._began = clock()
        self._paused = 0.0
        self.allowance = allowance
        self.degrees = 0.0
        """Best minimal angle measured."""
        self.seconds = 0.0
        """When it was reached."""

    def elapsed(self) -> float:
        """CPU seconds so far."""
        return self._clock() - self._began - self._paused

    def spent(self) -> bool:
        """Whether the allowance has passed."""
        return self.elapsed() >= self.allowance

    def show(self, rows: Floats) -> None:
        """Measure rows of any length, shape `(n, d)`, while the clock stands still."""
        now = self.elapsed()
        try:
            found = SphericalCode(rows, normalize=True).min_angle_degrees
        except InvalidPointsError:  # the peer diverged
            found = 0.0
        if found > self.degrees:
            self.degrees, self.seconds = found, now
        self._paused += self.elapsed() - now


# --- peers: each is one descent from one start --------------------------------------------------

Peer = Callable[[Floats, Watch], None]


def softmax_cosine(columns: Floats) -> tuple[float, Floats]:
    """`s + epsilon log sum_{i<j} exp((x_i . x_j - s) / epsilon)`, s the largest cosine, and its gradient.

    Args:
        columns: unit columns, shape `(d, n)`.

    Returns:
        The smoothed largest cosine, and its Euclidean gradient, shape `(d, n)`.
    """
    cosines = columns.T @ columns  # (n, n)
    np.fill_diagonal(cosines, -np.inf)
    top = cosines.max()
    weights = np.exp((cosines - top) / EPSILON)
    total = 0.5 * weights.sum()  # every pair is there twice
    return float(top + EPSILON * np.log(total)), columns @ (weights / total)


def pymanopt_cg(start: Floats, watch: Watch) -> None:
    """Conjugate gradients of pymanopt on unit columns, with its packing example's tolerances."""
    import pymanopt
    from pymanopt.manifolds import Oblique
    from pymanopt.optimizers import ConjugateGradient

    n, d = start.shape
    manifold = Oblique(d, n)
    gradients = 0

    @pymanopt.function.numpy(manifold)
    def cost(columns: Floats) -> float:
        if watch.spent():
            raise Spent
        return softmax_cosine(columns)[0]

    @pymanopt.function.numpy(manifold)
    def gradient(columns: Floats) -> Floats:
        nonlocal gradients
        gradients += 1
        if gradients % MEASURED == 0:
            watch.show(columns.T)
        return softmax_cosine(columns)[1]

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(min_gradient_norm=1e-8, max_iterations=100_000, max_time=math.inf, verbosity=0)
    columns = (start / np.linalg.norm(start, axis=1, keepdims=True)).T
    watch.show(optimizer.run(problem, initial_point=columns).point.T)


def mma(weight: torch.Tensor) -> torch.Tensor:
    """The official MMA loss, clamp and all: minus the mean angle of a row to its nearest row, radians."""
    unit = torch.nn.functional.normalize(weight, dim=1)
    cosines = unit @ unit.T
    others = cosines - 2.0 * torch.diag(cosines.diagonal())
    return -torch.acos(others.amax(dim=1).clamp(-0.99999, 0.99999)).mean()


def descend(weight: torch.Tensor, optimizer: torch.optim.Optimizer, watch: Watch) -> None:
    """Steps on the MMA loss until the rate has been divided often enough."""
    # Losses are negative: a relative threshold would take what is a little worse for an improvement.
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=FACTOR, patience=PLATEAU, threshold=GAIN, threshold_mode="abs", eps=0.0
    )
    least = optimizer.param_groups[0]["lr"] * FACTOR ** (DIVISIONS + 0.5)
    total = 0.0
    step = 0
    while optimizer.param_groups[0]["lr"] > least:
        step += 1
        optimizer.zero_grad()
        loss = mma(weight)
        loss.backward()
        optimizer.step()
        total += loss.item()
        if step % MEASURED == 0:
            watch.show(weight.detach().numpy())
            if watch.spent():
                raise Spent
        if step % WINDOW == 0:
            schedule.step(total / WINDOW)
            total = 0.0


def geoopt_adam(start: Floats, watch: Watch) -> None:
    """Riemannian Adam of geoopt."""
    import geoopt

    sphere = geoopt.Sphere()
    weight = geoopt.ManifoldParameter(sphere.projx(torch.from_numpy(start)), manifold=sphere)
    descend(weight, geoopt.optim.RiemannianAdam([weight], lr=RATES["geoopt"]), watch)


def torch_sgd(start: Floats, watch: Watch) -> None:
    """The paper's SGD."""
    weight = torch.nn.Parameter(torch.from_numpy(start))
    descend(weight, torch.optim.SGD([weight], lr=RATES["torch SGD"], momentum=0.9), watch)


PEERS: dict[str, Peer] = {"pymanopt": pymanopt_cg, "geoopt": geoopt_adam, "torch SGD": torch_sgd}
