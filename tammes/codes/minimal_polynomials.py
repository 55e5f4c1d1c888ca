"""The minimal polynomial of a cosine that is known to many digits, with the evidence.

A polynomial of degree m with coefficients below H takes about (m + 1) log10 H digits to write down: that many digits
of any number can be matched by chance. So a polynomial is found with the first half of the digits and believed only if
the second half agrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tammes.base.errors import InvalidParameterError
from tammes.base.validation import check_integer

__all__ = ["MAX_DEGREE", "MIN_DIGITS", "MinimalPolynomial", "minimal_polynomial"]

MAX_DEGREE = 16
MIN_DIGITS = 30

_SURPLUS = 20  # digits that must agree beyond those that the coefficients spend


@dataclass(frozen=True)
class MinimalPolynomial:
    """An integer polynomial with a root that agrees with the number to more digits than chance allows."""

    coefficients: tuple[int, ...]
    """Highest power first, without a common divisor, the first one positive."""
    matched: int
    """Decimals to which the number is a root."""
    spent: int
    """Digits that it takes to write the coefficients: so many would match by chance."""

    @property
    def degree(self) -> int:
        """Its degree."""
        return len(self.coefficients) - 1

    def __str__(self) -> str:
        terms = []
        for power, coefficient in zip(range(self.degree, -1, -1), self.coefficients, strict=True):
            if coefficient == 0:
                continue
            size = "" if abs(coefficient) == 1 and power else str(abs(coefficient))
            name = {0: "", 1: "c"}.get(power, f"c^{power}")
            terms.append(f"{'-' if coefficient < 0 else '+'} {size}{name}")
        return " ".join(terms).removeprefix("+ ")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "coefficients": list(self.coefficients),
            "text": str(self),
            "digits_matched": self.matched,
            "digits_spent": self.spent,
        }


def minimal_polynomial(value: str, max_degree: int = MAX_DEGREE) -> MinimalPolynomial | None:
    """Return the integer polynomial of least degree with this root, by PSLQ on its powers.

    Args:
        value: the number as a decimal string of at least 30 decimals, all of them right.
        max_degree: degrees tried, from 1.

    Returns:
        The polynomial, or None where no degree gives one that agrees to 20 digits more than it spends.

    Raises:
        InvalidParameterError: if the string is no such number or the degree is out of range.

    References: H. R. P. Ferguson, D. H. Bailey, S. Arno, Analysis of PSLQ, an integer relation finding algorithm, 1999.

    Example:
        >>> str(minimal_polynomial("0.809016994374947424102293417182819058860"))
        '4c^2 - 2c - 1'
    """
    import mpmath

    decimals = len(value.partition(".")[2]) if isinstance(value, str) else 0
    if decimals < MIN_DIGITS:
        raise InvalidParameterError("value", f"a decimal string of at least {MIN_DIGITS} decimals", value)
    max_degree = check_integer("max_degree", max_degree, 1, MAX_DEGREE)
    context = mpmath.mp.clone()  # the caller's precision is not ours to change
    context.dps = decimals + 15
    try:
        number = context.mpf(value)
    except ValueError:
        raise InvalidParameterError("value", "a decimal number", value) from None
    for degree in range(1, max_degree + 1):
        found = _of_degree(context, number, degree, decimals)
        if found is not None:
            return found
    return None


def _of_degree(context: Any, number: Any, degree: int, decimals: int) -> MinimalPolynomial | None:
    """Return a relation of exactly this degree between the powers, found with half of the digits, checked with all."""
    half = decimals // 2
    largest = 10 ** max(1, (half - 5) // (degree + 1))  # coefficients beyond would match half of the digits by chance
    with context.workdps(half):
        powers = [number**k for k in range(degree, -1, -1)]
        relation = context.pslq(powers, maxcoeff=largest, maxsteps=200_000, tol=context.mpf(10) ** (4 - half))
    if relation is None or relation[0] == 0:
        return None
    if relation[0] < 0:
        relation = [-value for value in relation]
    error = abs(context.polyval(relation, number))
    scale = sum(abs(value) for value in relation)
    matched = decimals if error == 0 else min(decimals, int(-context.log10(error / scale)))
    spent = sum(len(str(abs(value))) for value in relation)
    if matched < decimals - 5 or matched - spent < _SURPLUS:  # the last digits may be off by their rounding
        return None
    return MinimalPolynomial(tuple(int(value) for value in relation), matched, spent)
