"""Codebooks: n directions in R^d as a tensor, with an upper bound on the cosines of the entries as stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from tammes.base import geometry
from tammes.base.budget import ProgressCallback, silent
from tammes.base.errors import DeviceError, InvalidParameterError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.base.validation import check_choice, check_flag, check_integer, check_seed, check_size, check_starts
from tammes.bounds.bound import Bound
from tammes.codes import cosine_bounds
from tammes.constructions import catalogue, subcodes
from tammes.constructions.closed_forms import closed_form
from tammes.solvers.sgd import resolve_device
from tammes.storage import tables
from tammes.storage.archive import Archive

__all__ = ["DTYPES", "Codebook", "codebook", "rotated"]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_MOST_NUMBERS = 1 << 33  # n * d: 64 GiB in float64
_LADDER_LARGEST = 1e11  # n^2 d beyond which the ladder takes many minutes, and is left out if there is a code at all
_MET = 1e-9  # cosines: a construction this near to a bound or a stored value is the code meant


@dataclass(frozen=True)
class Codebook:
    """Directions with a guaranteed largest cosine."""

    directions: Tensor
    """Unit rows to the precision of their dtype, shape `(n, d)`: a leaf."""
    max_cosine: float
    """Upper bound on the cosines between the rows as they are stored, normalised exactly."""
    source: str
    """Origin: a closed form, a named code, a part of one, the archive, or a solver with its settings."""
    bound: Bound
    """Smallest known upper bound on the minimal angle of n points in R^d."""
    status: Status = field(default=Status.CLOSED_FORM)
    """Reason why the computation ended."""

    @property
    def n(self) -> int:
        """Number of directions."""
        return int(self.directions.shape[0])

    @property
    def d(self) -> int:
        """Dimension."""
        return int(self.directions.shape[1])

    @property
    def min_angle_degrees(self) -> float:
        """Lower bound on the angles between the rows, in degrees."""
        return cosine_bounds.angle_at_least(self.max_cosine)

    @property
    def gap_degrees(self) -> float:
        """Distance from the guaranteed angle to the upper bound, in degrees."""
        return self.bound.degrees - self.min_angle_degrees

    def __repr__(self) -> str:
        return (
            f"Codebook(n={self.n}, d={self.d}, max_cosine={self.max_cosine:.6f}, "
            f"min_angle_degrees={self.min_angle_degrees:.4f}, bound_degrees={self.bound.degrees:.4f}, "
            f"source={self.source!r})"
        )


@dataclass(frozen=True)
class _Found:
    """A code before it is rotated and rounded."""

    points: Floats
    max_cosine: float
    source: str
    status: Status


def codebook(
    n: int,
    d: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    requires_grad: bool = False,
    seed: int = 0,
    rotate: bool = True,
    starts: int | None = None,
    steps: int | None = None,
    archive: bool | str | Path | Archive = False,
    progress: ProgressCallback = silent,
) -> Codebook:
    """Return n unit vectors in R^d with a small, guaranteed largest cosine, in at most a minute or two.

    A closed form is returned if there is one (the simplex for n <= d + 1, orthoplex points for n <= 2d, polygons),
    or else a named code of exactly this size that meets a bound or the best known value. Otherwise the best of
    these by measured angle: a part of a larger named code or family; the code of the archive, if asked for; the
    result of a solver from random points: a search with an exact polish for n (d - 1) <= 1,000, else the soft-min
    ladder in matrix products, which stops early where it cannot reach a larger angle. Known codes are compared with
    the result of the solver; they are not its start.

    Nothing depends on a clock: the same n, d, seed and settings give the same bits on the same machine.
    On one core: closed forms and named codes take milliseconds, (100, 32) seconds, (1000, 128) ten seconds,
    (10000, 128) and (2000, 512) a minute or two. Beyond n^2 d = 10^11 the ladder runs only where no other code
    is known, or `steps` is given. Memory O(n d), never n x n.

    Args:
        n: number of directions, at least 2.
        d: dimension, at least 2.
        dtype: float16, bfloat16, float32 or float64. The guarantee is for the rows as rounded to it.
        device: device of the tensor; the computation is on the CPU.
        requires_grad: of the tensor, which is a leaf in both cases.
        seed: seed of the rotation, the choice of a part, and the starts of the solver; at least 0.
        rotate: turn the code by a random rotation, so that closed forms are not sparse or aligned with axes.
        starts: starts of the solver; None for as many as take a few seconds, and at least one.
        steps: L-BFGS iterations on each rung of the ladder at most; None for what fits in about a minute; 20
            come within some percent. 0 for no solver: a known code, or an error.
        archive: True for the user's archive, or a folder or `Archive`. Off by default, since its contents may
            change.
        progress: called with the progress of a solver.

    Returns:
        The directions, their guaranteed largest cosine, the source, and the bound. Ctrl-C ends the solver:
        the best so far is returned, with that status.

    Raises:
        InvalidParameterError: if a parameter is out of range, or no code is known and `steps` is 0.
        DeviceError: if the device is not available.

    Example:
        >>> book = codebook(120, 4)
        >>> book.directions.shape, book.source, round(book.min_angle_degrees, 4)
        (torch.Size([120, 4]), 'construction: 600-cell', 36.0)
    """
    n, d = check_size(n, d)
    seed = check_seed(seed)
    starts = check_starts(starts)
    steps = None if steps is None else check_integer("steps", steps, 0)
    check_choice("dtype", dtype, DTYPES)
    where = _device(device)
    for name, choice in (("requires_grad", requires_grad), ("rotate", rotate)):
        check_flag(name, choice)
    if n * d > _MOST_NUMBERS:
        raise InvalidParameterError("n", f"small enough that n * d is at most {_MOST_NUMBERS:,}", n)
    with threadpool_limits(1, user_api="blas"):  # other thread counts give other last digits
        found = _exact(n, d)
        if found is None:
            found = _best(n, d, seed, starts, steps, _archive(archive), progress)
        points = rotated(found.points, seed) if rotate else found.points
        rows = torch.from_numpy(np.ascontiguousarray(points)).to(dtype)
        largest = cosine_bounds.cosine_at_most(rows.double().numpy())
    try:
        directions = rows.to(where).requires_grad_(requires_grad)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch raises depends on its build
        raise DeviceError(f"`device` is {str(where)!r}, which torch cannot use: {error}") from None
    return Codebook(directions, largest, found.source, tables.upper_bound(n, d), found.status)


def rotated(points: Floats, seed: int) -> Floats:
    """Return the points after a random rotation or reflection of R^d, uniform over all of them (Haar).

    Only the first k coordinates, those up to the last non-zero one, need images: k orthonormal vectors, the Q factor
    of a normal matrix, with signs such that R has a positive diagonal.

    Args:
        points: shape `(n, d)`. Not modified.
        seed: seed of the rotation.

    Returns:
        Float64, shape `(n, d)`. Lengths and angles are preserved up to rounding.

    References: F. Mezzadri, How to generate random matrices from the classical compact groups, 2007.
    """
    d = points.shape[1]
    used = int(np.flatnonzero(points.any(axis=0))[-1]) + 1
    normal = np.random.default_rng([seed, d]).standard_normal((d, used))
    frame, upper = np.linalg.qr(normal)  # (d, used)
    frame *= np.where(np.diagonal(upper) < 0.0, -1.0, 1.0)
    return np.asarray(points[:, :used] @ frame.T)


def _exact(n: int, d: int) -> _Found | None:
    """Return the closed form, or a named code of this size that meets the bound or the best known value."""
    form = closed_form(n, d)
    if form is not None:
        return _Found(form.points(), math.cos(form.angle), f"closed form: {form.name}", Status.CLOSED_FORM)
    named = catalogue.by_size(n, d)
    if not named or 8 * n * d > subcodes.LARGEST:
        return None
    code = named[0]
    known = tables.best_known_or_none(n, d)
    aim = tables.upper_bound(n, d).angle
    if known is not None:
        aim = min(aim, math.radians(known.angle_degrees - 0.5 * 10.0**-known.decimals))
    assert code.max_cosine is not None
    if code.max_cosine > math.cos(aim) + _MET:
        return None
    return _Found(code.points(), code.max_cosine, f"construction: {code.name}", Status.CLOSED_FORM)


def _best(
    n: int,
    d: int,
    seed: int,
    starts: int | None,
    steps: int | None,
    archive: Archive | None,
    progress: ProgressCallback,
) -> _Found:
    """Return the best of the known codes and the result of a solver, by measured angle."""
    best: _Found | None = None
    for found in _ready(n, d, seed, archive):
        if best is None or found.max_cosine < best.max_cosine:
            best = found
    if best is not None and (steps == 0 or (float(n) * n * d > _LADDER_LARGEST and steps is None)):
        return best
    if steps == 0:
        raise InvalidParameterError("steps", f"at least 1 for n = {n}, d = {d}, where no code is at hand", steps)
    bar = 0.0 if best is None else math.acos(best.max_cosine)
    try:
        solved = _solved(n, d, seed, starts, steps, bar, progress)
    except KeyboardInterrupt:  # before the solver had anything
        if best is None:
            raise
        return _Found(best.points, best.max_cosine, best.source, Status.INTERRUPTED)
    if best is None or solved.max_cosine < best.max_cosine:
        return solved
    return _Found(best.points, best.max_cosine, best.source, solved.status)


def _ready(n: int, d: int, seed: int, archive: Archive | None) -> Iterator[_Found]:
    """Iterate over the known codes, measured."""
    for whole in subcodes.larger_codes(n, d)[:1]:
        points = whole.subcode(n, seed)
        source = f"construction: {'' if whole.n == n else 'part of '}{whole.name} ({whole.n} points)"
        yield _Found(points, math.cos(geometry.min_angle(points)), source, Status.CLOSED_FORM)
    entry = None if archive is None else archive.get(n, d)
    if entry is not None:
        source = f"archive: {entry.path}, SHA-256 {entry.code.digest[:16]}"
        yield _Found(entry.code.points, entry.code.max_cosine, source, Status.CLOSED_FORM)


def _solved(
    n: int, d: int, seed: int, starts: int | None, steps: int | None, bar: float, progress: ProgressCallback
) -> _Found:
    """Return the best code of a solver: a search with its polish for few coordinates, else the product ladder."""
    from tammes.global_search import methods
    from tammes.global_search.loop import run_search

    method, source = methods.choose_codebook(n, d, seed, starts=starts, iterations=steps, bar=bar)
    with method.executor() as executor:
        result = run_search(
            method.strategy.problem,
            method.strategy,
            method.solver,
            executor,
            method.limits,
            progress=progress,
            state=method.state(method.strategy.problem),
        )
    return _Found(result.code.points, result.code.max_cosine, source, result.status)


def _archive(archive: bool | str | Path | Archive) -> Archive | None:
    """Return the archive that the argument names, or None."""
    if isinstance(archive, Archive):
        return archive
    if archive is True or archive is False:
        return Archive() if archive else None
    if isinstance(archive, str | Path):
        return Archive(archive)
    raise InvalidParameterError("archive", "True, False, a folder or an Archive", archive)


def _device(device: str | torch.device) -> torch.device:
    """Return the device, after checking it as far as torch allows."""
    text = str(device)
    if text in ("auto", "cpu") or text.startswith("cuda"):
        return resolve_device(text)
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError):
        raise InvalidParameterError("device", "a device that torch knows", device) from None
    if where.type == "meta":
        raise InvalidParameterError("device", "one that holds numbers", device)
    return where
