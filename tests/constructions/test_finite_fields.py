"""Finite fields by their axioms."""

import numpy as np
import pytest

from tammes.constructions.finite_fields import field_tables, multiply, trace


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 7])
def test_multiplication_makes_a_field(degree):
    size = 1 << degree
    nonzero = range(1, size)
    for a in nonzero:
        assert sorted(multiply(a, b, degree) for b in nonzero) == list(nonzero)  # a group: no zero divisors
        assert multiply(a, 1, degree) == a
    generator = np.random.default_rng(0)
    for a, b, c in generator.integers(0, size, (50, 3)).tolist():
        assert multiply(a, b, degree) == multiply(b, a, degree)
        assert multiply(a, b ^ c, degree) == multiply(a, b, degree) ^ multiply(a, c, degree)
        assert multiply(multiply(a, b, degree), c, degree) == multiply(a, multiply(b, c, degree), degree)


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 7])
def test_the_trace_is_linear_balanced_and_invariant_under_squaring(degree):
    size = 1 << degree
    traces = [trace(a, degree) for a in range(size)]
    assert sum(traces) == size // 2
    for a in range(size):
        assert traces[multiply(a, a, degree)] == traces[a]
        assert all(traces[a ^ b] == traces[a] ^ traces[b] for b in range(size))


@pytest.mark.parametrize("q", [2, 3, 4, 5])
def test_tables_are_those_of_a_field(q):
    add, times = field_tables(q)
    everything = list(range(q))
    for a in everything:
        assert sorted(add[a].tolist()) == everything
        assert add[a, 0] == a
        assert times[a, 1] == a
        assert times[a, 0] == 0
    for a in everything[1:]:
        assert sorted(times[a].tolist()) == everything
    assert (add == add.T).all()
    assert (times == times.T).all()
    for a in everything:
        for b in everything:
            for c in everything:
                assert times[a, add[b, c]] == add[times[a, b], times[a, c]]
