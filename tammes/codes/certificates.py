"""Exact certificates of the minimal angle: integer vectors, a bound on every cosine, and a digest.

A certificate speaks of the vectors in it, which are the points rounded at a stated scale. What it says follows by
integer arithmetic alone: no pair has a cosine above `max_cosine`. `tammes.checker` is the same check once more, with
nothing but the standard library and no shortcut; the two are tested against each other.

Here all pairs are compared first in leading digits: integers so short that a float64 product of matrices is exact.
Only pairs that those leave open, those within about 1e-7 of the largest cosine, are compared in all digits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import InvalidPointsError
from tammes.base.geometry import Floats
from tammes.base.validation import check_integer
from tammes.codes import checker
from tammes.codes.checker import RefusedError

__all__ = [
    "MAX_DECIMALS",
    "SCHEMA",
    "RefusedError",
    "certificate",
    "check",
    "checker_source",
    "lattice_vectors",
    "rounded_vectors",
    "summary",
    "to_json",
]

SCHEMA = checker.SCHEMA
MAX_DECIMALS = 1000
MIN_DECIMALS = 6

_EXACT = 53  # bits that float64 adds without rounding
_BLOCK = 1 << 22  # inner products held at once
_LARGEST_NORM = 4096  # of lattice vectors: squared lengths that are tried

Integers = NDArray[Any]  # Python's integers in an object array


def rounded_vectors(points: Floats | Sequence[Sequence[str]], decimals: int = 15) -> list[list[int]]:
    """Return the coordinates times 10^decimals, rounded to integers, half to even.

    Args:
        points: unit rows, shape `(n, d)`, as float64 or as decimal strings of any length.
        decimals: from 6 to 1,000. With 15, the default, rounding moves an angle by less than 1e-12 degrees.

    Raises:
        InvalidParameterError: if `decimals` is out of range.
    """
    decimals = check_integer("decimals", decimals, MIN_DECIMALS, MAX_DECIMALS)
    rows = points.tolist() if isinstance(points, np.ndarray) else points
    scale = 10**decimals
    return [[round(Fraction(value) * scale) for value in row] for row in rows]


def lattice_vectors(points: Floats) -> tuple[list[list[int]], int] | None:
    """Return integer vectors in exactly the directions of the points, if short ones of one length exist.

    Codes from lattices (roots, Leech, binary codes) are integer vectors of one squared length k, divided by sqrt(k).
    Such a certificate loses nothing to rounding: E8's 240 points have 60 degrees, not 60 less 1e-14.

    Args:
        points: unit rows, shape `(n, d)`.

    Returns:
        The vectors and k, or None where no k up to 4,096 gives integers to 1e-12.
    """
    sample = points[: min(len(points), 64)]
    for k in range(1, _LARGEST_NORM + 1):
        scaled = sample * math.sqrt(k)
        if np.abs(scaled - np.rint(scaled)).max() > 1e-12 * math.sqrt(k):
            continue
        scaled = points * math.sqrt(k)
        whole = np.rint(scaled)
        if np.abs(scaled - whole).max() <= 1e-12 * math.sqrt(k) and (np.einsum("nd,nd->n", whole, whole) == k).all():
            return whole.astype(np.int64).tolist(), k
    return None


def certificate(vectors: list[list[int]], scale: str, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the certificate of integer vectors as a JSON-ready document.

    Args:
        vectors: n rows of d integers, not all zero.
        scale: what coordinates were multiplied by, as text: `10^15`, `sqrt(2)`.
        extra: further fields; the digest covers them.

    Raises:
        InvalidPointsError: if two vectors have the same direction: there is no angle to certify.

    Example:
        >>> square = certificate([[1, 0], [0, 1], [-1, 0], [0, -1]], "1")
        >>> square["max_cosine"], square["min_angle_degrees"]
        ('0.000000000000000000', '90.000000000000000')
    """
    digits = max(15, len(str(max(abs(value) for row in vectors for value in row))) - 1)
    places = digits + 3
    bound, pair = _largest_cosine(vectors, places)
    if bound >= 10**places:
        i, j = pair
        raise InvalidPointsError("points", "distinct at this scale", f"rows {i} and {j}, which have one direction")
    document = {
        "schema": SCHEMA,
        "claim": (
            "Let v_1, ..., v_n be the integer vectors `points` and x_i = v_i / |v_i|. No two of these n points of the "
            "unit sphere of R^d have a cosine above `max_cosine`, hence no angle below `min_angle_degrees`."
        ),
        "n": len(vectors),
        "d": len(vectors[0]),
        "scale": scale,
        "max_cosine": _decimal(bound, places),
        "min_angle_degrees": _angle(bound, places, digits),
        "closest_pair": list(pair),
        **(extra or {}),
        "points": vectors,
    }
    return document | {"digest": checker.digest_of(document)}


def summary(points: Floats) -> dict[str, str] | None:
    """Return what a certificate of these points would prove, without its coordinates: bound, angle and scale.

    Args:
        points: unit rows, shape `(n, d)`.

    Returns:
        `max_cosine`, `min_angle_degrees` and `scale` as text; None where points coincide at that scale.
    """
    try:
        document = certificate(rounded_vectors(points), "10^15")
    except InvalidPointsError:
        return None
    return {key: document[key] for key in ("max_cosine", "min_angle_degrees", "scale")}


