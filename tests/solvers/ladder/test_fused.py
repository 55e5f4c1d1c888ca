"""A function and its compiled form: the same numbers, a fall back, a race."""

import itertools
import shutil
import warnings

import pytest
import torch

from tammes.solvers.ladder.fused import Fused


def total(x, factor):
    return (factor * x.square().sum(dim=-1), x.amax(dim=-1))


@pytest.fixture(autouse=True)
def forget():
    yield
    torch.compiler.reset()


def sample(n=5):
    return torch.arange(1.0, 1.0 + 3 * n, dtype=torch.float64).reshape(n, 3)


def same(found, wanted):
    return all(torch.allclose(a, b, rtol=1e-14, atol=0.0) for a, b in zip(found, wanted, strict=True))


def test_the_traced_form_is_taken_and_has_the_same_numbers_at_all_sizes():
    calls = []

    def backend(graph, _):
        calls.append(graph)
        return graph.forward

    form = Fused(total, backend=backend)
    factor = torch.tensor(2.0, dtype=torch.float64)
    for n in (5, 9, 31):
        assert same(form(True, "kind", sample(n), factor), total(sample(n), factor))
    assert form.failure is None
    assert len(calls) == 1  # one form for all sizes


def test_there_is_no_limit_to_the_kinds():
    form = Fused(total, backend="eager")
    for d in range(2, 14):
        x = torch.ones(4, d, dtype=torch.float64)
        assert same(form(True, d, x, torch.tensor(2.0)), total(x, 2.0))
    assert form.failure is None


def test_a_cpu_takes_the_function_unless_told_otherwise():
    def backend(graph, _):
        raise AssertionError

    form = Fused(total, backend=backend)
    for fused in (None, False):
        assert same(form(fused, "kind", sample(), torch.tensor(2.0)), total(sample(), 2.0))
    assert form.failure is None


def test_what_cannot_be_compiled_runs_as_it_is_and_warns_nobody():
    attempts = []

    def backend(graph, _):
        attempts.append(graph)
        warnings.warn("no compiler", stacklevel=1)
        raise OSError("no compiler here")

    form = Fused(total, backend=backend)
    for _ in range(2):
        assert same(form(True, "kind", sample(), torch.tensor(2.0)), total(sample(), 2.0))
    assert "no compiler here" in form.failure
    assert len(attempts) == 1  # not tried again
    assert not form.pays("kind", sample(), torch.tensor(2.0))


def test_too_little_memory_is_no_failure_to_compile():
    def hungry(x):
        raise torch.OutOfMemoryError("no memory")

    form = Fused(hungry)
    form._compiled = {"kind": hungry}
    with pytest.raises(torch.OutOfMemoryError):
        form(True, "kind", sample())
    assert form.failure is None


@pytest.mark.parametrize(("eager_seconds", "kernel_seconds", "pays"), [(3.0, 2.0, True), (2.0, 3.0, False)])
def test_the_faster_one_is_found_once_for_a_kind(eager_seconds, kernel_seconds, pays):
    now, calls = [0.0], []

    def form_of(name, seconds):
        def run(x):
            now[0] += seconds
            calls.append(name)
            return (x,)

        return run

    form = Fused(form_of("eager", eager_seconds), clock=lambda: now[0])
    form._compiled = dict.fromkeys(("kind", "other"), form_of("kernel", kernel_seconds))
    assert form.pays("kind", sample()) is pays
    raced = len(calls)
    assert form.pays("kind", sample()) is pays
    assert len(calls) == raced
    form.pays("other", sample())
    assert len(calls) == 2 * raced


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_a_real_compiler():
    form = Fused(total)
    for n, factor in itertools.product((4, 50), (2.0, 3.0)):
        factor = torch.tensor(factor, dtype=torch.float64)
        assert same(form(True, "kind", sample(n), factor), total(sample(n), factor))
    assert form.failure is None
