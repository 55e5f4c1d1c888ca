"""The exact polish: local maxima to the last digits, and never a smaller angle."""

import math

import numpy as np
import pytest
from ladders import relaxed

from tammes.base import geometry
from tammes.base.budget import Budget
from tammes.base.status import Status
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import orthoplex, simplex
from tammes.solvers.ladder.exponents import ladder
from tammes.solvers.polish.polish import polish


def rows(n, d, seed=0):
    return geometry.as_points(np.random.default_rng(seed).normal(size=(n, d)), normalize=True)


def climbed(n, d, seed=0, first=4.0):
    """A ladder's result from a random start."""
    return relaxed(rows(n, d, seed), ladder(first, 1024.0), chord_bound=2.0 * n ** (-1.0 / (d - 1))).points


# Proved optima (sloane_tables/best_known_d3.csv has the references), from a random start.
@pytest.mark.parametrize(
    ("n", "d", "cosine"),
    [
        (3, 2, -1 / 2),
        (4, 3, -1 / 3),
        (6, 3, 0.0),
        (12, 3, 1 / math.sqrt(5)),
        (8, 3, (2 * math.sqrt(2) - 1) / 7),
        (10, 4, 1 / 6),
        (16, 5, 1 / 5),
    ],
)
def test_reaches_the_optimum_to_the_last_digits(n, d, cosine):
    best = max((polish(climbed(n, d, seed)) for seed in range(6)), key=lambda found: found.after)
    assert best.after == pytest.approx(math.acos(cosine), abs=4e-15)
    assert best.status is Status.LOCAL_MAXIMUM


