"""Interior point method for the largest minimal angle: a nonlinear program with one multiplier a pair.

    maximise T  subject to  h_ij = |x_i - x_j|^2 / 2 >= T,  x_i on the sphere

The central path of the barrier `-T - mu sum log(h_ij - T)` is followed to mu = 0 by primal-dual
Newton steps in tangent coordinates. The second derivatives are exact (the curvature of the sphere
is part of them), so that convergence is superlinear where a sequence of linear programs crawls, and
a step costs one factorisation. The multipliers are the stress of the contacts; on the central path
they tend to the analytic centre of all balanced stresses, so every contact that can bear stress does.

References: J. Nocedal and S. Wright, "Numerical Optimization", 2006, chapter 19.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from tammes.base import geometry
from tammes.base.geometry import Floats, Ints
from tammes.codes import stress
from tammes.solvers.polish.banded import SHIFT, band_order, lowest, newton

__all__ = ["SMOOTHING", "Constraint", "Program"]

SMOOTHING = 5e-5
"""Barrier parameter at the start, of T, unless told otherwise: about that of the ladder's top."""

_REACH = 2.2  # squared chords of the smallest: pairs that the program knows of
_BOUNDARY = 0.995  # of the way to the boundary a step may go
_FINAL = 1e-16  # mu, of T: the multipliers of what is no contact are down to rounding
_PATIENCE = 15  # steps for one mu ...
_LATE = 1e-9  # ... below this, of T: what still moves then bears next to nothing
_RATTLING = 1e-5  # of the mean load: a point that bears less is a rattler
_ROUNDING = 1e-10  # of the largest multiplier: forces that are zero
_DRIFT = 1e-4  # of the largest multiplier: forces that only a rattler's drift leaves
_SADDLES = 5  # saddles that one climb may leave
_FARTHEST = 0.15  # smallest chords that a point may move in a step, and until the pairs are listed anew
_CENTRED = 100.0  # forces left, in units of mu, at which the path is followed on


class Constraint(Protocol):
    """What keeps a code within a family: `symmetry.Orbits` is one."""

    def tangent_embedding(self, points: Floats) -> csr_array[np.float64]:
        """A basis of the allowed displacements, in tangent coordinates, shape `(n (d - 1), q)`."""

    def symmetrize(self, points: Floats) -> Floats:
        """The nearest points of the family, unit rows."""


def _gradients(points: Floats, pairs: Ints, bases: Floats) -> csr_array[np.float64]:
    """Gradients of h_ij in tangent coordinates, shape `(m, n (d - 1))`."""
    n, d = points.shape
    i, j = pairs.T
    local = np.concatenate(
        [-np.einsum("mdk,md->mk", bases[i], points[j]), -np.einsum("mdk,md->mk", bases[j], points[i])], axis=1
    )  # (m, 2 (d - 1))
    columns = np.concatenate([i[:, None] * (d - 1) + np.arange(d - 1), j[:, None] * (d - 1) + np.arange(d - 1)], axis=1)
    starts = np.arange(len(pairs) + 1) * (2 * (d - 1))
    return csr_array((local.ravel(), columns.ravel(), starts), shape=(len(pairs), n * (d - 1)))


