"""What fits a device: sizes from its free memory, refusal, halving."""

import pytest
import torch

from tammes.base.errors import InvalidParameterError
from tammes.solvers import device_memory
from tammes.solvers.device_memory import VECTORS, batch, free, halving, require

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GIB = 1 << 30


@pytest.fixture
def gpu(monkeypatch):
    """A pretended GPU with so many bytes outside torch, and in torch's hands, of which some are in use."""

    def pretend(outside, reserved=0, allocated=0):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (outside, 80 * GIB))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: reserved)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: allocated)

    return pretend


def test_what_torch_holds_and_does_not_use_is_free(gpu):
    assert free(CPU) is None
    gpu(outside=10, reserved=7, allocated=3)
    assert free(CUDA) == 14


@pytest.mark.parametrize(("n", "d"), [(2_000, 3), (130, 5), (12, 3), (2, 2), (2_000, 512)])
def test_a_batch_fits_and_is_never_empty(gpu, n, d):
    for there in (0, GIB // 64, GIB, 80 * GIB):
        gpu(there)
        count = batch(n, d, CUDA)
        assert count == 1 or count * VECTORS * n * d * 8 <= there
    assert 1 <= batch(n, d, CPU) <= batch(n, d, CUDA)
    gpu(2 * GIB)
    assert batch(n, d, CUDA) >= batch(2 * n, d, CUDA)


def test_what_cannot_fit_is_refused_with_both_sizes(gpu, monkeypatch):
    gpu(2 * GIB)
    require(100_000, 3, 60, CUDA)
    with pytest.raises(InvalidParameterError, match=r"would take about .* GiB, and cuda has 2\.0 GiB. Got 100000000"):
        require(100_000_000, 3, 60, CUDA)
    monkeypatch.setattr(device_memory.memory, "available", lambda: GIB)
    with pytest.raises(InvalidParameterError, match=r"would take about .* and 1\.0 GiB are free"):
        require(100_000_000, 3, 60, CPU)


@pytest.mark.parametrize(("size", "fits", "tried"), [(64, 100, [64]), (64, 20, [64, 32, 16]), (5, 1, [5, 2, 1])])
def test_sizes_are_halved_until_they_fit(size, fits, tried):
    sizes = []

    def attempt(some):
        sizes.append(some)
        if some > fits:
            raise torch.OutOfMemoryError("no memory")
        return f"{some} done"

    assert halving(attempt, size, n=30, d=4) == (f"{tried[-1]} done", tried[-1])
    assert sizes == tried


def test_below_the_least_nothing_is_tried():
    sizes = []

    def attempt(some):
        sizes.append(some)
        raise torch.OutOfMemoryError("no memory")

    with pytest.raises(InvalidParameterError, match=r"one start of 30 points in R\^4 does not fit .* Got 30"):
        halving(attempt, 40, least=15, n=30, d=4)
    assert sizes == [40, 20, 15]


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        halving(lambda size: size // 0, 8, n=30, d=4)
