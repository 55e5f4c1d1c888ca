"""The benchmark against peers: its formulas, its stopwatch and its report; no peer needs to be installed."""

import itertools
import math

import numpy as np
import oracles
import pytest
import torch

from benchmarks import peers


class Clock:
    """A clock that advances by hand, or by `tick` at every reading."""

    def __init__(self, tick=0.0):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


def test_the_smoothed_cosine_is_the_log_sum_exp_over_pairs():
    rows = oracles.random_code(9, 3)
    value, _ = peers.softmax_cosine(rows.T)
    cosines = [float(x @ y) for x, y in itertools.combinations(rows, 2)]
    expected = peers.EPSILON * np.logaddexp.reduce(np.array(cosines) / peers.EPSILON)
    assert value == pytest.approx(expected, rel=1e-12)
    assert max(cosines) <= value <= max(cosines) + peers.EPSILON * math.log(36)


def test_its_gradient_is_its_slope():
    columns = oracles.icosahedron().T + 1e-3 * oracles.random_code(12, 3).T
    _, gradient = peers.softmax_cosine(columns)
    for k, j in itertools.product(range(3), range(4)):
        step = np.zeros_like(columns)
        step[k, j] = 1e-7
        slope = (peers.softmax_cosine(columns + step)[0] - peers.softmax_cosine(columns - step)[0]) / 2e-7
        assert gradient[k, j] == pytest.approx(slope, abs=1e-5)


def test_the_mma_loss_is_the_mean_nearest_angle():
    rows = 3.0 * oracles.random_code(7, 4)
    nearest = [min(float(oracles.angle(x, y)) for j, y in enumerate(rows) if j != i) for i, x in enumerate(rows)]
    assert float(peers.mma(torch.from_numpy(rows))) == pytest.approx(-np.mean(nearest), rel=1e-9)


def test_the_stopwatch_keeps_the_best_angle_and_its_time():
    clock = Clock()
    watch = peers.Stopwatch(10.0, clock)
    square, bent = np.eye(2), [[1.0, 0.0], [1.0, 1.0]]
    for now, rows in ((1.0, bent), (2.0, square), (3.0, bent), (4.0, [[math.nan, 0.0], [0.0, 1.0]])):
        clock.now = now
        watch.measure(np.array(rows))
    assert (watch.degrees, watch.seconds, watch.near_seconds) == (90.0, 2.0, 2.0)
    assert not watch.spent()
    clock.now = 10.0
    assert watch.spent()


def test_a_last_digit_is_not_a_new_best_for_the_stricter_time():
    clock = Clock()
    watch = peers.Stopwatch(10.0, clock)
    for now, excess in ((1.0, 0.0), (5.0, 1e-9)):
        clock.now = now
        angle = math.radians(80.0 + excess)
        watch.measure(np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]]))
    assert (watch.seconds, watch.near_seconds) == (5.0, 1.0)


def test_the_time_of_a_measurement_is_not_counted(monkeypatch):
    clock = Clock()
    watch = peers.Stopwatch(10.0, clock)
    measure = peers.SphericalCode

    def slow_measure(rows, normalize):
        clock.now += 7.0
        return measure(rows, normalize=normalize)

    monkeypatch.setattr(peers, "SphericalCode", slow_measure)
    clock.now = 1.0
    watch.measure(np.eye(3))
    clock.now += 2.0
    watch.measure(np.eye(3))
    assert watch.elapsed() == 3.0
    assert watch.seconds == 1.0


@pytest.mark.slow
def test_plain_sgd_ends_with_its_allowance_and_improves():
    watch = peers.Stopwatch(500.0, Clock(tick=1.0))
    peers.run_peer(peers.torch_sgd, 4, 3, 0, watch)
    assert watch.spent()
    assert 109.0 < watch.degrees <= math.degrees(math.acos(-1 / 3)) + 1e-9


def test_our_search_is_measured_where_it_ends():
    with peers.open_executor(1) as pool:
        degrees, seconds = peers.run_ours(8, 3, 0, 70.0, 30.0, pool)
    assert 70.0 <= degrees <= 74.858492186 + 1e-8  # Schütte and van der Waerden 1951
    assert seconds > 0.0


def cell(seed, seconds, ours, reached=True, peer="geoopt", n=30, d=3, near=None):
    end = 38.5 if reached else 38.0
    return peers.Cell(n, d, peer, seed, 38.5, seconds, seconds if near is None else near, end, ours, 0.1)


def every(**figures):
    """Cells of a whole row: three seeds of every peer."""
    return [
        cell(seed, *pair, peer=peer, **figures)
        for peer in peers.PEERS
        for seed, pair in enumerate(((10.0, 0.5), (30.0, 1.0), (20.0, 0.1)))
    ]


def settings():
    versions = {"tammes": "0", "python": "3"}
    machine = {"processor": "abacus", "cores": 1, "system": "none"}
    return {"seeds": 3, "seconds": 20.0, "machine": machine, "versions": versions}


def test_the_ratio_is_that_of_the_medians():
    line = peers.lines_of(every())[0]
    assert (line.seconds, line.ours, line.ratio) == (20.0, 0.5, 40.0)


def test_what_was_not_reached_counts_as_infinite():
    line = peers.lines_of(every(reached=False))[0]
    assert line.ours == math.inf
    assert line.ratio == 0.0


def test_the_report_names_the_ratios_under_the_mark():
    fast = peers.report(settings(), every())
    assert "| (3, 30) | geoopt | 38.5000000 | 20.00 | 20.00 | 0.500 | 40.0 | 40.0 |" in fast
    assert "Ratios under 20: none." in fast
    late = peers.report(settings(), every(near=1.0))
    assert "Ratios under 20: none." in late
    assert "Ratios to 1e-6° less under 20: (3, 30) pymanopt 2.0; " in late
    assert "not reached" in peers.report(settings(), every(reached=False))


def test_a_run_goes_on_only_with_the_same_settings(tmp_path):
    store = tmp_path / "peers.json"
    assert peers.stored(store, settings()) == []
    cells = every()
    peers.store_cells(store, settings(), cells[::-1])
    assert peers.stored(store, settings()) == cells
    with pytest.raises(SystemExit, match="other settings"):
        peers.stored(store, settings() | {"seeds": 1})
