"""Arithmetic in small finite fields."""

from __future__ import annotations

import numpy as np

from tammes.base.geometry import Ints

__all__ = ["field_tables", "multiply", "trace"]

_MODULUS = {1: 0b10, 2: 0b111, 3: 0b1011, 5: 0b100101, 7: 0b10000011}
"""Irreducible polynomials over GF(2) by degree, as bits. That of degree 1 is x, which gives GF(2)."""


def multiply(a: int, b: int, degree: int) -> int:
    """Return the product of two elements of GF(2^degree), given as polynomials whose coefficients are bits.

    Args:
        a: bits below 2^degree.
        b: bits below 2^degree.
        degree: 1, 2, 3, 5 or 7.
    """
    product = 0
    for k in range(degree):
        if b >> k & 1:
            product ^= a << k
    for k in range(2 * degree - 2, degree - 1, -1):
        if product >> k & 1:
            product ^= _MODULUS[degree] << (k - degree)
    return product


def trace(a: int, degree: int) -> int:
    """Return the trace of an element of GF(2^degree), the sum of its conjugates: 0 or 1."""
    total = 0
    for _ in range(degree):
        total ^= a
        a = multiply(a, a, degree)
    return total


def field_tables(q: int) -> tuple[Ints, Ints]:
    """Return the tables of addition and multiplication of GF(q) for q = 2, 3, 4 or 5, each `(q, q)`."""
    a, b = np.meshgrid(np.arange(q), np.arange(q), indexing="ij")
    if q == 4:
        products = [[multiply(i, j, 2) for j in range(4)] for i in range(4)]
        return a ^ b, np.array(products, dtype=np.intp)
    return (a + b) % q, (a * b) % q
