"""The paper's solver: what it promises of every start."""

import math

import numpy as np
import pytest
import torch

from tammes import losses
from tammes.base import geometry
from tammes.base.budget import Budget
from tammes.base.errors import DeviceError, InvalidParameterError
from tammes.base.status import Status
from tammes.solvers.sgd import PRESETS, SGD, resolve_device


def normal(n, d, starts=1, seed=0):
    return np.random.default_rng(seed).standard_normal((starts, n, d))


def test_the_preset_is_the_papers():
    paper = PRESETS["paper"]
    assert (paper.learning_rate, paper.momentum, paper.divisor, paper.steps) == (0.1, 0.9, 5.0, 10_000)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_autograd_and_torch_sgd(name, dtype):
    """The same steps as torch.optim.SGD on the same loss through autograd."""
    start = normal(8, 3)
    weight = torch.tensor(start[0], dtype=getattr(torch, dtype), requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    for _ in range(25):
        optimizer.zero_grad()
        losses.get(name)(weight).backward()
        optimizer.step()
    expected = geometry.as_points(weight.detach().numpy(), normalize=True)
    settings = SGD(steps=25, window=25, dtype=dtype)
    found = settings.run(losses.get(name), start)
    angle = geometry.nearest_neighbours(expected)[0].min()
    started = geometry.nearest_neighbours(geometry.as_points(start[0], normalize=True))[0].min()
    assert found.min_angles[0] == pytest.approx(max(angle, started), rel=1e-5 if dtype == "float32" else 1e-12)


def test_the_simplex_is_found():
    found = SGD().run(losses.MMA(), normal(4, 3))
    assert math.degrees(found.min_angles[0]) == pytest.approx(109.471220634, abs=1e-3)
    assert found.statuses[0] is Status.LEARNING_RATE_EXHAUSTED
    rates = [rate[0] for rate in found.history["learning_rate"]]
    assert rates[0] == 0.1
    assert sorted(set(rates), reverse=True) == pytest.approx([0.1 / 5**k for k in range(7)] + [0.0])


def test_a_smooth_loss_converges():
    found = SGD(learning_rate=1.0).run(losses.Logarithmic(), normal(4, 3))
    assert found.statuses == (Status.CONVERGED,)
    assert math.degrees(found.min_angles[0]) == pytest.approx(109.471220634, abs=1e-4)


def test_points_and_angles_are_the_judges():
    found = SGD(steps=300).run(losses.MMA(), normal(20, 4, starts=3))
    assert found.points.shape == (3, 20, 4)
    assert found.points.dtype == np.float64
    for points, angle in zip(found.points, found.min_angles, strict=True):
        assert geometry.nearest_neighbours(geometry.as_points(points))[0].min() == angle


def test_the_best_points_survive_worse_steps():
    optimum = np.array([[[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]]) + 1e-9
    # A huge step throws the points off their maximum; the start was measured before.
    found = SGD(learning_rate=100.0, steps=100, window=10).run(losses.MMA(), optimum)
    assert math.degrees(found.min_angles[0]) == pytest.approx(109.471220634, abs=1e-6)


def test_a_batch_is_its_starts():
    starts = normal(12, 3, starts=4)
    together = SGD(steps=500).run(losses.MMA(), starts)
    for k in range(4):
        alone = SGD(steps=500).run(losses.MMA(), starts[k : k + 1])
        assert together.min_angles[k] == pytest.approx(alone.min_angles[0], abs=1e-9)


def test_same_seed_same_bits():
    first, second = (SGD(steps=200).run(losses.MMA(), normal(30, 3, starts=2)) for _ in range(2))
    assert (first.points == second.points).all()


def test_input_and_global_random_state_are_left_alone():
    start = normal(10, 3)
    kept, state = start.copy(), torch.get_rng_state()
    SGD(steps=50).run(losses.MMA(), start)
    assert (start == kept).all()
    assert torch.equal(state, torch.get_rng_state())


class Breaks(losses.EnergyLoss):
    """Turns to nan after some evaluations."""

    name = "breaks"
    calls = 0

    def potential(self, chord_sq):
        Breaks.calls += 1
        phi, slope = losses.Logarithmic().potential(chord_sq)
        return phi * (math.nan if Breaks.calls > 300 else 1.0), slope * (math.nan if Breaks.calls > 300 else 1.0)


def test_a_loss_that_goes_non_finite_keeps_the_best_finite_code():
    Breaks.calls = 0
    found = SGD(steps=1000, window=20).run(Breaks(), normal(10, 3))
    assert found.statuses == (Status.NON_FINITE,)
    assert np.isfinite(found.points).all()
    assert found.min_angles[0] > 0.3
    assert found.steps < 1000


def test_one_broken_start_does_not_end_the_others():
    starts = normal(6, 3, starts=2)
    starts[0, 2, 1] = np.inf  # no direction
    found = SGD(steps=300).run(losses.MMA(), starts)
    assert found.statuses[0] is Status.NON_FINITE
    assert found.statuses[1] is not Status.NON_FINITE
    assert found.min_angles[1] > 1.4


def test_time_limit_returns_the_best_so_far():
    ticks = iter(range(10**6))
    found = SGD().run(losses.MMA(), normal(20, 3), budget=Budget(250.0, clock=lambda: float(next(ticks))))
    assert found.statuses == (Status.TIME_LIMIT,)
    assert found.steps == 250
    assert found.min_angles[0] > 0.3


def test_a_limit_too_short_for_a_step_returns_the_first():
    found = SGD().run(losses.MMA(), normal(20, 3), budget=Budget(1.0, clock=iter([0.0, *[9.0] * 99]).__next__))
    assert found.statuses == (Status.TIME_LIMIT,)
    assert found.steps == 1


def test_ctrl_c_keeps_the_best():
    def interrupt(event):
        if event.step == 300:
            raise KeyboardInterrupt

    found = SGD().run(losses.MMA(), normal(20, 3), progress=interrupt)
    assert found.statuses == (Status.INTERRUPTED,)
    assert found.steps == 300
    assert found.min_angles[0] > 0.3


def test_ctrl_c_in_the_loss():
    class Interrupts(losses.NearestLoss):
        name = "interrupts"

        def potential(self, theta):
            raise KeyboardInterrupt

    found = SGD().run(Interrupts(), normal(20, 3))
    assert found.statuses == (Status.INTERRUPTED,)
    assert np.isfinite(found.min_angles).all()


def test_steps_end_with_their_own_status():
    found = SGD(steps=130).run(losses.MMA(), normal(30, 3))
    assert found.statuses == (Status.STEP_LIMIT,)
    assert found.steps == 130
    assert found.evaluations == 130
    assert [row[0] for row in found.history["step"]] == [100.0, 130.0]


@pytest.mark.parametrize("steps", [0, -5, 2.5, True])
def test_bad_steps(steps):
    with pytest.raises(InvalidParameterError, match="`steps` must be an integer of at least 1"):
        SGD(steps=steps)


def test_bad_dtype():
    with pytest.raises(InvalidParameterError, match="float32, float64"):
        SGD(dtype="float16")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "CUDA"])
def test_unknown_devices(name):
    with pytest.raises(InvalidParameterError, match="auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_cuda_is_never_replaced_in_silence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:1"):
        with pytest.raises(DeviceError, match="CUDA is not available here"):
            resolve_device(name)
    assert resolve_device("auto").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match="only 1 GPUs"):
        resolve_device("cuda:1")


@pytest.mark.gpu
@pytest.mark.parametrize("name", losses.LOSSES)
def test_cuda_agrees_with_cpu(name):
    start = normal(30, 3, starts=4)
    cpu = SGD(steps=100).run(losses.get(name), start)
    cuda = SGD(steps=100).run(losses.get(name), start, device=torch.device("cuda"))
    assert cuda.min_angles == pytest.approx(cpu.min_angles, abs=1e-6)