class Program:
    """The state of a climb: points, threshold T, multipliers, barrier parameter mu.

    Args:
        points: unit rows, all distinct, shape `(n, d)`. Not modified.
        constraint: the family that the points stay in; None for all codes.
        smoothing: barrier parameter to start from at most, in units of T; the path forgets what is finer.

    Attributes:
        points: where the climb is; the caller measures whether the angle has grown.
        pairs: pairs of the program, shape `(m, 2)`.
        multipliers: stress of every pair, shape `(m,)`.
    """

    def __init__(self, points: Floats, constraint: Constraint | None, smoothing: float = SMOOTHING) -> None:
        self.points = points
        self.constraint = constraint
        self.shift = 0.0
        self.mu = 0.0
        self._steps_here = 0  # for this mu
        self._saddles = 0
        self._list_pairs()
        self.mu = self._best_mu(smoothing)
        self.threshold = self._threshold(self.mu)
        self.multipliers = self.mu / (self.values - self.threshold)

    def _list_pairs(self) -> None:
        angle = geometry.min_angle(self.points)
        reach = 2.0 * np.arcsin(min(1.0, np.sin(0.5 * angle) * np.sqrt(_REACH)))
        i, j, _ = geometry.pairs_within(self.points, float(reach))
        self.pairs = np.stack([i, j], axis=1)
        self.values = self._values(self.points)
        self.chord = float(np.sqrt(2.0 * self.values.min()))
        self.anchor = self.points
        self.order = None if self.constraint is not None else band_order(self.pairs, *self.points.shape)

    def _values(self, points: Floats) -> Floats:
        """h of every pair: half the squared chord, from differences, so that no digit is lost."""
        chord = points[self.pairs[:, 0]] - points[self.pairs[:, 1]]
        return np.asarray(0.5 * np.einsum("md,md->m", chord, chord))

    def _threshold(self, mu: float, values: Floats | None = None) -> float:
        """T below all values (those of the points by default) with sum mu / (h - T) = 1."""
        values = self.values if values is None else values
        gaps = values - values.min()
        low, high = 0.0, mu * len(gaps)  # by how much T is below the smallest value
        for _ in range(100):
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            if np.sum(mu / (gaps + middle)) > 1.0:
                low = middle
            else:
                high = middle
        return float(values.min()) - high

    def _best_mu(self, smoothing: float) -> float:
        """The barrier parameter whose multipliers come nearest to balance at the start."""
        bases = geometry.tangent_bases(self.points)
        forces = _gradients(self.points, self.pairs, bases).T
        best, chosen = np.inf, 0.0
        for mu in np.geomspace(smoothing, 1e-11, 14) * float(self.values.min()):
            multipliers = mu / (self.values - self._threshold(mu))
            imbalance = float(np.abs(forces @ multipliers).sum()) / float(multipliers.sum())
            if imbalance < best:
                best, chosen = imbalance, mu
        return chosen

    def step(self) -> bool:
        """One step, and a smaller mu if it went well; True at the end of the path."""
        points, pairs, mu = self.points, self.pairs, self.mu
        n, d = points.shape
        slack = self.values - self.threshold
        weight = self.multipliers / slack
        bases = geometry.tangent_bases(points)
        gradients = _gradients(points, pairs, bases)
        stiffness = (gradients.T @ (gradients * weight[:, None])) + stress.curvature(points, pairs, self.multipliers)
        coupling = np.asarray(-(gradients.T @ weight))
        force = np.asarray(gradients.T @ (mu / slack))
        embedding = None if self.constraint is None else self.constraint.tangent_embedding(points)
        if embedding is not None:
            stiffness = (embedding.T @ stiffness @ embedding).tocsr()
            coupling, force = np.asarray(embedding.T @ coupling), np.asarray(embedding.T @ force)
        corner = float(weight.sum())
        last = 1.0 - float(np.sum(mu / slack))
        move = newton(stiffness, coupling, corner, force, last, self.order, 0.1 * self.shift)
        if move is None:
            return True  # not a number any more: the caller keeps its best points
        local, rise, self.shift = move
        if embedding is not None:
            local = np.asarray(embedding @ local)
        displacement = np.einsum("ndk,nk->nd", bases, local.reshape(n, d - 1))
        slack_rate = np.asarray(gradients @ local) - rise
        multiplier_rate = mu / slack - self.multipliers - weight * slack_rate

        longest = float(np.sqrt(np.einsum("nd,nd->n", displacement, displacement).max()))
        step = min(1.0, _FARTHEST * self.chord / longest) if longest > 0.0 else 1.0
        falling = slack_rate < 0.0
        if falling.any():
            step = min(step, _BOUNDARY * float((slack[falling] / -slack_rate[falling]).min()))
        dual_step = 1.0
        falling = multiplier_rate < 0.0
        if falling.any():
            dual_step = min(1.0, _BOUNDARY * float((self.multipliers[falling] / -multiplier_rate[falling]).min()))
        before = -self.threshold - mu * float(np.log(slack).sum())
        accepted = False
        for _ in range(30):
            trial = self._moved(step * displacement)
            values, threshold = self._values(trial), self.threshold + step * rise
            gaps = values - threshold
            if gaps.min() > 0.0:
                after = -threshold - mu * float(np.log(gaps).sum())
                if after <= before + 1e-14 * abs(before):
                    accepted = True
                    break
            step *= 0.5
        if not accepted:
            self.mu *= 0.2  # rounding has the last word at this mu
            return self.mu < _FINAL * float(self.values.min())
        self.points, self.values, self.threshold = trial, values, threshold
        self.multipliers = np.clip(self.multipliers + dual_step * multiplier_rate, 1e-6 * mu / gaps, 1e6 * mu / gaps)
        if np.abs(trial - self.anchor).max() > _FARTHEST * self.chord:
            self._relist()
        self._steps_here += 1
        left = self._imbalance(embedding)
        late = self._steps_here > _PATIENCE and self.mu < _LATE * float(self.values.min())
        heaviest = float(self.multipliers.max())
        centred = left * self.chord < _CENTRED * self.mu or left < _ROUNDING * heaviest
        if centred or (late and left < _DRIFT * heaviest):
            saddle = self.shift > 30.0 * SHIFT * max(float(stiffness.diagonal().max()), corner)
            if not (saddle and self._leave_saddle(stiffness, coupling, corner, embedding, bases)):
                self.mu *= 0.1
            self._steps_here = 0
        return self.mu < _FINAL * float(self.values.min())

    def _leave_saddle(
        self,
        stiffness: csr_array[np.float64],
        coupling: Floats,
        corner: float,
        embedding: csr_array[np.float64] | None,
        bases: Floats,
    ) -> bool:
        """Move along the direction of most negative curvature as far as it pays; False if there is none.

        The forces balance where symmetry holds a code between two better ones: Newton steps stay there.
        """
        if self._saddles == _SADDLES:
            return False
        self._saddles += 1
        curvature, local = lowest(stiffness, coupling, corner, self.shift, self.order)
        if not curvature < 0.0:
            return False
        if embedding is not None:
            local = np.asarray(embedding @ local)
        n, d = self.points.shape
        displacement = np.einsum("ndk,nk->nd", bases, local.reshape(n, d - 1))
        displacement /= np.sqrt(np.einsum("nd,nd->n", displacement, displacement).max())
        best, kept = self._barrier(self.values), None
        best -= 0.01 * self.mu
        for length in self.chord * np.array(
            [0.3, -0.3, 0.1, -0.1, 0.03, -0.03, 0.01, -0.01, 0.003, -0.003, 0.001, -0.001]
        ):
            trial = self._moved(length * displacement)
            barrier = self._barrier(self._values(trial))
            if barrier < best:
                best, kept = barrier, trial
        if kept is None:
            return False
        self.points = kept
        self.values = self._values(kept)
        self._list_pairs()
        self.threshold = self._threshold(self.mu)
        self.multipliers = self.mu / (self.values - self.threshold)
        return True

    def _barrier(self, values: Floats) -> float:
        """The barrier function for the best T."""
        threshold = self._threshold(self.mu, values)
        return -threshold - self.mu * float(np.log(values - threshold).sum())

    def _imbalance(self, embedding: csr_array[np.float64] | None) -> float:
        """The largest force on a point that bears stress; rattlers drift for long, and need not end."""
        n, d = self.points.shape
        forces = _gradients(self.points, self.pairs, geometry.tangent_bases(self.points)).T @ self.multipliers
        if embedding is not None:
            return float(np.abs(embedding.T @ forces).max())
        borne = np.bincount(self.pairs.ravel(), np.repeat(self.multipliers, 2), n)
        held = borne > _RATTLING * borne.mean()
        return float(np.abs(forces.reshape(n, d - 1)[held]).max())

    def _moved(self, displacement: Floats) -> Floats:
        """Displaced points, back on the sphere and in their family."""
        moved = geometry.as_points(self.points + displacement, normalize=True)
        return moved if self.constraint is None else self.constraint.symmetrize(moved)

    def _relist(self) -> None:
        """The pairs anew, each with its multiplier; newcomers take what the barrier gives them."""
        n = len(self.points)
        old = dict(zip((self.pairs @ np.array([n, 1])).tolist(), self.multipliers.tolist(), strict=True))
        threshold = self.threshold
        self._list_pairs()
        if self.values.min() <= threshold:
            threshold = self._threshold(self.mu)
        self.threshold = threshold
        keys = (self.pairs @ np.array([n, 1])).tolist()
        fresh = self.mu / (self.values - threshold)
        self.multipliers = np.array([old.get(key, new) for key, new in zip(keys, fresh.tolist(), strict=True)])