def check(document: dict[str, Any]) -> str:
    """Verify a certificate in integer arithmetic, and return what it proves, in one line.

    The same as `tammes.checker.check`, with pairs compared in blocks.

    Raises:
        RefusedError: if anything in it does not hold.
    """
    vectors = checker.fields(document)
    (t, places), (angle, angle_places) = (checker.decimal(document, key) for key in ("max_cosine", "min_angle_degrees"))
    checker.check_angle(angle, 10**angle_places, t, 10**places)
    bound, (i, j) = _largest_cosine(vectors, places)
    if bound > t:
        raise RefusedError(f"the points {i} and {j} have a larger cosine than max_cosine")
    checker.check_closest(vectors, t, 10**places, document["closest_pair"])
    return checker.statement(document)


def to_json(document: dict[str, Any]) -> str:
    """Return the document as text: a field a line, a point a line."""
    lines = []
    for key, value in document.items():
        text = json.dumps(value, ensure_ascii=True)
        if key == "points":
            text = "[\n  " + ",\n  ".join(json.dumps(row) for row in value) + "\n ]"
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def checker_source() -> bytes:
    """Return the stand-alone checker, as a script."""
    return Path(checker.__file__).read_bytes()


def _decimal(value: int, places: int) -> str:
    """Return value / 10^places as text."""
    text = str(abs(value)).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{text[:-places]}.{text[-places:]}"


def _angle(bound: int, places: int, digits: int) -> str:
    """Return arccos(bound / 10^places) in degrees, rounded down to `digits` places."""
    import mpmath

    unit = 10**digits
    for degrees, (numerator, denominator) in checker.RATIONAL_COSINES.items():
        if bound * denominator == numerator * 10**places:
            return _decimal(degrees * unit, digits)
    context = mpmath.mp.clone()  # the caller's precision is not ours to change
    context.dps = 2 * places + 20
    t = context.mpf(bound) / context.mpf(10) ** places
    angle = int(context.floor(context.degrees(context.acos(t)) * unit))
    while True:  # the next smaller one where the checker's series cannot tell them apart
        try:
            checker.check_angle(angle, unit, bound, 10**places)
        except RefusedError:
            angle -= 1
        else:
            return _decimal(angle, digits)


def _rounded_up(product: int, norms: int, unit: int) -> int:
    """Return the least t with product / sqrt(norms) <= t / unit."""
    square = product * product * unit * unit
    if product <= 0:
        return -math.isqrt(square // norms)
    root = math.isqrt(square // norms)
    return root if root * root * norms == square else root + 1


def _largest_cosine(vectors: list[list[int]], places: int) -> tuple[int, tuple[int, int]]:
    """Return the largest cosine of two rows, rounded up to `places` decimals, and a pair that has it."""
    exact = np.array(vectors, dtype=object)
    n = len(exact)
    norms = (exact * exact).sum(axis=1)
    unit = 10**places
    leading, shift, slack = _leading_digits(exact)

    def cosine(i: int, j: int) -> int:
        return _rounded_up(int((exact[i] * exact[j]).sum()), int(norms[i] * norms[j]), unit)

    best, pair = min((cosine(0, j), (0, j)) for j in range(1, min(n, 3)))
    same_norm = int(norms.min()) == int(norms.max())
    step = max(1, _BLOCK // n)
    for start in range(0, n, step):
        products = leading[start : start + step] @ leading.T  # exact: sums of integers below 2^53
        rows = np.arange(start, start + len(products))
        products[np.arange(len(rows)), rows] = -np.inf
        top = int(products.argmax())
        i, j = start + top // n, top % n
        best, pair = max((best, pair), (cosine(i, j), (min(i, j), max(i, j))), key=lambda found: found[0])
        if shift == 0 and same_norm:
            continue  # the largest product is the largest cosine
        # A pair with a larger cosine than `best` - 1 units has at least this product: |v||w| >= least, or <= largest.
        least = Fraction(best - 1, unit) * int(norms.min() if best > 0 else norms.max()) / 4**shift - slack
        open_rows, open_columns = np.nonzero(products >= _down(least))
        open_rows += start
        upper = open_columns > open_rows
        best, pair = _compare(exact, norms, open_rows[upper], open_columns[upper], unit, (best, pair))
    return best, pair


def _compare(
    exact: Integers,
    norms: Integers,
    rows: NDArray[Any],
    columns: NDArray[Any],
    unit: int,
    best: tuple[int, tuple[int, int]],
) -> tuple[int, tuple[int, int]]:
    """Return the larger of `best` and the cosines of these pairs, in all digits."""
    for begin in range(0, len(rows), _BLOCK // 64):
        i, j = rows[begin : begin + _BLOCK // 64], columns[begin : begin + _BLOCK // 64]
        products, squares = (exact[i] * exact[j]).sum(axis=1).tolist(), (norms[i] * norms[j]).tolist()
        for k, (product, square) in enumerate(zip(products, squares, strict=True)):
            if not checker.within(product, square, best[0], unit):
                best = _rounded_up(product, square, unit), (int(i[k]), int(j[k]))
    return best


def _leading_digits(exact: Integers) -> tuple[Floats, int, int]:
    """Return rows over 2^shift, rounded down, so short that their products are exact in float64; and a slack.

    With v = 2^shift v' + r, 0 <= r < 2^shift, the product v.w exceeds 4^shift v'.w' by at most
    4^shift (|v'|_1 + |w'|_1 + d): slack is the largest such sum, 0 where nothing was cut off.
    """
    d = exact.shape[1]
    room = (_EXACT - 1 - d.bit_length()) // 2
    largest = max(abs(value) for value in exact.ravel().tolist())
    shift = max(0, largest.bit_length() - room)
    short = exact >> shift
    slack = 0 if shift == 0 else 2 * int(np.abs(short).sum(axis=1).max()) + d
    return short.astype(np.float64), shift, slack


def _down(value: Fraction) -> float:
    """Return a float64 no larger than the fraction."""
    nearest = float(value)
    return math.nextafter(nearest, -math.inf)
