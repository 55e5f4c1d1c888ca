"""Sums over pairs in tensors: against loops over pairs, in any tiles, eager and as one kernel."""

import math
import shutil

import pytest
import torch

from tammes.solvers.ladder import tensor_forces as forces
from tammes.solvers.ladder.fused import Fused
from tammes.solvers.ladder.tensor_forces import All, Fade, row_sums, square_chords


def rows(batch, n, d, seed=0):
    x = torch.randn(batch, n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=-1)


def close(found, wanted, rtol=1e-12):
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=rtol, atol=rtol * float(other.abs().max()))


def fading(chord_sq, begin, end):
    """T by its definition: 1, then the quintic with vanishing first and second derivatives at both ends, then 0."""
    u = min(1.0, max(0.0, (chord_sq - begin) / (end - begin)))
    return 1.0 - (10.0 * u**3 - 15.0 * u**4 + 6.0 * u**5)


@pytest.mark.parametrize("pairs", [1, 7, 40, 500, 1 << 20])
def test_tiles_do_not_matter(pairs):
    x = rows(5, 13, 4)
    close(All(pairs)(x, 16.0), All(1 << 20)(x, 16.0))


def test_what_is_predicted_is_the_cosine_of_the_mean_pressed_pair():
    x, p = rows(1, 9, 3), 8.0
    chord_sq = torch.pdist(x[0]).square()
    weights = chord_sq ** (-0.5 * p)
    expected = 1.0 - 0.5 * weights.sum() / (weights / chord_sq).sum()
    assert All()(x, p).predicted.item() == pytest.approx(expected.item(), rel=1e-13)
    assert All()(x, p).least.item() == pytest.approx(chord_sq.min().item(), rel=1e-13)


@pytest.mark.parametrize("p", [2.0, 3.0, 64.0])
def test_faded_sums_against_the_double_loop(p):
    x, begin, end = rows(1, 25, 3, seed=3), 0.3, 0.9
    axes = x.mT
    chords, square = square_chords(axes[..., None].unbind(1), axes[:, :, None].unbind(1))
    square.diagonal(0, 1, 2).fill_(torch.inf)
    near, weights, pulls, pull = row_sums(chords, square, 0.5 * p, Fade(begin, end))
    for i in range(25):
        pairs = [(j, math.dist(x[0, i], x[0, j]) ** 2) for j in range(25) if j != i]
        scale = min([end, *(chord_sq for _, chord_sq in pairs)])
        parts = [(scale / c) ** (0.5 * p) * fading(c, begin, end) for _, c in pairs]
        assert near[0, i].item() == pytest.approx(scale, rel=1e-13)
        assert weights[0, i].item() == pytest.approx(math.fsum(parts), rel=1e-12, abs=1e-14)
        assert pulls[0, i].item() == pytest.approx(
            math.fsum(w / c for w, (_, c) in zip(parts, pairs, strict=True)), rel=1e-12, abs=1e-14
        )
        # The force is -2/p of the slope of the sum of weights by half the squared chord, along x_i - x_j.
        force = torch.zeros(3, dtype=torch.float64)
        for j, c in pairs:
            step = 1e-6 * c
            up, down = ((scale / (c + s)) ** (0.5 * p) * fading(c + s, begin, end) for s in (step, -step))
            force += -2.0 / p * (up - down) / (2.0 * step) * (x[0, i] - x[0, j])
        assert torch.allclose(pull[0, i], force, rtol=1e-6, atol=1e-7)


def test_a_row_without_pairs_has_no_force():
    x = torch.eye(3, dtype=torch.float64)[None]
    chords, square = square_chords(x.mT[..., None].unbind(1), x.mT[:, :, None].unbind(1))
    square.diagonal(0, 1, 2).fill_(torch.inf)
    found = row_sums(chords, square, 4.0, Fade(0.1, 0.2))
    assert all(bool(part.isfinite().all()) for part in found)
    assert float(found[1].abs().max()) == float(found[3].abs().max()) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(13, 2), (40, 3)])
def test_the_kernel_as_traced_has_the_same_numbers(n, d, monkeypatch):
    monkeypatch.setattr(forces, "_DENSE", Fused(forces._dense, backend="eager"))
    x = rows(6, n, d)
    for p in (6.0, 64.0):
        for pairs in (n * 5, 1 << 20):
            close(All(pairs, fused=True)(x, p), All(fused=False)(x, p))
    assert forces._DENSE.failure is None
    torch.compiler.reset()


def test_high_dimensions_are_not_written_out_axis_by_axis(monkeypatch):
    monkeypatch.setattr(forces, "_DENSE", None)
    x = rows(2, 9, 40)
    close(All(fused=True)(x, 8.0), All(fused=False)(x, 8.0))


def test_a_tile_fits_a_gpu(monkeypatch):
    there = 1 << 30
    monkeypatch.setattr(forces.device_memory, "free", lambda _: there)
    few, many = (forces.tile(torch.device("cuda"), d) for d in (3, 300))
    assert many < few < 1 << 26
    assert few * 8 * 8 <= there  # differences along 3 axes, and what is made of them
    monkeypatch.setattr(forces.device_memory, "free", lambda _: 0)
    assert forces.tile(torch.device("cuda"), 3) == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_kernel_compiled_has_the_same_numbers():
    torch.compiler.reset()
    for batch, n, d in ((5, 30, 3), (1, 200, 5)):
        x = rows(batch, n, d)
        for p in (8.0, 512.0):
            close(All(1 << 20, fused=True)(x, p), All(fused=False)(x, p))
    assert forces._DENSE.failure is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_kernel_compiled_stores_nothing_of_the_size_of_all_pairs():
    torch.compiler.reset()
    x, n = rows(1, 600, 3), 600
    largest = {}
    for fused in (False, True):
        evaluate = All(1 << 20, fused=fused)
        evaluate(x, 8.0)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            evaluate(x, 8.0)
        largest[fused] = max(event.cpu_memory_usage for event in profile.events())
    assert largest[True] < n * n < 8 * n * n <= largest[False]