@pytest.mark.parametrize(("n", "d"), [(7, 3), (13, 3), (20, 4), (30, 3), (11, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_a_local_maximum_is_certified_by_its_stress(n, d, seed):
    found = polish(climbed(n, d, seed))
    code = SphericalCode(found.points)
    assert found.status is Status.LOCAL_MAXIMUM
    contacts = code.contacts(1e-11)
    held = np.setdiff1d(np.arange(n), code.rattlers(1e-11))
    assert len(contacts) >= len(held) * (d - 1) - d * (d - 1) // 2 + 1 or len(held) < n
    assert len(held) > d  # a balanced stress holds at least a simplex
    # No random small displacement widens the angle.
    rng = np.random.default_rng(0)
    for step in (1e-4, 1e-6, 1e-8):
        for _ in range(20):
            moved = geometry.as_points(found.points + step * rng.normal(size=(n, d)), normalize=True)
            assert geometry.nearest_neighbours(moved)[0].min() <= found.after + 1e-15


@pytest.mark.parametrize("points", [simplex(5, 4), orthoplex(3), orthoplex(5)[:7], simplex(2, 3)], ids=len)
def test_an_optimum_is_left_where_it_is(points):
    found = polish(points)
    floppy = len(points) == 7  # five points of an orthoplex in R^5 have room to slide
    assert found.status is (Status.FIRST_ORDER if floppy else Status.LOCAL_MAXIMUM)
    assert found.after >= found.before
    assert found.after == pytest.approx(found.before, abs=1e-15)


def test_the_angle_never_falls_and_is_the_judges():
    start = rows(40, 4)
    found = polish(start, max_steps=5)
    assert found.before == SphericalCode(start).min_angle
    assert found.after == SphericalCode(found.points).min_angle
    assert list(found.history) == sorted(found.history)
    assert found.history[0] >= found.before
    assert found.status is Status.STEP_LIMIT
    assert found.steps == 5


def test_a_nudged_icosahedron_comes_back():
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    ico = np.array([np.roll(corner, k) for corner in corners for k in range(3)])
    nudged = geometry.as_points(ico + 1e-3 * np.random.default_rng(3).normal(size=ico.shape), normalize=True)
    found = polish(nudged)
    assert math.degrees(found.after) == pytest.approx(63.43494882292201, abs=1e-12)
    assert len(SphericalCode(found.points).contacts(1e-13)) == 30


def test_duplicates_are_driven_apart_or_reported():
    start = rows(6, 3)
    start[4] = start[2]
    found = polish(start)
    assert found.after >= 0.0
    assert np.isfinite(found.points).all()


def test_input_is_left_alone_and_runs_repeat():
    start = rows(20, 3)
    kept = start.copy()
    first, second = polish(start), polish(start)
    assert (start == kept).all()
    assert (first.points == second.points).all()


def test_time_limit_and_interruption_keep_the_best():
    start = rows(40, 4)
    clock = iter([0.0, *[100.0] * 1000])
    late = polish(start, budget=Budget(1.0, clock=lambda: next(clock)))
    assert late.status is Status.TIME_LIMIT
    assert late.steps == 1

    def interrupt(event):
        if event.step == 3:
            raise KeyboardInterrupt

    stopped = polish(start, progress=interrupt)
    assert stopped.status is Status.INTERRUPTED
    assert stopped.steps == 3
    assert SphericalCode(stopped.points).min_angle == stopped.after > stopped.before


def balanced(found):
    """Largest force that the stress leaves on a point, by the definition: P_i sum_j lambda_ij x_j."""
    pull = np.zeros_like(found.points)
    for (a, b), force in zip(found.contacts, found.stress, strict=True):
        pull[a] += force * found.points[b]
        pull[b] += force * found.points[a]
    pull -= (pull * found.points).sum(axis=1, keepdims=True) * found.points
    return np.abs(pull).max() / found.stress.max()


@pytest.mark.parametrize(("n", "d", "seed"), [(7, 3, 0), (30, 3, 0), (60, 3, 1), (40, 4, 0), (30, 5, 0)])
def test_contacts_close_and_stress_balances_to_rounding(n, d, seed):
    found = polish(climbed(n, d, seed))
    assert found.status is Status.LOCAL_MAXIMUM
    assert found.residual <= 1e-15
    ends = found.contacts.T
    angles = geometry.angle(found.points[ends[0]], found.points[ends[1]])
    assert angles.max() - angles.min() <= 1e-15
    assert found.after >= angles.min() - 1e-15
    assert (found.stress >= 0.0).all()
    assert found.stress.sum() == pytest.approx(1.0, abs=1e-12)
    assert balanced(found) < 1e-12
    # Strict: the stressed contacts leave rotations and rattlers only, by the singular values of their gradients.
    bearing = found.contacts[found.stress > 1e-9 * found.stress.max()]
    held = np.unique(bearing)
    bases = geometry.tangent_bases(found.points)
    rates = np.zeros((len(bearing), n, d - 1))
    for k, (a, b) in enumerate(bearing):
        rates[k, a] = found.points[b] @ bases[a]
        rates[k, b] = found.points[a] @ bases[b]
    values = np.linalg.svd(rates[:, held].reshape(len(bearing), -1), compute_uv=False)
    assert (values > 1e-6).sum() == len(held) * (d - 1) - d * (d - 1) // 2


CELL24 = np.array([v for v in np.ndindex(3, 3, 3, 3) if np.square(np.array(v) - 1).sum() == 2], dtype=float) - 1.0
D5 = np.array([v for v in np.ndindex(3, 3, 3, 3, 3) if np.square(np.array(v) - 1).sum() == 2], dtype=float) - 1.0
CUBE = np.array([(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)], dtype=float)


@pytest.mark.parametrize(("code", "degrees", "contacts"), [(CELL24, 60.0, 96), (D5, 60.0, 240)], ids=["24-cell", "D5"])
def test_symmetric_codes_have_more_contacts_than_coordinates(code, degrees, contacts):
    code = geometry.as_points(code, normalize=True)
    rng = np.random.default_rng(0)
    nudged = geometry.as_points(code + 1e-3 * rng.normal(size=code.shape), normalize=True)
    found = polish(nudged)
    assert found.status is Status.LOCAL_MAXIMUM
    assert math.degrees(found.after) == pytest.approx(degrees, abs=1e-12)
    assert len(found.contacts) == contacts
    assert found.residual <= 1e-15
    assert balanced(found) < 1e-12


def test_a_saddle_is_left():
    cube = geometry.as_points(CUBE, normalize=True)  # 70.53 degrees: the square antiprism has 74.86
    found = polish(cube)
    assert math.degrees(found.after) == pytest.approx(74.85849218561, abs=1e-10)
    assert found.status is Status.LOCAL_MAXIMUM


def test_floppy_codes_say_so():
    found = polish(climbed(5, 3))
    assert found.after == pytest.approx(math.pi / 2, abs=1e-15)
    assert found.status is Status.FIRST_ORDER  # three points on the equator may slide


def test_two_points_end_opposite():
    found = polish(rows(2, 3))
    assert found.after == math.pi
    assert found.status is Status.LOCAL_MAXIMUM


def test_rattlers_are_in_the_middle_of_their_holes():
    best = None
    for seed in range(20):  # (3, 19)'s optimum has one rattler
        found = polish(climbed(19, 3, seed))
        best = found if best is None or found.after > best.after else best
    assert math.degrees(best.after) == pytest.approx(47.6919141, abs=5e-8)
    free = SphericalCode(best.points).rattlers(1e-11)
    assert len(free) == 1
    others = np.delete(best.points, free[0], axis=0)
    own = geometry.angle(others, best.points[free[0]]).min()
    assert own > best.after
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-5):
        for _ in range(50):
            moved = best.points[free[0]] + size * rng.normal(size=3)
            assert geometry.angle(others, moved / np.linalg.norm(moved)).min() <= own + 1e-9


def test_a_prescribed_symmetry_is_kept():
    from tammes.groups.catalogue import parse
    from tammes.groups.orbits import random_orbits

    group = parse("C5", 3)
    orbits, start = random_orbits(group, 22, np.random.default_rng(1))
    start = relaxed(start, ladder(8.0, 1024.0), chord_bound=0.8, orbits=orbits).points
    found = polish(start, constraint=orbits)
    assert found.after > SphericalCode(start).min_angle
    images = found.points @ group.matrices[1].T
    nearest = np.abs(images[:, None] - found.points[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 1e-12
