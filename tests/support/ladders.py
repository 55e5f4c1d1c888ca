"""One start up a ladder, for tests that need relaxed points."""

from dataclasses import dataclass

import numpy as np

from tammes.base.status import Status
from tammes.solvers.ladder.compiled import CompiledLadder


@dataclass
class Climbed:
    """The only start of a `Descent`."""

    points: np.ndarray
    predicted: float
    angle: float
    status: Status
    evaluations: int


def climb(solver, points, **more):
    """Run a local solver from one start, `(n, d)`."""
    made = solver.run(points[None], **more)
    predicted = None if made.predicted is None else float(made.predicted[0])
    angle = None if made.angles is None else float(made.angles[0])
    return Climbed(made.points[0], predicted, angle, made.status, made.evaluations)


def relaxed(points, exponents, *, orbits=None, noise=None, **settings):
    """Climb the compiled ladder from one start, `(n, d)`."""
    return climb(CompiledLadder(tuple(exponents), **settings), points, orbits=orbits, noise=noise)
